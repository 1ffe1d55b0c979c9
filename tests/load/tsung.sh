#!/bin/sh
# tests/load/tsung.sh - linnet under tsung: an independent load generator must find nothing wrong with it. Runs tsung.xml against
# a server of its own; fails if tsung counted any error, or if somebody did not get through.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/release
users=200

usage() {
    cat <<END
usage: tests/load/tsung.sh [--build DIR] [--users N]

Starts linnet, makes N accounts ($users), and has tsung log all of them in over STARTTLS, 20 a second, and each send 20
messages. Exit status 0: tsung saw no error. Needs tsung (Debian: tsung, erlang-base).

  --build DIR   where the programs are ($build)
END
}

fail() { # WHY
    echo "tsung.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1:$# in
    --help:* | -h:*)
        usage
        exit 0
        ;;
    --build:1 | --users:1) fail "$1: a value is missing" ;;
    --build:*) build=$(cd "$2" && pwd) ;;
    --users:*) users=$2 ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift 2
done
case $users in
"" | 0* | *[!0-9]*) fail "--users $users: a number" ;;
esac
[ -x "$build/linnet" ] || fail "$build/linnet: there is no such program; --build DIR names the folder"
command -v tsung >/dev/null || fail "tsung is missing (Debian: apt install tsung)"

work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-tsung-XXXXXX")
export BUILD="$build" CERT_DIR="$work/certificate" WORKERS=0
tsung=""

clean_up() {
    status=$?
    trap - EXIT
    # tsung is a shell around Erlang's machine, which ends with its group.
    [ -z "$tsung" ] || kill -TERM "-$tsung" 2>/dev/null || true
    "$here/peers/linnet.sh" stop "$work/linnet" || true
    [ "$status" -eq 0 ] || tail -n 20 "$work/output" 2>/dev/null >&2 || true
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
"$here/peers/linnet.sh" start "$work/linnet" "$port"
python3 "$here/accounts.py" make "$work/accounts" $((users + 1)) # tsung counts from 1
"$here/peers/linnet.sh" adduser "$work/linnet" "$work/accounts" $((users + 1))

# Time for all to arrive, and a third more, since tsung's arrivals are random.
sed -e "s/@PORT@/$port/" -e "s/@USERS@/$users/g" -e "s/@SECONDS@/$((users / 15 + 10))/" "$here/tsung.xml" >"$work/tsung.xml"
mkdir "$work/log"
HOME=$work setsid tsung -n -f "$work/tsung.xml" -l "$work/log" start >"$work/output" 2>&1 </dev/null &
tsung=$!
wait "$tsung" || fail "tsung ended with $?"
tsung=""
log=$(find "$work/log" -name tsung.log)
[ -n "$log" ] || fail "tsung kept no log"

# A line of tsung.log is "stats: NAME ...", whose last number is the total so far.
total() { # NAME
    awk -v name="$1" '$1 == "stats:" && $2 == name { n = $NF } END { print n + 0 }' "$log"
}
errors=$(awk '$1 == "stats:" && $2 ~ /^error/ { n[$2] = $NF } END { for (e in n) printf "%s %s; ", e, n[e] }' "$log")
[ -z "$errors" ] || fail "tsung counted errors: $errors"
count=$(total finish_users_count)
[ "$count" -eq "$users" ] || fail "of $users users $count came through"
sent=$(total tr_message)
[ "$sent" -eq $((users * 20)) ] || fail "$sent messages were sent, not $((users * 20))"
# tsung does not look at what comes in, so the server is asked what it delivered: each message, and more (presence, answers).
passed=$("$build/linnetctl" --socket "$work/linnet/data/linnet.sock" --json status |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["stanzas_out"])')
[ "$passed" -gt "$sent" ] || fail "the server delivered $passed stanzas only"

echo "tsung saw no error: $users users logged in over STARTTLS and sent $sent messages."
# NAME, then of the last ten seconds count, mean and deviation; of all maximum, minimum, mean and count
awk '$1 == "stats:" && $2 == "tr_login" { mean = $8; max = $6 }
    END { printf "A login with all its steps took %.1f ms on average, %.1f ms at most.\n", mean, max }' "$log"
