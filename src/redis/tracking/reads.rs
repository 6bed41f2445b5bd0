//! Whoever reads keys, and tracks, is entered for them.

use std::collections::HashMap;

use super::super::args::Args;
use super::super::clients::Client;
use super::super::command::Command;
use super::super::instance::Instance;
use super::super::session::Session;
use super::message::Message;
use crate::store::{Reads, Tier, Txn};

/// Bytes of own reads that are kept; of what is read beyond, the client is told as of others' changes.
const OWN_READS_BYTES_MAX: usize = 1 << 20;
/// What one costs beyond its name.
const OWN_READ_BYTES: usize = 96;

/// When a transaction read a key: after how many changes of its own.
pub(super) struct OwnRead {
    /// The client had read it before.
    pub(super) was_entered: bool,
    /// The first time.
    pub(super) first: usize,
    /// The last time.
    pub(super) last: usize,
}

/// What a command, EXEC and a script too, reads of keys that its own transaction may change.
#[derive(Default)]
pub(crate) struct OwnReads {
    by_name: HashMap<Box<[u8]>, OwnRead>,
    bytes: usize,
    /// There were too many to keep.
    pub(super) is_lossy: bool,
}

impl OwnReads {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && !self.is_lossy
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&OwnRead> {
        self.by_name.get(name)
    }

    /// The transaction begins anew: what it read so far it has not read.
    pub(super) fn begin_again(&mut self) {
        for read in self.by_name.values_mut() {
            (read.first, read.last) = (usize::MAX, 0);
        }
    }

    fn add(&mut self, name: &[u8], is_new: bool, changes: Changes) {
        if !self.by_name.contains_key(name) {
            if self.bytes > OWN_READS_BYTES_MAX {
                self.is_lossy = true;
                return;
            }
            self.bytes += name.len() + OWN_READ_BYTES;
        }
        let unread = OwnRead { was_entered: !is_new, first: usize::MAX, last: 0 };
        let read = self.by_name.entry(name.into()).or_insert(unread);
        read.first = read.first.min(changes.first);
        read.last = read.last.max(changes.last);
    }

    fn join(&mut self, other: Self) {
        self.is_lossy |= other.is_lossy;
        for (name, read) in other.by_name {
            self.add(&name, !read.was_entered, Changes { first: read.first, last: read.last });
        }
    }
}

/// How many changes a transaction has made when it reads.
#[derive(Clone, Copy)]
struct Changes {
    first: usize,
    last: usize,
}

impl Changes {
    /// So far. What a command notes in a key that it reads is no news to who reads it.
    fn of(txn: &mut Txn, command: &Command) -> Self {
        let first = txn.named_so_far();
        Self { first, last: if command.writes() { usize::MAX } else { first } }
    }
}

/// Enters the client for the keys of a command that reads, if it wants to be told of them, before the command takes its
/// view.
pub(crate) fn before_read(instance: &Instance, session: &mut Session, command: &Command, args: Args<'_>) {
    if session.tracker.is_some() && command.is_told_as_read() {
        // Of what it notes in the key only those who read it before are told.
        let changes = command.writes().then_some(Changes { first: usize::MAX, last: usize::MAX });
        enter(instance, session, command, args, changes);
    }
}

/// The same for a command of EXEC, whose transaction has the keys' locks.
pub(crate) fn before_step(
    instance: &Instance,
    session: &mut Session,
    txn: &mut Txn,
    command: &Command,
    args: Args<'_>,
) {
    if session.tracker.is_some() && command.is_told_as_read() {
        let changes = Changes::of(txn, command);
        enter(instance, session, command, args, Some(changes));
    }
}

fn enter(
    instance: &Instance,
    session: &mut Session,
    command: &Command,
    args: Args<'_>,
    changes: Option<Changes>,
) {
    let Some(tracker) = session.tracker.as_mut().filter(|tracker| tracker.remembers()) else { return };
    let mut any_new = false;
    for place in command.keys.places(&args) {
        let name = args.get(place);
        let is_new = instance.tracking.enter(instance, &session.client, name);
        any_new |= is_new;
        if let Some(changes) = changes {
            tracker.own_reads.add(name, is_new, changes);
        }
    }
    if any_new {
        session.heard(instance.store().view_newest(Tier::Cached).seqno());
    }
}

/// Where a script's reads are noted; `None` if its client does not want to be told of them.
pub(crate) fn of_script(session: &Session) -> Option<OwnReads> {
    session.tracker.as_ref().filter(|tracker| tracker.remembers()).map(|_| OwnReads::default())
}

/// Enters a script's client for the keys of a command that it calls.
pub(crate) fn in_script(
    instance: &Instance,
    session: &Session,
    txn: &mut Txn,
    reads: &mut OwnReads,
    (command, args): (&Command, Args<'_>),
) {
    if !command.is_told_as_read() {
        return;
    }
    let client: &Client = &session.client;
    let changes = Changes::of(txn, command);
    for place in command.keys.places(&args) {
        let is_new = instance.tracking.enter(instance, client, args.get(place));
        reads.add(args.get(place), is_new, changes);
    }
    // A script that only reads needs no locks: what has been committed since it began, to whatever, it may have missed.
    let is_newest = || instance.store().view_newest(Tier::Cached).seqno() == txn.seqno();
    if !txn.holds(&command.lock_set(session.database, &args)) && !is_newest() {
        for place in command.keys.places(&args) {
            instance.tracking.tell(instance, &mut Message::keys([args.get(place)]), client.id, 0);
        }
    }
}

/// Hands over what a script read.
pub(crate) fn after_script(session: &mut Session, reads: Option<OwnReads>) {
    if let (Some(tracker), Some(reads)) = (&mut session.tracker, reads) {
        tracker.own_reads.join(reads);
    }
}
