//! ACL LOG: what was refused lately. What is refused again within a minute is counted, and not noted again.

use std::collections::VecDeque;

use super::super::protocol::reply::Reply;

/// How long one entry takes in what is alike.
const ALIKE_MS: u64 = 60_000;
/// How many entries are looked through for one that is alike.
const LOOKED_THROUGH: usize = 10;
/// How much of a key, a channel or a name is kept.
const SHOWN_BYTES: usize = 1024;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Auth = 0,
    Command = 1,
    Key = 2,
    Channel = 3,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
        }
    }
}

/// From where it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    TopLevel,
    Multi,
    Script,
}

impl Context {
    fn text(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Multi => "multi",
            Self::Script => "lua",
        }
    }
}

/// What was refused, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    reason: Reason,
    context: Context,
    object: Vec<u8>,
    user: Vec<u8>,
}

impl Refused {
    /// `object`: the command, the key or the channel.
    pub(super) fn new(reason: Reason, context: Context, object: &[u8], user: &[u8]) -> Self {
        let cut = |text: &[u8]| text[..text.len().min(SHOWN_BYTES)].to_vec();
        Self { reason, context, object: cut(object), user: cut(user) }
    }

    /// Why.
    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }
}

struct Entry {
    id: u64,
    refused: Refused,
    count: u64,
    created_ms: u64,
    updated_ms: u64,
    /// The client's line in CLIENT LIST, the last time.
    client: String,
}

/// The log, newest entry first.
#[derive(Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Notes something that was refused, and keeps at most so many entries.
    pub(super) fn add(&mut self, refused: Refused, client: String, now_ms: u64, most: usize) {
        let alike = self.entries.iter().take(LOOKED_THROUGH).position(|entry| {
            entry.refused == refused && now_ms.saturating_sub(entry.updated_ms) <= ALIKE_MS
        });
        if let Some(mut entry) = alike.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            entry.updated_ms = now_ms;
            entry.client = client;
            self.entries.push_front(entry);
        } else {
            let id = self.next_id;
            self.next_id += 1;
            self.entries.push_front(Entry {
                id,
                refused,
                count: 1,
                created_ms: now_ms,
                updated_ms: now_ms,
                client,
            });
        }
        self.entries.truncate(most);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Tells of at most so many, the newest first.
    pub(super) fn tell(&self, most: usize, now_ms: u64, reply: &mut Reply) {
        reply.array(most.min(self.entries.len()));
        for entry in self.entries.iter().take(most) {
            let Refused { reason, context, object, user } = &entry.refused;
            reply.map(10);
            reply.bulk(b"count");
            reply.int(entry.count as i64);
            for (name, value) in [
                ("reason", reason.text().as_bytes()),
                ("context", context.text().as_bytes()),
                ("object", object),
                ("username", user),
            ] {
                reply.bulk(name.as_bytes());
                reply.bulk(value);
            }
            reply.bulk(b"age-seconds");
            reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
            reply.bulk(b"client-info");
            reply.bulk(entry.client.as_bytes());
            for (name, value) in [
                ("entry-id", entry.id),
                ("timestamp-created", entry.created_ms),
                ("timestamp-last-updated", entry.updated_ms),
            ] {
                reply.bulk(name.as_bytes());
                reply.int(value as i64);
            }
        }
    }
}
