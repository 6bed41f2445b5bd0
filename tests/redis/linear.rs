//! Many clients at once see what one after the other could have seen, over restarts, kills and power failures.
//!
//! Clients note when they ask and when they are answered; a checker looks for an order of all calls that explains the
//! answers. The servers die while clients write: what was answered before must be there afterwards, and whatever was
//! under way may be or not. `SILTSTONE_SERVERS=1500` asks for more servers, `SILTSTONE_SEED` for other commands.

mod checker;
mod draw;
mod keys;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use siltstone::clock::SystemClock;
use siltstone::random::Random;
use siltstone::vfs::faulty::{Fault, FaultyVfs, Operation, Rule};
use siltstone::vfs::memory::MemoryVfs;

use self::checker::check;
use self::draw::{OBJECTS, draw};
use self::keys::{Deed, Keys, Words};
use crate::client::{Client, Value, encode};
use crate::running::Server;

const CLIENTS: u64 = 5;
/// Calls of all clients before a server dies.
const CALLS: u64 = 400;
/// Servers after which a history is checked, and the next begins with other keys.
const SERVERS: u64 = 4;

const SCRIPT: &str = "local said = {} \
    for at, words in ipairs(cjson.decode(ARGV[1])) do said[at] = redis.call(unpack(words)) end \
    return said";

type Call = checker::Call<Deed, Value>;

/// The time, as all clients have it.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Ticks {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// A client, its keys and the calls that it made.
struct Caller<'a> {
    client: Client,
    ticks: &'a Ticks,
    random: Random,
    /// What its keys' names begin with.
    prefix: String,
    number: u64,
    calls: Vec<(usize, Call)>,
}

impl Caller<'_> {
    /// A command's bytes, its keys being those of this history.
    fn encode(&self, words: &[String]) -> Vec<u8> {
        let is_key = |at: usize| match words[0].as_str() {
            "MSET" => at % 2 == 1,
            "MGET" => at > 0,
            "LMOVE" | "BLMOVE" => at == 1 || at == 2,
            "XGROUP" => at == 2,
            "XREADGROUP" => at == words.len() - 2,
            "MULTI" | "EXEC" => false,
            _ => at == 1,
        };
        let name =
            |(at, word): (usize, &String)| if is_key(at) { self.prefix.clone() + word } else { word.clone() };
        let words: Words = words.iter().enumerate().map(name).collect();
        encode(&words.iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    fn transaction(&self, commands: &[Words]) -> Vec<u8> {
        let word = |word: &str| self.encode(&[word.to_owned()]);
        let queued = commands.iter().flat_map(|words| self.encode(words));
        word("MULTI").into_iter().chain(queued).chain(word("EXEC")).collect()
    }

    fn script(&self, commands: &[Words]) -> Vec<u8> {
        let quoted = |(at, word): (usize, &String)| {
            let is_key = at == 1 || at == 2 && "pq".contains(&word[..]);
            let prefix = if is_key { &self.prefix[..] } else { "" };
            format!("\"{prefix}{word}\"")
        };
        let command = |words: &Words| words.iter().enumerate().map(quoted).collect::<Vec<_>>().join(",");
        let all: Vec<String> = commands.iter().map(|words| format!("[{}]", command(words))).collect();
        let keys = ["a", "b", "p", "q"].map(|name| self.prefix.clone() + name);
        let [a, b, p, q] = keys.each_ref().map(String::as_bytes);
        encode(&[b"EVAL", SCRIPT.as_bytes(), b"4", a, b, p, q, format!("[{}]", all.join(",")).as_bytes()])
    }

    /// So many replies, of which the last; `None` at the end of the connection.
    fn last_of(&mut self, replies: usize) -> Option<Value> {
        (0..replies).try_fold(Value::Nil, |_, _| self.client.read())
    }

    /// A reply without what this history's keys begin with, and an error's first word.
    fn plain(&self, reply: Value) -> Value {
        match reply {
            Value::Bulk(text) => Value::Bulk(match text.strip_prefix(self.prefix.as_bytes()) {
                Some(name) => name.to_vec(),
                None => text,
            }),
            Value::Error(text) => Value::Error(text.split(' ').next().unwrap_or_default().to_owned()),
            Value::Many(marker, parts) => {
                Value::Many(marker, parts.into_iter().map(|part| self.plain(part)).collect())
            }
            other => other,
        }
    }

    /// Sends, and notes what came of it. False at the end of the connection.
    fn call(&mut self, object: usize, deed: Deed, bytes: &[u8], replies: usize) -> bool {
        let from = self.ticks.next();
        let sent = std::io::Write::write_all(&mut self.client.stream, bytes).is_ok();
        let reply = if sent { self.last_of(replies) } else { None };
        let (to, goes_on) = (self.ticks.next(), reply.is_some());
        let reply = reply.map(|reply| self.plain(reply));
        let may_fail = OBJECTS[object] == "stream";
        assert!(may_fail || !matches!(&reply, Some(Value::Error(_))), "{deed:?}: {reply:?}");
        // What somebody else's write prevented did nothing, whatever was written.
        if !matches!((&deed, &reply), (Deed::Swap { .. }, Some(Value::Nil))) {
            self.calls.push((object, Call { from, to, command: deed, reply }));
        }
        goes_on
    }

    /// The next call. False at the end of the connection.
    fn step(&mut self) -> bool {
        self.number += CLIENTS;
        let object = self.random.below(OBJECTS.len() as u64) as usize;
        let deed = draw(&mut self.random, OBJECTS[object], self.number);
        let bytes = match &deed {
            Deed::One(words) => self.encode(words),
            Deed::Transaction(all) => self.transaction(all),
            Deed::Script(all) => self.script(all),
            Deed::Swap { watched, then, .. } => {
                let (watched, then) = (watched.clone(), then.clone());
                let watch = self.encode(&["WATCH".to_owned(), watched.clone()]);
                self.client.send(&[watch, self.encode(&["GET".to_owned(), watched.clone()])].concat());
                let Some(seen) = self.last_of(2) else { return false };
                let bytes = self.transaction(&then);
                return self.call(
                    object,
                    Deed::Swap { watched, seen, then: then.clone() },
                    &bytes,
                    then.len() + 2,
                );
            }
        };
        let replies = if let Deed::Transaction(all) = &deed { all.len() + 2 } else { 1 };
        self.call(object, deed, &bytes, replies)
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Order,
    Kill,
    PowerFailure,
}

/// One server's life: its clients' calls, and the disk that it leaves.
fn live(
    memory: MemoryVfs,
    syncs: &Fault,
    ticks: &Ticks,
    prefix: &str,
    random: &mut Random,
    end: End,
) -> (MemoryVfs, Vec<(usize, Call)>) {
    let faulty = FaultyVfs::new(Arc::new(memory.clone()));
    faulty.add(Rule::always(Operation::Sync, ".log", syncs.clone()));
    let server = Server::of(Arc::new(faulty), Arc::new(SystemClock::default()));
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let target = CALLS / 2 + random.below(CALLS);
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| random.next_u64()).collect();
    let image_seed = random.next_u64();
    let mut cut = (u64::MAX, u64::MAX);
    let mut left = memory.clone();
    let mut calls = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .zip(seeds)
            .map(|(id, seed)| {
                let (client, stop, made) = (server.client(), &stop, &made);
                let (random, prefix) = (Random::seeded(seed), prefix.to_owned());
                let number = ticks.next() * CLIENTS + id;
                let mut caller = Caller { client, ticks, random, prefix, number, calls: Vec::new() };
                scope.spawn(move || {
                    while !stop.load(Ordering::SeqCst) && caller.step() {
                        made.fetch_add(1, Ordering::SeqCst);
                    }
                    caller.calls
                })
            })
            .collect();
        while made.load(Ordering::SeqCst) < target
            && !threads.iter().any(std::thread::ScopedJoinHandle::is_finished)
        {
            std::thread::yield_now();
        }
        // The server does not know that it dies: it goes on for a while, and nobody believes what it says.
        let from = ticks.next();
        match end {
            End::Order => {}
            End::Kill => left = memory.kill_clone(),
            End::PowerFailure => left = memory.crash_clone(image_seed),
        }
        if !matches!(end, End::Order) {
            cut = (from, ticks.next());
        }
        stop.store(true, Ordering::SeqCst);
        calls.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    drop(server);
    (left, calls.into_iter().filter_map(|(object, call)| Some((object, until(call, cut)?))).collect())
}

/// What is known of a call when the server dies between two ticks: what began later never was, and what ended later may
/// have been.
fn until(call: Call, (from, to): (u64, u64)) -> Option<Call> {
    if call.to < from {
        return Some(call);
    }
    (call.from < to && call.command.writes()).then_some(Call { to, reply: None, ..call })
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// So many servers after each other, and whether what clients saw of them can be explained.
fn run(servers: u64, seed: u64, syncs: &Fault) -> Result<String, String> {
    let (mut random, ticks) = (Random::seeded(seed), Ticks::default());
    let mut memory = MemoryVfs::new();
    let mut histories: BTreeMap<usize, Vec<Call>> = BTreeMap::new();
    let (mut calls, mut doubtful) = (0, 0);
    for server in 0..servers {
        let end = [End::PowerFailure, End::Kill, End::PowerFailure, End::Order][random.below(4) as usize];
        let prefix = format!("{}:", server / SERVERS);
        let (left, made) = live(memory, syncs, &ticks, &prefix, &mut random, end);
        memory = left;
        for (object, call) in made {
            histories.entry(object).or_default().push(call);
        }
        if (server + 1) % SERVERS == 0 || server + 1 == servers {
            for (object, history) in std::mem::take(&mut histories) {
                calls += history.len();
                doubtful += history.iter().filter(|call| call.reply.is_none()).count();
                check(Keys::default(), &history)
                    .map_err(|why| format!("{}, server {server}, seed {seed}: {why}", OBJECTS[object]))?;
            }
        }
    }
    Ok(format!("{servers} servers, {calls} calls, of which {doubtful} in doubt: in some order, all of them"))
}

#[test]
fn clients_at_once_see_what_one_after_the_other_could_have_seen() {
    // Long enough that others come in between publishing and syncing.
    let slow = Fault::Delay(Duration::from_micros(500));
    match run(number("SILTSTONE_SERVERS", 8), number("SILTSTONE_SEED", 1), &slow) {
        Ok(figures) => eprintln!("{figures}"),
        Err(why) => panic!("{why}"),
    }
}

/// Whether this would notice: a disk that says it has synced, and has not.
#[test]
fn a_history_that_a_lying_disk_has_cut_short_is_refused() {
    assert!((1..20).any(|seed| run(2, seed, &Fault::Lose).is_err()));
}
