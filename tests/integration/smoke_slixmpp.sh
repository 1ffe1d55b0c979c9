#!/bin/sh
# tests/integration/smoke_slixmpp.sh - two slixmpp clients become contacts, see each other, and chat.
. "$(dirname "$0")/server.sh"

# The distribution's package is seen by the distribution's Python, which need not be the first one in PATH.
python=
for candidate in python3 /usr/bin/python3; do
    [ -n "$python" ] || ! "$candidate" -c 'import slixmpp' 2>/dev/null || python=$candidate
done
[ -n "$python" ] || skip "slixmpp is not installed (python3-slixmpp)"
start_server
timeout 90 "$python" "$(dirname "$0")/slixmpp_chat.py" "$port" || fail "slixmpp did not get through"
