# tests/load/programs.sh - for test_*.sh: a server with accounts, relays, and runs of the generator that are looked at.
# shellcheck shell=sh disable=SC2034 # it is sourced, and sets what they use
# Sourced; not a test. LINNET, LINNETCTL, LINNET_LOAD and LINNET_RELAY name the programs.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../integration/server.sh"

command -v python3 >/dev/null || skip "accounts are made with python3, which is not here"

relays=
end_relays() {
    for relay in $relays; do
        kill -TERM "$relay" 2>/dev/null || true
        wait "$relay" || { echo "failed: a relay ended with $?" >&2; status=1; }
    done
}
extra_cleanup=end_relays

# A server of its own, with user0 and the following. Everybody comes from one address, so the limit by address is lifted.
# $settings are lines of TOML for the top of its configuration, $host_settings for its host. Sets $dir, $server, $port and $tls_port.
start_linnet() { # ACCOUNTS
    dir=$(mktemp -d "${TMPDIR:-/tmp}/linnet-load-XXXXXX")
    cat >"$dir/linnet.toml" <<TOML
server.data_dir = "data"
server.workers = ${workers:-2}
${settings:-}
[[listener]]
address = "127.0.0.1"
port = 0
[[listener]]
address = "127.0.0.1"
port = 0
tls = "direct"
[tls]
required = false
[limits]
connections_per_address = 100000
[[host]]
name = "localhost"
${host_settings:-}
TOML
    "$LINNET" --config "$dir/linnet.toml" >"$dir/log" 2>&1 &
    server=$!
    trap end_server EXIT
    wait_for 60 grep -q ' server\.ready' "$dir/log" || fail "the server did not start"
    port=$(sed -n 's/.* listener\.open .*port=\([0-9]*\).* tls=starttls.*/\1/p' "$dir/log")
    tls_port=$(sed -n 's/.* listener\.open .*port=\([0-9]*\).* tls=direct.*/\1/p' "$dir/log")
    python3 "$here/accounts.py" make "$dir/accounts" "$1"
    python3 "$here/accounts.py" linnet "$dir/accounts" "$1" |
        "$LINNETCTL" --socket "$dir/data/linnet.sock" import >"$dir/import"
}

# Before another start_linnet.
end_this_server() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?"
    trap - EXIT
    rm -rf "$dir"
}

start_relay() { # NAME OPTION...   sets $relay_port
    name=$1
    shift
    "$LINNET_RELAY" --port 0 "$@" >"$dir/$name" &
    relays="$relays $!"
    wait_for 20 grep -q ready "$dir/$name" || fail "the relay did not start"
    relay_port=$(sed -n 's/^port //p' "$dir/$name")
}

# Runs a scenario, without warm-up unless one is asked for; the report is in $dir/NAME.json, what it printed in $dir/NAME.
load() { # NAME ARGUMENT...
    name=$1
    shift
    "$LINNET_LOAD" --warmup 0 "$@" --quiet --json "$dir/$name.json" >"$dir/$name" 2>&1
}

passes() { # NAME ARGUMENT...
    load "$@" || fail "$1: $(cat "$dir/$1")"
    grep -q '"ok":true.*"lost":0,"duplicated":0,"out_of_order":0,"failed":0.*"count":[1-9]' "$dir/$1.json" ||
        fail "$1: $(cat "$dir/$1.json")"
    echo "ok: $1"
}

# Exit status 1, and the text in what was printed or reported.
is_refused() { # TEXT NAME ARGUMENT...
    text=$1
    shift
    status=0
    load "$@" || status=$?
    [ "$status" = 1 ] || fail "$1: exit status $status: $(cat "$dir/$1")"
    grep -q "$text" "$dir/$1" "$dir/$1.json" || fail "$1: no $text in $(cat "$dir/$1" "$dir/$1.json")"
    echo "ok: $1"
}

# The report of that run has the text in it.
has() { # NAME TEXT
    grep -q "$2" "$dir/$1.json" || fail "$1: no $2 in $(cat "$dir/$1.json")"
}
