//! `kill -9` under full write load, on the real disk, again and again: nothing acknowledged is lost, nothing is
//! wrong.
//!
//! Clients write through sockets and note, outside of the server, what they intend before sending and what was
//! acknowledged after the reply. Once so many writes are acknowledged, at a point chosen by the seed, the server is
//! killed, started again and asked for every key: the value is the last acknowledged one, or one that was sent
//! after it. `SILTSTONE_KILLS=50` asks for more cycles.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test panics when it is surprised")]
#![expect(clippy::disallowed_methods, reason = "clients are threads, and time is the machine's")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use siltstone::random::Random;

const CLIENTS: u64 = 4;
const PIPELINE: u64 = 16;
const KEYS: u64 = 500;

/// The server's process; killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_siltstone"))
            .args(["serve", "--bind", "127.0.0.1", "--memory", "64MiB", "--fsync", "always"])
            .args(["--port", &port.to_string(), "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Connects, once the server answers.
    fn connect(&mut self) -> Client {
        let start = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.set_nodelay(true).unwrap();
                let mut client = Client { write: stream.try_clone().unwrap(), read: BufReader::new(stream) };
                if client.send(&command(&[b"PING"])).is_ok()
                    && client.reply() == Some(Reply::Status("PONG".into()))
                {
                    return client;
                }
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server does not open the store: {status}");
            }
            assert!(start.elapsed() < Duration::from_mins(1), "the server does not answer");
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, PartialEq)]
enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Option<Vec<u8>>),
}

struct Client {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl Client {
    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes)
    }

    /// The next reply; `None` if the connection is gone.
    fn reply(&mut self) -> Option<Reply> {
        let mut line = String::new();
        if self.read.read_line(&mut line).ok()? == 0 || !line.ends_with("\r\n") {
            return None;
        }
        let (kind, rest) = line.trim_end().split_at(1);
        Some(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse().unwrap()),
            "$" => {
                let Ok(len) = rest.parse::<usize>() else { return Some(Reply::Bulk(None)) };
                let mut bulk = vec![0; len + 2];
                self.read.read_exact(&mut bulk).ok()?;
                bulk.truncate(len);
                Reply::Bulk(Some(bulk))
            }
            _ => panic!("not a reply: {line}"),
        })
    }
}

type State = Option<Vec<u8>>;

/// What the outside knows: of each key the last acknowledged value and, behind it, those sent since.
#[derive(Default)]
struct Record {
    /// By key and, for a hash, field.
    values: BTreeMap<(String, Option<String>), VecDeque<State>>,
    acknowledged: u64,
}

/// One client's next write, and the state it makes.
fn write_of(client: u64, number: u64, random: &mut Random) -> ((String, Option<String>), State, Vec<u8>) {
    let n = random.below(KEYS);
    let mut value = format!("{client}-{number}-").into_bytes();
    value.resize(value.len() + random.below(400) as usize, b'x');
    match random.below(10) {
        0 => {
            let key = format!("s{client}:{n}");
            let bytes = command(&[b"DEL", key.as_bytes()]);
            ((key, None), None, bytes)
        }
        1 | 2 => {
            let (key, field) = (format!("h{client}:{}", n % 5), format!("f{n}"));
            let bytes = command(&[b"HSET", key.as_bytes(), field.as_bytes(), &value]);
            ((key, Some(field)), Some(value), bytes)
        }
        _ => {
            let key = format!("s{client}:{n}");
            let bytes = command(&[b"SET", key.as_bytes(), &value]);
            ((key, None), Some(value), bytes)
        }
    }
}

/// Writes until the connection breaks, noting intent and acknowledgement.
fn load(mut client: Client, id: u64, seed: u64, record: &mut Record, total: &AtomicU64, stop: impl Fn(u64)) {
    let mut random = Random::seeded(seed);
    let mut number = seed << 20;
    loop {
        let mut bytes = Vec::new();
        let mut sent = Vec::new();
        for _ in 0..PIPELINE {
            number += 1;
            let (place, state, command) = write_of(id, number, &mut random);
            record.values.entry(place.clone()).or_insert_with(|| VecDeque::from([None])).push_back(state);
            bytes.extend_from_slice(&command);
            sent.push(place);
        }
        if client.send(&bytes).is_err() {
            return;
        }
        for place in sent {
            match client.reply() {
                None => return,
                Some(Reply::Error(e)) => panic!("an error under load: {e}"),
                Some(_) => {}
            }
            // The oldest value that may be found is now the one just acknowledged.
            record.values.get_mut(&place).unwrap().pop_front();
            record.acknowledged += 1;
        }
        stop(total.fetch_add(PIPELINE, Ordering::Relaxed) + PIPELINE);
    }
}

/// Reads every key back. What is found is from then on the only possibility.
fn verify(client: &mut Client, record: &mut Record) {
    for ((key, field), states) in &mut record.values {
        let ask = match field {
            Some(field) => command(&[b"HGET", key.as_bytes(), field.as_bytes()]),
            None => command(&[b"GET", key.as_bytes()]),
        };
        client.send(&ask).unwrap();
        let Some(Reply::Bulk(found)) = client.reply() else { panic!("no answer for {key}") };
        let position = states.iter().position(|state| *state == found);
        let show = |state: &State| state.as_ref().map(|v| v[..v.len().min(24)].escape_ascii().to_string());
        assert!(
            position.is_some(),
            "{key} {field:?}: found {:?}, expected one of {:?}",
            show(&found),
            states.iter().map(show).collect::<Vec<_>>()
        );
        *states = VecDeque::from([found]);
    }
}

#[test]
fn kill_nine_loses_no_acknowledged_write() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cycles, seed): (u64, u64) = (number("SILTSTONE_KILLS", 3), number("SILTSTONE_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::seeded(seed);
    let mut records: Vec<Record> = (0..CLIENTS).map(|_| Record::default()).collect();
    let mut slowest = Duration::ZERO;
    for cycle in 0..cycles {
        let mut server = Server::start(dir.path());
        let clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        // Some die with an empty log, some in the middle of a flush or a merge.
        let magnitude = 8 + random.below(8);
        let target = 1 + random.below(1 << magnitude);
        let total = AtomicU64::new(0);
        let victim = Mutex::new(server);
        thread::scope(|scope| {
            for ((id, client), record) in (0..).zip(clients).zip(&mut records) {
                let (total, victim) = (&total, &victim);
                let load_seed = seed << 16 | cycle << 4 | id;
                scope.spawn(move || {
                    load(client, id, load_seed, record, total, |done| {
                        if done >= target {
                            victim.lock().unwrap().kill();
                        }
                    });
                });
            }
        });
        let start = Instant::now();
        let mut server = Server::start(dir.path());
        let mut client = server.connect();
        slowest = slowest.max(start.elapsed());
        for record in &mut records {
            verify(&mut client, record);
        }
    }
    let acknowledged: u64 = records.iter().map(|r| r.acknowledged).sum();
    eprintln!(
        "{cycles} kills (seed {seed}): {acknowledged} acknowledged writes, 0 lost, 0 wrong, slowest opening {slowest:?}"
    );
}
