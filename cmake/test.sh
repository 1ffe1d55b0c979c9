#!/bin/sh
# cmake/test.sh - installs what the tests need, builds in several ways, and runs all tests.
#
#   format        the sources are as clang-format leaves them
#   release       optimised, warnings are errors: every test, smoke tests with clients from packages among them
#   asan          AddressSanitizer and UBSan: every test but the smoke tests
#   tsan          ThreadSanitizer: the tests in which threads meet
#   fuzz          libFuzzer: a short run of each target
#   instructions  what a message, a login, a presence cost, counted by callgrind, beside the figures kept for this platform
#
# One that fails does not keep the others from running; the end says which did.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/packages.sh"

usage() {
    cat <<END
usage: sh cmake/test.sh [--quick] [--no-install] [STAGE...]

Builds and tests linnet. Without names of stages all are run: format release asan tsan fuzz instructions.

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
    format | release | asan | tsan | fuzz | instructions) stages="$stages $1" ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done
stages=${stages:-format release asan tsan fuzz instructions}
jobs=$(nproc 2>/dev/null || echo 2)
at_once=$((jobs * 2)) # tests: half of them wait for something at any moment

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
    failed=build/$preset/Testing/Temporary/LastTestsFailed.log # ctest's: a number and a colon before each name
    rm -f "$failed"
    ctest --test-dir "build/$preset" --output-on-failure -j "$at_once" "$@" && return 0
    [ ! -e "$failed" ] || failed_names="$failed_names$(sed 's/^[0-9]*:/           /' "$failed")
"
    return 1
}

release() {
    configure release && cmake --build --preset release && run_tests release
}

# The tests' own clients, built in `release`, speak to the server of another build: what is to be watched is the server, and clients
# without a sanitizer are faster. `release` has run these with 1, 2 and 4 workers; here one number has to do. (The clients of the
# smoke tests have spoken to the server in `release`, too.)
run_integration_tests_against() {
    build_dir=$root/build/$1
    configure release && cmake --build --preset release || return 1
    export LINNET_TEST_SERVER="$build_dir/linnet" LINNET_TEST_CTL="$build_dir/linnetctl"
    export LINNET_TEST_WORKERS="$2" LINNET_TEST_PATIENCE=60
    status=0
    run_tests release -L integration -E 'smoke_' || status=1
    unset LINNET_TEST_SERVER LINNET_TEST_CTL LINNET_TEST_WORKERS LINNET_TEST_PATIENCE
    return $status
}

# Both are run, whatever the first finds.
asan() {
    unit_tests=failed
    configure asan && cmake --build --preset asan --target linnet linnetctl $(unit_targets '') || return 1
    run_tests asan -R '^unit_' && unit_tests=passed
    run_integration_tests_against asan 4 && [ "$unit_tests" = passed ]
}

# The unit tests whose source has the pattern.
unit_targets() {
    for source in $(grep -lE "$1" tests/unit/*/test_*.c); do
        echo "unit_$(basename "$source" .c)"
    done
}

# Unit tests that start a thread or use a part of the server that has some; and all integration tests.
tsan() {
    unit_tests=failed
    targets=$(unit_targets 'thread_create|worker_|pool_|storage_|log_start|fake_server')
    configure tsan && cmake --build --preset tsan --target linnet linnetctl $targets || return 1
    run_tests tsan -R "^($(echo $targets | tr ' ' '|'))\$" && unit_tests=passed
    run_integration_tests_against tsan 2 && [ "$unit_tests" = passed ]
}

fuzz() {
    if ! command -v clang >/dev/null; then
        say "clang is not installed: skipped."
        return 0
    fi
    configure fuzz && cmake --build --preset fuzz --target $(ls tests/fuzz/fuzz_*.c | xargs -n 1 basename -s .c) &&
        run_tests fuzz -R '^fuzz\.'
}

instructions() {
    for program in valgrind objdump python3; do
        if ! command -v "$program" >/dev/null; then
            say "$program is not installed: skipped."
            return 0
        fi
    done
    configure release && cmake --build --preset release --target linnet_instructions &&
        sh tests/load/bench/instructions.sh
}

# ---- all of them ----

cd "$root" || exit 1
[ "$install" = no ] || install_packages $build_packages $test_packages || exit 1
summary=""
failures=0
for stage in $stages; do
    say "==== $stage ===="
    begin=$(date +%s)
    failed_names=""
    if "$stage"; then
        result=passed
    else
        result=FAILED
        failures=$((failures + 1))
    fi
    summary="$summary$(printf '%-12s %s  %4d s' "$stage" "$result" $(($(date +%s) - begin)))
"
    summary=$summary$failed_names
done
say ""
say "==== summary ===="
printf '%s' "$summary"
if [ "$failures" -gt 0 ]; then
    say "$failures of the stages failed."
    exit 1
fi
say "All passed."
