#!/bin/sh
# tests/integration/smoke_xmppjs.sh - xmpp.js: SASL2, Bind 2, FAST, and resumption within them.
#
# It is in no distribution, so npm fetches it, at the versions of xmppjs/package-lock.json, into the build folder: once. Where there is
# no npm, or it reaches nothing, or node is too old, the test is skipped.
. "$(dirname "$0")/server.sh"
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 10) ? 0 : 1)' ||
    skip "xmpp.js needs node 20.10, and this is $(node --version)"

sources=$(cd "$(dirname "$0")/xmppjs" && pwd)
modules=$(dirname "$LINNET")/xmppjs
mkdir -p "$modules"
cp "$sources/stories.js" "$sources/package.json" "$sources/.npmrc" "$modules"
if ! cmp -s "$sources/package-lock.json" "$modules/fetched.json"; then
    cp "$sources/package-lock.json" "$modules"
    (cd "$modules" && timeout 120 npm ci --ignore-scripts >npm.log 2>&1) ||
        skip "npm cannot fetch xmpp.js: $(tail -n 3 "$modules/npm.log")"
    cp "$sources/package-lock.json" "$modules/fetched.json"
fi

start_server
NODE_EXTRA_CA_CERTS=$dir/data/localhost.crt timeout 120 node "$modules/stories.js" "$port" "$LINNETCTL" \
    "$dir/data/linnet.sock" "$@" || fail "not all went as it should"
