//! A message on its way, shared by all inboxes that it lies in, and what all of them hold together.
//!
//! A message counts once, however many have still to read it, until the last of them has; a place in an inbox counts for
//! itself. When all of it comes to more than there may be, the connection that holds the most is closed, then the next.

use std::cmp::Reverse;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::super::clients::{Client, Clients};
use super::super::instance::Instance;

/// What all inboxes hold.
pub(crate) struct Mail {
    held: AtomicUsize,
    most: usize,
    /// Connections that were closed since they do not read what they asked to be told.
    closed: AtomicU64,
}

impl Mail {
    /// Nothing yet, and so many bytes at most.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), most, closed: AtomicU64::new(0) })
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Bytes that may be held, by one or by all.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Connections that were closed so far.
    pub(crate) fn closed(&self) -> u64 {
        self.closed.load(Relaxed)
    }

    pub(super) fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Closes those who hold the most until no more is held than may be.
    fn make_room(&self, clients: &Clients) {
        let all = clients.all().into_iter().map(|client| (client.inbox.bytes(), client));
        let mut all: Vec<_> = all.filter(|(bytes, _)| *bytes > 0).collect();
        all.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        // Each is asked once, and not each time that one was closed: they may be many, and have the same to read.
        for (bytes, client) in all {
            if self.held() <= self.most {
                return;
            }
            client.inbox.close();
            self.cut_off(&client, bytes);
        }
    }

    /// Closes a connection whose inbox was closed with so many bytes in it.
    pub(super) fn cut_off(&self, client: &Client, bytes: usize) {
        self.closed.fetch_add(1, Relaxed);
        let (id, address) = (client.id, &client.address);
        tracing::warn!(
            client = id,
            address,
            bytes,
            "disconnected: it does not read what it asked to be told"
        );
        client.kill();
    }
}

/// An encoded message.
#[derive(Clone)]
pub(crate) struct Letter(Arc<Content>);

struct Content {
    bytes: Vec<u8>,
    mail: Arc<Mail>,
}

impl Letter {
    /// One with this content, for which room is made.
    pub(crate) fn new(instance: &Instance, bytes: Vec<u8>) -> Self {
        let mail = instance.hub.mail().clone();
        mail.take(bytes.capacity());
        if mail.held() > mail.most {
            mail.make_room(&instance.clients);
        }
        Self(Arc::new(Content { bytes, mail }))
    }

    /// What all inboxes hold.
    pub(super) fn mail(&self) -> &Mail {
        &self.0.mail
    }
}

impl Deref for Letter {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.mail.give_back(self.bytes.capacity());
    }
}
