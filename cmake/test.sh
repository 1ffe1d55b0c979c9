#!/bin/sh
# cmake/test.sh - installs what the tests need, builds in several ways, and runs all tests.
#
#   format   the sources are as clang-format leaves them
#   release  optimised, warnings are errors: every test, smoke tests with clients from packages among them
#   asan     AddressSanitizer and UBSan: every test but the smoke tests
#   tsan     ThreadSanitizer: the tests in which threads meet
#   fuzz     libFuzzer: a short run of each target
#
# One that fails does not keep the others from running; the end says which did.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/packages.sh"

usage() {
    cat <<END
usage: sh cmake/test.sh [--quick] [--no-install] [STAGE...]

Builds and tests linnet. Without names of stages all are run: format release asan tsan fuzz.

  --quick       format and release only
  --no-install  do not install packages; tests whose programs are missing are skipped
END
}

install=yes
stages=""
while [ $# -gt 0 ]; do
    case $1 in
    --quick) stages="format release" ;;
    --no-install) install=no ;;
    --help | -h)
        usage
        exit 0
        ;;
    format | release | asan | tsan | fuzz) stages="$stages $1" ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
stages=${stages:-format release asan tsan fuzz}
jobs=$(nproc 2>/dev/null || echo 2)

# ---- stages ----

format() {
    if ! command -v clang-format >/dev/null; then
        say "clang-format is not installed: skipped."
        return 0
    fi
    # Other versions lay some lines out otherwise; this is Debian 12's.
    if ! clang-format --version | grep -q 'version 14\.'; then
        say "The sources are formatted with clang-format 14, and this is $(clang-format --version): skipped."
        return 0
    fi
    find common server tests third_party -name '*.[ch]' -o -name '*.cpp' | xargs clang-format --dry-run --Werror
}

configure() {
    preset=$1
    shift
    cmake --preset "$preset" -DLINNET_TESTS=ON -DLINNET_WERROR=ON "$@"
}

run_tests() {
    preset=$1
    shift
    rm -f "$(failed_list "$preset")"
    ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" "$@"
}

# Where ctest writes the names of those that failed, a number and a colon before each.
failed_list() {
    echo "build/$1/Testing/Temporary/LastTestsFailed.log"
}

release() {
    configure release && cmake --build --preset release && run_tests release
}

# `release` has run the integration tests with 1, 2 and 4 workers; under the sanitizers, where all is slow, one number has to do. The
# clients of the smoke tests are not built with a sanitizer, and have spoken to the server in `release`.
asan() {
    configure asan && cmake --build --preset asan && LINNET_TEST_WORKERS=4 run_tests asan -E 'smoke_'
}

# Unit tests that start a thread or use a part of the server that has some; and all integration tests.
tsan_targets() {
    echo linnet linnetctl
    for source in $(grep -lE 'thread_create|worker_|pool_|storage_|log_start|fake_server' tests/unit/*/test_*.c); do
        echo "unit_$(basename "$source" .c)"
    done
    for source in tests/integration/test_*.c; do
        basename "$source" .c
    done
}

tsan() {
    targets=$(tsan_targets)
    # ctest's names: unit_test_log, integration.roster
    names=$(for target in $targets; do
        case $target in
        unit_*) echo "$target" ;;
        test_*) echo "integration\\.${target#test_}" ;;
        esac
    done | paste -sd '|')
    configure tsan && cmake --build --preset tsan --target $targets && LINNET_TEST_WORKERS=2 run_tests tsan -R "^($names)\$"
}

fuzz() {
    if ! command -v clang >/dev/null; then
        say "clang is not installed: skipped."
        return 0
    fi
    configure fuzz && cmake --build --preset fuzz --target $(ls tests/fuzz/fuzz_*.c | xargs -n 1 basename -s .c) &&
        run_tests fuzz -R '^fuzz\.'
}

# ---- all of them ----

cd "$root" || exit 1
[ "$install" = no ] || install_packages $build_packages $test_packages || exit 1
summary=""
failures=0
for stage in $stages; do
    say "==== $stage ===="
    begin=$(date +%s)
    if "$stage"; then
        result=passed
    else
        result=FAILED
        failures=$((failures + 1))
    fi
    summary="$summary$(printf '%-8s %s  %4d s' "$stage" "$result" $(($(date +%s) - begin)))
"
    [ "$result" = passed ] || [ ! -e "$(failed_list "$stage")" ] ||
        summary="$summary$(sed 's/^[0-9]*:/           /' "$(failed_list "$stage")")
"
done
say ""
say "==== summary ===="
printf '%s' "$summary"
if [ "$failures" -gt 0 ]; then
    say "$failures of the stages failed."
    exit 1
fi
say "All passed."
