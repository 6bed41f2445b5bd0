#!/usr/bin/env bash
# Siltstone's tables beside dynalite (npm, in memory) and moto's server (PyPI), with wrk and requests that were signed
# beforehand: items of 1 KB, 50 connections, one run of each operation. Siltstone syncs every write before it answers and
# verifies every signature; the others do neither. Needs wrk, python3 with boto3 and moto[server], node with dynalite:
#
#   DYNALITE=DIR benches/beside-dynalite.sh [SECONDS]      DIR: where `npm install dynalite` was called
#
# The last column of Siltstone's own lines compares with its RESP side: HSET and HGETALL of an equal record, pipeline 1.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
binary=${SILTSTONE:-target/release/siltstone}
[ -x "$binary" ] || cargo build --release
dir=$(mktemp -d -p .)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

cat >"$dir/credentials" <<EOF
[default]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
EOF

start() { # server; leaves its port in $port
    case $1 in
    siltstone)
        port=7401
        "$binary" serve --dir "$dir/data" --port 7400 --table-port $port --memory 1GiB \
            --table-credentials "$dir/credentials" 2>/dev/null &
        ;;
    dynalite)
        port=7402
        "${DYNALITE:?where dynalite is}/node_modules/.bin/dynalite" --port $port --createTableMs 0 >/dev/null &
        ;;
    moto)
        port=7403
        moto_server -p $port >/dev/null 2>&1 &
        ;;
    esac
    until curl -s "http://127.0.0.1:$port/" >/dev/null; do sleep 0.1; done
}

printf '%-10s %-10s %10s %10s %10s %10s\n' server operation req/s 'p50 ms' 'p99 ms' 'not 200'
for server in siltstone ${DYNALITE:+dynalite} ${MOTO:+moto}; do
    start $server
    python3 benches/tables/load.py "http://127.0.0.1:$port"
    python3 benches/tables/prepare.py "$dir/requests" "127.0.0.1:$port"
    for operation in put get update query transact; do
        wrk -t1 -c50 -d"${seconds}s" --latency -s benches/tables/replay.lua "http://127.0.0.1:$port" -- \
            "$dir/requests/$operation" >"$dir/wrk"
        awk -v server=$server -v operation=$operation '
            function ms(text) { return text ~ /us$/ ? text / 1000 : text ~ /ms$/ ? text + 0 : text * 1000 }
            /^ +50%/ { median = ms($2) }
            /^ +99%/ { tail = ms($2) }
            /Requests\/sec/ { rate = $2 }
            /Non-2xx/ { wrong = $NF }
            END { printf "%-10s %-10s %10.0f %10.2f %10.2f %10d\n", server, operation, rate, median, tail, wrong }' "$dir/wrk"
    done
    kill %% && wait %% 2>/dev/null || true
done

start siltstone
record=$(printf 'x%.0s' $(seq 900))
for words in "HSET record:__rand_int__ text $record n 12 flag true" "HGETALL record:__rand_int__"; do
    rate=$(redis-benchmark -p 7400 -c 50 -n 300000 -r 100000 --csv $words 2>/dev/null | tail -1 | awk -F'","' '{ print $2 }')
    printf '%-10s %-10s %10.0f\n' siltstone "${words%% *}" "$rate"
done
