#!/bin/sh
# A client of the Spacedrive daemon for a shell, with nothing but nc (netcat-openbsd).
#
#     sh client.sh [--socket PATH | --data-dir PATH] [EVENT ...]
#
# It says Hello, makes a call, handles an error, and then prints every event, one line of JSON each,
# for as long as it runs. A connection that ends is made again, and goes on where it ended: every
# event is printed exactly once. Remarks go to standard error.
#
# A shell has no JSON. It gets along without, because the key that names a message is the first of
# its line, and a quotation mark inside of a text always has a backslash before it: so
# `"sequence":` can only be a key, and what stands beside the event comes after the event.
set -u

say() { printf '%s\n' "$*" >&2; }

# --- where the daemon is -------------------------------------------------------------------------

socket='' data_dir='' types=''
while [ $# -gt 0 ]; do
  case $1 in
    --socket) socket=$2; shift 2 ;;
    --data-dir) data_dir=$2; shift 2 ;;
    *) types="$types${types:+,}\"$1\""; shift ;;
  esac
done

name=daemon${SD_INSTANCE:+-$SD_INSTANCE}.sock
system=''
if [ -n "$socket" ]; then :
elif [ -n "$data_dir" ]; then socket=$data_dir/daemon/$name
elif [ -n "${SD_SOCKET:-}" ]; then socket=$SD_SOCKET
elif [ -n "${SD_DATA_DIR:-}" ]; then socket=$SD_DATA_DIR/daemon/$name
else
  case $(uname),${XDG_DATA_HOME:-} in
    Darwin,*) socket="$HOME/Library/Application Support/spacedrive/daemon/$name" ;;
    *,/*) socket=$XDG_DATA_HOME/spacedrive/daemon/$name ;;
    *) socket=$HOME/.local/share/spacedrive/daemon/$name ;;
  esac
  system=/run/spacedrive/$name
fi

# --- questions and answers -----------------------------------------------------------------------

# One request, one answer. -N ends what we say after it, and the daemon closes when it has answered.
ask() { printf '%s\n' "$1" | nc -N -U "$socket" 2>/dev/null; }

hello='{"Hello":{"version":1,"client":"client.sh"},"id":1}'
answer=$(ask "$hello")
if [ -z "$answer" ] && [ -n "$system" ]; then
  user=$socket socket=$system
  answer=$(ask "$hello") || answer=''
  [ -n "$answer" ] || socket="$user or $system"
fi
if [ -z "$answer" ]; then
  say "no daemon answers at $socket"
  exit 3
fi
say "connected to $socket: $answer"

say "libraries: $(ask '{"Query":{"method":"query:libraries.list"},"id":2}')"

answer=$(ask '{"Query":{"method":"query:no.such.operation"},"id":3}')
case $answer in
  '{"Error":'*)
    code=${answer##*\"code\":\"} # stable: what a program decides by
    say "an error, as expected: ${code%%\"*}"
    ;;
esac

# --- events --------------------------------------------------------------------------------------

# Where we are. In a file, because each part of a pipeline is a process of its own.
place=$(mktemp)
trap 'rm -f "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The number behind the last key of that name in $line.
number() {
  rest=${line##*\""$1"\":}
  printf '%s' "${rest%%[!0-9]*}"
}

read_events() {
  stream='' last=''
  read -r stream last <"$place"
  while IFS= read -r line; do
    case $line in
      '{"Event":'*)
        printf '%s\n' "$line"
        last=$(number sequence)
        ;;
      '{"Subscribed":'*)
        case $line in
          *'"gone":{'*) say "some events are not kept any more: $line"; last=$(number last) ;;
        esac
        rest=${line#*\"stream\":\"}
        stream=${rest%%\"*}
        last=${last:-$(number sequence)}
        say subscribed
        ;;
      '{"CaughtUp":'*) last=$(number sequence) ;;
      '{"Lagged":'*) # we were too slow: ask again for what is missing
        echo "$stream $(number after)" >"$place"
        return
        ;;
      '{"Error":'*) say "$line"; return ;;
    esac
    echo "$stream $last" >"$place"
  done
}

while :; do
  after=''
  if read -r stream last <"$place"; then
    after=",\"after\":$last,\"stream\":\"$stream\""
  fi
  # Without -N: nc goes on reading when it has nothing more to say.
  printf '{"Subscribe":{"event_types":[%s]%s},"id":"events"}\n' "$types" "$after" |
    nc -U "$socket" 2>/dev/null | read_events
  sleep 0.2
done
