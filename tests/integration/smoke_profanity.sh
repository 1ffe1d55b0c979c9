#!/bin/sh
# tests/integration/smoke_profanity.sh - profanity, in a terminal made by tmux, as a person would use it.
. "$(dirname "$0")/server.sh"
command -v profanity >/dev/null || skip "profanity is not installed"
command -v tmux >/dev/null || skip "tmux is not installed"
start_server

tmux_() { tmux -L "linnet-$$" -f /dev/null "$@"; }
end_tmux() { tmux_ kill-server 2>/dev/null || true; }
extra_cleanup=end_tmux

person() { # NAME ACCOUNT: profanity in a session of that name, with a home of its own
    mkdir -p "$dir/$1/data/profanity" "$dir/$1/config/profanity"
    printf '[%s@localhost]\nenabled=true\njid=%s@localhost\nserver=127.0.0.1\nport=%s\ntls.policy=trust\nresource=%s\n' \
        "$2" "$2" "$port" "$1" >"$dir/$1/data/profanity/accounts"
    tmux_ new-session -d -s "$1" -x 120 -y 40 \
        "env LC_ALL=C.UTF-8 TERM=screen HOME=$dir/$1 XDG_DATA_HOME=$dir/$1/data XDG_CONFIG_HOME=$dir/$1/config profanity"
    wait_for 30 shows "$1" "help"
}
log_in() { # NAME ACCOUNT PASSWORD
    person "$1" "$2"
    types "$1" "/carbons on"
    types "$1" "/mam on"
    types "$1" "/connect $2@localhost"
    expect "$1" "assword"
    types "$1" "$3"
    expect "$1" "logged in successfully"
}
shows() { tmux_ capture-pane -p -t "$1" | grep -q "$2"; }
types() { # NAME TEXT
    tmux_ send-keys -t "$1" -l "$2"
    tmux_ send-keys -t "$1" Enter
}
expect() { # NAME TEXT
    wait_for 30 shows "$1" "$2" || { tmux_ capture-pane -p -t "$1" >&2; fail "$1 never saw \"$2\""; }
}

log_in juliet juliet capulet
log_in romeo romeo montague
types juliet "/sub request romeo@localhost"
expect romeo "uthorization request"
types romeo "/sub allow juliet@localhost"
expect juliet "romeo@localhost"
types juliet "/msg romeo@localhost wherefore art thou"
types romeo "/msg juliet@localhost call me but love"
expect romeo "wherefore art thou"
expect juliet "call me but love"
echo "profanity logs in, subscribes and chats"

# Her other device was not there: the archive has it. Then it is, and gets copies.
log_in desktop juliet capulet
types desktop "/msg romeo@localhost"
expect desktop "call me but love"
types juliet "what man art thou"
expect romeo "what man art thou"
expect desktop "what man art thou"
types romeo "by a name I know not how to tell thee"
expect juliet "I know not how"
expect desktop "I know not how"
for name in juliet romeo desktop; do types "$name" "/quit"; done
echo "profanity reads the archive, and gets copies of what her other device says"
