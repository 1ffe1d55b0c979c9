#!/bin/sh
# tests/integration/smoke_profanity.sh - profanity, in a terminal made by tmux, as a person would use it.
. "$(dirname "$0")/server.sh"
command -v profanity >/dev/null || skip "profanity is not installed"
command -v tmux >/dev/null || skip "tmux is not installed"
start_server

tmux_() { tmux -L "linnet-$$" -f /dev/null "$@"; }
end_tmux() { tmux_ kill-server 2>/dev/null || true; }
extra_cleanup=end_tmux

person() { # NAME: profanity in a session of that name, with a home of its own
    mkdir -p "$dir/$1/data/profanity"
    printf '[%s@localhost]\nenabled=true\njid=%s@localhost\nserver=127.0.0.1\nport=%s\ntls.policy=trust\nresource=term\n' \
        "$1" "$1" "$port" >"$dir/$1/data/profanity/accounts"
    tmux_ new-session -d -s "$1" -x 120 -y 40 \
        "env LC_ALL=C.UTF-8 TERM=screen HOME=$dir/$1 XDG_DATA_HOME=$dir/$1/data XDG_CONFIG_HOME=$dir/$1/config profanity"
    wait_for 30 shows "$1" "help"
}
shows() { tmux_ capture-pane -p -t "$1" | grep -q "$2"; }
types() { # NAME TEXT
    tmux_ send-keys -t "$1" -l "$2"
    tmux_ send-keys -t "$1" Enter
}
expect() { # NAME TEXT
    wait_for 30 shows "$1" "$2" || { tmux_ capture-pane -p -t "$1" >&2; fail "$1 never saw \"$2\""; }
}

person juliet
person romeo
for name in juliet romeo; do
    types "$name" "/connect $name@localhost"
    expect "$name" "assword"
    if [ "$name" = juliet ]; then types juliet capulet; else types romeo montague; fi
    expect "$name" "logged in successfully"
done
types juliet "/sub request romeo@localhost"
expect romeo "uthorization request"
types romeo "/sub allow juliet@localhost"
expect juliet "romeo@localhost"
types juliet "/msg romeo@localhost wherefore art thou"
types romeo "/msg juliet@localhost call me but love"
expect romeo "wherefore art thou"
expect juliet "call me but love"
for name in juliet romeo; do types "$name" "/quit"; done
echo "profanity logs in, subscribes and chats"
