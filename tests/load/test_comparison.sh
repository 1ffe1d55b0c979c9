#!/bin/sh
# tests/load/test_comparison.sh - the comparison goes from one end to the other with what is built here, tells what failed, and
# leaves nothing behind when it is stopped; the tables say what the results say. Nothing is measured.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(dirname "$LINNET")
dir=$(mktemp -d "${TMPDIR:-/tmp}/linnet-comparison-XXXXXX")
trap 'rm -rf "$dir"' EXIT

skip() { # WHY
    echo "skipped: $1"
    exit 77
}
fail() { # WHY
    echo "failed: $1" >&2
    exit 1
}
has() { # FILE TEXT
    grep -qF -- "$2" "$1" || fail "no \"$2\" in: $(cat "$1")"
}

command -v python3 >/dev/null || skip "the tables are made with python3, which is not here"

# ---- tables ----

run() { # NAME CPU_US P99_MS
    printf '{"scenario": "chat", "ok": true, "rate": 5000.0, "server": {"cpu_us_each": %s, "cpu_user_s": 1, "cpu_system_s": 3},
        "latency_ms": {"p50": 0.1, "p90": 0.2, "p99": %s, "p999": 9}}' "$2" "$3" >"$dir/results/json/$1.json"
}
mkdir -p "$dir/results/json"
run chat-w16.linnet.1 2 1 && run chat-w16.linnet.2 9 1 && run chat-w16.linnet.3 3 1
run chat-w16.relay.1 1.5 1
run chat-w16.prosody.1 90 1 && run chat-w16.ejabberd.1 150 1
run chat-open.linnet.1 5 4.5
run chat-open.prosody.1 5 80
echo '{"ok": false, "why_not": "of all messages, 7 were lost"}' >"$dir/results/json/chat-open.ejabberd.1.json"
printf '1\nsomething\n' >"$dir/results/json/chat-open.ejabberd.1.failed"
printf '124\n' >"$dir/results/json/chat-w1.linnet.1.failed"
printf 'before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n' >"$dir/table.md"
python3 "$here/table.py" "$dir/results" "$dir/table.md" >/dev/null
# The median of 2, 9 and 3 is 3: twice the relay's, a thirtieth of Prosody's, a fiftieth of ejabberd's.
has "$dir/table.md" "2.00 × · 1/30.0 · 1/50.0 | in part | \`chat-w16\`"
has "$dir/table.md" "| chat, window 16: CPU µs a message | 3.00 | 1.50 | 90.0 | 150 | 1/30.0 | 233 % |"
has "$dir/table.md" "| · share of that CPU in the kernel, % | 75.0 |"
has "$dir/table.md" "4.50 ms | no | \`chat-open\`"
has "$dir/table.md" "| · p99, ms | 4.50 | — | 80.0 | failed | 1/17.8 | — |"
has "$dir/table.md" "- ejabberd, chat-open: 1 of 1 runs failed: of all messages, 7 were lost"
has "$dir/table.md" "- linnet, chat-w1: 1 of 1 runs failed: it did not end and was ended"
has "$dir/table.md" before
has "$dir/table.md" after
! grep -q '^old$' "$dir/table.md" || fail "the old table is still there"
has "$dir/results/plot/cpu.dat" "ejabberd - 150"
echo "ok: tables"

# ---- the comparison ----

for program in bash taskset timeout openssl; do
    command -v "$program" >/dev/null || skip "the comparison needs $program, which is not here"
done
[ "$(nproc)" -ge 2 ] || skip "the comparison needs two processors"

mkdir "$dir/tmp"
export LINNET_LOAD_CACHE="$dir" TMPDIR="$dir/tmp"
"$here/compare.sh" --build "$build" --quick --seconds 1 --peers linnet,relay --scenarios idle-plain,chat-w16,presence-star \
    --out "$dir/out" >"$dir/output" 2>&1 || fail "$(cat "$dir/output")"
has "$dir/output" "chat-w16.relay.1"
has "$dir/output" "idle-plain.linnet.1"
! grep -q "failed" "$dir/output" || fail "$(cat "$dir/output")"
grep -qE '^\| idle session over plain TCP: KiB of PSS \| [0-9.]+ \| — \|' "$dir/out/performance.md" ||
    fail "no memory in: $(cat "$dir/out/performance.md")"
[ -z "$(ls "$TMPDIR")" ] || fail "it left behind: $(ls "$TMPDIR")"
echo "ok: linnet and the relay"

# A server that cannot start is told, and the others are measured all the same.
mkdir -p "$dir/broken/tests/load"
for program in linnetctl tests/load/linnet_load tests/load/linnet_relay tests/load/linnet_handshake; do
    ln -s "$build/$program" "$dir/broken/$program"
done
printf '#!/bin/sh\necho cannot >&2\nexit 1\n' >"$dir/broken/linnet"
chmod +x "$dir/broken/linnet"
"$here/compare.sh" --build "$dir/broken" --quick --seconds 1 --peers linnet,relay --scenarios chat-w16 --out "$dir/out" \
    >"$dir/output" 2>&1 || fail "$(cat "$dir/output")"
has "$dir/output" "linnet did not start: linnet.sh: it ended: cannot"
has "$dir/output" "chat-w16.relay.1"
has "$dir/out/performance.md" "| chat, window 16: CPU µs a message | failed |"
echo "ok: a server that does not start"

"$here/compare.sh" --build "$build" --quick --seconds 100 --peers linnet --scenarios chat-w16 --out "$dir/out" \
    >"$dir/output" 2>&1 &
comparison=$!
tries=600
until [ -e "$dir/out/log/chat-w16.linnet.1" ]; do
    kill -0 "$comparison" 2>/dev/null || fail "$(cat "$dir/output")"
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "it does not begin: $(cat "$dir/output")"
    sleep 0.1
done
server=$(cat "$TMPDIR"/linnet-load-*/linnet/pid)
kill -0 "$server" || fail "there is no server $server"
kill -TERM "$comparison"
status=0
wait "$comparison" || status=$?
[ "$status" = 143 ] || fail "stopped, it ended with $status"
! kill -0 "$server" 2>/dev/null || fail "the server still runs"
[ -z "$(ls "$TMPDIR")" ] || fail "it left behind: $(ls "$TMPDIR")"
echo "ok: it is stopped"
