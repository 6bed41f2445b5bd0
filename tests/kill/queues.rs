//! Queues: one client pushes numbers, another waits for them and moves each to a second list. Whatever is pushed and
//! acknowledged is in one of the two, once and in order; whatever is moved and acknowledged is in the second.

use crate::server::{Client, Reply, command};

/// So many numbers, and the lists begin anew.
const LENGTH_MAX: u64 = 5000;

/// What the outside knows of one queue.
pub(crate) struct Queue {
    from: String,
    to: String,
    pushed: u64,
    /// Of those pushed, how many were acknowledged.
    safe: u64,
    /// How many were moved, and that acknowledged.
    moved: u64,
}

impl Queue {
    pub(crate) fn new(number: u64) -> Self {
        Self { from: format!("from{number}"), to: format!("to{number}"), pushed: 0, safe: 0, moved: 0 }
    }

    /// The client that pushes, and the one that waits, each with its part of the record.
    pub(crate) fn ends(&mut self) -> (Pusher<'_>, Mover<'_>) {
        let Self { from, to, pushed, safe, moved } = self;
        (Pusher { from, pushed, safe }, Mover { from, to, moved })
    }

    /// Reads both lists back. What is found is from then on the only possibility.
    pub(crate) fn verify(&mut self, client: &mut Client) {
        let list = |name: &str| command(&[b"LRANGE", name.as_bytes(), b"0", b"-1"]);
        let moved = numbers(&client.ask(&[list(&self.to)]));
        let waiting = numbers(&client.ask(&[list(&self.from)]));
        let found: Vec<u64> = moved.iter().chain(&waiting).copied().collect();
        assert!(found.iter().copied().eq(1..=found.len() as u64), "{}: {found:?}", self.from);
        let count = found.len() as u64;
        assert!((self.safe..=self.pushed).contains(&count), "{}: {count} of {}", self.from, self.safe);
        assert!(moved.len() as u64 >= self.moved, "{}: {} moved of {}", self.from, moved.len(), self.moved);
        (self.pushed, self.safe, self.moved) = (count, count, moved.len() as u64);
        if count > LENGTH_MAX {
            client.ask(&[command(&[b"DEL", self.from.as_bytes(), self.to.as_bytes()])]);
            (self.pushed, self.safe, self.moved) = (0, 0, 0);
        }
    }
}

fn numbers(told: &[u8]) -> Vec<u64> {
    String::from_utf8_lossy(told).split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// Pushes.
pub(crate) struct Pusher<'a> {
    from: &'a str,
    pushed: &'a mut u64,
    safe: &'a mut u64,
}

impl Pusher<'_> {
    /// Pushes until the connection breaks.
    pub(crate) fn run(self, mut client: Client) {
        loop {
            *self.pushed += 1;
            let push = command(&[b"RPUSH", self.from.as_bytes(), self.pushed.to_string().as_bytes()]);
            if client.send(&push).is_err() {
                return;
            }
            match client.reply() {
                Some(Reply::Integer(_)) => *self.safe += 1,
                None => return,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Moves.
pub(crate) struct Mover<'a> {
    from: &'a str,
    to: &'a str,
    moved: &'a mut u64,
}

impl Mover<'_> {
    /// Waits for what is pushed, and moves it, until the connection breaks.
    pub(crate) fn run(self, mut client: Client) {
        let words = [b"BLMOVE", self.from.as_bytes(), self.to.as_bytes(), b"LEFT", b"RIGHT", b"0"];
        while client.send(&command(&words)).is_ok() {
            match client.reply() {
                Some(Reply::Bulk(Some(_))) => *self.moved += 1,
                None => return,
                other => panic!("{other:?}"),
            }
        }
    }
}
