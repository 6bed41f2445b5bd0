//! Random commands over all types, sent to us and to a real Redis 7.0, in RESP2 and RESP3: every reply is the same.
//!
//! Only where asked for: `SILTSTONE_REDIS=1 cargo test --test redis same_random`, with `SILTSTONE_REPLAY=N` for N commands
//! and `SILTSTONE_SEED=N` for others than the usual ones.
//!
//! Left out is what is drawn at random (SPOP …), what tells of time or of memory (TTL, OBJECT …), where a cursor is told
//! (SCAN …), and where 7.2 differs from 7.0: XCLAIM and XAUTOCLAIM make a consumer in any case, so that XGROUP CREATECONSUMER
//! may find it, and XSETID complains first of what was deleted. What has no order in Redis is compared without.

use siltstone::random::Random;

use crate::client::{Client, Value, encode};
use crate::running::Server;
use crate::transcripts::Redis;

/// A word with `$` is drawn: see [`draw`].
const COMMANDS: &[&str] = &[
    "SET $s $v",
    "SET $s $v NX",
    "SET $s $v XX GET",
    "SETNX $s $v",
    "GETSET $s $v",
    "GETDEL $s",
    "GETEX $s PERSIST",
    "GET $s",
    "MGET $s $s $l",
    "MSET $s $v $s $v",
    "MSETNX $s $v $s $v",
    "APPEND $s $v",
    "STRLEN $s",
    "INCR $s",
    "DECRBY $s $i",
    "INCRBYFLOAT $s $f",
    "SETRANGE $s $n $v",
    "GETRANGE $s $i $i",
    "LCS $s $s",
    "LCS $s $s IDX WITHMATCHLEN",
    "SETBIT $s $off $b",
    "GETBIT $s $off",
    "BITCOUNT $s",
    "BITCOUNT $s $i $i BIT",
    "BITPOS $s $b",
    "BITPOS $s $b $i",
    "BITOP AND $s $s $s",
    "BITOP XOR $s $s",
    "BITOP NOT $s $s",
    "BITFIELD $s SET u5 $off $n GET i7 $off",
    "BITFIELD $s OVERFLOW SAT INCRBY i6 $off $i",
    "BITFIELD_RO $s GET u9 $off",
    "PFADD $p $m $m",
    "PFCOUNT $p $p",
    "PFMERGE $p $p",
    "PFCOUNT $s",
    "HSET $h $m $v $m $v",
    "HSETNX $h $m $v",
    "HGET $h $m",
    "HMGET $h $m $m",
    "HDEL $h $m $m",
    "HLEN $h",
    "HEXISTS $h $m",
    "HSTRLEN $h $m",
    "HINCRBY $h $m $i",
    "HINCRBYFLOAT $h $m $f",
    "HGETALL $h",
    "HKEYS $h",
    "HVALS $h",
    "LPUSH $l $v $v",
    "RPUSH $l $v",
    "LPUSHX $l $v",
    "RPUSHX $l $v",
    "LPOP $l",
    "RPOP $l $n",
    "LLEN $l",
    "LINDEX $l $i",
    "LSET $l $i $v",
    "LINSERT $l BEFORE $v $v",
    "LINSERT $l AFTER $v $v",
    "LRANGE $l $i $i",
    "LTRIM $l $i $i",
    "LREM $l $i $v",
    "LMOVE $l $l LEFT RIGHT",
    "RPOPLPUSH $l $l",
    "LPOS $l $v",
    "LPOS $l $v RANK $i COUNT $n",
    "LMPOP 2 $l $l LEFT COUNT $n1",
    "BLPOP $l $l 0.001",
    "BLMOVE $l $l RIGHT LEFT 0.001",
    "SADD $t $m $m $m",
    "SREM $t $m $m",
    "SISMEMBER $t $m",
    "SMISMEMBER $t $m $m",
    "SCARD $t",
    "SMEMBERS $t",
    "SMOVE $t $t $m",
    "SINTER $t $t",
    "SUNION $t $t",
    "SDIFF $t $t",
    "SINTERSTORE $t $t $t",
    "SUNIONSTORE $t $t $t",
    "SDIFFSTORE $t $t $t",
    "SINTERCARD 2 $t $t LIMIT $n",
    "ZADD $z $f $m $f $m",
    "ZADD $z NX $f $m",
    "ZADD $z GT CH $f $m",
    "ZADD $z XX INCR $f $m",
    "ZINCRBY $z $f $m",
    "ZREM $z $m $m",
    "ZSCORE $z $m",
    "ZMSCORE $z $m $m",
    "ZCARD $z",
    "ZRANK $z $m",
    "ZREVRANK $z $m",
    "ZRANGE $z $i $i",
    "ZRANGE $z $i $i WITHSCORES",
    "ZRANGE $z $i $i REV",
    "ZRANGE $z $o $o BYSCORE LIMIT $i $i",
    "ZADD $y 0 $m 0 $m",
    "ZRANGE $y $x $x BYLEX",
    "ZRANGE $z $o $o BYSCORE REV WITHSCORES",
    "ZREVRANGE $z $i $i WITHSCORES",
    "ZRANGEBYSCORE $z $o $o WITHSCORES",
    "ZREVRANGEBYSCORE $z $o $o LIMIT $n $n",
    "ZRANGEBYLEX $y $x $x",
    "ZREVRANGEBYLEX $y $x $x",
    "ZCOUNT $z $o $o",
    "ZLEXCOUNT $y $x $x",
    "ZREMRANGEBYRANK $z $i $i",
    "ZREMRANGEBYSCORE $z $o $o",
    "ZREMRANGEBYLEX $y $x $x",
    "ZPOPMIN $z",
    "ZPOPMAX $z $n",
    "ZMPOP 2 $z $z MAX COUNT $n1",
    "BZPOPMIN $z $z 0.001",
    "ZUNION 2 $z $t WITHSCORES",
    "ZINTER 2 $z $z WEIGHTS $i $i AGGREGATE MAX WITHSCORES",
    "ZDIFF 2 $z $z WITHSCORES",
    "ZUNIONSTORE $z 2 $z $t",
    "ZINTERSTORE $z 2 $z $z AGGREGATE MIN",
    "ZDIFFSTORE $z 2 $z $z",
    "ZINTERCARD 2 $z $z LIMIT $n",
    "ZRANGESTORE $z $z $i $i",
    "GEOADD $g $lon $lat $m $lon $lat $m",
    "GEOPOS $g $m $m",
    "GEODIST $g $m $m km",
    "GEOHASH $g $m $m",
    "GEOSEARCH $g FROMLONLAT $lon $lat BYRADIUS 3000 km ASC COUNT $n1 WITHDIST",
    "GEOSEARCH $g FROMMEMBER $m BYBOX 4000 3000 km DESC WITHCOORD WITHHASH",
    "GEOSEARCHSTORE $g $g FROMLONLAT $lon $lat BYRADIUS 5000 km ASC",
    "XADD $k $id f $v",
    "XADD $k MAXLEN = $n $id f $v g $v",
    "XADD $k NOMKSTREAM $id f $v",
    "XLEN $k",
    "XRANGE $k - +",
    "XRANGE $k $id $id COUNT $n",
    "XREVRANGE $k + - COUNT $n",
    "XDEL $k $id $id",
    "XTRIM $k MAXLEN $n",
    "XTRIM $k MINID $id LIMIT 0",
    "XREAD COUNT $n STREAMS $k $k $id $id",
    "XREAD BLOCK 1 STREAMS $k $id",
    "XGROUP CREATE $k $gr $id MKSTREAM",
    "XGROUP SETID $k $gr $id",
    "XGROUP DESTROY $k $gr",
    "XGROUP DELCONSUMER $k $gr $c",
    "XREADGROUP GROUP $gr $c COUNT $n STREAMS $k >",
    "XREADGROUP GROUP $gr $c STREAMS $k $id",
    "XACK $k $gr $id $id",
    "XPENDING $k $gr",
    "XCLAIM $k $gr $c 0 $id $id JUSTID FORCE",
    "XAUTOCLAIM $k $gr $c 0 $id COUNT $n1 JUSTID",
    "SORT $l ALPHA",
    "SORT $t ALPHA DESC LIMIT $n $n",
    "SORT $l ALPHA GET # GET s* STORE $l",
    "SORT_RO $z ALPHA DESC",
    "DEL $a $a",
    "UNLINK $a",
    "EXISTS $a $a $a",
    "TYPE $a",
    "RENAME $a $a",
    "RENAMENX $a $a",
    "COPY $a $a",
    "COPY $a $a REPLACE",
    "EXPIREAT $a 9999999999",
    "EXPIRETIME $a",
    "PERSIST $a",
    "EXPIREAT $a 1",
    "EXPIREAT $a 9999999999 NX",
    "PEXPIRETIME $a",
    "TOUCH $a $a",
    "DBSIZE",
    "KEYS *",
    "MOVE $a 1",
    "SELECT 0",
    "FLUSHDB",
    "DEBUG PROTOCOL bignum",
    "ECHO $v",
    "OBJECT REFCOUNT $none",
    "COMMAND GETKEYS MSET $s $v $s $v",
    "WAIT 0 0",
    "EVAL return{redis.call('INCRBY',KEYS[1],ARGV[1]),ARGV[2],{},false} 1 $s $i $v",
    "EVAL return{redis.pcall('GET',KEYS[1])} 1 $a",
    "EVAL return{redis.call('ZADD',KEYS[1],1.5,'a'),redis.call('ZSCORE',KEYS[1],'a'),KEYS} 1 $z",
    "EVAL redis.call('SET',KEYS[1],1);return{redis.call('LPUSH',KEYS[1],1)} 1 $a",
    "EVAL_RO return{redis.call('TYPE',KEYS[1])['ok']} 1 $a",
    "EVAL redis.setresp(3);return{redis.call('HGETALL',KEYS[1])} 1 $none",
    "EVAL return{cjson.encode(redis.call('LRANGE',KEYS[1],0,-1))} 1 $l",
];

/// What has no order in Redis.
const UNORDERED: &[&str] = &["SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "KEYS"];

fn pick<'a>(random: &mut Random, words: &[&'a str]) -> &'a str {
    words[random.below(words.len() as u64) as usize]
}

fn draw(random: &mut Random, what: &str) -> String {
    const KINDS: &str = "slhtzgkp";
    let numbered = |kind: &str, random: &mut Random| format!("{kind}{}", random.below(3));
    // Now and then a key of another type.
    let any = |random: &mut Random| {
        let kind = random.below(KINDS.len() as u64) as usize;
        numbered(&KINDS[kind..=kind], random)
    };
    match what {
        "s" | "l" | "h" | "t" | "z" | "g" | "k" | "p" if !random.one_in(30) => numbered(what, random),
        "s" | "l" | "h" | "t" | "z" | "g" | "k" | "p" | "a" => any(random),
        // All of one score: over several, BYLEX finds in Redis what its skip list happens to lead to.
        "y" => numbered(what, random),
        "none" => "no-such-key".to_owned(),
        "m" => pick(random, &["a", "b", "c", "d", "e", "ff", "10", "-3"]).to_owned(),
        "v" => match random.below(3) {
            0 => pick(random, &["", "a", "b", "word", "longer words, with spaces", "1.5", "nan", "\u{e9}"])
                .to_owned(),
            _ => (random.below(200) as i64 - 100).to_string(),
        },
        "i" => (random.below(13) as i64 - 6).to_string(),
        "n" => random.below(7).to_string(),
        "n1" => (1 + random.below(6)).to_string(),
        "b" => random.below(2).to_string(),
        "off" => random.below(60).to_string(),
        "f" => {
            pick(random, &["0", "1", "2", "-1", "1.5", "0.25", "-7.75", "100", "inf", "-inf", "x"]).to_owned()
        }
        "o" => pick(random, &["-inf", "+inf", "0", "(1", "1", "(0.25", "2", "(-1", "x"]).to_owned(),
        "x" => pick(random, &["-", "+", "[a", "(b", "[c", "(e", "[ff", "a"]).to_owned(),
        "lon" => pick(random, &["0", "13.5", "-122.25", "2.5", "181"]).to_owned(),
        "lat" => pick(random, &["0", "38.25", "52.5", "-33.75"]).to_owned(),
        "id" => format!("{}-{}", random.below(60), random.below(3)),
        "gr" => pick(random, &["g", "h"]).to_owned(),
        "c" => pick(random, &["alice", "bob"]).to_owned(),
        _ => panic!("{what}"),
    }
}

fn words(random: &mut Random, in_transaction: bool) -> Vec<String> {
    let mut template = pick(random, COMMANDS);
    // EXEC's reply is compared as it is.
    while in_transaction
        && (UNORDERED.contains(&template.split(' ').next().unwrap()) || template.starts_with("HGETALL"))
    {
        template = pick(random, COMMANDS);
    }
    let drawn = template.split(' ').map(|word| match word.strip_prefix('$') {
        Some(what) => draw(random, what),
        None => word.to_owned(),
    });
    drawn.collect()
}

/// A reply without what differs from run to run.
fn settled(command: &str, mut reply: Value) -> Value {
    // There is one zero here, and two in Redis.
    match &mut reply {
        Value::Other(b',', text) if text == "-0" => "0".clone_into(text),
        Value::Bulk(text) if text == b"-0" => *text = b"0".to_vec(),
        Value::Many(_, parts) => {
            for part in parts.iter_mut() {
                *part = settled("", std::mem::replace(part, Value::Nil));
            }
        }
        _ => {}
    }
    if let Value::Many(marker, parts) = &mut reply {
        if UNORDERED.contains(&command) {
            parts.sort_by_key(Value::show);
        } else if command == "HGETALL" {
            let mut pairs: Vec<Vec<Value>> = parts.chunks(2).map(<[Value]>::to_vec).collect();
            pairs.sort_by_key(|pair| pair[0].show());
            return Value::Many(*marker, pairs.concat());
        }
    }
    reply
}

/// What was done lately to the first key of a command.
fn told(history: &[String], words: &[String]) -> String {
    let is_key = |word: &&String| word.len() == 2 && word.as_bytes()[1].is_ascii_digit();
    let key = words.iter().find(is_key).map_or(String::new(), |key| format!("{key:?}"));
    let about = history.iter().rev().filter(|line| line.contains(&key) || line.contains("FLUSHDB"));
    let mut lines: Vec<&str> = about.take(25).map(String::as_str).collect();
    lines.reverse();
    lines.join("\n")
}

#[test]
fn a_real_redis_gives_the_same_random_commands_the_same_replies() {
    if std::env::var_os("SILTSTONE_REDIS").is_none() {
        return;
    }
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (server, redis) = (Server::start(), Redis::start());
    let mut clients = [server.address, redis.address].map(|at| [Client::connect(at), Client::connect(at)]);
    for [_, third] in &mut clients {
        third.command(&["HELLO", "3"]);
    }
    let mut random = Random::seeded(number("SILTSTONE_SEED", 1));
    let mut history: Vec<String> = Vec::new();
    let mut queued = [0, 0];
    for _ in 0..number("SILTSTONE_REPLAY", 20_000) {
        let version = random.below(2) as usize;
        let words = match queued[version] {
            0 if random.one_in(40) => {
                queued[version] = 2 + random.below(4);
                vec!["MULTI".to_owned()]
            }
            1 => vec!["EXEC".to_owned()],
            left => words(&mut random, left > 0),
        };
        if words[0] != "MULTI" {
            queued[version] = queued[version].saturating_sub(1);
        }
        let encoded = encode(&words.iter().map(String::as_bytes).collect::<Vec<_>>());
        let [ours, theirs] = [0, 1].map(|side: usize| {
            let client = &mut clients[side][version];
            client.send(&encoded);
            settled(&words[0], client.read().expect("a reply"))
        });
        history.push(format!("RESP{} {words:?}", version + 2));
        assert_eq!(ours, theirs, "after\n{}", told(&history, &words));
    }
}
