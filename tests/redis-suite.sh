#!/bin/bash
# Runs Redis's own test suite (Debian's source package of Redis 7.0.15) against Siltstone, and tells which of its
# blocks (`test {…}`) that Redis itself passes in the same setting we pass too.
#
#   tests/redis-suite.sh                          every file
#   tests/redis-suite.sh unit/type/hash unit/scan only these
#   tests/redis-suite.sh --reference [FILE…]      runs the redis-server on PATH anew, to learn what applies
#   tests/redis-suite.sh --only 'NAME' FILE       one block of a file, with the runner's own output
#
# SILTSTONE       the server to test [target/release/siltstone]
# MEMORY, FSYNC   its settings [1GiB, always]
# LIMIT           seconds that one file may take [300]
#
# Needs tclsh, redis-server 7.0 and apt-get (with Debian's archive keyring). Downloads and results lie in
# target/redis-suite: reference/ and ours/ (output, names of blocks passed and failed), and failed.txt, the blocks that
# Redis passes and we do not. Ends with 1 if one of these is not named in tests/redis-suite.txt.
#
# Each file is run by itself against a server of its own, in the runner's external mode, where it skips what starts
# servers. The suite's tests are not edited. Its runner is, in three places: an error that is not an assertion fails its
# block, and not the rest of its file; after a failure the next block gets a new connection; and a server without
# FUNCTION is no reason to run nothing.
set -u
cd "$(dirname "$0")/.."
root=$PWD
cache=$root/target/redis-suite
source=$cache/redis
server=${SILTSTONE:-$root/target/release/siltstone}
server=$(realpath "$server")
limit=${LIMIT:-300}
known=$root/tests/redis-suite.txt

units=(
    unit/type/{string,incr,hash,list,list-2,list-3,set,zset,stream,stream-cgroups}
    unit/{dump,auth,protocol,keyspace,scan,info,info-command,sort,expire,other,multi,quit,acl,acl-v2,latency-monitor}
    unit/{pubsub,pubsubshard,slowlog,scripting,functions,maxmemory,introspection,introspection-2,limits,obuf-limits}
    unit/{bitops,bitfield,geo,memefficiency,hyperloglog,lazyfree,pause,querybuf,pendingquerybuf,tracking,networking}
    unit/{violations,replybufsize,wait,shutdown,aofrw,client-eviction}
)

fetch() {
    [ -e "$source/.patched" ] && return
    local apt=$cache/apt
    mkdir -p "$apt/lists/partial"
    rm -rf "$source" "$cache/package"
    mkdir -p "$cache/package"
    local signed=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb-src [signed-by=$signed] http://deb.debian.org/debian bookworm main" >"$apt/sources.list"
    local options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o APT::Sandbox::User=)
    apt-get "${options[@]}" update || exit 2
    (cd "$cache/package" && apt-get "${options[@]}" source redis) || exit 2
    mv "$cache"/package/redis-7.0.* "$source" || exit 2
    # An error that is not an assertion: its message as it is, and not without its first ten letters.
    sed -i 's/set msg \[string range \$error 10 end\]/regsub {^assertion:} $error {} msg/' \
        "$source"/tests/support/{test,server}.tcl
    sed -i 's/^\( *\)incr ::num_failed$/&\n\1if {$::external} {catch {reconnect}}/' "$source/tests/support/test.tcl"
    sed -i 's/^    r function flush$/    catch {r function flush}/' "$source/tests/support/server.tcl"
    [ "$(grep -c 'catch {reconnect}' "$source/tests/support/test.tcl")" = 2 ] || { echo "cannot patch the runner"; exit 2; }
    touch "$source/.patched"
}

free_port() {
    echo 'puts [lindex [fconfigure [socket -server x -myaddr 127.0.0.1 0] -sockname] 2]' | tclsh
}

# start ours|reference PORT DIRECTORY: leaves the process's id in $pid.
start() {
    if [ "$1" = ours ]; then
        "$server" serve --table-port 0 --dir "$3/data" --port "$2" --memory "${MEMORY:-1GiB}" --fsync "${FSYNC:-always}" \
            >"$3/log" 2>&1 &
    else
        redis-server --port "$2" --dir "$3" --save "" --enable-debug-command yes --enable-protected-configs yes \
            --enable-module-command yes >"$3/log" 2>&1 &
    fi
    pid=$!
    for _ in $(seq 100); do
        redis-cli -p "$2" ping 2>/dev/null | grep -q PONG && return
        sleep 0.1
    done
    echo "the server does not start:" && tail -5 "$3/log"
    return 1
}

# run ours|reference FILE [ARGUMENT…]: the runner's output goes to $output.
run() {
    local which=$1 file=$2 work block hangs=()
    shift 2
    # A block that waits for what never comes takes the rest of its file with it: it is left out, and counts as failed.
    while read -r block; do hangs+=(--skiptest "$block"); done < <(sed -En "s#^(changed )?hangs $file: ##p" "$known")
    mkdir -p "$cache/$which"
    output=$cache/$which/${file//\//-}
    work=$(mktemp -d -p "$cache")
    if start "$which" "$(free_port >"$work/port"; cat "$work/port")" "$work"; then
        (cd "$source" && timeout -k 5 "$limit" ./runtest --host 127.0.0.1 --port "$(cat "$work/port")" --durable \
            --ignore-encoding --tags "-needs:repl -large-memory" --baseport $((20000 + RANDOM % 10000)) \
            --single "$file" "${hangs[@]}" "$@") >"$output.log" 2>&1 </dev/null
        [ $? = 124 ] && echo "[timeout]: after $limit s" >>"$output.log"
        kill -0 "$pid" 2>/dev/null || echo "[crash]: the server is gone" >>"$output.log"
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    fi
    cp "$work/log" "$output.server"
    rm -rf "$work"
    # Colours, then the names. A name that holds a random seed would never be the same again.
    sed -i 's/\x1b\[[0-9;]*m//g' "$output.log"
    # What the runner says once more at its end is not counted.
    sed '/^ *The End$/,$d' "$output.log" >"$output.live"
    sed -n 's/^\[ok\]: \(.*\) ([0-9]* ms)$/\1/p' "$output.live" | sort >"$output.passed"
    sed -n "s#^\[err\]: \(.*\) in tests/$file.tcl\$#\1#p" "$output.live" | sort >"$output.failed"
    rm "$output.live"
}

# names PREFIX: the blocks that tests/redis-suite.txt names, of those lines that begin so.
names() {
    sed -En "/^$1unit/ { s/^(changed )?(hangs )?//; p }" "$known"
}

only=()
reference=
while [ $# -gt 0 ]; do
    case $1 in
    --reference) reference=1 ;;
    --only) only=(--only "$2") && shift ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] && units=("$@")
fetch

if [ ${#only[@]} -gt 0 ]; then
    run ours "${units[0]}" "${only[@]}"
    cat "$output.log"
    exit
fi

: >"$cache/failed.txt"
printf '%-24s %7s %7s %7s %7s  %s\n' file applies passed failed known notes
applies=0 passed=0 expected=0 changed=0 surprises=0
for unit in "${units[@]}"; do
    name=${unit//\//-}
    if [ -n "$reference" ] || [ ! -e "$cache/reference/$name.passed" ]; then
        run reference "$unit"
    fi
    of=$(wc -l <"$cache/reference/$name.passed")
    if [ -n "$reference" ]; then
        printf '%-24s %7d %7s %7d\n' "${unit#unit/}" "$of" - "$(wc -l <"$cache/reference/$name.failed")"
        applies=$((applies + of))
        continue
    fi
    [ "$of" = 0 ] && continue
    run ours "$unit"
    comm -23 "$cache/reference/$name.passed" "$output.passed" >"$cache/missing"
    missing=$(wc -l <"$cache/missing")
    # tests/redis-suite.txt: a line `FILE: NAME` for each block, the reasons in comments above; `changed FILE: NAME` if
    # the tests of 7.2 expect something else there, and `hangs FILE: NAME` for what must not run.
    sed "s#^#$unit: #" "$cache/missing" >>"$cache/failed.txt"
    named=$(sed "s#^#$unit: #" "$cache/missing" | grep -cxFf <(names '(changed )?(hangs )?'))
    changed=$((changed + $(sed "s#^#$unit: #" "$cache/missing" | grep -cxFf <(names 'changed (hangs )?'))))
    notes=$(grep -aoE '^\[(exception|timeout|crash)\]: .{0,80}' "$output.log" | head -2 | tr '\n' ' ')
    printf '%-24s %7d %7d %7d %7d  %s\n' "${unit#unit/}" "$of" $((of - missing)) $((missing - named)) "$named" "$notes"
    applies=$((applies + of)) passed=$((passed + of - missing)) expected=$((expected + named))
    surprises=$((surprises + missing - named))
done
rm -f "$cache/missing"
[ -n "$reference" ] && printf '%-24s %7d\n' total "$applies" && exit
[ "$applies" = 0 ] && exit
printf '%-24s %7d %7d %7d %7d  %s %%\n' total "$applies" "$passed" "$surprises" "$expected" \
    "$(awk "BEGIN { printf \"%.2f\", 100 * $passed / $applies }")"
[ "$changed" = 0 ] || awk "BEGIN { printf \"without the %d of which 7.2 expects something else: %.2f %%\\n\", $changed,
    100 * $passed / ($applies - $changed) }"
echo "failed blocks: target/redis-suite/failed.txt"
[ "$surprises" = 0 ]
