//! Conversations.
//!
//! ```text
//! # a comment
//! > SET key "a value"       words as in an inline request; sent as a multibulk
//! OK                        the reply, until the next blank line, comment or command
//! 2> GET key                another client
//! "a value"
//! 2<                        what it is told without asking: a message
//! ?> CLIENT ID              whatever the reply
//! !> DEBUG FLUSH            ours alone, or newer than Redis 7.0: not sent to a real Redis
//! ```

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::{Client, encode};
use crate::running::Server;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/transcripts")
}

fn names() -> Vec<PathBuf> {
    let entries = Path::read_dir(&folder()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// Has the conversation, and writes it down.
fn converse(text: &str, address: SocketAddr, real: bool) -> String {
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    let mut out = String::new();
    let mut recorded = false;
    let mut keep = false;
    for line in text.lines() {
        if let "<" | "2<" = line {
            out.push_str(line);
            out.push('\n');
            (recorded, keep) = (true, false);
            let client = clients.get_mut(if line == "<" { "1" } else { "2" }).expect("who has spoken before");
            let message = client.read().map_or_else(|| "(closed)".to_owned(), |message| message.show());
            out.push_str(&message);
            out.push('\n');
            continue;
        }
        let Some((who, command)) =
            line.split_once("> ").filter(|(who, _)| who.len() <= 1 && !who.contains(' '))
        else {
            // Replies are written anew, everything else is kept.
            if line.is_empty() || line.starts_with('#') || (keep && recorded) {
                keep &= !line.is_empty();
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(line);
        out.push('\n');
        recorded = true;
        keep = who == "!" && real;
        if keep {
            continue;
        }
        let client =
            clients.entry(if who == "2" { "2" } else { "1" }).or_insert_with(|| Client::connect(address));
        client.send(&encode(&split(command).iter().map(Vec::as_slice).collect::<Vec<_>>()));
        let reply = client.read().map_or_else(|| "(closed)".to_owned(), |reply| reply.show());
        if who != "?" {
            out.push_str(&reply);
            out.push('\n');
        }
    }
    out
}

/// Words, with double quotes and the escapes `\n`, `\r`, `\xHH`, `\"`, `\\`.
fn split(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut chars = line.bytes().peekable();
    while let Some(&c) = chars.peek() {
        if c == b' ' {
            chars.next();
            continue;
        }
        let mut word = Vec::new();
        let quoted = c == b'"';
        if quoted {
            chars.next();
        }
        while let Some(c) = chars.next() {
            match c {
                b'"' if quoted => break,
                b' ' if !quoted => break,
                b'\\' if quoted => word.push(match chars.next().expect("a whole escape") {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'x' => {
                        let digits = [chars.next().unwrap(), chars.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    other => other,
                }),
                other => word.push(other),
            }
        }
        words.push(word);
    }
    words
}

#[expect(clippy::disallowed_methods, reason = "recording rewrites a file of the repository")]
fn record(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn every_conversation_goes_as_written() {
    let recording =
        std::env::var_os("SILTSTONE_RECORD").is_some_and(|_| std::env::var_os("SILTSTONE_REDIS").is_none());
    for path in names() {
        let text = std::fs::read_to_string(&path).unwrap();
        let server = Server::start();
        let had = converse(&text, server.address, false);
        if recording {
            record(&path, &had);
        } else {
            assert_same(&path, &text, &had);
        }
    }
}

fn assert_same(path: &Path, wanted: &str, had: &str) {
    for (number, (wanted, had)) in wanted.lines().zip(had.lines()).enumerate() {
        assert_eq!(wanted, had, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(wanted.lines().count(), had.lines().count(), "{}", path.display());
}

/// Only where asked for: whoever builds us need not have Redis.
#[test]
fn a_real_redis_says_the_same() {
    if std::env::var_os("SILTSTONE_REDIS").is_none() {
        return;
    }
    for path in names() {
        let text = std::fs::read_to_string(&path).unwrap();
        let redis = Redis::start();
        let had = converse(&text, redis.address, true);
        if std::env::var_os("SILTSTONE_RECORD").is_some() {
            record(&path, &had);
        } else {
            assert_same(&path, &text, &had);
        }
    }
}

/// A real one.
pub(crate) struct Redis {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--save", "", "--enable-debug-command", "yes"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is on PATH");
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        for line in lines {
            if line.unwrap().contains("Ready to accept connections") {
                break;
            }
        }
        Self { child, address }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
