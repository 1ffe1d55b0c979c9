# tests/integration/server.sh - for smoke_*.sh: a server of their own, with two accounts. Sourced; not a test.
#
# LINNET and LINNETCTL name the programs. Afterwards $dir is the folder, $port and $tls_port are where it listens
# (STARTTLS and direct TLS), and juliet@localhost and romeo@localhost have the passwords "capulet" and "montague".
set -eu

skip() { # WHY
    echo "skipped: $1"
    exit 77
}

fail() { # WHY
    echo "failed: $1" >&2
    echo "---- the end of the server's log ----" >&2
    tail -n 40 "$dir/log" >&2
    exit 1
}

# Runs a command again and again until it succeeds, for so many seconds.
wait_for() { # SECONDS COMMAND...
    tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

end_server() {
    status=$?
    trap - EXIT
    [ -z "${extra_cleanup:-}" ] || $extra_cleanup
    if kill -TERM "$server" 2>/dev/null; then
        wait "$server" || { echo "failed: the server ended with $?" >&2; status=1; }
    fi
    rm -rf "$dir"
    exit "$status"
}

start_server() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/linnet-smoke-XXXXXX")
    cat >"$dir/linnet.toml" <<TOML
server.data_dir = "data"
sasl.iterations = 4096
[[listener]]
address = "127.0.0.1"
port = 0
[[listener]]
address = "127.0.0.1"
port = 0
tls = "direct"
[[host]]
name = "localhost"
TOML
    "$LINNET" --config "$dir/linnet.toml" >"$dir/log" 2>&1 &
    server=$!
    trap end_server EXIT
    wait_for 60 grep -q ' server\.ready' "$dir/log" || fail "the server did not start"
    port=$(sed -n 's/.* listener\.open .*port=\([0-9]*\).* tls=starttls.*/\1/p' "$dir/log")
    tls_port=$(sed -n 's/.* listener\.open .*port=\([0-9]*\).* tls=direct.*/\1/p' "$dir/log")
    echo capulet | "$LINNETCTL" --socket "$dir/data/linnet.sock" adduser juliet@localhost
    echo montague | "$LINNETCTL" --socket "$dir/data/linnet.sock" adduser romeo@localhost
}

# Sets $python. The distribution's package is seen by the distribution's Python, which need not be the first one in PATH.
find_slixmpp() {
    python=
    for candidate in python3 /usr/bin/python3; do
        [ -n "$python" ] || ! "$candidate" -c 'import slixmpp' 2>/dev/null || python=$candidate
    done
    [ -n "$python" ] || skip "slixmpp is not installed (python3-slixmpp)"
}

# With arguments, which are parts of their names, only those stories.
tell_slixmpp_stories() { # PROGRAM [PART...]
    find_slixmpp
    start_server
    program=$(dirname "$0")/$1
    shift
    timeout 150 "$python" "$program" "$port" "$LINNETCTL" "$dir/data/linnet.sock" "$@" || fail "not all went as it should"
}
