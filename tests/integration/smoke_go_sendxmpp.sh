#!/bin/sh
# tests/integration/smoke_go_sendxmpp.sh - go-sendxmpp, or sendxmpp, sends; what it sent waits for the other one.
. "$(dirname "$0")/server.sh"
if command -v go-sendxmpp >/dev/null; then
    program=go-sendxmpp
elif command -v sendxmpp >/dev/null; then
    program=sendxmpp
else
    skip "neither go-sendxmpp nor sendxmpp is installed"
fi
start_server

send() { # FROM PASSWORD TO
    if [ "$program" = go-sendxmpp ]; then
        timeout 30 go-sendxmpp --no-tls-verify -j "127.0.0.1:$port" -u "$1" -p "$2" "$3"
    else
        timeout 30 sendxmpp --no-tls-verify -t -j "127.0.0.1:$port" -u "${1%@*}" -o "${1#*@}" -p "$2" "$3"
    fi
}

echo "wherefore art thou" | send juliet@localhost capulet romeo@localhost || fail "$program could not send"

if [ "$program" = go-sendxmpp ]; then
    go-sendxmpp --no-tls-verify -j "127.0.0.1:$port" -u romeo@localhost -p montague -l >"$dir/heard" 2>&1 &
    listener=$!
    extra_cleanup="kill $listener"
    wait_for 30 grep -q "wherefore art thou" "$dir/heard" || fail "the waiting message did not come: $(cat "$dir/heard")"
    echo "by any other name" | send juliet@localhost capulet romeo@localhost
    wait_for 30 grep -q "by any other name" "$dir/heard" || fail "the live message did not come: $(cat "$dir/heard")"
fi
echo "$program sends and is heard"
