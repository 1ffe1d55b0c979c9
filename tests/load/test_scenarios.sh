#!/bin/sh
# shellcheck disable=SC2086 # $presence and $faulty are several words
# tests/load/test_scenarios.sh - presence, room, reconnect and soak do what they say, with a real linnet and with the relay;
# and a relay that loses, repeats or swaps presences is found out. Short runs: nothing is measured here.
#
# LINNET, LINNETCTL, LINNET_LOAD and LINNET_RELAY name the programs.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../integration/server.sh"

command -v python3 >/dev/null || skip "accounts are made with python3, which is not here"

dir=$(mktemp -d "${TMPDIR:-/tmp}/linnet-load-XXXXXX")
relays=
end_relays() {
    for relay in $relays; do
        kill -TERM "$relay" 2>/dev/null || true
        wait "$relay" || { echo "failed: a relay ended with $?" >&2; status=1; }
    done
}
extra_cleanup=end_relays

# Everybody comes from one address, so the limits by address are lifted.
cat >"$dir/linnet.toml" <<TOML
server.data_dir = "data"
[[listener]]
address = "127.0.0.1"
port = 0
[tls]
required = false
[limits]
connections_per_address = 1000
[[host]]
name = "localhost"
TOML
"$LINNET" --config "$dir/linnet.toml" >"$dir/log" 2>&1 &
server=$!
trap end_server EXIT
wait_for 60 grep -q ' server\.ready' "$dir/log" || fail "the server did not start"
port=$(sed -n 's/.* listener\.open .*port=\([0-9]*\) tls=starttls.*/\1/p' "$dir/log")
python3 "$here/accounts.py" make "$dir/accounts" 20
python3 "$here/accounts.py" linnet "$dir/accounts" 20 | "$LINNETCTL" --socket "$dir/data/linnet.sock" import >"$dir/import"

start_relay() { # NAME OPTION...   sets $relay_port
    name=$1
    shift
    "$LINNET_RELAY" --port 0 "$@" >"$dir/$name" &
    relays="$relays $!"
    wait_for 20 grep -q ready "$dir/$name" || fail "the relay did not start"
    relay_port=$(sed -n 's/^port //p' "$dir/$name")
}

# Runs a scenario; the report is in $dir/NAME.json, what it printed in $dir/NAME.
load() { # NAME ARGUMENT...
    name=$1
    shift
    "$LINNET_LOAD" "$@" --warmup 0 --quiet --json "$dir/$name.json" >"$dir/$name" 2>&1
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

# Contacts are made where there are none, an odd number of them too; then they are found, and what is too much for
# another shape is removed: else it would be told of a presence that nobody sent to it.
presence="presence --port $port --users 8"
passes contacts_are_made $presence --contacts 5 --seconds 0.3 --security starttls
passes contacts_are_found $presence --contacts 5 --seconds 0.3 --window 3
passes contacts_of_another_shape_are_removed $presence --contacts 2 --seconds 0.3 --rate 200 --sm
passes contacts_answer_one_who_comes_online $presence --star --contacts 7 --change online --seconds 0.3

# All storms are cut short: one at least is always made.
passes everybody_comes_back reconnect --port "$port" --users 8 --cut reset --seconds 0
passes everybody_comes_back_over_tls reconnect --port "$port" --users 8 --cut close --seconds 0 --security starttls --resume
grep -q '"reconnect":{"users":8,"storms":1,' "$dir/everybody_comes_back.json" || fail "one storm was asked for"

passes people_come_and_go soak --port "$port" --users 8 --seconds 0.5 --pid "$server"
grep -q '"soak":{"base":4,"guests":4,"talks":[1-9]' "$dir/people_come_and_go.json" || fail "nobody talked"

is_refused "has no rooms at conference.localhost" a_server_without_rooms_says_so room --port "$port" --occupants 3

# Two at once, on users of their own, do not meet.
passes first_of_two reconnect --port "$port" --users 8 --seconds 0.5 &
first=$!
passes second_of_two presence --port "$port" --first 8 --users 8 --contacts 2 --seconds 0.5
wait "$first" || exit 1

start_relay good
passes a_group_is_a_fan_out presence --relay --port "$relay_port" --star --contacts 9 --seconds 0.3

# At a rate, since in a closed loop what is lost is waited for. All at once, since each waits for what never comes.
faulty="presence --relay --star --contacts 3 --rate 500 --seconds 0.3"
start_relay dropping --drop-every 20
is_refused '"lost":[1-9][0-9]*,"duplicated":0,"out_of_order":0' loss_is_found $faulty --port "$relay_port" &
loss=$!
start_relay repeating --repeat-every 20
is_refused '"lost":0,"duplicated":[1-9][0-9]*,"out_of_order":0' a_repetition_is_found $faulty --port "$relay_port" &
repetition=$!
start_relay swapping --swap-every 20
is_refused '"duplicated":0,"out_of_order":[1-9]' a_swap_is_found $faulty --port "$relay_port" &
wait "$!" && wait "$repetition" && wait "$loss"
