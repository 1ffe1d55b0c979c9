# shellcheck shell=sh disable=SC2034 # what those that source it use
# tests/load/peers/common.sh - what the starts of all servers share. Sourced; not a program.
#
# A server lives in a folder of its own, listens on 127.0.0.1 only, and serves the domain "localhost". The file that sources
# this defines
#   peer_packages             names the Debian packages it cannot do without
#   peer_version              prints a line: what is measured
#   peer_start DIR PORT       starts it in the background through `launch`, and returns when it listens
#   peer_adduser DIR FILE N   gives it the first N accounts of a file of accounts.py; before or after the start, as it likes
#   peer_stop DIR             optional: what is to be done before the process is told to end
# and ends with:  peer_main "$@"
#
# From the environment: PIN, a command in front of the server's, as "taskset -c 0"; WORKERS, threads for linnet; and CERT_DIR,
# a folder with cert.pem and key.pem for all servers alike.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
accounts=$here/../accounts.py
domain=localhost

fail() { # WHY
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# All servers offer the same certificate: ECDSA on P-256, self-signed.
use_certificate() { # DIR
    if [ ! -s "$CERT_DIR/cert.pem" ]; then
        mkdir -p "$CERT_DIR"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$domain" \
            -addext "subjectAltName=DNS:$domain,DNS:conference.$domain" \
            -keyout "$CERT_DIR/key.pem" -out "$CERT_DIR/cert.pem" 2>/dev/null
    fi
    cp "$CERT_DIR/cert.pem" "$CERT_DIR/key.pem" "$1/"
    cat "$1/key.pem" "$1/cert.pem" >"$1/both.pem"
    chmod 600 "$1/key.pem" "$1/both.pem"
}

# Whether somebody listens on a port of IPv4, as the kernel's table tells.
is_open() { # PORT
    awk -v port=":$(printf '%04X' "$1")\$" '$2 ~ port && $4 == "0A" { found = 1 } END { exit !found }' /proc/net/tcp
}

# Starts a command in the background, in DIR, and waits until it listens.
launch() { # DIR PORT COMMAND...
    launch_dir=$1
    launch_port=$2
    shift 2
    # A session of its own: the comparison ends it when it wants to, a Ctrl-C at the terminal does not.
    # shellcheck disable=SC2086 # PIN is a command with its arguments
    (cd "$launch_dir" && exec setsid ${PIN:-} "$@") >"$launch_dir/output" 2>&1 </dev/null &
    launch_pid=$!
    echo "$launch_pid" >"$launch_dir/pid"
    tries=600
    until is_open "$launch_port"; do
        kill -0 "$launch_pid" 2>/dev/null || fail "it ended: $(tail -n 3 "$launch_dir/output")"
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "it does not listen after a minute"
        sleep 0.1
    done
}

# TERM, and KILL after fifteen seconds.
end_process() { # DIR
    [ -s "$1/pid" ] || return 0
    pid=$(cat "$1/pid")
    rm -f "$1/pid"
    kill "$pid" 2>/dev/null || return 0
    tries=150
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            kill -KILL "$pid" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
    done
}

peer_stop() { :; }

peer_main() { # COMMAND ARGUMENT...
    case "${1:-}:$#" in
    packages:1) peer_packages ;;
    version:1) peer_version ;;
    start:3)
        mkdir -p "$2"
        peer_start "$(cd "$2" && pwd)" "$3"
        ;;
    stop:2)
        peer_stop "$2"
        end_process "$2"
        ;;
    pid:2) cat "$2/pid" ;;
    adduser:4)
        mkdir -p "$2"
        peer_adduser "$(cd "$2" && pwd)" "$3" "$4"
        ;;
    *)
        echo "usage: $0 packages | version | start DIR PORT | stop DIR | pid DIR | adduser DIR FILE N" >&2
        exit 2
        ;;
    esac
}

# Those of the packages that are not installed; all of them if dpkg is not there to be asked.
missing_of() { # PACKAGE...
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

version_of() { # PACKAGE
    dpkg-query -W -f '${Package} ${Version}' "$1" 2>/dev/null || printf '%s (not installed)' "$1"
}
