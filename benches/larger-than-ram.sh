#!/usr/bin/env bash
# Data far larger than memory: `serve --memory 256MiB` in a hard memory cgroup of 768 MiB, 8 million keys of 400 random
# bytes loaded at pipeline 16, then uniform GETs, hot GETs and a 50/50 mix at pipeline DEPTH, and every key compared.
# Needs root, for the cgroup (version 1 or 2). With PEER=1 the same is asked of the least that a server over RocksDB can
# be (benches/peers/src/bin/rocksdb-server.rs), in the same cgroup and without syncs.
#
#   [PEER=1] [DEPTH=1] benches/larger-than-ram.sh [KEYS] [SECONDS] [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
keys=${1:-8000000} seconds=${2:-60} dir=${3:-$(mktemp -d -p .)}
fsync=${FSYNC:-always} port=${PORT:-7379} memory=${MEMORY:-256MiB} limit=$((768 << 20))
binary=${SILTSTONE:-target/release/siltstone}
serve="$binary serve --table-port 0 --dir $dir/data --port $port --memory $memory --fsync $fsync"
if [ -n "${PEER:-}" ]; then
    cargo build --release --manifest-path benches/peers/Cargo.toml
    serve="benches/peers/target/release/rocksdb-server $dir/data $port"
elif [ ! -x "$binary" ]; then
    cargo build --release
fi
load=${LOAD:-benches/load/target/release/siltstone-load}
[ -x "$load" ] || cargo build --release --manifest-path benches/load/Cargo.toml

if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory/siltstone-$$
    mkdir "$group"
    echo "$limit" >"$group/memory.limit_in_bytes"
else
    group=/sys/fs/cgroup/siltstone-$$
    mkdir "$group"
    echo "$limit" >"$group/memory.max"
    echo 0 >"$group/memory.swap.max" 2>/dev/null || true
fi

log=$(mktemp)
sh -c "echo \$\$ >$group/cgroup.procs; exec $serve" 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rmdir "$group" 2>/dev/null || true; rm -rf "$dir" "$log"' EXIT
until grep -q 'listening on' "$log"; do kill -0 $server; sleep 0.1; done

# Own memory: what is resident less what is mapped from files.
own=$(mktemp)
(while kill -0 $server 2>/dev/null; do
    awk '/^(RssAnon|RssShmem)/ { sum += $2 } END { print sum }' /proc/$server/status 2>/dev/null
    sleep 0.2
done >"$own") &

"$load" --address 127.0.0.1:$port --depth "${DEPTH:-1}" --keys "$keys" --seconds "$seconds" --phases "${PHASES:-load,uniform,hot,mix,verify}"
kill -0 $server || { echo "the server was killed"; exit 1; }
echo "own memory: at most $(sort -n "$own" | tail -1) KiB of $memory"
echo "on disk: $(du -sm "$dir/data" | cut -f1) MiB; server CPU seconds: $(awk '{ print ($14 + $15) / 100 }' /proc/$server/stat)"
rm -f "$own"
