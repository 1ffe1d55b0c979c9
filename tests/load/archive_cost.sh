#!/bin/sh
# tests/load/archive_cost.sh - what archiving costs: the same chat, with the archive and without it, in turn.
#
#   tests/load/archive_cost.sh [--repetitions N] [--seconds S] [--rate R] [--limit MICROSECONDS]
#
# Told is CPU for each message: of the threads that messages pass through (workers), and of the one that writes to storage; medians
# over the repetitions. With --limit it fails if the workers' share of archiving is more than that.
#
# The programs are those that LINNET, LINNETCTL and LINNET_LOAD name, else those of build/release.
build=$(cd "$(dirname "$0")/../.." && pwd)/build/release
: "${LINNET:=$build/linnet}" "${LINNETCTL:=$build/linnetctl}" "${LINNET_LOAD:=$build/tests/load/linnet_load}"
. "$(dirname "$0")/programs.sh"

repetitions=3 seconds=8 rate=5000 limit=""
while [ $# -gt 1 ]; do
    case $1 in
    --repetitions) repetitions=$2 ;;
    --seconds) seconds=$2 ;;
    --rate) rate=$2 ;;
    --limit) limit=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# -eq 0 ] || { echo "usage: $0 [--repetitions N] [--seconds S] [--rate R] [--limit MICROSECONDS]" >&2; exit 2; }

# Nanoseconds of CPU that threads of that name have used. The workers have the name of the program, and so has the main thread, which
# is left out.
cpu_of() { # NAME
    for thread in /proc/"$server"/task/*; do
        [ "$thread" = "/proc/$server/task/$server" ] || [ "$(cat "$thread/comm")" != "$1" ] || cat "$thread/schedstat"
    done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

# One run: "MODE workers writer", microseconds for each message.
run() { # MODE
    start_linnet 40
    workers_before=$(cpu_of linnet) writer_before=$(cpu_of storage-write)
    load chat chat --port "$port" --pairs 20 --rate "$rate" --seconds "$seconds" || fail "$(cat "$dir/chat")"
    count=$(sed -n 's/.*"count":\([0-9]*\).*/\1/p' "$dir/chat.json")
    echo "$1 $(($(cpu_of linnet) - workers_before)) $(($(cpu_of storage-write) - writer_before)) $count"
    end_this_server
}

start_linnet 1
all=$("$LINNETCTL" --socket "$dir/data/linnet.sock" config modules.enabled)
end_this_server
case $all in
*'"archive"'*) ;;
*)
    echo "failed: the server has no archive: its modules are $all" >&2
    exit 1
    ;;
esac
results=$(mktemp)
for _ in $(seq "$repetitions"); do
    host_settings="modules = $(echo "$all" | sed 's/"archive", //; s/, "archive"//')"
    run without >>"$results"
    host_settings="modules = $all"
    run with >>"$results"
done

awk -v limit="${limit:-0}" '
    function median(mode, column,    n, i, j, t, v) {
        for (i = 1; i <= rows; i++)
            if (name[i] == mode)
                v[++n] = cpu[i, column]
        for (i = 1; i <= n; i++)
            for (j = i + 1; j <= n; j++)
                if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    { name[++rows] = $1; cpu[rows, 1] = $2 / $4 / 1000; cpu[rows, 2] = $3 / $4 / 1000; messages = $4 }
    END {
        printf "%-18s %10s %10s %12s\n", "us for a message", "workers", "writer", "messages"
        printf "%-18s %10.2f %10.2f %12d\n", "without archive", median("without", 1), median("without", 2), messages
        printf "%-18s %10.2f %10.2f %12d\n", "with archive", median("with", 1), median("with", 2), messages
        more = median("with", 1) - median("without", 1)
        printf "%-18s %10.2f %10.2f\n", "archiving", more, median("with", 2) - median("without", 2)
        exit limit > 0 && more > limit
    }' "$results"
status=$?
rm -f "$results"
[ "$status" -eq 0 ] || echo "failed: archiving costs the workers more than $limit us for a message" >&2
exit "$status"
