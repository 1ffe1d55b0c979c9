#!/bin/sh
# tests/load/peers/prosody.sh - Prosody with the modules that its own example enables and that linnet answers too, epoll, the
# generational collector (the incremental one, its default, costs it twice the CPU at many messages), and no limits of rate.
. "$(dirname "$0")/common.sh"

peer_packages() { missing_of prosody; }

peer_version() {
    printf '%s, %s\n' "$(version_of prosody)" "$(version_of "$(lua_package)")"
}

# The interpreter that its first line names.
lua_package() {
    sed -n '1s/.*[ \/]//p' /usr/bin/prosody
}

peer_start() { # DIR PORT
    mkdir -p "$1/data" "$1/certs"
    use_certificate "$1"
    cat >"$1/prosody.cfg.lua" <<LUA
run_as_root = true
data_path = "$1/data"
pidfile = "$1/prosody.pid"
log = { warn = "$1/prosody.log" }
network_backend = "epoll"
gc = { mode = "generational" }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { $2 }
c2s_direct_tls_ports = { }
network_settings = { tcp_backlog = 4096 }
certificates = "certs"
ssl = { certificate = "$1/cert.pem", key = "$1/key.pem" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
default_iteration_count = 4096
storage = "internal"
modules_disabled = { "s2s" }
modules_enabled = {
    "roster", "saslauth", "tls", "disco", "private", "blocklist", "vcard4", "vcard_legacy", "pep", "carbons",
    "version", "uptime", "time", "ping", "smacks", "csi_simple", "offline",
}
VirtualHost "$domain"
Component "conference.$domain" "muc"
    restrict_room_creation = false
LUA
    launch "$1" "$2" prosody -F --config "$1/prosody.cfg.lua"
}

peer_adduser() { # DIR FILE N
    python3 "$accounts" prosody "$2" "$3" "$1/data/$domain/accounts"
}

peer_main "$@"
