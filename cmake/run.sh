#!/bin/sh
# cmake/run.sh - from a fresh checkout to a server on localhost: installs what is needed, builds, starts.
#
# All that it makes is in build/: the program in build/release, and configuration, database, certificate and log in
# build/run, which the next start finds as they were.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/packages.sh"

usage() {
    cat <<END
usage: sh cmake/run.sh [--no-install] [--port N]

Builds linnet and starts it on localhost, with its data in build/run. Ctrl-C stops it.

  --no-install  do not install packages; what is needed must be there
  --port N      listen on N, and with direct TLS on N + 1, instead of 5222 and 5223; counts when
                build/run/linnet.toml is made, which is at the first start
END
}

install=yes
port=""
while [ $# -gt 0 ]; do
    case $1 in
    --no-install) install=no ;;
    --port)
        [ $# -gt 1 ] || fail "--port: a number is missing"
        port=$2
        shift
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
case $port in
*[!0-9]*) fail "--port $port: not a number" ;;
esac
[ -z "$port" ] || { [ "$port" -ge 1 ] && [ "$port" -le 65534 ]; } || fail "--port $port: a number from 1 to 65534"

build=$root/build/release
run=$root/build/run
config=$run/linnet.toml
log=$run/linnet.log

ctl() {
    "$build/linnetctl" --config "$config" "$@"
}

build_it() {
    [ "$install" = no ] || install_packages $build_packages
    # A later compiler may warn of more than those that linnet is developed with: that is no reason not to run.
    (cd "$root" && cmake --preset release -DLINNET_TESTS=OFF -DLINNET_WERROR=OFF >"$root/build/configure.log" 2>&1) ||
        { cat "$root/build/configure.log" >&2; fail "It could not be configured."; }
    cmake --build "$build" || fail "It could not be built."
}

has_ipv6_loopback() {
    grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6 2>/dev/null
}

listener() {
    printf '\n[[listener]]\naddress = "%s"\nport = %s\ntls = "%s"\n' "$1" "$2" "$3"
}

make_config() {
    first=${port:-5222}
    cat >"$config" <<END
# Made by cmake/run.sh at its first start, and left alone from then on. config.example.toml has every key.
# To be reached from other machines: address = "::" in the listeners, and a host whose name they can look up.

[server]
data_dir = "data"

[log]
target = "file"
path = "linnet.log"
END
    for address in 127.0.0.1 $(has_ipv6_loopback && echo ::1); do
        listener "$address" "$first" starttls
        listener "$address" $((first + 1)) direct
    done >>"$config"
    printf '\n[[host]]\nname = "localhost"\n' >>"$config"
}

# The kernel's list of listening sockets, since no program that shows it may be installed.
is_taken() {
    hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$hex\$" '$2 ~ port && $4 == "0A" { found = 1 } END { exit !found }'
}

ports_of_config() {
    sed -n 's/^ *port *= *\([1-9][0-9]*\).*/\1/p' "$config" | sort -un
}

check_ports() {
    for taken in $(ports_of_config); do
        is_taken "$taken" || continue
        fail "Port $taken is in use by another program, so the server cannot listen there.
Stop that one, or change the ports in build/run/linnet.toml$([ -d "$run/data" ] || printf '%s' '; before the
first start it is enough to say: sh cmake/run.sh --port 6222')."
    done
}

prepare() {
    (umask 077 && mkdir -p "$run")
    if [ ! -e "$config" ]; then
        make_config
    elif [ -n "$port" ] && ! ports_of_config | grep -qx "$port"; then
        fail "build/run/linnet.toml is there already, with other ports: change them there, or remove the file."
    fi
    if ctl status >/dev/null 2>&1; then
        fail "It runs already. To stop it: build/release/linnetctl --config build/run/linnet.toml stop"
    fi
    check_ports
}

show_failure() {
    [ ! -s "$log" ] || { say "The end of $log:"; tail -n 5 "$log"; } >&2
    fail "The server did not start."
}

start() {
    "$build/linnet" --config "$config" &
    pid=$!
    trap 'kill -TERM $pid 2>/dev/null || true' INT TERM HUP
    for _ in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || show_failure
        ! ctl status >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    kill -TERM "$pid"
    show_failure
}

# The password goes from this shell into a pipe: nobody sees it in a list of processes, and it is kept nowhere.
make_first_account() {
    password=$(LC_ALL=C tr -dc 'abcdefghjkmnpqrstuvwxyz23456789' </dev/urandom | head -c 16)
    printf '%s\n' "$password" | ctl adduser admin@localhost >/dev/null || fail "The first account could not be made."
}

tell() {
    set -- $(ports_of_config)
    say ""
    say "linnet runs on localhost: port ${1:-5222} (STARTTLS) and ${2:-5223} (direct TLS)."
    say ""
    if [ -n "$password" ]; then
        say "  account   admin@localhost"
        say "  password  $password"
        say ""
        say "The password is shown this once. linnetctl passwd sets another."
    else
        say "Its accounts are those of the last time; the first one was admin@localhost. A new password:"
        say "  build/release/linnetctl --config build/run/linnet.toml passwd admin@localhost"
    fi
    say "In a client: that address and password, server 127.0.0.1 if it asks for one. The certificate is self-signed, so"
    say "it has to be accepted."
    say ""
    say "One more account:  build/release/linnetctl --config build/run/linnet.toml adduser juliet@localhost"
    say "Who is there:      build/release/linnetctl --config build/run/linnet.toml sessions"
    say "Log:               $log"
    say "Configuration:     $config"
    say ""
    say "Ctrl-C stops the server; the next sh cmake/run.sh finds everything as it is."
}

# A signal ends `wait` before the server has ended; its own end counts.
wait_for_end() {
    while :; do
        status=0
        wait "$pid" || status=$?
        kill -0 "$pid" 2>/dev/null || break
    done
    [ "$status" -eq 0 ] || show_failure
    say "The server has stopped."
}

mkdir -p "$root/build"
build_it
prepare
start
password=""
[ "$(ctl --json users)" != "[]" ] || make_first_account
tell
wait_for_end
