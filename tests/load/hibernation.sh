#!/bin/sh
# tests/load/hibernation.sh - what a session weighs while it waits for its client to come back (XEP-0198 section 5), beside what it
# weighs while it idles: it may cost no more. Prints both, over TLS and over TCP alone, and fails if it does. (By more than a twentieth: the
# server needs some memory for the first time when it resumes sessions, and memory is measured in pages.)
#
#   tests/load/hibernation.sh [USERS]
#
# The programs are those that LINNET, LINNETCTL and LINNET_LOAD name, else those of build/release.
build=$(cd "$(dirname "$0")/../.." && pwd)/build/release
: "${LINNET:=$build/linnet}" "${LINNETCTL:=$build/linnetctl}" "${LINNET_LOAD:=$build/tests/load/linnet_load}"
. "$(dirname "$0")/programs.sh"

users=${1:-3000}

field() { # FIELD: of the report
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$dir/run.json"
}

# A server of its own each: memory that an earlier run has left to the allocator would make the next one look cheap.
measure() { # SECURITY
    start_linnet "$users"
    if [ "$1" = direct ]; then to=$tls_port; else to=$port; fi
    passes run hibernate --users "$users" --keys "$dir/accounts.keys" --port "$to" --security "$1" --pid "$server" >/dev/null
    idle=$(field idle_kib_each) hibernating=$(field hibernating_kib_each)
    printf '%-10s %8d %14.2f %18.2f %14.2f\n' "$1" "$users" "$idle" "$hibernating" "$(field back_kib_each)"
    ! awk "BEGIN { exit !($hibernating > 1.05 * $idle) }" || fail "a session that waits for its client costs more than one that idles"
    end_this_server
}

printf '%-10s %8s %14s %18s %14s\n' "" users "idle, KiB" "hibernating, KiB" "resumed, KiB"
measure plain
measure direct
