//! Client-side caching: CLIENT TRACKING. A client that keeps what it reads is told when that is no longer so.
//!
//! By default the [`Table`] remembers which clients read which keys, and a commit that changes one of them takes its entry
//! out and tells them. With BCAST nothing is remembered: a commit tells those who named a prefix of a key ([`Prefixes`]).
//! Keys go by their names, whatever their database, as in Redis.
//!
//! **Nobody is left with a stale value.** A commit is visible before its keys are looked up here, so:
//!
//! - A reader enters its keys before it takes the view that it reads at, and that view is no older than the newest commit
//!   at that time, durable or not ([`before_read`]). Then a commit that the view lacks came to be seen after the entry was
//!   made, and finds it. (Plain reads see only what is durable; so the first read of a key waits for what others commit.)
//!   Where the entry was there already, any view will do: whoever takes it out tells the client, after this reply.
//! - In EXEC and in scripts the keys' locks keep the order of the two: nobody else commits to them meanwhile. A script that
//!   only reads may read keys without their locks: it looks afterwards whether anything was committed since its view.
//! - What a client was told depends on the commit, and so do its reads from then on ([`Session::heard`]): it does not
//!   read once more what it was just told is no longer so, be it durable or not.
//! - A client that turns tracking on waits until every transaction under way has ended ([`Tracking::join`]). What begins
//!   later tells the names of what it changes, which costs one relaxed load where nobody wants them.
//!
//! Messages lie in the inbox of a connection, which is emptied between commands: what a client's own command sets off comes
//! after its reply. What its own transaction reads after it has changed it is no longer so only when somebody changes it
//! once more ([`OwnReads`]).
//!
//! The table has so many keys as `tracking-table-max-keys` says, and a sixteenth of the memory. What does not fit is
//! evicted, and those who read it are told, as if it had changed.

mod client;
mod message;
mod modes;
mod prefixes;
mod reads;
mod table;
mod tracker;

pub(crate) use client::{caching, getredir, tracking, trackinginfo};
pub(crate) use modes::Modes;
pub(crate) use reads::{OwnReads, after_script, before_read, before_step, in_script, of_script};
pub(crate) use tracker::Tracker;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};

use super::clients::Client;
use super::error::Result;
use super::instance::Instance;
use super::session::Session;
use crate::store::{Committed, LockSet, Seqno, Tier};
use crate::workers::Lane;
use message::Message;
use prefixes::Prefixes;
use table::{Entries, Table};

/// Keys of one commit that a client is told of one by one. One that read more of them is told to forget everything.
const TOLD_MAX: usize = 10_000;

/// Keys that are evicted at once when the table is to be smaller, or let go of when it is emptied.
const EVICTIONS_MAX: usize = 1000;

/// Who caches what.
#[derive(Default)]
pub(crate) struct Tracking {
    /// All clients that track, by their ids.
    clients: RwLock<HashMap<u64, Arc<Client>, foldhash::fast::FixedState>>,
    table: Table,
    prefixes: RwLock<Prefixes>,
    /// How often the last of them has left.
    era: AtomicU64,
    /// The era, plus one, in which all transactions that told no names are known to have ended.
    named_since: Mutex<u64>,
}

impl Tracking {
    /// Takes a client in. Whatever commits from now on to a key that it reads, it is told. `alone` if the caller holds all
    /// locks.
    fn join(&self, instance: &Instance, client: &Arc<Client>, alone: bool) -> Result {
        let era = {
            let mut clients = self.clients.write();
            clients.insert(client.id, client.clone());
            instance.store().set_named(true);
            self.era.load(Relaxed)
        };
        if !alone {
            // Whoever has a lock may tell no names; whoever takes one after us does. It is waited for once in an era, which
            // does not end while this client is in it.
            let mut named_since = self.named_since.lock();
            if *named_since != era + 1 {
                instance.store().reading(LockSet::all(), Tier::Disk)?;
                *named_since = era + 1;
            }
        }
        Ok(())
    }

    fn leave(&self, instance: &Instance, id: u64) {
        let taken = {
            let mut clients = self.clients.write();
            clients.remove(&id);
            if !clients.is_empty() {
                return;
            }
            instance.store().set_named(false);
            self.era.fetch_add(1, Relaxed);
            // Before anybody comes. Nobody is about to enter a key: whoever does so tracks.
            self.table.take_all()
        };
        self.forget(instance, taken);
    }

    /// Lets go of what was taken out of the table. What takes long is done later.
    fn forget(&self, instance: &Instance, taken: Vec<Entries>) {
        if taken.iter().map(Entries::len).sum::<usize>() <= EVICTIONS_MAX {
            return self.table.forget(instance, taken);
        }
        let weak = instance.shared();
        instance.store().workers().submit(Lane::Idle, move || {
            if let Some(instance) = weak.upgrade() {
                instance.tracking.table.forget(&instance, taken);
            }
        });
    }

    fn is_tracking(&self, id: u64) -> bool {
        self.clients.read().contains_key(&id)
    }

    /// Enters a client for a key; whether it was not entered before.
    fn enter(&self, instance: &Instance, client: &Client, name: &[u8]) -> bool {
        if self.table.is_full(name) {
            self.evict(instance);
        }
        while !self.table.has_bytes(instance, name) && self.evict(instance) {}
        let entered = self.table.enter(instance, name, client.id, |id| self.is_tracking(*id));
        entered.unwrap_or_else(|| {
            // There is no memory to remember it: it is forgotten at once.
            self.tell(instance, &mut Message::keys([name]), client.id, 0);
            true
        })
    }

    /// Makes the table as small as `tracking-table-max-keys` says. What takes long is done later.
    pub(crate) fn set_keys_max(&self, instance: &Instance, keys_max: usize) {
        self.table.set_keys_max(keys_max);
        let mut evictions = 0;
        while self.table.is_overfull() && evictions < EVICTIONS_MAX && self.evict(instance) {
            evictions += 1;
        }
        if self.table.is_overfull() {
            let weak = instance.shared();
            instance.store().workers().submit(Lane::Idle, move || {
                if let Some(instance) = weak.upgrade() {
                    while instance.tracking.table.is_overfull() && instance.tracking.evict(&instance) {}
                }
            });
        }
    }

    /// Takes some key out, and tells those who read it; false if there is none.
    fn evict(&self, instance: &Instance) -> bool {
        let Some((name, ids)) = self.table.evict(instance) else { return false };
        let mut message = Message::keys([&*name]);
        for id in ids {
            self.tell(instance, &mut message, id, 0);
        }
        true
    }

    /// Sends a message to a client, if it still tracks keys by name.
    fn tell(&self, instance: &Instance, message: &mut Message, id: u64, needs: Seqno) {
        let client = self.clients.read().get(&id).cloned();
        if let Some(client) = client.filter(|client| !client.tracking.has(Modes::BCAST)) {
            message.send(instance, &client, needs);
        }
    }

    fn tell_those_who_read(&self, instance: &Instance, names: &[Box<[u8]>], by: &By<'_>, needs: Seqno) {
        let mut told: HashMap<u64, usize> = HashMap::new();
        let mut overwhelmed = HashSet::new();
        let last_changes = by.last_changes(names);
        for (at, name) in names.iter().enumerate() {
            let (keep, tell) = by.reads_again(name, at, &last_changes);
            let ids = self.table.take(instance, name, keep);
            if ids.is_empty() && tell.is_none() {
                continue;
            }
            let mut message = Message::keys([&**name]);
            for id in ids.into_iter().filter(|&id| !by.is_silent(id)).chain(tell) {
                let count = told.entry(id).or_default();
                *count += 1;
                if *count > TOLD_MAX {
                    overwhelmed.insert(id);
                } else {
                    self.tell(instance, &mut message, id, needs);
                }
            }
        }
        // Last: what it reads until then it has to forget as well.
        for id in overwhelmed {
            self.tell(instance, &mut Message::everything(), id, needs);
        }
    }

    fn tell_by_prefix(&self, instance: &Instance, names: &[Box<[u8]>], by: &By<'_>, needs: Seqno) {
        let prefixes = self.prefixes.read();
        if prefixes.is_empty() {
            return;
        }
        let names: BTreeSet<&[u8]> = names.iter().map(|name| &**name).collect();
        for (names, clients) in prefixes.matching(&names) {
            let mut message =
                if names.len() > TOLD_MAX { Message::everything() } else { Message::keys(names) };
            for client in clients.values() {
                if !by.is_silent(client.id) {
                    message.send(instance, client, needs);
                }
            }
        }
    }

    /// All keys may have changed.
    fn tell_all(&self, instance: &Instance, needs: Seqno) {
        // First: who enters a key from here on does so for what it reads afterwards.
        self.forget(instance, self.table.take_all());
        let clients: Vec<Arc<Client>> = self.clients.read().values().cloned().collect();
        let mut message = Message::everything();
        for client in clients {
            message.send(instance, &client, needs);
        }
    }

    /// How many clients track.
    pub(crate) fn len(&self) -> usize {
        self.clients.read().len()
    }

    /// How many keys are entered, for how many clients all together, and how many prefixes are named.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let [keys, items] = self.table.counts();
        [keys, items, self.prefixes.read().len()]
    }
}

/// Whose doing a commit is.
struct By<'a> {
    /// The client whose command it was; `None`: time's.
    id: Option<u64>,
    tracker: Option<&'a Tracker>,
}

impl By<'_> {
    /// Whether this client does not want to be told.
    fn is_silent(&self, id: u64) -> bool {
        self.id == Some(id) && self.tracker.is_some_and(Tracker::is_silent)
    }

    /// Where among these names that of each key comes last, if it matters.
    fn last_changes<'a>(&self, names: &'a [Box<[u8]>]) -> HashMap<&'a [u8], usize> {
        if self.tracker.is_none_or(|tracker| tracker.own_reads.is_empty()) {
            return HashMap::new();
        }
        names.iter().enumerate().map(|(at, name)| (&**name, at)).collect()
    }

    /// Whom to leave entered for a key, the `at`-th of those that changed, since it read it after its last change here; and
    /// whom to tell all the same, since it had read it before.
    fn reads_again(
        &self,
        name: &[u8],
        at: usize,
        last_changes: &HashMap<&[u8], usize>,
    ) -> (Option<u64>, Option<u64>) {
        let read = self.tracker.and_then(|tracker| tracker.own_reads.get(name));
        let (Some(read), Some(&last)) = (read, last_changes.get(name)) else { return (None, None) };
        let keep = self.id.filter(|_| read.last > last);
        let had_read = read.was_entered || read.first <= last;
        (keep, keep.filter(|&id| at == last && had_read && !self.is_silent(id)))
    }
}

/// Tells of what a commit of a client's changed, once it is visible.
pub(crate) fn changed(instance: &Instance, session: &Session, committed: &Committed) {
    let by = By { id: Some(session.client.id), tracker: session.tracker.as_deref() };
    tell(instance, committed, &by, session.needs);
}

/// The same, where time has changed it.
pub(crate) fn expired(instance: &Instance, committed: &Committed) {
    tell(instance, committed, &By { id: None, tracker: None }, committed.seqno);
}

fn tell(instance: &Instance, committed: &Committed, by: &By<'_>, needs: Seqno) {
    let tracking = &instance.tracking;
    if !committed.names.is_empty() {
        tracking.tell_those_who_read(instance, &committed.names, by, needs);
        tracking.tell_by_prefix(instance, &committed.names, by, needs);
    }
    if !committed.touched_groups.is_empty() && instance.store().is_named() {
        tracking.tell_all(instance, needs);
    }
}
