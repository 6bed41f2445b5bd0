//! What others have to tell a connection, until it passes that on to its client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::clients::Client;
use super::super::protocol::reply::{Protocol, Reply};
use crate::store::Seqno;

/// What an entry costs beyond its bytes.
const ENTRY_BYTES: usize = 48;

/// How a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Posted {
    /// It lies with others that the connection knows of.
    Added,
    /// The connection must be told that there is something.
    First,
    /// There is too much that the client does not read: the connection must end.
    Overflow,
    /// It came after that.
    Refused,
}

/// Gives a client a message, to be sent once commit `needs` is acknowledged. Who does not read so many bytes is
/// disconnected.
pub(crate) fn post(client: &Client, needs: Seqno, message: &Bytes, bytes_max: usize) {
    match client.inbox.post(needs, message, bytes_max) {
        Posted::First => client.wake(),
        Posted::Overflow => {
            tracing::warn!(
                client = client.id,
                address = client.address,
                "disconnected: it does not read what it asked to be told"
            );
            client.kill();
        }
        Posted::Added | Posted::Refused => {}
    }
}

/// Messages for one client, encoded.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Whether there are any.
    full: AtomicBool,
    mail: Mutex<Mail>,
}

#[derive(Default)]
struct Mail {
    /// Each with the commit that must be acknowledged before it is sent.
    messages: VecDeque<(Seqno, Bytes)>,
    bytes: usize,
    closed: bool,
}

impl Inbox {
    /// Adds a message, unless together they would be larger than so many bytes.
    fn post(&self, needs: Seqno, message: &Bytes, bytes_max: usize) -> Posted {
        let mut mail = self.mail.lock();
        if mail.closed {
            return Posted::Refused;
        }
        mail.bytes += message.len() + ENTRY_BYTES;
        if mail.bytes > bytes_max {
            *mail = Mail { closed: true, ..Mail::default() };
            return Posted::Overflow;
        }
        mail.messages.push_back((needs, message.clone()));
        if self.full.swap(true, SeqCst) { Posted::Added } else { Posted::First }
    }

    /// Whether there is anything.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(SeqCst)
    }

    /// Moves messages to the output until it is this long. The newest commit that they depend on.
    pub(crate) fn move_to(&self, reply: &mut Reply, len_max: usize) -> Seqno {
        let mut mail = self.mail.lock();
        let mut needs = 0;
        while reply.len() < len_max
            && let Some((needed, message)) = mail.messages.pop_front()
        {
            mail.bytes -= message.len() + ENTRY_BYTES;
            // What was encoded for the protocol that the client has left is nothing that it could read.
            let is_foreign = match message.first() {
                Some(b'>') => reply.protocol() == Protocol::Resp2,
                Some(b'*') => reply.protocol() == Protocol::Resp3,
                _ => false,
            };
            if !is_foreign {
                needs = needs.max(needed);
                reply.raw(&message);
            }
        }
        if mail.messages.is_empty() {
            // What a burst took is given back.
            mail.messages.shrink_to(64);
            self.full.store(false, SeqCst);
        }
        needs
    }

    /// Bytes that lie here.
    pub(crate) fn bytes(&self) -> usize {
        self.mail.lock().bytes
    }
}
