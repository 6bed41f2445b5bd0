#!/usr/bin/env bash
# Siltstone's server beside Redis, with redis-benchmark: 50 connections, a keyspace of a million, alternating runs, and
# the CPU seconds that each server took for a million operations.
#
#   benches/beside-redis.sh [REQUESTS] [ROUNDS]            strings and hashes
#   benches/beside-redis.sh [REQUESTS] [ROUNDS] types      a command of each other type
set -euo pipefail
cd "$(dirname "$0")/.."
requests=${1:-1000000} rounds=${2:-3} what=${3:-strings}
binary=${SILTSTONE:-target/release/siltstone}
[ -x "$binary" ] || cargo build --release
dir=$(mktemp -d -p .)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

start() { # engine, fsync; leaves the process in $server and the port in $port
    rm -rf "$dir/data"
    mkdir -p "$dir/data"
    if [ "$1" = redis ]; then
        port=7390
        redis-server --port $port --dir "$dir/data" --appendonly yes --appendfsync "$2" --save '' >/dev/null &
    else
        port=7391
        "$binary" serve --port $port --table-port 0 --dir "$dir/data" --memory 1GiB --fsync "$2" 2>/dev/null &
    fi
    server=$!
    until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.1; done
}

stop() {
    kill $server
    wait $server 2>/dev/null || true
}

cpu() { awk '{ print ($14 + $15) / 100 }' /proc/$server/stat; }

printf '%-9s %-9s %5s %4s %-8s %10s %16s\n' server fsync conns pipe test ops/s 'CPU s / M ops'
measure() { # fsync connections pipeline tests
    for ((round = 0; round < rounds; round++)); do
        for engine in redis siltstone; do
            start $engine "$1"
            for test in ${4//,/ }; do
                before=$(cpu)
                # What redis-benchmark has no test for is a command.
                case $test in
                xadd) words=(XADD stream '*' field value) ;;
                pfadd) words=(PFADD sketch __rand_int__) ;;
                eval) words=(EVAL "return redis.call('incr', KEYS[1])" 1 counter) ;;
                *) words=(-t "$test") ;;
                esac
                rate=$(redis-benchmark -p $port -c "$2" -P "$3" -n "$requests" -r 1000000 --csv "${words[@]}" 2>/dev/null |
                    tail -1 | grep -o '"[0-9.]*"' | head -1 | tr -d '"')
                printf '%-9s %-9s %5s %4s %-8s %10.0f %16.2f\n' $engine "$1" "$2" "$3" "$test" "$rate" \
                    "$(awk -v a="$before" -v b="$(cpu)" -v n="$requests" 'BEGIN { print (b - a) / n * 1e6 }')"
            done
            stop
        done
    done
}

if [ "$what" = types ]; then
    for pipeline in 1 16; do
        measure everysec 50 $pipeline lpush,rpop,sadd,zadd,hset,xadd,pfadd,eval
    done
    exit
fi
measure everysec 50 1 set,get,incr,hset
measure everysec 50 16 set,get,incr,hset
measure always 50 1 set
measure always 200 1 set
measure always 50 16 set
