#!/bin/sh
# tests/load/peers/linnet.sh - linnet as users have it: accounts and messages in SQLite, every acknowledgement kept, nothing of
# what makes it safe switched off. The archive is, as in the other servers here: archive_cost.sh says what it costs. BUILD names the folder of its programs.
. "$(dirname "$0")/common.sh"

peer_packages() { :; }

peer_version() {
    "$BUILD/linnet" --version | head -n 1
}

# What differs from the defaults, and why: everybody comes from the same few addresses, so the limits by address are lifted; no
# TLS is demanded, and PLAIN is offered without it, as with the other servers here; the same iterations and the same level of
# logging as theirs. TLS ends within linnet.
peer_start() { # DIR PORT
    use_certificate "$1"
    mkdir -p "$1/data"
    chmod 700 "$1/data"
    disabled=${DISABLED-\"archive\"}
    cat >"$1/linnet.toml" <<TOML
[server]
data_dir = "data"
workers = ${WORKERS:-0}
crypto_threads = ${WORKERS:-0}
shutdown_s = 2
[[listener]]
address = "127.0.0.1"
port = $2
backlog = 4096
[tls]
required = false
allow_plain_without_tls = true
[log]
level = "warn"
[limits]
connections = 1000000
connections_per_address = 1000000
[sasl]
iterations = 4096
[[host]]
name = "$domain"
certificate = "cert.pem"
private_key = "key.pem"
modules_disabled = [$disabled]
TOML
    [ -z "${EXTRA:-}" ] || printf '%s\n' "$EXTRA" >>"$1/linnet.toml"
    launch "$1" "$2" "$BUILD/linnet" --config "$1/linnet.toml"
}

# Needs the server to run.
peer_adduser() { # DIR FILE N
    python3 "$accounts" linnet "$2" "$3" | "$BUILD/linnetctl" --socket "$1/data/linnet.sock" import >"$1/import" 2>&1 ||
        fail "accounts: $(tail -n 1 "$1/import")"
}

peer_main "$@"
