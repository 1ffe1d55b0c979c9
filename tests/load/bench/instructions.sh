#!/bin/sh
# tests/load/bench/instructions.sh - counts the instructions of a message, a login, a presence, and compares them with
# baseline.txt. Seconds depend on the machine and on what else it does; these figures do not.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=$root/build/release
accept=no

usage() {
    cat <<END
usage: sh tests/load/bench/instructions.sh [--build DIR] [--accept] [SCENARIO...]

Runs linnet_instructions under callgrind, scenario by scenario, and says what an operation costs:
instructions, atomic read-modify-writes (x86-64), system calls. Kernel and clients are not counted,
nor is the storage's thread. Fails if something costs over 5 % more than baseline.txt says
for this compiler and these libraries. What was counted is left in DIR/instructions.

  --build DIR  a build with the release preset (default: build/release)
  --accept     these figures are the baseline from now on

END
    [ ! -x "$build/tests/load/bench/linnet_instructions" ] ||
        "$build/tests/load/bench/linnet_instructions" --help | sed -n '/^  /p'
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

scenarios=""
while [ $# -gt 0 ]; do
    case $1 in
    --build)
        [ $# -ge 2 ] || fail "--build needs a folder"
        build=$2
        shift
        ;;
    --accept) accept=yes ;;
    --help | -h)
        usage
        exit 0
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *) scenarios="$scenarios $1" ;;
    esac
    shift
done

# ---- counting ----

bin=$build/tests/load/bench
out=$build/instructions
[ -x "$bin/linnet_instructions" ] || fail "$bin/linnet_instructions is missing. To build it:
  cmake --preset release && cmake --build --preset release --target linnet_instructions"
valgrind=$(command -v valgrind) || fail "valgrind is not installed."
mkdir -p "$out" || exit 1
scenarios=${scenarios:-$("$bin/linnet_instructions" --list)}
platform=$("$bin/linnet_instructions" --platform)

# Callgrind counts outside of main(), which is the workers' threads, and not in the played kernel. Nothing of the
# caller's may make a difference: the environment and the program's path lie on the stack, and libc chooses its string
# functions by the processor unless told otherwise.
count_instructions() {
    (cd "$bin" && env -i GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM \
        "$valgrind" -q --tool=callgrind --toggle-collect=main --toggle-collect=kernel_enter \
        --collect-atstart=yes --zero-before=bench_count_begin --dump-before=bench_count_end \
        --dump-instr=yes --compress-strings=no --compress-pos=no --callgrind-out-file="$out/raw" \
        ./linnet_instructions "$1" >"$out/$1.work") || return 1
    # Left out are calls that have not returned (the loops themselves): callgrind does not know what they cost. Its
    # summary counts them, too.
    awk '/^totals: / { total = $2 } { lines[NR] = $0 }
        END {
            for (i = 1; i <= NR; i++) {
                if (lines[i] ~ /^c(ob|fi|fl|fn)=/) {
                    called = called lines[i] "\n"
                } else if (lines[i] ~ /^calls=0 /) {
                    called = ""
                    i++
                } else {
                    print called (lines[i] ~ /^summary: / ? "summary: " total : lines[i])
                    called = ""
                }
            }
        }' "$out/raw.1" >"$out/$1.callgrind"
    rm -f "$out/raw" "$out/raw.1"
}

rm -f "$out"/*.callgrind "$out"/*.work
for s in $scenarios; do
    count_instructions "$s" || fail "$s: the benchmark itself has failed."
done
[ "$accept" = no ] || set -- --accept

exec python3 -B "$here/figures.py" "$@" "$out" "$here/baseline.txt" "$platform" $scenarios
