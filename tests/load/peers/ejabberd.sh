#!/bin/sh
# tests/load/peers/ejabberd.sh - ejabberd on Mnesia, with the modules that linnet answers too, no shapers, and an Erlang that
# does not spin while it waits (spinning would be counted as its work). No epmd is started: the node's port for other nodes,
# by which accounts are given to it, is PORT + 1.
. "$(dirname "$0")/common.sh"

peer_packages() { missing_of ejabberd erlang-base; }

peer_version() {
    printf '%s, %s\n' "$(version_of ejabberd)" "$(version_of erlang-base)"
}

beams() {
    dirname "$(dirname "$(dirname "$(dpkg -L ejabberd | grep '/ebin/ejabberd\.app$')")")"
}

write_config() { # DIR PORT
    cat >"$1/ejabberd.yml" <<YAML
loglevel: warning
hosts: [ $domain ]
certfiles: [ "$1/both.pem" ]
auth_method: mnesia
auth_password_format: scram
disable_sasl_mechanisms: [ "digest-md5", "x-oauth2" ]
s2s_access: none
cache_size: 100000
acl: { everybody: { user_regexp: "" } }
access_rules: { everybody: { allow: everybody } }
shaper_rules:
  max_user_sessions: 20
  max_user_offline_messages: 1000
listen:
  - { port: $2, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, max_stanza_size: 262144,
      shaper: none, access: all, backlog: 4096 }
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_muc:
    host: conference.$domain
    access: all
    access_create: all
    max_users: 5000
    max_user_conferences: 1000
    min_message_interval: 0
    min_presence_interval: 0
    user_message_shaper: none
    user_presence_shaper: none
    default_room_options: { max_users: 5000 }
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: { plugins: [ flat, pep ] }
  mod_roster: { versioning: true }
  mod_stream_mgmt: { resend_on_timeout: if_offline }
  mod_time: {}
  mod_vcard: { search: false }
  mod_version: {}
YAML
}

peer_start() { # DIR PORT
    mkdir -p "$1/spool"
    use_certificate "$1"
    write_config "$1" "$2"
    echo "$(($2 + 1))" >"$1/node-port"
    HOME=$1 ERL_LIBS=$(beams) EJABBERD_CONFIG_PATH=$1/ejabberd.yml EJABBERD_LOG_PATH=$1/ejabberd.log \
        EJABBERD_PID_PATH=$1/ejabberd.pid ERL_CRASH_DUMP=$1/erl_crash.dump \
        launch "$1" "$2" erl -noinput -sname load@localhost -setcookie load -start_epmd false \
        -erl_epmd_port "$(($2 + 1))" -kernel inet_dist_use_interface '{127,0,0,1}' \
        +K true +P 1000000 +Q 1000000 +sbwt none +sbwtdcpu none +sbwtdio none \
        -mnesia dir "\"$1/spool\"" -s ejabberd
}

# Needs the server to run: the records are written to its table by a second node.
peer_adduser() { # DIR FILE N
    python3 "$accounts" ejabberd "$2" "$3" >"$1/accounts.terms"
    (
        cd "$1"
        HOME=$1 erl -noinput -sname filler@localhost -setcookie load -start_epmd false -dist_listen false \
            -erl_epmd_port "$(cat node-port)" -eval '
                Node = list_to_atom("load@localhost"),
                pong = net_adm:ping(Node),
                {ok, Records} = file:consult("accounts.terms"),
                ok = rpc:call(Node, lists, foreach, [fun mnesia:dirty_write/1, Records]),
                ok = rpc:call(Node, mnesia, dirty_write, [{reg_users_counter, <<"localhost">>, length(Records)}]),
                halt(0).' >filler 2>&1
    ) || fail "accounts: $(tail -n 1 "$1/filler")"
}

peer_main "$@"
