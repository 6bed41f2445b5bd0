use std::path::Path;
use std::sync::Arc;

use super::{Block, parse_timeout};
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::redis::command::{Call, Command, Flags, Keys, read, write};
use crate::redis::error::Result;
use crate::redis::instance::Instance;
use crate::redis::keyspace::{self, Body, Keyspace, Type};
use crate::redis::parameters::Parameters;
use crate::redis::pipeline::{Pace, Pipeline};
use crate::redis::protocol::reply::Reply;
use crate::redis::session::Session;
use crate::redis::waiters::{Held, News, Wanted};
use crate::store::{Committed, Env, Options, Reads, Tier, Txn};
use crate::vfs::memory::MemoryVfs;
use crate::workers::Workers;

/// Commands that wait for strings.
pub(crate) const COMMANDS: &[Command] = &[
    write("test.take", -3, Keys::Range { first: 1, last: -2, step: 1 }, take).flag(Flags::BLOCKING),
    write("test.hand", 4, Keys::PAIR, hand).flag(Flags::BLOCKING),
    read("test.peek", 3, Keys::FIRST, peek).flag(Flags::BLOCKING),
    write("test.any", 3, Keys::FIRST, any).flag(Flags::BLOCKING),
];

fn contents(reads: &dyn Reads, call: &Call<'_>, name: &[u8]) -> Result<Option<Vec<u8>>> {
    let meta = keyspace::load_as(reads, call.space, name, Type::String)?;
    Ok(meta.and_then(|meta| if let Body::Inline(value) = meta.body { Some(value.to_vec()) } else { None }))
}

/// `TEST.TAKE key [key ...] timeout`: removes the first that is there, and answers its name.
fn take(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let timeout = parse_timeout(call.get(call.len() - 1), txn.now_ms())?;
    for name in call.from(1).take(call.len() - 2) {
        if contents(txn, call, name)?.is_some() {
            keyspace::delete(txn, call.space, name)?;
            reply.bulk(name);
            return Ok(());
        }
    }
    Err(Block::on(Type::String, timeout).into())
}

/// `TEST.HAND source destination timeout`: moves a string and answers it.
fn hand(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let timeout = parse_timeout(call.get(3), txn.now_ms())?;
    let Some(value) = contents(txn, call, call.get(1))? else {
        return Err(Block::on(Type::String, timeout).keys([call.get(1)]).or_null().into());
    };
    contents(txn, call, call.get(2))?;
    keyspace::delete(txn, call.space, call.get(1))?;
    keyspace::overwrite(txn, call.space, call.get(2), &value, None)?;
    reply.bulk(&value);
    Ok(())
}

/// `TEST.PEEK key timeout`: answers a string that is not `then`, which is what it first was.
fn peek(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let timeout = parse_timeout(call.get(2), reads.now_ms())?;
    if let Some(value) = contents(reads, call, call.get(1))?.filter(|value| value != b"then") {
        reply.bulk(&value);
        return Ok(());
    }
    let words = [b"TEST.PEEK", call.get(1), b"0"].map(<[u8]>::to_vec).to_vec();
    Err(Block::on(Type::String, timeout).again_as(words).into())
}

/// `TEST.ANY key timeout`: an error once the key is no longer a string.
fn any(txn: &mut Txn, call: &Call<'_>, _: &mut Reply) -> Result {
    let timeout = parse_timeout(call.get(2), txn.now_ms())?;
    match contents(txn, call, call.get(1))? {
        Some(_) => Err(Block::on(Type::String, timeout).any_change().into()),
        None => Err(super::Error::NoSuchKey),
    }
}

struct World {
    instance: Arc<Instance>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let mut env = Env::with_vfs(Arc::new(MemoryVfs::new()));
        env.clock = clock.clone();
        env.workers = Workers::manual();
        let options = Options { memory: 16 << 20, ..Options::default() };
        let keyspace = Keyspace::open(env.clone(), Path::new("/db"), options, 4).unwrap();
        let instance =
            Instance::new(keyspace, env, Config::default(), None, Parameters::default(), Box::new(|| {}));
        Self { instance, clock }
    }

    fn client(&self) -> Talk {
        let client = self.instance.clients.add(String::new(), String::new(), 0, Box::new(|| {}));
        let session = Session::new(client, self.instance.stats.new_loop(), true);
        Talk(Pipeline::new(self.instance.clone(), session))
    }
}

/// A client, driven by hand.
struct Talk(Pipeline);

impl Talk {
    fn send(&mut self, line: &str) -> &mut Self {
        self.0.input().extend_from_slice(line.as_bytes());
        self.0.input().extend_from_slice(b"\r\n");
        self
    }

    fn run(&mut self) -> Pace {
        self.0.run(Tier::Disk)
    }

    /// Sends a line that must wait.
    fn waits(&mut self, line: &str) {
        let pace = self.send(line).run();
        assert!(matches!(pace, Pace::Block), "{line}: {pace:?}");
    }

    /// Sends a line; what came back, and whether others have their turn now.
    fn says(&mut self, line: &str) -> (String, bool) {
        let pace = self.send(line).run();
        (self.said(), matches!(pace, Pace::Yield))
    }

    fn said(&mut self) -> String {
        String::from_utf8(self.0.reply().take()).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    /// Runs its command again, which must be its turn; what it said, if anything.
    fn turn(&mut self) -> String {
        assert!(self.0.has_news(), "it is not its turn");
        self.run();
        self.said()
    }
}

#[test]
fn they_are_served_in_the_order_in_which_they_came_and_one_at_a_time() {
    let world = World::new();
    let (mut a, mut b, mut c, mut pusher) = (world.client(), world.client(), world.client(), world.client());
    a.waits("TEST.TAKE k 0");
    b.waits("TEST.TAKE k 0");
    c.waits("TEST.TAKE k 0");
    assert_eq!(world.instance.waiters.len(), 3);
    assert_eq!(pusher.says("SET k 1"), ("+OK".to_owned(), true));
    assert!(!pusher.0.is_free() && !b.0.has_news() && !c.0.has_news());
    assert_eq!(a.turn(), "$1 k");
    assert!(pusher.0.is_free(), "there is nothing left for others");
    assert!(!b.0.has_news());
    assert_eq!(pusher.says("EXISTS k").0, ":0");
    assert_eq!(pusher.says("SET k 1"), ("+OK".to_owned(), true));
    assert_eq!(b.turn(), "$1 k");
    a.waits("TEST.TAKE k 0");
    pusher.says("SET k 1");
    assert!(!a.0.has_news());
    assert_eq!(c.turn(), "$1 k");
    assert_eq!(world.instance.waiters.len(), 1);
}

#[test]
fn a_newcomer_may_take_first_and_the_woken_keeps_its_place() {
    let world = World::new();
    let (mut a, mut b, mut pusher, mut newcomer) =
        (world.client(), world.client(), world.client(), world.client());
    a.waits("TEST.TAKE k 0");
    b.waits("TEST.TAKE k 0");
    pusher.says("SET k 1");
    assert_eq!(newcomer.says("TEST.TAKE k 0").0, "$1 k");
    // Both the push and the taking touched it: it begins again at the front, once.
    assert_eq!(a.turn(), "");
    assert!(!a.0.has_news() && !b.0.has_news() && pusher.0.is_free());
    pusher.says("SET k 1");
    assert_eq!(a.turn(), "$1 k");
}

#[test]
fn what_came_meanwhile_goes_to_the_front_again() {
    let world = World::new();
    let (mut a, mut b, mut c, mut pusher) = (world.client(), world.client(), world.client(), world.client());
    a.waits("TEST.PEEK k 0");
    b.waits("TEST.PEEK k 0");
    pusher.says("SET k then");
    // It looks at once, since nothing it reads is locked; and then has the turn.
    assert_eq!(a.turn(), "");
    assert!(b.0.has_news());
    c.says("SET k now");
    assert_eq!(b.turn(), "$3 now");
    assert_eq!(a.turn(), "$3 now");
    assert!(c.0.is_free());
}

#[test]
fn the_wrong_type_is_waited_out_and_does_not_hold_others_up() {
    let world = World::new();
    let (mut a, mut b, mut pusher) = (world.client(), world.client(), world.client());
    a.waits("TEST.TAKE k other 0");
    b.waits("TEST.TAKE k 0");
    assert!(pusher.says("HSET k f v").1);
    assert_eq!(a.turn(), "");
    assert!(pusher.0.is_free(), "nobody waits for a hash");
    assert!(!b.0.has_news());
    assert!(pusher.says("SET other 1").1);
    // Its own words say what is wrong when it runs.
    assert!(a.turn().starts_with("-WRONGTYPE"));
    pusher.says("DEL k");
    assert_eq!(b.turn(), "");
}

#[test]
fn several_keys_are_taken_in_the_order_of_the_words() {
    let world = World::new();
    let (mut a, mut pusher) = (world.client(), world.client());
    a.waits("TEST.TAKE x y x 0");
    pusher.says("MULTI");
    pusher.says("SET y 1");
    pusher.says("SET x 1");
    assert!(pusher.says("EXEC").1);
    assert_eq!(a.turn(), "$1 x");
    assert!(pusher.0.is_free());
    assert_eq!(pusher.says("EXISTS x y").0, ":1");
}

#[test]
fn who_pushes_waits_for_the_whole_chain() {
    let world = World::new();
    let (mut a, mut b, mut pusher) = (world.client(), world.client(), world.client());
    a.waits("TEST.HAND one two 0");
    b.waits("TEST.HAND two one 0");
    assert!(pusher.says("SET one v").1);
    assert_eq!(a.turn(), "$1 v");
    assert!(!pusher.0.is_free(), "the second has its turn");
    assert_eq!(b.turn(), "$1 v");
    assert!(pusher.0.is_free());
    assert_eq!(pusher.says("GET one").0, "$1 v");
}

#[test]
fn the_error_of_a_command_that_had_its_turn_is_told() {
    let world = World::new();
    let (mut a, mut pusher) = (world.client(), world.client());
    pusher.says("HSET to f v");
    a.waits("TEST.HAND from to 0");
    pusher.says("SET from v");
    assert!(a.turn().starts_with("-WRONGTYPE"));
    assert_eq!(pusher.says("GET from").0, "$1 v");
}

#[test]
fn any_change_may_be_of_interest() {
    let world = World::new();
    let (mut a, mut b, mut pusher) = (world.client(), world.client(), world.client());
    pusher.says("SET k v");
    a.waits("TEST.ANY k 0");
    pusher.says("FLUSHDB");
    assert_eq!(a.turn(), "-ERR no such key");
    pusher.says("SET k v PX 10");
    b.waits("TEST.ANY k 0");
    world.clock.advance_ms(20);
    world.instance.store().reap().unwrap();
    assert_eq!(b.turn(), "-ERR no such key");
}

#[test]
fn time_passes_and_those_who_leave_pass_on_their_turn() {
    let world = World::new();
    let (mut a, mut b, mut c, mut pusher) = (world.client(), world.client(), world.client(), world.client());
    a.waits("TEST.TAKE k 0.05");
    a.send("PING");
    world.clock.advance_ms(49);
    assert!(matches!(a.run(), Pace::Block));
    world.clock.advance_ms(1);
    assert!(matches!(a.run(), Pace::More));
    assert_eq!(a.said(), "*-1 +PONG");
    a.waits("TEST.TAKE k 1");
    b.waits("TEST.TAKE k 0");
    c.waits("WAIT 1 0");
    pusher.says("SET k v");
    assert!(a.0.has_news());
    drop(a);
    assert_eq!(b.turn(), "$1 k");
    let id = world.instance.clients.all().last().unwrap().id;
    assert_eq!(pusher.says(&format!("CLIENT UNBLOCK {}", id - 1)).0, ":1");
    assert_eq!(pusher.says(&format!("CLIENT UNBLOCK {}", id - 1)).0, ":0");
    assert_eq!(c.turn(), ":0");
    c.waits("WAIT 1 0");
    pusher.says(&format!("CLIENT UNBLOCK {} ERROR", id - 1));
    assert!(c.turn().starts_with("-UNBLOCKED"));
    assert_eq!(world.instance.waiters.len(), 0);
}

#[test]
fn nothing_waits_within_a_transaction() {
    let world = World::new();
    let mut a = world.client();
    for line in ["MULTI", "TEST.TAKE k 0", "TEST.HAND k l 0", "TEST.PEEK k 0", "WAIT 1 0", "SET k v"] {
        a.says(line);
    }
    assert_eq!(a.says("EXEC").0, "*5 *-1 $-1 *-1 :0 +OK");
}

#[test]
fn timeouts_are_read_as_redis_reads_them() {
    let now_ms = ManualClock::default().now_ms();
    let read = |word: &str| match parse_timeout(word.as_bytes(), now_ms) {
        Ok(ms) => format!("{ms:?}"),
        Err(error) => error.wire().into_owned(),
    };
    assert_eq!(read("0"), "None");
    assert_eq!(read("0.0001"), "Some(1)");
    assert_eq!(read("1.5"), "Some(1500)");
    assert_eq!(read("0x10"), "Some(16000)");
    for word in ["x", "", "nan", "1 "] {
        assert_eq!(read(word), "ERR timeout is not a float or out of range");
    }
    for word in ["-1", "-0.001", "-inf"] {
        assert_eq!(read(word), "ERR timeout is negative");
    }
    for word in ["0x7FFFFFFFFFFFFFFF", "9223372036854775807", "1e300", "inf", "9223372036854775"] {
        assert_eq!(read(word), "ERR timeout is out of range", "{word}");
    }
}

#[test]
fn a_turn_that_comes_to_one_who_is_leaving_is_not_lost() {
    let world = World::new();
    let waiters = &world.instance.waiters;
    let client = || world.instance.clients.add(String::new(), String::new(), 0, Box::new(|| {}));
    let enter = |names: &[&[u8]]| {
        let names = names.iter().map(|name| name.to_vec()).collect();
        waiters.enter(&client(), Wanted { database: 0, names, kind: None, any_change: false }, false)
    };
    let (pusher, one, other) = (client(), enter(&[b"k", b"l"]), enter(&[b"l"]));
    let touch = |name: &[u8]| {
        let committed = Committed { touched: vec![keyspace::lock_key(0, name)], ..Committed::default() };
        waiters.touched(&committed, &pusher, None)
    };
    touch(b"k");
    assert_eq!(one.news(), Some(News::Turn));
    one.leave(&|_| {
        touch(b"l");
        Held::Nothing
    });
    assert_eq!(other.news(), Some(News::Turn));
    drop(other);
    assert!(touch(b"l").is_none());
}
