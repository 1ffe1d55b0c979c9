#!/bin/sh
# tests/load/hibernation.sh - what a session weighs while it waits for its client to come back (XEP-0198 section 5), beside what it
# weighs while it idles: it may cost no more. Prints both, over TLS and over TCP alone, and fails if it does.
#
#   tests/load/hibernation.sh [USERS]
#
# The programs are those that LINNET, LINNETCTL and LINNET_LOAD name, else those of build/release.
build=$(cd "$(dirname "$0")/../.." && pwd)/build/release
: "${LINNET:=$build/linnet}" "${LINNETCTL:=$build/linnetctl}" "${LINNET_LOAD:=$build/tests/load/linnet_load}"
. "$(dirname "$0")/programs.sh"

users=${1:-5000}
start_linnet "$users"

field() { # NAME FIELD: of the report
    sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" "$dir/$1.json"
}

# All memory that is there for the first time (buffers, tables, the allocator's own) is there already in the second run.
measure() { # NAME ARGUMENT...
    name=$1
    shift
    passes "$name" hibernate --users "$users" --pid "$server" "$@" >/dev/null
}

status=0
printf '%-10s %8s %16s %22s %16s\n' "" users "idle, KiB" "hibernating, KiB" "resumed, KiB"
for security in plain direct; do
    if [ "$security" = direct ]; then to=$tls_port; else to=$port; fi
    measure "warm_$security" --port "$to" --security "$security"
    measure "$security" --port "$to" --security "$security"
    idle=$(field "$security" idle_kib_each) hibernating=$(field "$security" hibernating_kib_each)
    printf '%-10s %8d %16.2f %22.2f %16.2f\n' "$security" "$users" "$idle" "$hibernating" \
        "$(field "$security" back_kib_each)"
    awk "BEGIN { exit !($hibernating <= $idle) }" || status=1
done
[ "$status" -eq 0 ] || fail "a session that waits for its client costs more than one that idles"
