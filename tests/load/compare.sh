#!/bin/bash
# tests/load/compare.sh - linnet beside Prosody, ejabberd and a bare relay: the same load on each in turn, and what it cost them.
# Reading and rerunning: docs/performance.md. Settings of the servers: peers/*.sh. What is measured: the functions measure_* here.
set -u
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

# ---- the command line ----

all_peers="linnet prosody ejabberd relay"
all_scenarios="idle-plain idle-tls chat-w1 chat-w16 chat-open login-scram login-again login-scram-tls
login-plain-tls login-resume presence presence-star presence-online room storm reconnect chat-w16-2cores crowd"
long_scenarios="soak"

peers=$all_peers
scenarios=$all_scenarios
repetitions=3
seconds=6
warmup=2
size=full
out=""
build=""
document=no

usage() {
    cat <<END
usage: tests/load/compare.sh [OPTION...]

Builds linnet and the load generator, runs linnet, Prosody, ejabberd and a relay without XML in turn under the same
load, and prints a table with medians and ratios. A server has one processor to itself, the load another one (but for
chat-w16-2cores, where both may use both). Nothing is installed: peers that are not there are left out.

  --scenarios LIST   of: $(echo "${all_scenarios//$'\n'/ }" | fold -s -w 78 | sed '2,$s/^/                     /')
                     and $long_scenarios, which takes longest and runs only if named or with --long
  --peers LIST       of: $all_peers
  --repetitions N    of everything, the servers alternating ($repetitions)
  --seconds S        measured in each run of a timed scenario ($seconds)
  --quick            one repetition of 3 s, and smaller crowds: six minutes, to see that all of it works
  --long             the soak too: ten minutes of logins and logouts, more than 100 000
  --out DIR          where results go (build/load/DATE-TIME)
  --build DIR        take the programs of this build as they are, instead of building them in build/load/programs
  --document         put table and charts into docs/performance.md, too
  --report DIR       measure nothing: table and charts from the results in DIR
  --help             this text

Lists are separated by commas or spaces. It takes about half an hour, and wants a machine with nothing else to do.
END
}

die() { # WHY [STATUS]
    echo "compare.sh: $1" >&2
    exit "${2:-1}"
}

say() {
    printf '%s\n' "$*"
    [ ! -d "$out" ] || printf '%s\n' "$*" >>"$out/progress.txt"
}

# Words of a list, each of which must be one of the others.
words_of() { # LIST ALLOWED
    local word
    for word in ${1//,/ }; do
        [[ " ${2//$'\n'/ } " == *" $word "* ]] || die "$word: not one of: ${2//$'\n'/ }" 2
        printf '%s ' "$word"
    done
}

only_report=no
while [ $# -gt 0 ]; do
    case $1 in
    --scenarios | --peers | --repetitions | --seconds | --out | --build | --report)
        [ $# -gt 1 ] || die "$1: a value is missing" 2
        ;;&
    --scenarios) scenarios=$(words_of "$2" "$all_scenarios $long_scenarios") || exit 2 ;;
    --peers) peers=$(words_of "$2" "$all_peers") || exit 2 ;;
    --repetitions) repetitions=$2 ;;
    --seconds) seconds=$2 ;;
    --out) out=$2 ;;
    --build) build=$2 ;;
    --report) out=$2 only_report=yes ;;
    --quick) repetitions=1 seconds=3 warmup=1 size=quick ;;
    --long) scenarios="$scenarios $long_scenarios" ;;
    --document) document=yes ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    case $1 in
    --quick | --long | --document) shift ;;
    *) shift 2 ;;
    esac
done
[[ $repetitions =~ ^[1-9][0-9]?$ ]] || die "--repetitions $repetitions: a number from 1 to 99" 2
[[ $seconds =~ ^[1-9][0-9]{0,2}$ ]] || die "--seconds $seconds: a number from 1 to 999" 2

# How much of it: idle sessions without and with TLS; logins, of which linnet needs more for its CPU time to be seen (the
# kernel tells it in ticks of 10 ms), and such as make it hash; those of a storm, crowds, followers of the star (fewer with peers, which
# take long to make so many contacts), and seconds of the soak.
declare -A amount
if [ $size = quick ]; then
    amount=([idle]=1000 [tls]=500 [login]=300 [linnet_login]=1000 [full_login]=150 [storm]=1500 [few]=500 [crowd]=5000
        [star]=500 [peers_star]=100 [soak]=60)
else
    amount=([idle]=5000 [tls]=2000 [login]=1000 [linnet_login]=4000 [full_login]=500 [storm]=2000 [few]=1000 [crowd]=50000
        [star]=1000 [peers_star]=100 [soak]=600)
fi

# ---- report ----

# By the kernel, when more wait on a processor than net.core.netdev_max_backlog: such a packet is sent again after a pause that
# no server has made, and shows as a stall.
dropped_packets() {
    python3 -c "print(sum(int(line.split()[1], 16) for line in open('/proc/net/softnet_stat')))"
}

make_report() {
    local docs=$out
    [ $document = no ] || docs=$root/docs
    python3 "$here/table.py" "$out" "$docs/performance.md" || return 1
    if ! command -v gnuplot >/dev/null; then
        say "No charts: gnuplot is missing (Debian: gnuplot-nox)."
        return 0
    fi
    if ! gnuplot -e "from='$out/plot'; to='$docs'" "$here/plot.gp" 2>"$out/log/gnuplot"; then
        cat "$out/log/gnuplot" >&2
        return 1
    fi
    say "Table and charts: $docs/performance*"
}

if [ $only_report = yes ]; then
    [ -d "$out/json" ] || die "$out: there are no results in it"
    make_report
    exit
fi

# ---- what is needed ----

need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || die "$1 is missing (Debian: apt install $2)"
}
need taskset util-linux
need python3 python3
need openssl openssl
need timeout coreutils

# The first two processors that this process may use.
mapfile -t cpus < <(python3 -c 'import os
for cpu in sorted(os.sched_getaffinity(0)): print(cpu)')
[ ${#cpus[@]} -ge 2 ] || die "two processors are needed: one for the server, one for the load"
server_cpu=${cpus[0]} load_cpu=${cpus[1]} both_cpus=${cpus[0]},${cpus[1]}

# Files that a process may have open: the crowd is as large as they allow, with room for the chat and the server's own.
for limit in 200000 100000 $(ulimit -Hn); do
    ulimit -n "$limit" 2>/dev/null && break
done
limit=$(ulimit -n)
if [ "$limit" != unlimited ] && [ "$limit" -lt $((amount[crowd] + 500)) ]; then
    amount[crowd]=$((limit - 500))
    say "At most $limit files may be open (ulimit -n), so the crowd is of ${amount[crowd]}."
fi

started=$(date +%s)
# The accounts, whose keys take a minute to make, are kept from one comparison to the next.
cache=${LINNET_LOAD_CACHE:-$root/build/load}
[ -n "$out" ] || out=$root/build/load/$(date +%Y-%m-%d-%H%M)
mkdir -p "$out/json" "$out/log" "$cache" || exit 1
out=$(cd "$out" && pwd)
rm -f "$out"/json/* "$out"/log/* "$out/progress.txt"
accounts=$cache/accounts

if [ -z "$build" ]; then
    build=$root/build/load/programs
    say "Building in $build"
    if ! { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLINNET_TESTS=ON &&
        cmake --build "$build" --parallel 2 --target linnet linnetctl linnet_load linnet_relay linnet_handshake; } >"$out/log/build" 2>&1; then
        tail -n 20 "$out/log/build" >&2
        die "it could not be built; sh cmake/test.sh installs what tests need"
    fi
fi
build=$(cd "$build" && pwd) || exit 1
load=$build/tests/load/linnet_load
for program in "$build/linnet" "$build/linnetctl" "$load" "$build/tests/load/linnet_relay" "$build/tests/load/linnet_handshake"; do
    [ -x "$program" ] || die "$program: there is no such program"
done

present=""
for peer in $peers; do
    missing=$("$here/peers/$peer.sh" packages)
    if [ -n "$missing" ]; then
        say "Without $peer: these Debian packages are missing: $missing"
    else
        present="$present $peer"
    fi
done
peers=$present
[ -n "${peers// /}" ] || die "there is no server to measure"

# ---- cleaning up ----

work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-load-XXXXXX") || exit 1
export BUILD=$build CERT_DIR=$work/certificate
running=""    # the peer that was started, if any
background=() # generators that were started and not waited for

end_background() {
    local pid
    for pid in "${background[@]}"; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    background=()
}

stop_peer() {
    [ -n "$running" ] || return 0
    "$here/peers/$running.sh" stop "$work/$running" 2>/dev/null
    rm -rf "${work:?}/$running"
    running=""
}

clean_up() {
    local status=$?
    trap '' INT TERM HUP
    end_background
    stop_peer
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Runs a command so that a signal to this script is heard at once, and not when the command has ended.
run() { # COMMAND...
    "$@" &
    background+=($!)
    wait $!
    local status=$?
    unset 'background[-1]'
    return $status
}

# ---- a server ----

port=""

free_port() {
    python3 -c 'import random, socket
def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
while True:
    port = random.randrange(20000, 32000)
    if is_free(port) and is_free(port + 1):
        print(port)
        break'
}

# A fresh one, with the first N accounts, for these scenarios. False: it did not start, which is how all of them ended.
start_peer() { # PEER CPUS WORKERS ACCOUNTS SCENARIO...
    local scenario
    port=$(free_port)
    running=$1
    if run env PIN="taskset -c $2" WORKERS="$3" "$here/peers/$1.sh" start "$work/$1" "$port" 2>"$out/log/start.$1" &&
        run "$here/peers/$1.sh" adduser "$work/$1" "$accounts" "$4" 2>>"$out/log/start.$1"; then
        return 0
    fi
    say "        $1 did not start: $(tail -n 1 "$out/log/start.$1")"
    for scenario in "${@:5}"; do
        ! wants "$scenario" || printf 'did not start\n%s\n' "$(tail -n 1 "$out/log/start.$1")" \
            >"$out/json/$scenario.$1.$repetition.failed"
    done
    stop_peer
    return 1
}

# ---- a run of the generator ----

load_cpus=$load_cpu
# One that hangs is ended after ten minutes, a soak after an hour.
patience=600

# In the background only: it replaces the shell, so that a signal reaches it.
generator() { # SCENARIO OPTION...
    exec timeout "$patience" taskset -c "$load_cpus" "$load" "$@" --host 127.0.0.1 --port "$port" --keys "$accounts.keys" --quiet
}

# The result of NAME for the running peer in this repetition. A failure is a result too: it gets a word in the table.
measure() { # NAME SCENARIO OPTION...
    local file=$1.$running.$repetition name=$1 status
    shift
    [ "$running" != relay ] || set -- "$@" --relay
    run generator "$@" --pid "$("$here/peers/$running.sh" pid "$work/$running")" --label "$running" \
        --json "$out/json/$file.json" >"$out/log/$file" 2>&1
    status=$?
    told "$name" "$status"
}

# Writes down how a run ended, and shows it.
told() { # NAME STATUS
    local file=$1.$running.$repetition
    if [ "$2" -ne 0 ]; then
        echo "$2" >"$out/json/$file.failed"
        tail -n 20 "$out/log/$file" >>"$out/json/$file.failed"
    fi
    say "$(printf '%4s s' $(($(date +%s) - started)))  $(python3 "$here/table.py" --line "$out/json/$file")"
}

wants() { # SCENARIO
    [[ " ${scenarios//$'\n'/ } " == *" $1 "* ]]
}

wants_any() { # SCENARIO...
    local scenario
    for scenario; do
        wants "$scenario" && return 0
    done
    return 1
}

is_first() { [ "$repetition" -eq 1 ]; }
is_linnet() { [ "$running" = linnet ]; }
has_accounts() { [ "$1" != relay ]; }

# ---- what is measured ----
# Accounts: chat has user0 to user99; the others begin at these, so that rosters of one are not those of another. Idle
# sessions, which have a server to themselves, begin at the first.
logins_from=100
presence_from=$((logins_from + amount[linnet_login]))
star_from=$((presence_from + 100))
base_accounts=$((star_from + amount[star] + 1))
[ "$base_accounts" -ge "${amount[idle]}" ] || base_accounts=${amount[idle]}

scram=(--mechanism SCRAM-SHA-1)
tls=(--security starttls)
timed=("${scram[@]}" --seconds "$seconds" --warmup "$warmup")
chat=(chat --pairs 50 --body 100 "${timed[@]}")

# Memory is that of a server which has done nothing else.
measure_idle() { # PEER
    has_accounts "$1" || return 0
    if wants idle-plain && start_peer "$1" "$server_cpu" 1 "$base_accounts" idle-plain; then
        measure idle-plain idle --users "${amount[idle]}" "${scram[@]}" --seconds 2
        stop_peer
    fi
    if wants idle-tls && start_peer "$1" "$server_cpu" 1 "$base_accounts" idle-tls; then
        measure idle-tls idle --users "${amount[tls]}" "${scram[@]}" "${tls[@]}" --seconds 2
        stop_peer
    fi
}

measure_chat() {
    wants chat-w1 && measure chat-w1 "${chat[@]}" --window 1
    wants chat-w16 && measure chat-w16 "${chat[@]}" --window 16
    wants chat-open && measure chat-open "${chat[@]}" --rate 5000
}

# Without a warm-up these are the first logins of their users, for which a server has to read and, with PLAIN, to hash what later
# ones find in its caches. With one everybody logs in once before it is measured, which lets the generator, too, remember
# TLS sessions. Beside linnet's logins over TLS stands what a handshake costs its library alone.
measure_login() {
    local count=${amount[login]}
    ! is_linnet || count=${amount[linnet_login]}
    wants login-scram && measure login-scram login --users "$count" --first $logins_from "${scram[@]}" --warmup 0
    wants login-again && measure login-again login --users "$count" --first $logins_from "${scram[@]}"
    wants login-scram-tls &&
        measure login-scram-tls login --users "${amount[full_login]}" --first $logins_from "${scram[@]}" "${tls[@]}"
    wants login-scram-tls && is_linnet &&
        run taskset -c "$server_cpu" "$build/tests/load/linnet_handshake" --json >"$out/json/handshake.linnet.$repetition.json"
    wants login-plain-tls &&
        measure login-plain-tls login --users "${amount[full_login]}" --first $logins_from --mechanism PLAIN "${tls[@]}" \
            --warmup 0
    wants login-resume && is_linnet &&
        measure login-resume login --users "${amount[login]}" --first $logins_from "${scram[@]}" "${tls[@]}" --resume
}

measure_presence() {
    local followers=${amount[star]}
    is_linnet || [ "$running" = relay ] || followers=${amount[peers_star]}
    wants presence && has_accounts "$running" &&
        measure presence presence --users 100 --first $presence_from --contacts 20 "${timed[@]}"
    wants presence-star &&
        measure presence-star presence --star --first $star_from --contacts "$followers" "${timed[@]}"
    # That user leaves and comes back: probes and their answers, too.
    wants presence-online && is_linnet &&
        measure presence-online presence --star --change online --first $star_from --contacts "$followers" "${timed[@]}"
}

# linnet has no rooms yet.
measure_room() {
    wants room && ! is_linnet && is_first &&
        measure room room --occupants 100 --first $logins_from "${timed[@]}"
}

sessions_of_linnet() {
    "$build/linnetctl" --socket "$work/linnet/data/linnet.sock" --json status 2>/dev/null |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["sessions"])' 2>/dev/null || echo 0
}

# False: they did not all come, or what they come from (a process) has ended.
await_sessions() { # COUNT PROCESS
    until [ "$(sessions_of_linnet)" -ge "$1" ]; do
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.2
    done
}

# Many log in over TLS while a few chat: the latency of those, measured while the storm lasts. What makes the storm is nicer than
# what chats, since both generators share a processor and only the server's delays are asked for.
measure_storm() {
    local chatting storming status chatted=$((amount[storm] / 500))
    wants storm && is_linnet || return 0
    generator "${chat[@]}" --rate 1000 --seconds $chatted --label linnet \
        --pid "$("$here/peers/linnet.sh" pid "$work/linnet")" \
        --json "$out/json/storm.linnet.$repetition.json" >"$out/log/storm.linnet.$repetition" 2>&1 &
    chatting=$!
    background+=("$chatting")
    await_sessions 100 "$chatting" && sleep $((warmup - 1)).5 # most of the warm-up
    nice -n 10 timeout "$patience" taskset -c "$load_cpu" "$load" login --host 127.0.0.1 --port "$port" --quiet \
        --keys "$accounts.keys" --users "${amount[storm]}" --first $logins_from --concurrency "${amount[storm]}" "${scram[@]}" "${tls[@]}" --warmup 0 \
        --json "$out/json/storm-logins.linnet.$repetition.json" >"$out/log/storm-logins.linnet.$repetition" 2>&1 &
    storming=$!
    background+=("$storming")
    wait "$chatting"
    told storm $?
    wait "$storming"
    status=$?
    background=()
    # It began half a second before the measured time of the chat did.
    if [ $status -eq 0 ] && ! python3 -c 'import json, sys
sys.exit(json.load(open(sys.argv[1]))["elapsed_s"] < float(sys.argv[2]) + 0.5)' \
        "$out/json/storm-logins.linnet.$repetition.json" "$chatted"; then
        echo "the storm was over before the chat" >>"$out/log/storm-logins.linnet.$repetition"
        status=1
    fi
    told storm-logins $status
}

measure_reconnect() {
    wants reconnect && has_accounts "$running" && { is_linnet || is_first; } &&
        measure reconnect reconnect --users "${amount[tls]}" --first $logins_from "${scram[@]}" "${tls[@]}" --seconds 1
}

# Server and load share two processors: CPU for each message is what counts then, not the rate.
measure_two_cores() { # PEER
    wants chat-w16-2cores && start_peer "$1" "$both_cpus" 2 "$base_accounts" chat-w16-2cores || return 0
    load_cpus=$both_cpus
    measure chat-w16-2cores "${chat[@]}" --window 16
    load_cpus=$load_cpu
    stop_peer
}

# linnet once: the same chat with few and with many idle sessions beside it, as often as there are repetitions.
measure_crowd() {
    local first=$base_accounts online=0 many patience=7200
    wants crowd && [[ " $peers " == *" linnet "* ]] || return 0
    repetition=1
    say "a crowd beside the chat: ${amount[few]}, then ${amount[crowd]} idle sessions"
    start_peer linnet "$server_cpu" 1 $((base_accounts + amount[crowd])) crowd-few crowd-many || return 0
    for many in "${amount[few]}" "${amount[crowd]}"; do
        generator idle --users $((many - online)) --first $((first + online)) "${scram[@]}" --concurrency 256 \
            --seconds 3600 >"$out/log/crowd-$many" 2>&1 &
        background+=($!)
        online=$many
        await_sessions "$many" $! || say "  the crowd did not come: $(tail -n 1 "$out/log/crowd-$many")"
        for ((repetition = 1; repetition <= repetitions; repetition++)); do
            if [ "$many" -eq "${amount[few]}" ]; then
                measure crowd-few "${chat[@]}" --window 16
            else
                measure crowd-many "${chat[@]}" --window 16
            fi
        done
    done
    end_background
    stop_peer
}

# The first mark of memory is after 10 000 logins.
measure_soak() {
    wants soak && [[ " $peers " == *" linnet "* ]] || return 0
    repetition=1 patience=7200
    say "soak: logins and logouts for ${amount[soak]} seconds"
    start_peer linnet "$server_cpu" 1 "$base_accounts" soak || return 0
    measure soak soak --users 1000 "${scram[@]}" --seconds "${amount[soak]}"
    stop_peer
}

# ---- all of it ----

write_settings() {
    local peer revision
    revision=$(git -C "$root" describe --always --dirty 2>/dev/null)
    {
        printf 'date\t%s\n' "$(date +%Y-%m-%d)"
        printf 'processor\t%s, %s of %s used\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" 2 "$(nproc --all)"
        printf 'memory\t%s GiB\n' "$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)"
        printf 'kernel\t%s\n' "$(uname -sr)"
        printf 'system\t%s\n' "$(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release)"
        for peer in $peers; do
            printf '%s\t%s%s\n' "$peer" "$("$here/peers/$peer.sh" version)" \
                "$([ "$peer" != linnet ] || [ -z "$revision" ] || echo " ($revision)")"
        done
        printf 'repetitions\t%s\n' "$repetitions"
        printf 'seconds measured\t%s, after %s to warm up\n' "$seconds" "$warmup"
        printf 'size\t%s\n' "$size"
        printf 'idle sessions\t%s plain, %s TLS\n' "${amount[idle]}" "${amount[tls]}"
        printf 'followers of the star\t%s, of peers %s\n' "${amount[star]}" "${amount[peers_star]}"
        printf 'crowd\t%s, %s\n' "${amount[few]}" "${amount[crowd]}"
        printf 'logins of the storm\t%s\n' "${amount[storm]}"
            printf 'load before it began\t%s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
    } >"$out/settings.tsv"
}

say "Results: $out"
needed=$base_accounts
! wants crowd || needed=$((base_accounts + amount[crowd]))
run python3 "$here/accounts.py" make "$accounts" "$needed" || die "the accounts could not be made"
write_settings
dropped_before=$(dropped_packets)

in_one_go=(chat-w1 chat-w16 chat-open login-scram login-again login-scram-tls login-plain-tls login-resume presence
    presence-star presence-online room storm reconnect)
for ((repetition = 1; repetition <= repetitions; repetition++)); do
    for peer in $peers; do
        say "$repetition of $repetitions: $peer"
        measure_idle "$peer"
        if wants_any "${in_one_go[@]}" && start_peer "$peer" "$server_cpu" 1 "$base_accounts" "${in_one_go[@]}"; then
            measure_chat
            ! has_accounts "$peer" || measure_login
            measure_presence
            has_accounts "$peer" && measure_room
            measure_storm
            measure_reconnect
            stop_peer
        fi
        measure_two_cores "$peer"
    done
done
measure_crowd
measure_soak
printf 'duration\t%s min\n' "$((($(date +%s) - started + 30) / 60))" >>"$out/settings.tsv"
printf 'packets lost on loopback\t%s\n' "$(($(dropped_packets) - dropped_before))" >>"$out/settings.tsv"
make_report
