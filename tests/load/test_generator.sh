#!/bin/sh
# tests/load/test_generator.sh - login, idle and chat do what they say, with a real linnet and with the relay, in all the ways a
# client can connect; and what goes wrong is found out and told. Short runs: nothing is measured here.
. "$(dirname "$0")/programs.sh"

exits_with() { # STATUS TEXT ARGUMENT...
    wanted=$1 text=$2
    shift 2
    status=0
    "$LINNET_LOAD" "$@" >"$dir/output" 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "$*: exit status $status: $(cat "$dir/output")"
    grep -q -e "$text" "$dir/output" || fail "$*: no $text in $(cat "$dir/output")"
}

start_linnet 24
for user in 24 25; do # by the server itself, so with keys of both hashes
    echo "pass$user" | "$LINNETCTL" --socket "$dir/data/linnet.sock" adduser "user$user@localhost" >/dev/null
done

# These wait for what never comes, so they go on beside the others.
start_relay dropping --drop-every 100
is_refused '"lost":[1-9][0-9]*,"duplicated":0,"out_of_order":0' loss_is_found chat --relay --port "$relay_port" --pairs 2 \
    --window 16 --seconds 0.3 &
loss=$!
start_relay repeating --repeat-every 100
is_refused '"lost":0,"duplicated":[1-9][0-9]*,"out_of_order":0' a_repetition_is_found chat --relay --port "$relay_port" \
    --pairs 2 --rate 2000 --seconds 0.3
start_relay swapping --swap-every 100
is_refused '"lost":0,"duplicated":0,"out_of_order":[1-9]' a_swap_is_found chat --relay --port "$relay_port" --pairs 2 \
    --window 16 --seconds 0.3

start_relay good
passes chat_with_the_relay chat --relay --port "$relay_port" --pairs 10 --window 4 --seconds 0.2 --warmup 0.1
passes chat_with_the_relay_at_a_rate chat --relay --port "$relay_port" --pairs 10 --rate 1000 --seconds 0.2 --warmup 0.1

chat="chat --port $port --pairs 10 --seconds 0.2 --warmup 0.1"
# shellcheck disable=SC2086 # $chat is several words
{
    passes chat_to_bare_addresses $chat --window 4
    passes chat_to_full_addresses $chat --to full --users 24
    passes chat_at_a_rate $chat --rate 1000 --to full
    has chat_at_a_rate '"rate":1000,"to":"full"'
    passes chat_acknowledged $chat --sm --window 16
    passes chat_over_starttls $chat --security starttls --window 4
    passes chat_of_long_messages $chat --security starttls --body 20000
}
passes chat_over_direct_tls chat --port "$tls_port" --security direct --pairs 10 --seconds 0.2 --warmup 0.1

passes login_and_again login --warmup 1 --port "$port" --users 24 --concurrency 5 --keys "$dir/keys"
has login_and_again '"users":24,.*"count":24,'
[ "$(wc -l <"$dir/keys")" = 24 ] || fail "the keys of 24 users were to be kept: $(cat "$dir/keys")"
passes login_with_kept_keys login --port "$port" --users 26 --keys "$dir/keys"
[ "$(wc -l <"$dir/keys")" = 26 ] || fail "the keys of two more users were to be added: $(cat "$dir/keys")"
passes login_by_sha_256 login --port "$port" --first 24 --users 2 --mechanism SCRAM-SHA-256
passes login_by_password login --port "$port" --users 4 --mechanism PLAIN --security starttls
passes login_with_resumption login --warmup 1 --port "$tls_port" --users 4 --security direct --resume
has login_with_resumption '"tls":{"handshakes":8,"resumed":4}'
passes idle idle --port "$port" --users 24 --sm --seconds 0.2 --pid "$server"
has idle '"server":{"cpu_user_s":.*"pss_kib_before":[1-9][0-9]*,"pss_kib_after":[1-9]'

is_refused 'user3[01], authenticating: <failure' a_refused_login_is_told idle --port "$port" --first 30 --users 2
is_refused 'looking for the mechanism' a_missing_mechanism_is_told idle --port "$port" --users 1 --mechanism PLAIN
is_refused 'user0, connecting: Connection refused' a_server_that_is_not_there_is_told idle --port 1 --users 1
is_refused 'user0, waiting for the features: <stream:error><host-unknown' a_wrong_domain_is_told idle --port "$port" --users 1 \
    --domain elsewhere.example

exits_with 0 'linnet_load SCENARIO' --help
exits_with 2 'there is no such scenario' dance
exits_with 2 'there is no such option' chat --pears 5
exits_with 2 'from 1 to 65535' chat --port 65536
exits_with 2 'plain|starttls|direct is expected' chat --security=rot13
exits_with 2 '--users is below twice --pairs' chat --users 5 --pairs 3
exits_with 2 'the relay knows no such thing' login --relay
exits_with 3 'Is a directory' idle --users 1 --port "$port" --keys "$dir"
echo "ok: what makes no sense is refused"

wait "$loss"
