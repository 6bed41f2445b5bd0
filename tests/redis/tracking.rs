//! Clients that cache what they read, and are told when it is no longer so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use siltstone::config::Fsync;
use siltstone::random::Random;

use crate::client::{Client, Value, encode};
use crate::running::Server;

fn info(client: &mut Client, field: &str) -> Option<String> {
    let Value::Bulk(info) = client.command(&["INFO"]) else { panic!() };
    let info = String::from_utf8(info).unwrap();
    info.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).map(str::to_owned)
}

fn count(client: &mut Client, field: &str) -> usize {
    info(client, field).unwrap().parse().unwrap()
}

fn list(client: &mut Client, id: &str) -> String {
    let Value::Bulk(list) = client.command(&["CLIENT", "LIST", "ID", id]) else { panic!() };
    String::from_utf8(list).unwrap()
}

fn id(client: &mut Client) -> String {
    let Value::Int(id) = client.command(&["CLIENT", "ID"]) else { panic!() };
    id.to_string()
}

/// A message on the channel, as RESP2 has it.
fn redirected(key: &str) -> String {
    format!("*3\n  \"message\"\n  \"__redis__:invalidate\"\n  *1\n    \"{key}\"")
}

#[test]
fn messages_go_to_another_connection_that_subscribes() {
    let server = Server::start();
    let (mut target, mut tracking, mut other) = (server.client(), server.client(), server.client());
    let (target_id, own_id) = (id(&mut target), id(&mut tracking));
    assert_eq!(tracking.show(&["CLIENT", "TRACKING", "ON", "REDIRECT", &target_id]), "OK");
    assert_eq!(tracking.show(&["CLIENT", "GETREDIR"]), format!("(integer) {target_id}"));
    assert_eq!(
        tracking.show(&["CLIENT", "TRACKING", "ON", "REDIRECT", &target_id, "REDIRECT", &target_id]),
        "(error) ERR A client can only redirect to a single other client"
    );
    let line = list(&mut other, &own_id);
    assert!(line.contains(" flags=t ") && line.contains(&format!(" redir={target_id} ")), "{line}");
    // It does not subscribe yet.
    tracking.command(&["GET", "a"]);
    other.command(&["SET", "a", "1"]);
    target.command(&["SUBSCRIBE", "__redis__:invalidate"]);
    tracking.command(&["MGET", "a", "b"]);
    other.command(&["MSET", "a", "2", "b", "2"]);
    assert_eq!(target.read().unwrap().show(), redirected("a"));
    assert_eq!(target.read().unwrap().show(), redirected("b"));
    // RESP3 here makes no difference to whom it goes; there it does.
    tracking.command(&["HELLO", "3"]);
    tracking.command(&["GET", "a"]);
    tracking.command(&["SET", "a", "3"]);
    assert_eq!(target.read().unwrap().show(), redirected("a"));
    other.command(&["FLUSHALL"]);
    assert_eq!(target.read().unwrap().show(), "*3\n  \"message\"\n  \"__redis__:invalidate\"\n  (nil)");
    target.command(&["UNSUBSCRIBE"]);
    target.command(&["HELLO", "3"]);
    tracking.command(&["GET", "a"]);
    other.command(&["SET", "a", "4"]);
    assert_eq!(target.read().unwrap().show(), ">2\n  \"invalidate\"\n  *1\n    \"a\"");
    // It goes.
    tracking.command(&["GET", "a"]);
    target.command(&["QUIT"]);
    assert!(target.read().is_none());
    other.command(&["SET", "a", "5"]);
    assert_eq!(
        tracking.read().unwrap().show(),
        format!(">2\n  \"tracking-redir-broken\"\n  (integer) {target_id}")
    );
    let line = list(&mut other, &own_id);
    assert!(line.contains(" flags=tR "), "{line}");
    let told = tracking.show(&["CLIENT", "TRACKINGINFO"]);
    assert!(told.contains("\"on\"\n    \"broken_redirect\""), "{told}");
    assert_eq!(
        tracking.show(&["CLIENT", "TRACKING", "ON", "REDIRECT", &target_id]),
        "(error) ERR The client ID you want redirect to does not exist"
    );
    assert_eq!(tracking.show(&["CLIENT", "TRACKING", "OFF"]), "OK");
    let line = list(&mut other, &own_id);
    assert!(line.contains(" flags=N ") && line.contains(" redir=-1 "), "{line}");
}

#[test]
fn the_table_is_bounded_and_forgets_those_who_go() {
    let server = Server::start();
    let (mut client, mut tracking) = (server.client(), server.client());
    tracking.command(&["HELLO", "3"]);
    tracking.command(&["CLIENT", "TRACKING", "ON"]);
    for n in 0..100 {
        tracking.command(&["GET", &format!("key:{n}")]);
    }
    assert_eq!(count(&mut client, "tracking_clients"), 1);
    assert_eq!(count(&mut client, "tracking_total_keys"), 100);
    assert_eq!(count(&mut client, "tracking_total_items"), 100);
    client.command(&["CONFIG", "SET", "tracking-table-max-keys", "10"]);
    assert_eq!(count(&mut client, "tracking_total_keys"), 10);
    let mut told: Vec<String> = (0..90).map(|_| tracking.read().unwrap().show()).collect();
    // Room for one more is made by forgetting another one.
    assert_eq!(tracking.show(&["GET", "new"]), "(nil)");
    told.push(tracking.read().unwrap().show());
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 91);
    assert_eq!(count(&mut client, "tracking_total_keys"), 10);
    // Names beyond a sixteenth of the memory.
    client.command(&["CONFIG", "SET", "tracking-table-max-keys", "0"]);
    let name = "x".repeat(60_000);
    for n in 0..100 {
        let request = encode(&[b"GET", format!("{name}{n}").as_bytes()]);
        tracking.send(&request);
    }
    let mut replies = 0;
    while replies < 100 {
        replies += usize::from(matches!(tracking.read(), Some(Value::Nil)));
    }
    let keys = count(&mut client, "tracking_total_keys");
    assert!((50..75).contains(&keys), "{keys}");
    drop(tracking);
    while count(&mut client, "tracking_clients") != 0 {}
    assert_eq!(count(&mut client, "tracking_total_keys"), 0);
    assert_eq!(count(&mut client, "mem_clients_normal"), 0);
}

#[test]
fn what_expires_is_told() {
    let server = Server::start();
    let (mut client, mut tracking, mut all) = (server.client(), server.client(), server.client());
    for client in [&mut tracking, &mut all] {
        client.command(&["HELLO", "3"]);
    }
    tracking.command(&["CLIENT", "TRACKING", "ON", "NOLOOP"]);
    all.command(&["CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"]);
    client.command(&["SET", "k", "v", "PX", "500"]);
    assert_eq!(tracking.show(&["GET", "k"]), "\"v\"");
    let message = ">2\n  \"invalidate\"\n  *1\n    \"k\"";
    assert_eq!(all.read().unwrap().show(), message);
    assert_eq!(tracking.read().unwrap().show(), message);
    assert_eq!(all.read().unwrap().show(), message);
    // By who asks for it, which is nobody's doing either.
    client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    client.command(&["SET", "k", "v", "PX", "1"]);
    assert_eq!(all.read().unwrap().show(), message);
    while client.show(&["GET", "k"]) != "(nil)" {}
    assert_eq!(all.read().unwrap().show(), message);
}

#[test]
fn one_who_read_too_much_of_a_commit_forgets_everything() {
    let server = Server::with(|config| config.memory = 256 << 20);
    let (mut client, mut tracking) = (server.client(), server.client());
    tracking.command(&["HELLO", "3"]);
    tracking.command(&["CLIENT", "TRACKING", "ON"]);
    let names: Vec<String> = (0..12_000).map(|n| format!("k{n}")).collect();
    let words = |name: &'static str| -> Vec<&str> {
        std::iter::once(name).chain(names.iter().map(String::as_str)).collect()
    };
    for n in &names {
        client.command(&["SET", n, "v"]);
    }
    tracking.command(&words("MGET"));
    assert_eq!(client.show(&words("DEL")), "(integer) 12000");
    for _ in 0..10_000 {
        assert!(tracking.read().unwrap().show().contains("\"k"));
    }
    assert_eq!(tracking.read().unwrap().show(), ">2\n  \"invalidate\"\n  (nil)");
    assert_eq!(tracking.show(&["PING"]), "PONG");
}

#[test]
fn a_script_tracks_what_it_reads() {
    let server = Server::start();
    let (mut client, mut tracking) = (server.client(), server.client());
    tracking.command(&["HELLO", "3"]);
    tracking.command(&["CLIENT", "TRACKING", "ON"]);
    let told = |key: &str| format!(">2\n  \"invalidate\"\n  *1\n    \"{key}\"");
    // Declared or not.
    for script in ["EVAL", "EVAL_RO"] {
        tracking.command(&[script, "return redis.call('get', 'read')", "1", "declared"]);
        client.command(&["SET", "declared", "1"]);
        client.command(&["SET", "read", "1"]);
        assert_eq!(tracking.read().unwrap().show(), told("read"));
    }
    let set_and_get = "redis.call('set', 'k', '1') return redis.call('get', 'k')";
    let get_and_set = "local v = redis.call('get', 'k') redis.call('set', 'k', '2') return v";
    assert_eq!(tracking.show(&["EVAL", set_and_get, "0"]), "\"1\"");
    assert_eq!(tracking.show(&["PING"]), "PONG");
    client.command(&["SET", "k", "3"]);
    assert_eq!(tracking.read().unwrap().show(), told("k"));
    assert_eq!(tracking.show(&["EVAL", get_and_set, "1", "k"]), "\"3\"");
    assert_eq!(tracking.read().unwrap().show(), told("k"));
    // Within a transaction.
    tracking.command(&["MULTI"]);
    tracking.command(&["EVAL", get_and_set, "1", "k"]);
    tracking.command(&["EVAL", set_and_get, "1", "k"]);
    assert_eq!(tracking.show(&["EXEC"]), "*2\n  \"2\"\n  \"1\"");
    assert_eq!(tracking.read().unwrap().show(), told("k"));
    client.command(&["SET", "k", "4"]);
    assert_eq!(tracking.read().unwrap().show(), told("k"));
    tracking.command(&["CLIENT", "TRACKING", "ON", "NOLOOP"]);
    assert_eq!(tracking.show(&["EVAL", get_and_set, "1", "k"]), "\"4\"");
    assert_eq!(tracking.show(&["EVAL", set_and_get, "1", "k"]), "\"1\"");
    assert_eq!(tracking.show(&["PING"]), "PONG");
    client.command(&["SET", "k", "5"]);
    assert_eq!(tracking.read().unwrap().show(), told("k"));
    assert_eq!(tracking.show(&["PING"]), "PONG");
}

/// A client that caches.
struct Caching {
    client: Client,
    /// Where it hears, if not there.
    ear: Option<Client>,
    on: Vec<String>,
    cache: HashMap<String, Value>,
}

impl Caching {
    fn new(server: &Server, options: &[&str]) -> Self {
        let mut client = server.client();
        client.command(&["HELLO", "3"]);
        Self::over(client, None, options)
    }

    /// As clients do that speak RESP2.
    fn redirected(server: &Server, options: &[&str]) -> Self {
        let mut ear = server.client();
        let id = id(&mut ear);
        ear.command(&["SUBSCRIBE", "__redis__:invalidate"]);
        Self::over(server.client(), Some(ear), &[&["REDIRECT", &id], options].concat())
    }

    fn over(client: Client, ear: Option<Client>, options: &[&str]) -> Self {
        let on = [&["CLIENT", "TRACKING", "ON"], options].concat();
        let on = on.into_iter().map(str::to_owned).collect();
        let mut caching = Self { client, ear, on, cache: HashMap::new() };
        caching.send_on();
        assert_eq!(caching.reply(), Value::Simple("OK".to_owned()));
        caching
    }

    fn send(&mut self, words: &[&str]) {
        self.client.send(&encode(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
    }

    fn send_on(&mut self) {
        self.client.send(&encode(&self.on.iter().map(String::as_bytes).collect::<Vec<_>>()));
    }

    /// Turns tracking off and on again, and in between there may be nobody who tracks.
    fn begin_anew(&mut self) {
        self.send(&["CLIENT", "TRACKING", "OFF"]);
        self.send_on();
        self.reply();
        self.cache.clear();
        self.reply();
        self.hear();
    }

    fn heed(&mut self, names: &Value) {
        let Value::Many(_, names) = names else { return self.cache.clear() };
        for name in names {
            let Value::Bulk(name) = name else { panic!("{name:?}") };
            self.cache.remove(std::str::from_utf8(name).unwrap());
        }
    }

    /// The next reply; what is told before it is heeded.
    fn reply(&mut self) -> Value {
        loop {
            match self.client.read().expect("a reply") {
                Value::Many(b'>', words) => self.heed(&words[1]),
                reply => return reply,
            }
        }
    }

    /// Heeds what it was told elsewhere, be it before or after what it read last.
    fn hear(&mut self) {
        let Some(mut ear) = self.ear.take() else { return };
        ear.send(&encode(&[b"PING"]));
        loop {
            let Some(Value::Many(_, words)) = ear.read() else { panic!("no message") };
            match words.get(2) {
                Some(names) => self.heed(names),
                None => break,
            }
        }
        self.ear = Some(ear);
    }

    /// Asks for some keys that it does not have, all at once.
    fn read(&mut self, names: &[String]) {
        // It declares no keys.
        const SCRIPT: &str = "return redis.call('get', ARGV[1])";
        for (at, name) in names.iter().enumerate() {
            match at % 3 {
                0 => self.send(&["EVAL_RO", SCRIPT, "0", name]),
                _ => self.send(&["GET", name]),
            }
        }
        for name in names {
            let value = self.reply();
            self.cache.insert(name.clone(), value);
        }
        self.hear();
    }

    /// What it has in its cache and is otherwise, having heard all there is to hear.
    fn stale(&mut self, client: &mut Client) -> Option<String> {
        self.send(&["PING"]);
        assert_eq!(self.reply(), Value::Simple("PONG".to_owned()));
        self.hear();
        self.cache.iter().find_map(|(name, value)| {
            let now = client.command(&["GET", name]);
            (now != *value).then(|| format!("{name} is {} and not {}", now.show(), value.show()))
        })
    }

    /// Reads some keys in a transaction, after changing one of them.
    fn exchange(&mut self, name: &str, value: &str) {
        for words in [&["MULTI"][..], &["SET", name, value], &["GET", name], &["EXEC"]] {
            self.send(words);
        }
        for _ in 0..3 {
            self.reply();
        }
        let Value::Many(_, mut replies) = self.reply() else { panic!("a transaction is always answered") };
        self.cache.insert(name.to_owned(), replies.pop().unwrap());
        self.hear();
    }
}

#[test]
fn a_script_that_reads_late_is_told_what_was_committed_since_it_began() {
    let server = Server::start();
    let (mut client, mut caching) = (server.client(), Caching::new(&server, &[]));
    let script = "for i = 1, 3000000 do end return redis.call('get', 'k')";
    for n in 0..20 {
        caching.send(&["EVAL_RO", script, "0"]);
        client.command(&["SET", "k", &n.to_string()]);
        let value = caching.reply();
        caching.cache.insert("k".to_owned(), value);
        assert_eq!(caching.stale(&mut client), None);
    }
}

const KEYS: u64 = 40;

fn key(random: &mut Random) -> String {
    format!("key:{}", random.below(KEYS))
}

/// Changes keys in every way.
fn write(client: &mut Client, random: &mut Random) {
    for _ in 0..30 {
        let (one, other, value) = (key(random), key(random), random.next_u64().to_string());
        match random.below(12) {
            0 => drop(client.command(&["DEL", &one])),
            1 => drop(client.command(&["RENAME", &one, &other])),
            2 => drop(client.command(&["MSET", &one, &value, &other, &value])),
            3 => {
                client.command(&["MULTI"]);
                client.command(&["SET", &one, &value]);
                client.command(&["APPEND", &other, "x"]);
                client.command(&["EXEC"]);
            }
            4 => {
                let script = "return redis.call('set', KEYS[1], ARGV[1])";
                client.command(&["EVAL", script, "1", &one, &value]);
            }
            5 => drop(client.command(&["COPY", &one, &other, "REPLACE"])),
            6 => drop(client.command(&["SET", &one, &value, "PX", "1"])),
            7 if random.one_in(20) => drop(client.command(&["FLUSHDB"])),
            8 if random.one_in(20) => drop(client.command(&["SWAPDB", "0", "1"])),
            _ => drop(client.command(&["SET", &one, &value])),
        }
    }
}

/// Reads keys, and takes what it has from its cache, until it is told to stop.
fn read(reader: &mut Caching, random: &mut Random, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        let mut names: Vec<String> = (0..=random.below(8)).map(|_| key(random)).collect();
        names.retain(|name| !reader.cache.contains_key(name));
        reader.read(&names);
        if random.one_in(8) {
            reader.exchange(&key(random), "mine");
        }
        if random.one_in(20) {
            reader.begin_anew();
        }
    }
}

/// That nothing is stale once all is quiet, many times over.
fn nothing_stays_stale(fsync: Fsync, options: &[&str]) {
    let server = Server::with(|config| config.fsync = fsync);
    let mut client = server.client();
    let mut writers: Vec<_> = (0..3).map(|seed| (server.client(), Random::seeded(seed))).collect();
    let mut readers = [
        (Caching::new(&server, options), Random::seeded(100)),
        (Caching::redirected(&server, options), Random::seeded(101)),
    ];
    let mut cached = 0;
    for _ in 0..25 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (reader, random) in &mut readers {
                scope.spawn(|| read(reader, random, &stop));
            }
            let writers: Vec<_> =
                writers.iter_mut().map(|(client, random)| scope.spawn(|| write(client, random))).collect();
            for writer in writers {
                writer.join().unwrap();
            }
            stop.store(true, SeqCst);
        });
        for (reader, _) in &mut readers {
            // What is due goes by itself, soon after.
            let mut tries = 0;
            while let Some(stale) = reader.stale(&mut client) {
                tries += 1;
                assert!(tries < 20_000, "{stale} with {options:?}");
            }
            cached += reader.cache.len();
        }
    }
    assert!(cached > 100, "hardly anything was cached");
}

#[test]
fn nothing_cached_stays_stale() {
    for options in [&[][..], &["NOLOOP"], &["BCAST"], &["BCAST", "PREFIX", "key:", "PREFIX", "other"]] {
        nothing_stays_stale(Fsync::Always, options);
        nothing_stays_stale(Fsync::Never, options);
    }
}

#[test]
fn many_keys_are_let_go_of_by_the_way() {
    let server = Server::start();
    let (mut client, mut tracking) = (server.client(), server.client());
    tracking.command(&["HELLO", "3"]);
    for is_flushed in [true, false] {
        tracking.command(&["CLIENT", "TRACKING", "ON"]);
        for n in 0..5000 {
            tracking.send(&encode(&[b"GET", format!("key:{n}").as_bytes()]));
        }
        for _ in 0..5000 {
            assert_eq!(tracking.read(), Some(Value::Nil));
        }
        assert_eq!(count(&mut client, "tracking_total_items"), 5000);
        if is_flushed {
            client.command(&["FLUSHALL"]);
            assert_eq!(tracking.read().unwrap().show(), ">2\n  \"invalidate\"\n  (nil)");
            // It is entered anew for what it reads from here on.
            tracking.command(&["GET", "key:1"]);
            client.command(&["SET", "key:1", "v"]);
            assert_eq!(tracking.read().unwrap().show(), ">2\n  \"invalidate\"\n  *1\n    \"key:1\"");
            client.command(&["DEL", "key:1"]);
        } else {
            tracking.command(&["CLIENT", "TRACKING", "OFF"]);
        }
        while count(&mut client, "tracking_total_keys") != 0 {}
    }
    assert_eq!(count(&mut client, "mem_clients_normal"), 0);
}
