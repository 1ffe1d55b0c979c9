# cmake/packages.sh - what run.sh and test.sh need of Debian 12 and 13; they read this file with `.`

# To build and run the server.
build_packages="build-essential cmake ninja-build pkgconf libuv1-dev libmbedtls-dev libsqlite3-dev libstrophe-dev
    libidn2-dev libunistring-dev libtomlplusplus-dev libmimalloc-dev"

# To build and run all tests: clients and a load balancer that nobody here wrote, and clang for the fuzzer.
test_packages="libcmocka-dev libexpat1-dev libssl-dev clang libclang-rt-dev clang-format sqlite3
    python3 python3-slixmpp go-sendxmpp profanity tmux expect haproxy procps iproute2
    valgrind"

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || printf '%s ' "$package"
    done
}

# Installs those of the packages that are not there yet, and asks nobody anything.
install_packages() {
    command -v apt-get >/dev/null ||
        fail "This script installs packages with apt, as Debian has it. Elsewhere install the libraries that README.md
names, and build with: cmake --preset release && cmake --build --preset release"
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null; then
        as_root="sudo"
    else
        fail "These packages are needed, and only root can install them: $missing
As root: apt-get install $missing"
    fi
    say "Installing: $missing"
    # A list of packages that cannot be renewed may still be good enough.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing ||
        fail "apt could not install: $missing"
}
