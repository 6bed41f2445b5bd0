//! What a client is told: that keys, or all of them, are no longer as it read them.
//!
//! ```text
//! RESP3  >2 invalidate *n key …                               and null in place of the keys: all of them
//! RESP2  *3 message __redis__:invalidate *n key …             to the connection that it named, if that subscribes
//! ```

use std::sync::Arc;

use super::super::clients::Client;
use super::super::instance::Instance;
use super::super::protocol::reply::{Protocol, Reply};
use super::super::pubsub::{self, Letter};
use crate::store::Seqno;

const CHANNEL: &[u8] = b"__redis__:invalidate";

/// A message in both protocols, each encoded when first asked for.
pub(super) struct Message<'a> {
    /// `None`: all.
    names: Option<Vec<&'a [u8]>>,
    encoded: [Option<Letter>; 2],
}

impl<'a> Message<'a> {
    /// These keys are no longer as they were.
    pub(super) fn keys(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { names: Some(names.into_iter().collect()), encoded: [None, None] }
    }

    /// No key is.
    pub(super) fn everything() -> Self {
        Self { names: None, encoded: [None, None] }
    }

    fn encoded(&mut self, instance: &Instance, protocol: Protocol) -> &Letter {
        let names = &self.names;
        self.encoded[usize::from(protocol == Protocol::Resp3)].get_or_insert_with(|| {
            let mut reply = Reply::default();
            reply.set_protocol(protocol);
            if protocol == Protocol::Resp3 {
                reply.push(2);
                reply.bulk(b"invalidate");
            } else {
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
            match names {
                None => reply.null(),
                Some(names) => {
                    reply.array(names.len());
                    for name in names {
                        reply.bulk(name);
                    }
                }
            }
            Letter::new(instance, reply.take())
        })
    }

    /// Sends it to a client, or to whom that named, once commit `needs` is acknowledged.
    pub(super) fn send(&mut self, instance: &Instance, client: &Arc<Client>, needs: Seqno) {
        let redirect = client.tracking.redirect();
        if redirect == 0 {
            if client.protocol() == Protocol::Resp3 {
                pubsub::post(client, needs, self.encoded(instance, Protocol::Resp3));
            }
            return;
        }
        match instance.clients.get(redirect).filter(|target| !target.is_killed()) {
            Some(target) => {
                let protocol = target.protocol();
                if protocol == Protocol::Resp3 || target.subscribes() {
                    pubsub::post(&target, needs, self.encoded(instance, protocol));
                }
            }
            None => break_off(instance, client, redirect),
        }
    }
}

/// Tells a client that whom it named is gone.
fn break_off(instance: &Instance, client: &Arc<Client>, redirect: u64) {
    client.tracking.break_off();
    if client.protocol() == Protocol::Resp3 {
        let mut reply = Reply::default();
        reply.set_protocol(Protocol::Resp3);
        reply.push(2);
        reply.bulk(b"tracking-redir-broken");
        reply.int(redirect as i64);
        pubsub::post(client, 0, &Letter::new(instance, reply.take()));
    }
}
