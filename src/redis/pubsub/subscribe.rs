//! SUBSCRIBE and its kin: a connection's own side.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use super::super::acl;
use super::super::clients::Client;
use super::super::command::{Call, Command};
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::protocol::reply::{Protocol, Reply};
use super::super::session::Session;
use super::Kind;

/// What one subscription costs beyond its name.
const ENTRY_BYTES: usize = 256;

/// What a connection subscribes to. Dropping it ends that.
pub(crate) struct Subscriptions {
    client: Arc<Client>,
    instance: Weak<Instance>,
    names: [BTreeSet<Box<[u8]>>; 3],
    /// Accounted for among the buffers of all clients.
    bytes: usize,
}

impl Subscriptions {
    fn new(session: &Session, instance: &Instance) -> Self {
        Self {
            client: session.client.clone(),
            instance: instance.shared(),
            names: Default::default(),
            bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    /// How many of this kind there are, as confirmations count: channels and patterns together.
    fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.names[2].len(),
            _ => self.names[0].len() + self.names[1].len(),
        }
    }

    /// False if that would be too much.
    fn add(&mut self, kind: Kind, name: &[u8]) -> bool {
        let Some(instance) = self.instance.upgrade() else { return false };
        if self.names[kind as usize].contains(name) {
            return true;
        }
        let bytes = self.bytes + name.len() + ENTRY_BYTES;
        if !instance.buffers().change(self.bytes, bytes) {
            return false;
        }
        self.bytes = bytes;
        self.names[kind as usize].insert(name.into());
        instance.hub.add(kind, name, &self.client);
        self.tell();
        true
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) {
        let Some(instance) = self.instance.upgrade() else { return };
        if !self.names[kind as usize].remove(name) {
            return;
        }
        let bytes = self.bytes.saturating_sub(name.len() + ENTRY_BYTES);
        instance.buffers().change(self.bytes, bytes);
        self.bytes = bytes;
        instance.hub.remove(kind, name, self.client.id);
        self.tell();
    }

    /// For CLIENT LIST.
    fn tell(&self) {
        for (count, names) in self.client.subscribed.iter().zip(&self.names) {
            count.store(names.len() as u32, Relaxed);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for kind in Kind::ALL {
            while let Some(name) = self.names[kind as usize].first().cloned() {
                self.remove(kind, &name);
                // Should the server be gone, nobody publishes any more.
                self.names[kind as usize].remove(&name);
            }
        }
    }
}

/// Whether a client may run a command: who subscribes and speaks RESP2 could not tell replies from messages.
pub(crate) fn may_run(session: &Session, command: &Command, reply: &Reply) -> Result {
    const ALLOWED: &[&str] = &[
        "ping",
        "quit",
        "reset",
        "subscribe",
        "psubscribe",
        "ssubscribe",
        "unsubscribe",
        "punsubscribe",
        "sunsubscribe",
    ];
    if session.subscriptions.is_none()
        || reply.protocol() == Protocol::Resp3
        || ALLOWED.contains(&command.name)
    {
        return Ok(());
    }
    Err(Error::text(format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        command.name
    )))
}

/// `SUBSCRIBE channel [channel ...]`
pub(super) fn subscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(session, call, reply, Kind::Channel, b"subscribe")
}

/// `PSUBSCRIBE pattern [pattern ...]`
pub(super) fn psubscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(session, call, reply, Kind::Pattern, b"psubscribe")
}

/// `SSUBSCRIBE shardchannel [shardchannel ...]`
pub(super) fn ssubscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    add(session, call, reply, Kind::Shard, b"ssubscribe")
}

/// `UNSUBSCRIBE [channel [channel ...]]`
pub(super) fn unsubscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(session, call, reply, Kind::Channel, b"unsubscribe")
}

/// `PUNSUBSCRIBE [pattern [pattern ...]]`
pub(super) fn punsubscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(session, call, reply, Kind::Pattern, b"punsubscribe")
}

/// `SUNSUBSCRIBE [shardchannel [shardchannel ...]]`
pub(super) fn sunsubscribe(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    remove(session, call, reply, Kind::Shard, b"sunsubscribe")
}

fn confirm(reply: &mut Reply, word: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    reply.bulk_or_null(name);
    reply.count(count);
}

fn add(session: &mut Session, call: &Call<'_>, reply: &mut Reply, kind: Kind, word: &[u8]) -> Result {
    let mut subscriptions =
        session.subscriptions.take().unwrap_or_else(|| Box::new(Subscriptions::new(session, call.instance)));
    let mut result = Ok(());
    for name in call.from(1) {
        if !subscriptions.add(kind, name) {
            result = Err(Error::text("OOM the subscriptions exceed the memory budget"));
            break;
        }
        confirm(reply, word, Some(name), subscriptions.count(kind));
    }
    session.subscriptions = Some(subscriptions).filter(|subscriptions| !subscriptions.is_empty());
    // Who took the right away in the meantime may not have found these.
    session.closing |= !acl::may_still(session, call);
    result
}

fn remove(session: &mut Session, call: &Call<'_>, reply: &mut Reply, kind: Kind, word: &[u8]) -> Result {
    let mut subscriptions = session.subscriptions.take();
    let names: Vec<Box<[u8]>> = match &subscriptions {
        Some(subscriptions) if call.len() == 1 => {
            subscriptions.names[kind as usize].iter().cloned().collect()
        }
        _ => call.from(1).map(Into::into).collect(),
    };
    if names.is_empty() {
        confirm(
            reply,
            word,
            None,
            subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.count(kind)),
        );
    }
    for name in names {
        if let Some(subscriptions) = &mut subscriptions {
            subscriptions.remove(kind, &name);
            // What came before must not come after the confirmation.
            // Within EXEC it would count as a part of the reply.
            if session.unsent.is_none() {
                let needs = session.client.inbox.move_all_to(reply);
                session.heard(needs);
            }
        }
        let count = subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.count(kind));
        confirm(reply, word, Some(&name), count);
    }
    session.subscriptions = subscriptions.filter(|subscriptions| !subscriptions.is_empty());
    Ok(())
}
