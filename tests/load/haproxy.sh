#!/bin/bash
# tests/load/haproxy.sh - linnet as it is deployed: behind a real HAProxy that tells it the clients' addresses by PROXY v2. The same
# chat and the same logins go to it directly and through the balancer, in turn; the difference in linnet's own CPU is what
# the header costs, that in latency what the way through another process costs.
set -u
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/release
out=""
repetitions=3
seconds=6
logins=500
document=no

usage() {
    cat <<END
usage: tests/load/haproxy.sh [OPTION...]

Runs linnet and HAProxy, both on one processor, and the load on another one. Needs haproxy (Debian: haproxy).

  --build DIR        where the programs are ($build)
  --out DIR          where results go (build/load/haproxy-DATE-TIME)
  --repetitions N    of everything, in turn ($repetitions)
  --seconds S        measured in each chat ($seconds)
  --document         put the table into docs/performance.md, too
  --help             this text
END
}

die() { # WHY [STATUS]
    echo "haproxy.sh: $1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1:$# in
    --help:* | -h:*)
        usage
        exit 0
        ;;
    --document:*)
        document=yes
        shift
        continue
        ;;
    --build:1 | --out:1 | --repetitions:1 | --seconds:1) die "$1: a value is missing" 2 ;;
    --build:*) build=$2 ;;
    --out:*) out=$2 ;;
    --repetitions:*) repetitions=$2 ;;
    --seconds:*) seconds=$2 ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift 2
done
[[ $repetitions =~ ^[1-9][0-9]?$ ]] || die "--repetitions $repetitions: a number from 1 to 99" 2
[[ $seconds =~ ^[1-9][0-9]{0,2}$ ]] || die "--seconds $seconds: a number from 1 to 999" 2
PATH=$PATH:/usr/sbin
command -v haproxy >/dev/null || die "haproxy is missing (Debian: apt install haproxy)"
build=$(cd "$build" && pwd) || exit 1
load=$build/tests/load/linnet_load
for program in "$build/linnet" "$build/linnetctl" "$load"; do
    [ -x "$program" ] || die "$program: there is no such program; --build DIR names the folder"
done
mapfile -t cpus < <(python3 -c 'import os
for cpu in sorted(os.sched_getaffinity(0)): print(cpu)')
[ ${#cpus[@]} -ge 2 ] || die "two processors are needed: one for the servers, one for the load"

[ -n "$out" ] || out=$root/build/load/haproxy-$(date +%Y-%m-%d-%H%M)
cache=${LINNET_LOAD_CACHE:-$root/build/load}
mkdir -p "$out/json" "$out/log" "$cache" || exit 1
out=$(cd "$out" && pwd)
rm -f "$out"/json/* "$out"/log/*
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-haproxy-XXXXXX") || exit 1
export BUILD=$build CERT_DIR=$work/certificate WORKERS=1 PIN="taskset -c ${cpus[0]}"
haproxy=""
generator=""

clean_up() {
    local status=$?
    trap '' INT TERM HUP
    [ -z "$generator" ] || kill "$generator" 2>/dev/null
    [ -z "$haproxy" ] || kill "$haproxy" 2>/dev/null
    "$here/peers/linnet.sh" stop "$work/linnet"
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Direct, proxied, HAProxy's own: three ports that nobody has.
read -r direct proxied front < <(python3 -c 'import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

EXTRA=$(
    cat <<END
[proxy]
trusted_networks = ["127.0.0.1/32"]
[[listener]]
address = "127.0.0.1"
port = $proxied
proxy_protocol = "required"
backlog = 4096
END
)
export EXTRA
"$here/peers/linnet.sh" start "$work/linnet" "$direct" || die "linnet did not start"
python3 "$here/accounts.py" make "$cache/accounts" $((100 + logins)) || exit 1
"$here/peers/linnet.sh" adduser "$work/linnet" "$cache/accounts" $((100 + logins)) || exit 1
pid=$("$here/peers/linnet.sh" pid "$work/linnet")

cat >"$work/haproxy.cfg" <<END
global
    maxconn 4000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend xmpp
    bind 127.0.0.1:$front backlog 4096
    default_backend linnet
backend linnet
    server one 127.0.0.1:$proxied send-proxy-v2
END
taskset -c "${cpus[0]}" haproxy -db -f "$work/haproxy.cfg" >"$out/log/haproxy" 2>&1 &
haproxy=$!
tries=100
until (: <>"/dev/tcp/127.0.0.1/$front") 2>/dev/null; do
    kill -0 "$haproxy" 2>/dev/null || die "haproxy ended: $(tail -n 1 "$out/log/haproxy")"
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "haproxy does not listen"
    sleep 0.1
done

measure() { # NAME WAY REPETITION PORT SCENARIO OPTION...
    local file=$1.$2.$3 port=$4 status
    shift 4
    timeout 300 taskset -c "${cpus[1]}" "$load" "$@" --host 127.0.0.1 --port "$port" --quiet --pid "$pid" --keys "$cache/accounts.keys" \
        --json "$out/json/$file.json" >"$out/log/$file" 2>&1 &
    generator=$!
    wait "$generator"
    status=$?
    generator=""
    if [ $status -ne 0 ]; then
        echo "$status" >"$out/json/$file.failed"
        tail -n 20 "$out/log/$file" >>"$out/json/$file.failed"
    fi
    echo "  $(python3 "$here/table.py" --line "$out/json/$file")"
}

for ((repetition = 1; repetition <= repetitions; repetition++)); do
    for way in direct haproxy; do
        port=$direct
        [ $way = direct ] || port=$front
        measure proxy-chat $way $repetition "$port" chat --pairs 50 --window 16 --body 100 --seconds "$seconds"
        measure proxy-login $way $repetition "$port" login --users $logins --first 100 --security starttls
    done
done

printf '%s\t%s\n' date "$(date +%Y-%m-%d)" kernel "$(uname -sr)" linnet "$("$here/peers/linnet.sh" version)" \
    HAProxy "$(haproxy -v | sed -n '1s/^HAProxy version \([^ ]*\).*/\1/p')" repetitions "$repetitions" \
    seconds "$seconds" >"$out/settings.tsv"
docs=$out
[ $document = no ] || docs=$root/docs
python3 "$here/table.py" "$out" "$docs/performance.md"
