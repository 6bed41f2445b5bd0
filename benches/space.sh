#!/usr/bin/env bash
# How soon the space of what is gone comes back, with no command given: after FLUSHALL of 3 GB, after all of 3 GB have
# expired, and after DEL of one hash with 5 million fields.
#
#   benches/space.sh [KEYS] [FIELDS] [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
keys=${1:-7500000} fields=${2:-5000000} dir=${3:-$(mktemp -d -p .)}
port=${PORT:-7379}
binary=${SILTSTONE:-target/release/siltstone}
[ -x "$binary" ] || cargo build --release
load=${LOAD:-benches/load/target/release/siltstone-load}
[ -x "$load" ] || cargo build --release --manifest-path benches/load/Cargo.toml

"$binary" serve --table-port 0 --dir "$dir/data" --port "$port" --memory 1GiB 2>/dev/null &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

# Less the file that is set aside for a full disk, which is there whatever the data.
mib() { du -sm --exclude=BALLAST "$dir/data" | cut -f1; }
now_ms() { date +%s%3N; }

await() { # what, MiB before: waits until the disk use is below 5 % of that
    local begin limit
    begin=$(now_ms) limit=$(($2 / 20))
    while [ "$(mib)" -gt "$limit" ] && [ $(($(now_ms) - begin)) -lt 120000 ]; do sleep 0.2; done
    printf '%s: %s MiB before, %s MiB after %s ms\n' "$1" "$2" "$(mib)" $(($(now_ms) - begin))
}

timed() { # prints the milliseconds a command took
    local begin
    begin=$(now_ms)
    "$@" >/dev/null
    echo $(($(now_ms) - begin))
}

"$load" --address 127.0.0.1:"$port" --keys "$keys" --phases load >/dev/null
before=$(mib)
echo "FLUSHALL was answered in $(timed redis-cli -p "$port" flushall) ms"
await FLUSHALL "$before"

deadline=$(($(now_ms) + 20000 + keys / 100))
"$load" --address 127.0.0.1:"$port" --keys "$keys" --expire-at-ms "$deadline" --phases load >/dev/null
before=$(mib)
while [ "$(now_ms)" -lt "$deadline" ]; do sleep 0.1; done
echo "when due, one of the keys reads as '$(redis-cli -p "$port" get key:000000000007)', and DBSIZE says $(redis-cli -p "$port" dbsize)"
await expiry "$before"

"$load" --address 127.0.0.1:"$port" --keys "$fields" --value-size 100 --phases hash >/dev/null
echo "the hash has $(redis-cli -p "$port" hlen hash) fields"
before=$(mib)
echo "DEL was answered in $(timed redis-cli -p "$port" del hash) ms"
await DEL "$before"
