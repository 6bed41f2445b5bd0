#!/usr/bin/env bash
# A table far larger than memory: items of 1 KB and one global index, `serve --memory 256MiB` in a hard memory cgroup of
# 768 MiB, every write synced. Loads by BatchWriteItem, then GetItem, Query of the index and UpdateItem of any item,
# 50 connections each. Needs root for the cgroup (version 1 or 2), wrk, python3 with boto3.
#
#   benches/tables/larger-than-ram.sh [ITEMS] [SECONDS] [DIR]
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-5000000} seconds=${2:-30} dir=${3:-$(mktemp -d -p .)}
port=7411 limit=$((768 << 20))
binary=${SILTSTONE:-target/release/siltstone}
[ -x "$binary" ] || cargo build --release

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
sh -c "echo \$\$ >$group/cgroup.procs; exec $binary serve --dir $dir/data --port 7410 --table-port $port --memory 256MiB" \
    2>/dev/null &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rmdir "$group" 2>/dev/null || true; rm -rf "$dir"' EXIT
until curl -s http://127.0.0.1:$port/ >/dev/null; do kill -0 $server; sleep 0.1; done

call() { # operation, request
    curl -s http://127.0.0.1:$port/ -H "X-Amz-Target: DynamoDB_20120810.$1" -H 'Content-Type: application/x-amz-json-1.0' \
        -H 'X-Amz-Date: 20260101T000000Z' -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c' \
        -d "$2"
}
call CreateTable '{"TableName":"large","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[
    {"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"owner","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"byowner","KeySchema":[
    {"AttributeName":"owner","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}]}' >/dev/null
count() { call DescribeTable '{"TableName":"large"}' | grep -o '"ItemCount":[0-9]*,"KeySchema":\[{"AttributeName":"pk"' | grep -o '[0-9]*' | head -1; }

own=$(mktemp)
(while kill -0 $server 2>/dev/null; do
    awk '/^(RssAnon|RssShmem)/ { sum += $2 } END { print sum }' /proc/$server/status 2>/dev/null
    sleep 0.2
done >"$own") &

began=$(date +%s.%N)
loaded=0
while [ "$loaded" -lt "$items" ]; do
    wrk -t1 -c16 -d10s -s benches/tables/fill.lua http://127.0.0.1:$port -- "$loaded" >/dev/null
    kill -0 $server || { echo "the server was killed"; exit 1; }
    loaded=$(count)
done
awk -v began="$began" -v now="$(date +%s.%N)" -v n="$loaded" \
    'BEGIN { printf "load       %10.0f items/s (%d items)\n", n / (now - began), n }'
own() { echo "own memory so far: at most $(sort -n "$own" | tail -1) KiB of 256 MiB"; }
own
for what in get query update; do
    wrk -t1 -c50 -d"${seconds}s" --latency -s benches/tables/read.lua http://127.0.0.1:$port -- $what "$items" |
        awk -v what=$what '
            /^ +50%/ { median = $2 }
            /^ +99%/ { tail = $2 }
            /Requests\/sec/ { rate = $2 }
            /Non-2xx/ { wrong = $NF }
            END { printf "%-10s %10.0f req/s, p50 %s, p99 %s, not 200: %d\n", what, rate, median, tail, wrong }'
    kill -0 $server || { echo "the server was killed"; exit 1; }
    own
done
echo "on disk: $(du -sm "$dir/data" | cut -f1) MiB"
rm -f "$own"
