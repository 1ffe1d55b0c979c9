#!/bin/sh
# tests/load/peers/relay.sh - the bare relay: what the sockets alone cost. It knows no accounts. BUILD names the folder of its
# program.
. "$(dirname "$0")/common.sh"

peer_packages() { :; }
peer_version() { echo "linnet_relay (libuv, no XML)"; }

peer_start() { # DIR PORT
    launch "$1" "$2" "$BUILD/tests/load/linnet_relay" --port "$2"
}

peer_adduser() { :; }

peer_main "$@"
