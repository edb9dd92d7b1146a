# Completion of sd for bash. Derived from the declarations by docs/completion.py; do not edit.

# What may stand where: words, or @any, @file, @folder.
_sd_verbs() { # COMMAND
  case $1 in
    '') echo 'run search ls info du cp mv rm rename mkdir trash undo history dupes verify start stop restart enable disable status events graphql logs library location index job file validation volume device config network core test call describe help' ;;
    'trash') echo 'list restore empty' ;;
    'history') echo 'list undo' ;;
    'dupes') echo 'list resolve' ;;
    'library') echo 'list info create open close rename delete export' ;;
    'location') echo 'list add remove rescan update enable-indexing validate-path suggested export import' ;;
    'index') echo 'start verify rules catch-up omissions' ;;
    'job') echo 'list active info pause resume cancel limit get-copy-metadata watch' ;;
    'file') echo 'by-id by-path directory-listing media-listing alternate-instances content-kind-stats unique-to-location copy delete rename create-folder preview disk-usage' ;;
    'validation') echo 'start results' ;;
    'volume') echo 'list refresh' ;;
    'device') echo 'list' ;;
    'config') echo 'app-get app-update app-reload library-get library-update' ;;
    'network') echo 'status' ;;
    'core') echo 'status events-list describe' ;;
    'test') echo 'ping' ;;
  esac
}

_sd_options() { # COMMAND
  case $1 in
    '') echo '--version --json -q --quiet --trace --library --instance --data-dir --socket --system -h --help' ;;
    'search') echo '-n --limit --offset --all -l --long -0 --null --in --location --ext --kind --min-size --max-size --newer --older --hidden --no-hidden --sort --reverse --mode' ;;
    'ls') echo '-l --long -a -A --hidden --no-hidden --sort -n --limit' ;;
    'du') echo '-d --depth -s --summarize -a --all -b --bytes' ;;
    'cp' | 'mv') echo '--idle --bandwidth --priority --detach --no-wait -t --target-directory -T --no-target-directory -n --no-clobber -f --force --keep-both -i --interactive -r -R -a -p -v --verbose --dry-run --verify --method' ;;
    'rm') echo '-r -R --recursive --permanent --secure -f --force -i --interactive --yes -v --verbose --dry-run --idle --bandwidth --priority --detach --no-wait' ;;
    'rename') echo '-f --force' ;;
    'mkdir') echo '-p --parents -m --mode -v --verbose' ;;
    'trash restore') echo '--to -n --no-clobber -f --force --keep-both --idle --bandwidth --priority --detach --no-wait' ;;
    'trash empty') echo '--older --yes --idle --bandwidth --priority --detach --no-wait' ;;
    'undo') echo '--idle --bandwidth --priority --detach --no-wait' ;;
    'history list') echo '-n --limit' ;;
    'history undo') echo '--operation-id --limits --wait' ;;
    'dupes list') echo '--location --min-size --kind -n --limit' ;;
    'dupes resolve') echo '--keep --keep-in --keep-file --action --group --min-size --dry-run --yes --idle --bandwidth --priority --detach --no-wait' ;;
    'verify') echo '--level --idle --bandwidth --priority --detach --no-wait' ;;
    'start') echo '--foreground' ;;
    'events') echo '-f --follow --after --initial -t --type --job --resource --path -r --recursive' ;;
    'graphql') echo '--listen --unix --token-file --host --origin --permission --always-token --no-introspection --no-pages --url' ;;
    'logs') echo '-f --follow -n --lines --since --level --target --job --correlation --journal' ;;
    'library list') echo '--include-stats --no-include-stats' ;;
    'library create') echo '--path' ;;
    'library delete') echo '--delete-data --no-delete-data --yes' ;;
    'library export') echo '--include-thumbnails --no-include-thumbnails --include-previews --no-include-previews' ;;
    'location add') echo '--name --mode --job-policies --wait' ;;
    'location remove') echo '--wait' ;;
    'location rescan') echo '--full-rescan --no-full-rescan --wait' ;;
    'location update') echo '--name --job-policies' ;;
    'location enable-indexing') echo '--index-mode --wait' ;;
    'location export') echo '--include-content-identities --no-include-content-identities --include-media-data --no-include-media-data --include-user-metadata --no-include-user-metadata --include-tags --no-include-tags' ;;
    'location import') echo '--new-name --skip-existing --no-skip-existing' ;;
    'index start') echo '--scope --mode --include-hidden --no-include-hidden --persistence --wait' ;;
    'index verify') echo '--fix --content' ;;
    'index omissions') echo '--rule --errors-only --no-errors-only --limit --cursor --cursors --no-cursors' ;;
    'job list') echo '--status -n --limit --all' ;;
    'job limit') echo '--priority --disk --bandwidth' ;;
    'file directory-listing') echo '--limit --include-hidden --no-include-hidden --sort-by --folders-first --no-folders-first --cursor --cursors --no-cursors' ;;
    'file media-listing') echo '--include-descendants --no-include-descendants --media-types --limit --sort-by --cursor --cursors --no-cursors' ;;
    'file unique-to-location') echo '--limit' ;;
    'file copy') echo '--overwrite --no-overwrite --verify-checksum --no-verify-checksum --preserve-timestamps --no-preserve-timestamps --move-files --no-move-files --copy-method --on-conflict --decisions --into-folder --no-into-folder --limits --wait' ;;
    'file delete') echo '--permanent --no-permanent --recursive --no-recursive --secure --no-secure --limits --wait' ;;
    'file rename') echo '--on-conflict --wait' ;;
    'file create-folder') echo '--items --parents --no-parents --mode' ;;
    'file preview') echo '--copy --delete --limit' ;;
    'file disk-usage') echo '--depth --include-files --no-include-files' ;;
    'validation start') echo '--level --limits --wait' ;;
    'validation results') echo '--severity --limit --cursor --cursors --no-cursors' ;;
    'volume list') echo '--filter' ;;
    'volume refresh') echo '--force --no-force' ;;
    'device list') echo '--include-offline --no-include-offline --include-details --no-include-details --show-paired --no-show-paired' ;;
    'config app-update') echo '--telemetry-enabled --no-telemetry-enabled --log-level --theme --language --networking-enabled --no-networking-enabled --volume-monitoring-enabled --no-volume-monitoring-enabled --fs-watcher-enabled --no-fs-watcher-enabled --fs-scan-seconds --fs-answer-seconds --statistics-listener-enabled --no-statistics-listener-enabled --job-logging-enabled --no-job-logging-enabled --job-logging-include-debug --no-job-logging-include-debug --proxy-pairing-auto-accept-vouched --no-proxy-pairing-auto-accept-vouched --proxy-pairing-auto-vouch-to-all --no-proxy-pairing-auto-vouch-to-all --proxy-pairing-vouch-signature-max-age --proxy-pairing-vouch-response-timeout --proxy-pairing-vouch-queue-retry-limit --access-read --access-write --access-admin --access-others --limits-connections-per-user --limits-idle-seconds --limits-unread-seconds --limits-unfinished-bytes --limits-file-operations' ;;
    'config library-update') echo '--generate-thumbnails --no-generate-thumbnails --thumbnail-quality --enable-ai-tagging --no-enable-ai-tagging --sync-enabled --no-sync-enabled --encryption-enabled --no-encryption-enabled --auto-track-system-volumes --no-auto-track-system-volumes --auto-track-external-volumes --no-auto-track-external-volumes --no-system-files --system-files --no-git --git --no-dev-dirs --dev-dirs --no-hidden --hidden --gitignore --no-gitignore --only-images --no-only-images' ;;
    'core describe') echo '--method' ;;
    'test ping') echo '--count' ;;
  esac
}

_sd_value() { # COMMAND OPTION; a flag has none
  case $2 in
    --library | --instance) echo '@any' ;;
    --data-dir) echo '@folder' ;;
    --socket) echo '@file' ;;
  esac
  case "$1 $2" in
    'search -n' | 'search --limit' | 'search --offset' | 'search --location' | 'search --ext' | 'search --min-size' | 'search --max-size' | 'search --newer' | 'search --older' | 'ls -n' | 'ls --limit' | 'du -d' | 'du --depth' | 'cp --bandwidth' | 'cp --method' | 'mv --bandwidth' | 'mv --method' | 'rm --bandwidth' | 'mkdir -m' | 'mkdir --mode' | 'trash restore --bandwidth' | 'trash empty --older' | 'trash empty --bandwidth' | 'undo --bandwidth' | 'history list -n' | 'history list --limit' | 'history undo --operation-id' | 'history undo --limits' | 'dupes list --location' | 'dupes list --min-size' | 'dupes list -n' | 'dupes list --limit' | 'dupes resolve --group' | 'dupes resolve --min-size' | 'dupes resolve --bandwidth' | 'verify --bandwidth' | 'events --after' | 'events --job' | 'events --resource' | 'graphql --listen' | 'graphql --unix' | 'graphql --token-file' | 'graphql --host' | 'graphql --origin' | 'graphql --permission' | 'logs -n' | 'logs --lines' | 'logs --since' | 'logs --target' | 'logs --job' | 'logs --correlation' | 'location add --name' | 'location add --job-policies' | 'location update --name' | 'location update --job-policies' | 'location import --new-name' | 'index omissions --rule' | 'index omissions --limit' | 'index omissions --cursor' | 'job list -n' | 'job list --limit' | 'job limit --bandwidth' | 'file directory-listing --limit' | 'file directory-listing --cursor' | 'file media-listing --limit' | 'file media-listing --cursor' | 'file unique-to-location --limit' | 'file copy --decisions' | 'file copy --limits' | 'file delete --limits' | 'file create-folder --mode' | 'file preview --copy' | 'file preview --delete' | 'file preview --limit' | 'file disk-usage --depth' | 'validation start --limits' | 'validation results --limit' | 'validation results --cursor' | 'config app-update --log-level' | 'config app-update --theme' | 'config app-update --language' | 'config app-update --fs-scan-seconds' | 'config app-update --fs-answer-seconds' | 'config app-update --proxy-pairing-vouch-signature-max-age' | 'config app-update --proxy-pairing-vouch-response-timeout' | 'config app-update --proxy-pairing-vouch-queue-retry-limit' | 'config app-update --access-read' | 'config app-update --access-write' | 'config app-update --access-admin' | 'config app-update --access-others' | 'config app-update --limits-connections-per-user' | 'config app-update --limits-idle-seconds' | 'config app-update --limits-unread-seconds' | 'config app-update --limits-unfinished-bytes' | 'config app-update --limits-file-operations' | 'config library-update --thumbnail-quality' | 'test ping --count') echo '@any' ;;
    'search --in' | 'cp -t' | 'cp --target-directory' | 'mv -t' | 'mv --target-directory' | 'trash restore --to' | 'dupes resolve --keep-in' | 'library create --path') echo '@folder' ;;
    'search --kind' | 'dupes list --kind' | 'file media-listing --media-types') echo 'unknown image video audio document archive code text database book font mesh config encrypted key executable binary spreadsheet presentation email calendar contact web shortcut package model-entry memory' ;;
    'search --sort') echo 'relevance name size modified-at created-at indexed-at' ;;
    'search --mode') echo 'fast normal full' ;;
    'ls --sort' | 'file directory-listing --sort-by') echo 'name modified size type' ;;
    'cp --priority' | 'mv --priority' | 'rm --priority' | 'trash restore --priority' | 'trash empty --priority' | 'undo --priority' | 'dupes resolve --priority' | 'verify --priority' | 'job limit --priority') echo 'low normal high critical' ;;
    'dupes resolve --keep') echo 'oldest newest shortest-path in-folder named' ;;
    'dupes resolve --keep-file' | 'events --path' | 'file create-folder --items') echo '@file' ;;
    'dupes resolve --action') echo 'trash hardlink reflink' ;;
    'verify --level' | 'validation start --level') echo 'readable sampled complete' ;;
    'events -t' | 'events --type') echo 'CoreStarted CoreShutdown Refresh ConfigChanged LogMessage EntryCreated EntryModified FilesModified EntryDeleted EntryMoved FileOperationCompleted FsRawChange LibraryCreated LibraryOpened LibraryClosed LibraryDeleted LibraryLoadFailed LibraryStatisticsUpdated VolumeAdded VolumeRemoved VolumeUpdated JobQueued JobStarted JobProgress JobCompleted JobFailed JobCancelled JobPaused JobResumed JobUpdate LocationAdded LocationRemoved IndexingStarted IndexingProgress IndexingCompleted IndexingFailed FilesIndexed ResourceChanged ResourceChangedBatch ResourceDeleted' ;;
    'logs --level') echo 'error warn info debug trace' ;;
    'location add --mode' | 'location enable-indexing --index-mode' | 'index start --mode') echo 'none shallow content deep' ;;
    'index start --scope') echo 'current recursive' ;;
    'index start --persistence') echo 'persistent ephemeral' ;;
    'job list --status') echo 'queued running paused completed failed cancelled' ;;
    'job limit --disk') echo 'best-effort idle' ;;
    'file media-listing --sort-by') echo 'modified created datetaken name size' ;;
    'file copy --copy-method') echo 'auto atomic streaming' ;;
    'file copy --on-conflict' | 'file rename --on-conflict') echo 'overwrite auto-modify-name skip abort' ;;
    'validation results --severity') echo 'info warning error critical' ;;
    'volume list --filter') echo 'tracked-only untracked-only all' ;;
    'core describe --method') echo 'config.app.get config.app.update config.app.reload config.library.get config.library.update network.status core.status core.events.list core.describe devices.list duplicates.list duplicates.resolve files.by_id files.by_path files.directory_listing files.media_listing files.alternate_instances files.content_kind_stats files.unique_to_location files.copy files.delete files.rename files.createFolder files.preview files.disk_usage history.list history.undo indexing.start indexing.verify indexing.rules indexing.catch_up indexing.omissions jobs.list jobs.active jobs.info jobs.pause jobs.resume jobs.cancel jobs.limit jobs.get_copy_metadata libraries.list libraries.info libraries.create libraries.open libraries.close libraries.rename libraries.delete libraries.export locations.list locations.add locations.remove locations.rescan locations.update locations.enable_indexing locations.validate_path locations.suggested locations.export locations.import search.files test.ping trash.list trash.restore trash.empty validation.start validation.results volumes.list volumes.refresh' ;;
  esac
}

_sd_argument() { # COMMAND NUMBER
  case "$1 $2" in
    'run 0' | 'ls 0' | 'dupes resolve 0' | 'library open 0' | 'library export 1' | 'location add 0' | 'location validate-path 0' | 'index verify 0' | 'file directory-listing 0' | 'file media-listing 0') echo '@folder' ;;
    'search '* | 'rename 1' | 'trash restore '* | 'trash empty '* | 'undo 0' | 'library create 0' | 'library close 0' | 'library rename 0' | 'library rename 1' | 'library delete 0' | 'library export 0' | 'location remove 0' | 'location rescan 0' | 'location update 0' | 'location enable-indexing 0' | 'location export 0' | 'job info 0' | 'job pause 0' | 'job resume 0' | 'job cancel 0' | 'job limit 0' | 'job get-copy-metadata 0' | 'job watch 0' | 'file by-id 0' | 'file alternate-instances 0' | 'file unique-to-location 0' | 'file rename 1' | 'file create-folder 1' | 'validation results 0' | 'test ping 0' | 'call 1') echo '@any' ;;
    'info 0' | 'du '* | 'cp '* | 'mv '* | 'rm '* | 'rename 0' | 'mkdir '* | 'verify '* | 'location export 1' | 'location import 0' | 'index start '* | 'file by-path 0' | 'file copy '* | 'file copy 1' | 'file delete '* | 'file rename 0' | 'file create-folder 0' | 'file disk-usage 0' | 'validation start '*) echo '@file' ;;
    'call 0' | 'describe 0') echo 'config.app.get config.app.update config.app.reload config.library.get config.library.update network.status core.status core.events.list core.describe devices.list duplicates.list duplicates.resolve files.by_id files.by_path files.directory_listing files.media_listing files.alternate_instances files.content_kind_stats files.unique_to_location files.copy files.delete files.rename files.createFolder files.preview files.disk_usage history.list history.undo indexing.start indexing.verify indexing.rules indexing.catch_up indexing.omissions jobs.list jobs.active jobs.info jobs.pause jobs.resume jobs.cancel jobs.limit jobs.get_copy_metadata libraries.list libraries.info libraries.create libraries.open libraries.close libraries.rename libraries.delete libraries.export locations.list locations.add locations.remove locations.rescan locations.update locations.enable_indexing locations.validate_path locations.suggested locations.export locations.import search.files test.ping trash.list trash.restore trash.empty validation.start validation.results volumes.list volumes.refresh' ;;
  esac
}

_sd() {
  local cur=${COMP_WORDS[COMP_CWORD]} path='' option='' plain='' verbs offered word i count=0
  COMPREPLY=()
  verbs=$(_sd_verbs '')
  # bash breaks words at = and :, too
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $option ]]; then
      [[ $word == '=' ]] || option=
    elif [[ $word == [=:] ]]; then
      ((++i < COMP_CWORD)) || return 0
    elif [[ ! $plain && $word == -- ]]; then
      plain=yes
    elif [[ ! $plain && $word == -?* ]]; then
      [[ ! $(_sd_value "$path" "$word") ]] || option=$word
    elif [[ $word == help && ! $path ]]; then
      continue
    elif [[ " $verbs " == *" $word "* ]]; then
      path+=${path:+ }$word
      verbs=$(_sd_verbs "$path")
    else
      ((++count))
    fi
  done
  [[ $cur == [=:] ]] && cur=
  if [[ $option ]]; then
    offered=$(_sd_value "$path" "$option")
  elif [[ ! $plain && $cur == -* ]]; then
    offered="$(_sd_options "$path") $(_sd_options '')"
  elif [[ $verbs ]]; then
    offered=$verbs
  else
    offered=$(_sd_argument "$path" "$count")
  fi
  case $offered in
    '' | @any) ;;
    @file) compopt -o default ;;
    @folder) compopt -o dirnames ;;
    *)
      local IFS=$' \n'
      # shellcheck disable=SC2207 # the words have no blanks
      COMPREPLY=($(compgen -W "$offered" -- "$cur")) ;;
  esac
}

complete -F _sd sd
