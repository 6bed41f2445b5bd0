#!/usr/bin/env bash
# Fetches the libraries that the applications here use, into target/clients: once, until the lists of them change. What
# cannot be had is said in one line, and the tests that need it skip themselves.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
target="$here/../../target/clients"
mkdir -p "$target"

# Whether what is there was installed from just this list.
current() { cmp -s "$1" "$2/installed"; }

python() {
    local list="$here/python/requirements.txt" into="$target/python"
    current "$list" "$into" && return
    rm -rf "$into"
    python3 -m venv "$into" && "$into/bin/pip" install --quiet --disable-pip-version-check -r "$list" &&
        cp "$list" "$into/installed"
}

node() {
    local list="$here/node/package-lock.json" into="$target/node"
    current "$list" "$into" && return
    rm -rf "$into"
    mkdir -p "$into"
    cp "$here/node/package.json" "$list" "$into/"
    npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --silent && cp "$list" "$into/installed"
}

for each in python node; do
    $each >"$target/$each.log" 2>&1 ||
        echo "no libraries for $each, its clients are skipped: $(tail -n 1 "$target/$each.log")"
done
