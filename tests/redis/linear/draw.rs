//! Random commands on keys so few that clients get into each other's way.

use siltstone::random::Random;

use super::keys::{Deed, Words};
use crate::client::Value;

/// What is looked at alone: keys of one type, or several that are written together.
pub(crate) const OBJECTS: [&str; 7] = ["string", "hash", "list", "sorted", "set", "stream", "several"];

fn words(line: &str) -> Words {
    line.split(' ').map(str::to_owned).collect()
}

/// One of some lines. `$n` is a number that is no other client's, `$d` a small one, `$p` much of nothing.
fn pick(random: &mut Random, number: u64, lines: &[&str]) -> Words {
    let line = lines[random.below(lines.len() as u64) as usize];
    let mut line =
        line.replace("$n", &number.to_string()).replace("$p", &format!("{number}{}", "p".repeat(90)));
    while line.contains("$d") {
        line = line.replacen("$d", &random.below(5).to_string(), 1);
    }
    words(&line)
}

/// What a client does next.
pub(crate) fn draw(random: &mut Random, object: &str, number: u64) -> Deed {
    Deed::One(match object {
        "string" => pick(
            random,
            number,
            &[
                "GET s",
                "GET s",
                "INCR s",
                "INCR s",
                "SET s $n",
                "GETSET s $n",
                "GETDEL s",
                "SETNX s $n",
                "DEL s",
            ],
        ),
        "hash" => pick(
            random,
            number,
            &[
                "HMGET h f0 f1 f2 f3 f4",
                "HMGET h f0 f1 f2 f3 f4",
                "HSET h f$d $n g$d $p",
                "HINCRBY h f$d 1",
                "HDEL h f$d",
                "HLEN h",
                "HSET h f$d $n f$d $n",
            ],
        ),
        "list" => pick(
            random,
            number,
            &[
                "LRANGE l 0 -1",
                "LRANGE l 0 -1",
                "RPUSH l $n",
                "LPUSH l $p",
                "LPOP l",
                "RPOP l",
                "LLEN l",
                "LINDEX l $d",
                "LPOP l",
                "BLPOP l 0.01",
                "BLMOVE l l LEFT RIGHT 0.01",
            ],
        ),
        "sorted" => pick(
            random,
            number,
            &[
                "ZRANGE z 0 -1 WITHSCORES",
                "ZRANGE z 0 -1 WITHSCORES",
                "ZADD z $n m$d",
                "ZINCRBY z $d m$d",
                "ZREM z m$d",
                "ZRANK z m$d",
                "ZPOPMIN z",
                "ZCARD z",
                "ZADD z $d m$d",
            ],
        ),
        "set" => pick(
            random,
            number,
            &[
                "SMISMEMBER m 0 1 2 3 4",
                "SMISMEMBER m 0 1 2 3 4",
                "SADD m $d $d",
                "SREM m $d",
                "SREM m $d $d $d",
                "SCARD m",
            ],
        ),
        "stream" => pick(
            random,
            number,
            &[
                "XRANGE x - +",
                "XADD x $n f 1",
                "XADD x MAXLEN = 8 $n f 1",
                "XTRIM x MAXLEN = 8",
                "XLEN x",
                "XGROUP CREATE x g 0 MKSTREAM",
                "XGROUP DESTROY x g",
                "XREADGROUP GROUP g c COUNT 2 STREAMS x >",
                "XREADGROUP GROUP g c COUNT 2 STREAMS x >",
                "XPENDING x g",
            ],
        ),
        _ => return several(random, number),
    })
}

fn several(random: &mut Random, number: u64) -> Deed {
    let looks = || ["GET a", "GET b", "LRANGE p 0 -1", "LRANGE q 0 -1"].map(words).to_vec();
    let writes = || {
        let lines = ["SET a $n", "SET b $n", "RPUSH p $n", "RPUSH q $n", "LTRIM p -8 -1", "LTRIM q -8 -1"];
        lines.map(|line| words(&line.replace("$n", &number.to_string()))).to_vec()
    };
    match random.below(9) {
        0 => Deed::One(words(&format!("MSET a {number} b {number}"))),
        1 => Deed::One(words("MGET a b")),
        2 => Deed::One(words("LMOVE p q LEFT RIGHT")),
        7 => Deed::One(words("BLMOVE p q LEFT RIGHT 0.01")),
        3 => Deed::Transaction(writes()),
        4 => Deed::Transaction(looks()),
        5 => Deed::Script(if random.one_in(2) { writes() } else { looks() }),
        6 => {
            let then = vec![words("INCR a"), words("INCR b"), words("LMOVE q p LEFT RIGHT")];
            if random.one_in(2) { Deed::Transaction(then) } else { Deed::Script(then) }
        }
        _ => {
            Deed::Swap { watched: "a".into(), seen: Value::Nil, then: vec![words("INCR a"), words("GET b")] }
        }
    }
}
