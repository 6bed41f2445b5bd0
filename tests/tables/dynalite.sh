#!/usr/bin/env bash
# Compares the table API with dynalite, which says what DynamoDB said when its tests were run against it: thousands of requests,
# nearly all of them wrong in one way, are sent to both, and their replies compared. Not part of the gate.
#
#   tests/tables/dynalite.sh             all of them
#   tests/tables/dynalite.sh '^query'    those whose name matches
#
# SILTSTONE    the server to test [target/release/siltstone]
#
# Needs node, npm and python3. Dynalite, and what differs (differences.txt), lie in target/dynalite; what is known of the
# differences stands in tests/tables/dynalite.txt.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$here/../.."
cache="$root/target/dynalite"
server="$(realpath "${SILTSTONE:-$root/target/release/siltstone}")"
version=4.0.0
ours=7398 theirs=7397

mkdir -p "$cache"
cd "$cache"
[ -d node_modules/dynalite ] || npm install --silent --no-audit --no-fund --ignore-scripts "dynalite@$version"

data="$(mktemp -d)"
stop() {
    kill "${started[@]}" 2>/dev/null || true
    rm -rf "$data"
}
trap stop EXIT
"$server" serve --dir "$data/db" --port 7396 --table-port $ours --memory 64MiB --fsync never 2>siltstone.log &
started=($!)
node -r "$here/dynalite/survive.cjs" node_modules/dynalite/cli.js --host 127.0.0.1 --port $theirs \
    --createTableMs 0 --deleteTableMs 0 --updateTableMs 0 >dynalite.log 2>&1 &
started+=($!)
for port in $ours $theirs; do
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
done

PYTHONDONTWRITEBYTECODE=1 python3 "$here/dynalite/compare.py" $ours $theirs "$@" >differences.txt
tail -n 1 differences.txt
