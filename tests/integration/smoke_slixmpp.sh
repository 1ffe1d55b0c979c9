#!/bin/sh
# tests/integration/smoke_slixmpp.sh - two slixmpp clients become contacts, see each other, and chat.
. "$(dirname "$0")/server.sh"
find_slixmpp
start_server
timeout 90 "$python" "$(dirname "$0")/slixmpp_chat.py" "$port" || fail "slixmpp did not get through"
