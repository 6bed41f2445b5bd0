//! What others have to tell a connection, until it passes that on to its client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

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

/// How many bytes may lie in inboxes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailMax {
    /// In one.
    pub(crate) one: usize,
    /// In all together. Beyond that nobody gets a message who has not read those before.
    pub(crate) all: usize,
}

/// Gives a client a message, to be sent once commit `needs` is acknowledged. Who does not read what comes is
/// disconnected.
pub(crate) fn post(client: &Client, needs: Seqno, message: &Bytes, max: MailMax) {
    match client.inbox.post(needs, message, max) {
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
pub(crate) struct Inbox {
    /// Bytes in all inboxes. What several share counts for each.
    all: Arc<AtomicUsize>,
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

impl Drop for Inbox {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mail.get_mut().bytes, Relaxed);
    }
}

impl Inbox {
    /// An empty one, which adds what it holds to a sum.
    pub(crate) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { all, full: AtomicBool::new(false), mail: Mutex::default() }
    }

    /// Adds a message, unless there would be too much.
    fn post(&self, needs: Seqno, message: &Bytes, max: MailMax) -> Posted {
        let mut mail = self.mail.lock();
        if mail.closed {
            return Posted::Refused;
        }
        let bytes = message.len() + ENTRY_BYTES;
        let all = self.all.fetch_add(bytes, Relaxed) + bytes;
        mail.bytes += bytes;
        if mail.bytes > max.one || all > max.all && !mail.messages.is_empty() {
            self.all.fetch_sub(mail.bytes, Relaxed);
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
        let (mut needs, before) = (0, mail.bytes);
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
        self.all.fetch_sub(before - mail.bytes, Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_all_hold_too_much_those_go_who_do_not_read() {
        let all = Arc::new(AtomicUsize::new(0));
        let message = Bytes::from_static(&[b'-'; 52]);
        let max = MailMax { one: 1000, all: 1000 };
        let inboxes: Vec<Inbox> = (0..11).map(|_| Inbox::new(all.clone())).collect();
        let post = |at: usize| inboxes[at].post(0, &message, max);
        // Ten messages of a hundred bytes each lie in the first nine.
        (0..9).for_each(|at| assert_eq!(post(at), Posted::First));
        assert_eq!(post(0), Posted::Added);
        assert_eq!(post(10), Posted::First, "who has read everything is not to blame");
        assert_eq!(post(1), Posted::Overflow);
        assert_eq!((post(1), all.load(Relaxed)), (Posted::Refused, 1000));
        let mut reply = Reply::default();
        inboxes[0].move_to(&mut reply, usize::MAX);
        assert_eq!((reply.len(), all.load(Relaxed)), (104, 800));
        let taken: Vec<Posted> = (0..4).map(|_| post(0)).collect();
        assert_eq!(taken, [Posted::First, Posted::Added, Posted::Overflow, Posted::Refused]);
        assert_eq!(all.load(Relaxed), 800);
        drop(inboxes);
        assert_eq!(all.load(Relaxed), 0);
    }
}
