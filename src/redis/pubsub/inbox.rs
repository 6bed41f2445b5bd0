//! What others have to tell a connection, until it passes that on to its client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;

use super::super::clients::Client;
use super::super::protocol::reply::{Protocol, Reply};
use super::letter::Letter;
use crate::store::Seqno;

/// What a place in an inbox costs.
const PLACE_BYTES: usize = 48;

/// A client that is told more than so many bytes that it does not read is disconnected, as it is by Redis.
const BYTES_MAX: usize = 32 << 20;

/// How a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Posted {
    /// It lies with others that the connection knows of.
    Added,
    /// The connection must be told that there is something.
    First,
    /// There is too much that the client does not read: the connection must end.
    Overflow(usize),
    /// It came after that.
    Refused,
}

/// Gives a client a message, to be sent once commit `needs` is acknowledged. Who does not read is disconnected.
pub(crate) fn post(client: &Client, needs: Seqno, message: &Letter) {
    match client.inbox.post(needs, message) {
        Posted::First => client.wake(),
        Posted::Overflow(bytes) => message.mail().cut_off(client, bytes),
        Posted::Added | Posted::Refused => {}
    }
}

/// Messages for one client, encoded.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Whether there are any.
    full: AtomicBool,
    contents: Mutex<Contents>,
}

#[derive(Default)]
struct Contents {
    messages: VecDeque<Place>,
    bytes: usize,
    closed: bool,
}

/// A message, with the commit that must be acknowledged before it is sent.
struct Place {
    needs: Seqno,
    message: Letter,
}

impl Place {
    fn new(needs: Seqno, message: Letter) -> Self {
        message.mail().take(PLACE_BYTES);
        Self { needs, message }
    }

    fn bytes(&self) -> usize {
        self.message.len() + PLACE_BYTES
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.message.mail().give_back(PLACE_BYTES);
    }
}

impl Inbox {
    /// Adds a message, unless that would be too much.
    fn post(&self, needs: Seqno, message: &Letter) -> Posted {
        let mut contents = self.contents.lock();
        if contents.closed {
            return Posted::Refused;
        }
        let bytes = contents.bytes + message.len() + PLACE_BYTES;
        if bytes > message.mail().most().min(BYTES_MAX) {
            drop(contents);
            self.close();
            return Posted::Overflow(bytes);
        }
        contents.bytes = bytes;
        contents.messages.push_back(Place::new(needs, message.clone()));
        if self.full.swap(true, SeqCst) { Posted::Added } else { Posted::First }
    }

    /// Forgets all messages, and takes no more.
    pub(super) fn close(&self) {
        let contents = Contents { closed: true, ..Contents::default() };
        drop(std::mem::replace(&mut *self.contents.lock(), contents));
    }

    /// Whether there is anything.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(SeqCst)
    }

    /// Moves messages to the output until it is this long. The newest commit that they depend on, and whether there is no
    /// memory now for the next. `listens`: whether the client still subscribes to anything.
    pub(crate) fn move_to(&self, reply: &mut Reply, len_max: usize, listens: bool) -> (Seqno, bool) {
        let mut is_short = false;
        let needs = self.move_while(reply, listens, |reply, next| {
            let is_wanted = reply.len() < len_max;
            is_short = is_wanted && !reply.prepare(next);
            is_wanted && !is_short
        });
        (needs, is_short)
    }

    /// Moves all messages to the output. The newest commit that they depend on.
    pub(crate) fn move_all_to(&self, reply: &mut Reply) -> Seqno {
        self.move_while(reply, true, |_, _| true)
    }

    fn move_while(
        &self,
        reply: &mut Reply,
        listens: bool,
        mut has_room: impl FnMut(&mut Reply, usize) -> bool,
    ) -> Seqno {
        let mut contents = self.contents.lock();
        let mut needs = 0;
        while contents.messages.front().is_some_and(|place| has_room(reply, place.message.len()))
            && let Some(place) = contents.messages.pop_front()
        {
            contents.bytes -= place.bytes();
            // What was encoded for the protocol that the client has left is nothing that it could read. In the older one
            // who no longer subscribes would take a message for a reply.
            let is_foreign = match place.message.first() {
                Some(b'>') => reply.protocol() == Protocol::Resp2,
                Some(b'*') => reply.protocol() == Protocol::Resp3 || !listens,
                _ => false,
            };
            if !is_foreign {
                needs = needs.max(place.needs);
                reply.raw(&place.message);
            }
        }
        if contents.messages.is_empty() {
            // What a burst took is given back.
            contents.messages.shrink_to(64);
            self.full.store(false, SeqCst);
        }
        needs
    }

    /// Bytes that lie here.
    pub(crate) fn bytes(&self) -> usize {
        self.contents.lock().bytes
    }
}
