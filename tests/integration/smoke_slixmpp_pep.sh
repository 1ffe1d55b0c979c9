#!/bin/sh
# tests/integration/smoke_slixmpp_pep.sh - slixmpp's plugins for PEP and what lives on it, bookmarks, commands.
. "$(dirname "$0")/server.sh"
tell_slixmpp_stories slixmpp_pep.py "$@"
