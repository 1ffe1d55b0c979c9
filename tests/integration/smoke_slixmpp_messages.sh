#!/bin/sh
# tests/integration/smoke_slixmpp_messages.sh - slixmpp's plugins for resumption, carbons, archive, blocking and client state.
. "$(dirname "$0")/server.sh"
tell_slixmpp_stories slixmpp_messages.py "$@"
