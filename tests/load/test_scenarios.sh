#!/bin/sh
# shellcheck disable=SC2086 # $presence and $faulty are several words
# tests/load/test_scenarios.sh - presence, room, reconnect and soak do what they say, with a real linnet and with the relay;
# and a relay that loses, repeats or swaps presences is found out. Short runs: nothing is measured here.
. "$(dirname "$0")/programs.sh"

start_linnet 20

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

passes sessions_wait_and_are_resumed hibernate --port "$port" --users 8 --cut reset --pid "$server"
passes sessions_wait_and_are_resumed_over_tls hibernate --port "$port" --users 8 --cut close --security starttls
has sessions_wait_and_are_resumed '"hibernate":{"users":8,"idle_kib_each":[0-9.]*,"hibernating_kib_each":'

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
