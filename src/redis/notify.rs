//! Keyspace notifications: events of keys, published once the commit that they are of is visible.
//!
//! A command says `call.notify(txn, Events::LIST, "lpush", name)`, which costs one look at a word while the class is not
//! asked for, and is forgotten with its transaction. The events come with the commit, in the order in which they were
//! said: to `__keyspace@0__:name` with the event as the message, and to `__keyevent@0__:lpush` with the key.

use super::instance::Instance;
use super::pubsub::Message;
use crate::redis::events::Events;
use crate::store::{Note, Seqno};

/// Publishes the events of a commit.
pub(crate) fn publish(instance: &Instance, notes: &[Note], needs: Seqno) {
    for note in notes {
        publish_one(instance, note.group, note.event, &note.name, needs);
    }
}

/// Publishes one event, once commit `needs` is acknowledged.
pub(crate) fn publish_one(instance: &Instance, database: u16, event: &str, name: &[u8], needs: Seqno) {
    let events = instance.parameters.events();
    let send = |kind: &str, about: &[u8], payload: &[u8]| {
        let channel = [format!("__{kind}@{database}__:").as_bytes(), about].concat();
        let message = Message { shard: false, channel, payload: payload.to_vec() };
        instance.hub.publish(instance, &message, needs);
    };
    if events.has(Events::TO_KEYS) {
        send("keyspace", name, event.as_bytes());
    }
    if events.has(Events::TO_EVENTS) {
        send("keyevent", event.as_bytes(), name);
    }
}
