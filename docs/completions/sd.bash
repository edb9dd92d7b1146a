# Completion of sd for bash. Derived from the declarations by docs/completion.py; do not edit.

# What may stand where: words, or @any, @file, @folder.
_sd_verbs() { # COMMAND
  case $1 in
    '') echo 'run search ls info start stop restart enable disable status events logs library location index job file volume device config network core test call describe help' ;;
    'library') echo 'list info create open close rename delete export' ;;
    'location') echo 'list add remove rescan update enable-indexing validate-path suggested export import' ;;
    'index') echo 'start verify rules omissions' ;;
    'job') echo 'list active info pause resume cancel watch' ;;
    'file') echo 'by-id by-path directory-listing media-listing alternate-instances content-kind-stats unique-to-location' ;;
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
    'search') echo '-n --limit --offset -l --long -0 --null --in --location --ext --kind --min-size --max-size --newer --older --hidden --no-hidden --sort --reverse --mode' ;;
    'ls') echo '-l --long -a -A --hidden --no-hidden --sort -n --limit' ;;
    'start') echo '--foreground' ;;
    'events') echo '-f --follow --after --initial -t --type --job --resource --path -r --recursive' ;;
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
    'index omissions') echo '--rule --errors-only --no-errors-only --limit --offset' ;;
    'job list') echo '--status' ;;
    'file directory-listing') echo '--limit --include-hidden --no-include-hidden --sort-by --folders-first --no-folders-first --cursor' ;;
    'file media-listing') echo '--include-descendants --no-include-descendants --media-types --limit --sort-by --cursor' ;;
    'file unique-to-location') echo '--limit' ;;
    'volume list') echo '--filter' ;;
    'volume refresh') echo '--force --no-force' ;;
    'device list') echo '--include-offline --no-include-offline --include-details --no-include-details --show-paired --no-show-paired' ;;
    'config app-update') echo '--telemetry-enabled --no-telemetry-enabled --log-level --theme --language --networking-enabled --no-networking-enabled --volume-monitoring-enabled --no-volume-monitoring-enabled --fs-watcher-enabled --no-fs-watcher-enabled --fs-scan-seconds --statistics-listener-enabled --no-statistics-listener-enabled --job-logging-enabled --no-job-logging-enabled --job-logging-include-debug --no-job-logging-include-debug --proxy-pairing-auto-accept-vouched --no-proxy-pairing-auto-accept-vouched --proxy-pairing-auto-vouch-to-all --no-proxy-pairing-auto-vouch-to-all --proxy-pairing-vouch-signature-max-age --proxy-pairing-vouch-response-timeout --proxy-pairing-vouch-queue-retry-limit --access-read --access-write --access-admin --access-others --limits-connections-per-user --limits-idle-seconds --limits-unread-seconds --limits-unfinished-bytes' ;;
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
    'search -n' | 'search --limit' | 'search --offset' | 'search --location' | 'search --ext' | 'search --min-size' | 'search --max-size' | 'search --newer' | 'search --older' | 'ls -n' | 'ls --limit' | 'events --after' | 'events --job' | 'events --resource' | 'logs -n' | 'logs --lines' | 'logs --since' | 'logs --target' | 'logs --job' | 'logs --correlation' | 'location add --name' | 'location add --job-policies' | 'location update --name' | 'location update --job-policies' | 'location import --new-name' | 'index omissions --rule' | 'index omissions --limit' | 'index omissions --offset' | 'file directory-listing --limit' | 'file directory-listing --cursor' | 'file media-listing --limit' | 'file media-listing --cursor' | 'file unique-to-location --limit' | 'config app-update --log-level' | 'config app-update --theme' | 'config app-update --language' | 'config app-update --fs-scan-seconds' | 'config app-update --proxy-pairing-vouch-signature-max-age' | 'config app-update --proxy-pairing-vouch-response-timeout' | 'config app-update --proxy-pairing-vouch-queue-retry-limit' | 'config app-update --access-read' | 'config app-update --access-write' | 'config app-update --access-admin' | 'config app-update --access-others' | 'config app-update --limits-connections-per-user' | 'config app-update --limits-idle-seconds' | 'config app-update --limits-unread-seconds' | 'config app-update --limits-unfinished-bytes' | 'config library-update --thumbnail-quality' | 'test ping --count') echo '@any' ;;
    'search --in' | 'library create --path') echo '@folder' ;;
    'search --kind' | 'file media-listing --media-types') echo 'unknown image video audio document archive code text database book font mesh config encrypted key executable binary spreadsheet presentation email calendar contact web shortcut package model-entry memory' ;;
    'search --sort') echo 'relevance name size modified-at created-at indexed-at' ;;
    'search --mode') echo 'fast normal full' ;;
    'ls --sort' | 'file directory-listing --sort-by') echo 'name modified size type' ;;
    'events -t' | 'events --type') echo 'CoreStarted CoreShutdown Refresh ConfigChanged LogMessage EntryCreated EntryModified FilesModified EntryDeleted EntryMoved FsRawChange LibraryCreated LibraryOpened LibraryClosed LibraryDeleted LibraryLoadFailed LibraryStatisticsUpdated VolumeAdded VolumeRemoved VolumeUpdated JobQueued JobStarted JobProgress JobCompleted JobFailed JobCancelled JobPaused JobResumed JobUpdate LocationAdded LocationRemoved IndexingStarted IndexingProgress IndexingCompleted IndexingFailed FilesIndexed ResourceChanged ResourceChangedBatch ResourceDeleted' ;;
    'events --path') echo '@file' ;;
    'logs --level') echo 'error warn info debug trace' ;;
    'location add --mode' | 'location enable-indexing --index-mode' | 'index start --mode') echo 'none shallow content deep' ;;
    'index start --scope') echo 'current recursive' ;;
    'index start --persistence') echo 'persistent ephemeral' ;;
    'job list --status') echo 'queued running paused completed failed cancelled' ;;
    'file media-listing --sort-by') echo 'modified created datetaken name size' ;;
    'volume list --filter') echo 'tracked-only untracked-only all' ;;
    'core describe --method') echo 'config.app.get config.app.update config.app.reload config.library.get config.library.update network.status core.status core.events.list core.describe devices.list files.by_id files.by_path files.directory_listing files.media_listing files.alternate_instances files.content_kind_stats files.unique_to_location indexing.start indexing.verify indexing.rules indexing.omissions jobs.list jobs.active jobs.info jobs.pause jobs.resume jobs.cancel libraries.list libraries.info libraries.create libraries.open libraries.close libraries.rename libraries.delete libraries.export locations.list locations.add locations.remove locations.rescan locations.update locations.enable_indexing locations.validate_path locations.suggested locations.export locations.import search.files test.ping volumes.list volumes.refresh' ;;
  esac
}

_sd_argument() { # COMMAND NUMBER
  case "$1 $2" in
    'run 0' | 'ls 0' | 'library open 0' | 'library export 1' | 'location add 0' | 'location validate-path 0' | 'index verify 0' | 'file directory-listing 0' | 'file media-listing 0') echo '@folder' ;;
    'search '* | 'library create 0' | 'library close 0' | 'library rename 0' | 'library rename 1' | 'library delete 0' | 'library export 0' | 'location remove 0' | 'location rescan 0' | 'location update 0' | 'location enable-indexing 0' | 'location export 0' | 'job info 0' | 'job pause 0' | 'job resume 0' | 'job cancel 0' | 'job watch 0' | 'file by-id 0' | 'file alternate-instances 0' | 'file unique-to-location 0' | 'test ping 0' | 'call 1') echo '@any' ;;
    'info 0' | 'location export 1' | 'location import 0' | 'index start '* | 'file by-path 0') echo '@file' ;;
    'call 0' | 'describe 0') echo 'config.app.get config.app.update config.app.reload config.library.get config.library.update network.status core.status core.events.list core.describe devices.list files.by_id files.by_path files.directory_listing files.media_listing files.alternate_instances files.content_kind_stats files.unique_to_location indexing.start indexing.verify indexing.rules indexing.omissions jobs.list jobs.active jobs.info jobs.pause jobs.resume jobs.cancel libraries.list libraries.info libraries.create libraries.open libraries.close libraries.rename libraries.delete libraries.export locations.list locations.add locations.remove locations.rescan locations.update locations.enable_indexing locations.validate_path locations.suggested locations.export locations.import search.files test.ping volumes.list volumes.refresh' ;;
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
