//! Clients that wait for keys, in lines: one line a key, in the order in which they came.
//!
//! Commits tell which keys they touched ([`Waiters::touched`]). That gives the front of the line the *turn*: its
//! connection runs its command again. Only when it is done does the turn pass to the next for whom the key may still
//! hold something, so that one element never wakes a herd, and nobody is overtaken from behind. A turn that comes to the
//! end of the line ends; if the key was touched meanwhile it begins again at the front, where those who found
//! nothing have kept their places.
//!
//! Who touched a key waits until the turns that it set off have ended ([`Wave`]), including those that the commands of the
//! woken set off in turn. So a client that pushes and then looks finds what a single-threaded server would show it.
//! That also bounds how often a line can be made to begin again: once by each connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::clients::Client;
use super::keyspace::{Type, lock_key};
use crate::store::{Committed, LockKey};

/// What a client waits for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The database of the keys.
    pub(crate) database: u16,
    /// Their names; none if it waits for time to pass.
    pub(crate) names: Vec<Vec<u8>>,
    /// What a key must hold to be of use.
    pub(crate) kind: Option<Type>,
    /// Any change of a key is of interest, also that it goes.
    pub(crate) any_change: bool,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It would take a read of the disk to tell.
    Unknown,
    /// Nothing: there is no such key.
    Nothing,
    /// Something of this type.
    Some(Type),
}

/// Why a waiting client should be looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It has the turn: its command should be run again.
    Turn,
    /// CLIENT UNBLOCK: as if the time were over.
    Late,
    /// CLIENT UNBLOCK … ERROR.
    Refused,
}

const NOTHING: u8 = 0;
const LATE: u8 = 1;
const REFUSED: u8 = 2;

/// A client that waits.
struct Waiter {
    ticket: u64,
    client: Arc<Client>,
    wanted: Wanted,
    keys: Vec<LockKey>,
    turn: AtomicBool,
    unblocked: AtomicU8,
}

impl Waiter {
    fn has_use_for(&self, held: Held) -> bool {
        self.wanted.any_change
            || match held {
                Held::Unknown => true,
                Held::Nothing => false,
                Held::Some(kind) => self.wanted.kind.is_none_or(|wanted| wanted == kind),
            }
    }
}

/// Who waits for a key.
#[derive(Default)]
struct Line {
    /// By ticket: in the order in which they came.
    members: BTreeMap<u64, Arc<Waiter>>,
    /// Whose turn it is.
    turn: Option<u64>,
    /// The key was touched since.
    again: bool,
    /// Those who wait for the end of the turn.
    waves: Vec<Arc<Wave>>,
    group: u16,
}

impl Line {
    /// Gives the turn to the first from a ticket on who may have a use for it, or ends it. Returns what to let go of once
    /// no lock is held.
    fn give(&mut self, from: u64, held: Held) -> Vec<Arc<Wave>> {
        let next =
            self.members.range(from..).map(|(_, waiter)| waiter).find(|waiter| waiter.has_use_for(held));
        self.turn = next.map(|waiter| waiter.ticket);
        if let Some(waiter) = next {
            waiter.turn.store(true, SeqCst);
            waiter.client.wake();
            return Vec::new();
        }
        std::mem::take(&mut self.waves)
    }

    fn join(&mut self, wave: &Arc<Wave>) {
        if !self.waves.iter().any(|other| Arc::ptr_eq(other, wave)) {
            self.waves.push(wave.clone());
        }
    }
}

/// The turns that one commit set off. Whoever committed holds it weakly, and is woken when the last of them has ended.
pub(crate) struct Wave {
    client: Arc<Client>,
}

impl Drop for Wave {
    fn drop(&mut self) {
        self.client.wake();
    }
}

/// All who wait.
#[derive(Default)]
pub(crate) struct Waiters {
    /// How many wait; commits look no further while nobody does.
    waiting: AtomicUsize,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    last_ticket: u64,
    by_key: HashMap<LockKey, Line, foldhash::fast::FixedState>,
    by_client: HashMap<u64, Arc<Waiter>, foldhash::fast::FixedState>,
}

impl Lines {
    /// Gives the turn to the fronts of the lines that a commit touched; `waves` wait for their end. `by` is the ticket of
    /// who committed.
    fn touch(&mut self, committed: &Committed, by: Option<u64>, waves: &[Arc<Wave>]) {
        let touch = |line: &mut Line| {
            if by.is_some() && line.turn == by {
                // Its own turn, which it passes on when it is done.
                return;
            }
            for wave in waves {
                line.join(wave);
            }
            if line.turn.is_some() {
                line.again = true;
            } else {
                // Somebody is in it, or there would be no line.
                line.give(0, Held::Unknown);
            }
        };
        for key in &committed.touched {
            if let Some(line) = self.by_key.get_mut(key) {
                touch(line);
            }
        }
        if !committed.touched_groups.is_empty() {
            for line in self.by_key.values_mut() {
                if committed.touched_groups.contains(&line.group) {
                    touch(line);
                }
            }
        }
    }
}

impl Waiters {
    /// How many clients wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// Puts a client at the end of its keys' lines. With `look` its command is run again at once: a key may have been
    /// touched since it last ran. Without it, the caller holds the keys' locks, so that none can have been.
    pub(crate) fn enter(self: &Arc<Self>, client: &Arc<Client>, wanted: Wanted, look: bool) -> Place {
        // Before anything is looked at again: who commits from here on sees it.
        self.waiting.fetch_add(1, SeqCst);
        let mut keys: Vec<LockKey> =
            wanted.names.iter().map(|name| lock_key(wanted.database, name)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut lines = self.lines.lock();
        lines.last_ticket += 1;
        let waiter = Arc::new(Waiter {
            ticket: lines.last_ticket,
            client: client.clone(),
            keys,
            turn: AtomicBool::new(look),
            unblocked: AtomicU8::new(NOTHING),
            wanted,
        });
        for &key in &waiter.keys {
            let line = lines.by_key.entry(key).or_default();
            line.group = waiter.wanted.database;
            line.members.insert(waiter.ticket, waiter.clone());
        }
        lines.by_client.insert(client.id, waiter.clone());
        drop(lines);
        client.blocked.store(true, SeqCst);
        Place { waiters: self.clone(), waiter }
    }

    /// Tells that a commit of nobody's is visible.
    pub(crate) fn reaped(&self, committed: &Committed) {
        if self.len() > 0 {
            self.lines.lock().touch(committed, None, &[]);
        }
    }

    /// Tells that a commit of this client is visible; `by` is its own place, if it was its turn. What it set off, if
    /// anything.
    pub(crate) fn touched(
        &self,
        committed: &Committed,
        client: &Arc<Client>,
        by: Option<&Place>,
    ) -> Option<Weak<Wave>> {
        if self.len() == 0 || (committed.touched.is_empty() && committed.touched_groups.is_empty()) {
            return None;
        }
        let mut lines = self.lines.lock();
        let ticket = by.map(|place| place.waiter.ticket);
        let mut waves: Vec<Arc<Wave>> = Vec::new();
        for key in by.iter().flat_map(|place| &place.waiter.keys) {
            if let Some(line) = lines.by_key.get(key).filter(|line| line.turn == ticket) {
                waves.extend(line.waves.iter().cloned());
            }
        }
        let own = Arc::new(Wave { client: client.clone() });
        waves.push(own.clone());
        lines.touch(committed, ticket, &waves);
        drop(lines);
        drop(waves);
        Some(Arc::downgrade(&own)).filter(|wave| wave.strong_count() > 1)
    }

    /// CLIENT UNBLOCK; whether the client waited.
    pub(crate) fn unblock(&self, id: u64, refuse: bool) -> bool {
        let lines = self.lines.lock();
        let Some(waiter) = lines.by_client.get(&id) else { return false };
        let how = if refuse { REFUSED } else { LATE };
        let first = waiter.unblocked.compare_exchange(NOTHING, how, SeqCst, SeqCst).is_ok();
        if first {
            waiter.client.wake();
        }
        first
    }
}

/// A client's place in the lines of its keys. Dropping it leaves them.
pub(crate) struct Place {
    waiters: Arc<Waiters>,
    waiter: Arc<Waiter>,
}

impl Place {
    /// What it waits for.
    pub(crate) fn wanted(&self) -> &Wanted {
        &self.waiter.wanted
    }

    /// Whether there is news.
    pub(crate) fn has_news(&self) -> bool {
        self.waiter.turn.load(SeqCst) || self.waiter.unblocked.load(SeqCst) != NOTHING
    }

    /// The news, which is then none any more. Having had the turn, [`Place::keep`] or [`Place::leave`] it.
    pub(crate) fn news(&self) -> Option<News> {
        match self.waiter.unblocked.load(SeqCst) {
            LATE => Some(News::Late),
            REFUSED => Some(News::Refused),
            _ => self.waiter.turn.swap(false, SeqCst).then_some(News::Turn),
        }
    }

    /// There was nothing: passes the turn on, and keeps the place. `held` tells what a key holds now.
    pub(crate) fn keep(&self, held: &dyn Fn(&[u8]) -> Held) {
        self.pass(false, held);
    }

    /// Passes the turn on, and leaves. `held` tells what a key holds now.
    pub(crate) fn leave(self, held: &dyn Fn(&[u8]) -> Held) {
        self.pass(true, held);
    }

    fn pass(&self, leaves: bool, held: &dyn Fn(&[u8]) -> Held) {
        let waiter = &*self.waiter;
        let mut turns = Vec::new();
        {
            let mut lines = self.waiters.lines.lock();
            if !leaves && waiter.turn.load(SeqCst) {
                // It got another turn meanwhile, and passes them on together.
                return;
            }
            for key in &waiter.keys {
                if let Some(line) = lines.by_key.get_mut(key).filter(|line| line.turn == Some(waiter.ticket))
                {
                    turns.push((*key, std::mem::take(&mut line.again)));
                }
            }
        }
        // Whatever was touched until now is seen; what is touched from now on says `again`.
        let name_of = |key: LockKey| {
            waiter.wanted.names.iter().find(|name| lock_key(waiter.wanted.database, name) == key)
        };
        let mut turns: Vec<(LockKey, bool, Held)> = turns
            .into_iter()
            .map(|(key, again)| (key, again, name_of(key).map_or(Held::Unknown, |name| held(name))))
            .collect();
        let mut ended = Vec::new();
        let mut lines = self.waiters.lines.lock();
        if leaves {
            self.forget(&mut lines);
            // Turns that it got in between would be lost with it.
            for key in &waiter.keys {
                let is_mine = lines.by_key.get(key).is_some_and(|line| line.turn == Some(waiter.ticket));
                if is_mine && !turns.iter().any(|(other, ..)| other == key) {
                    turns.push((*key, true, Held::Unknown));
                }
            }
        }
        for (key, again, held) in turns {
            let Some(line) = lines.by_key.get_mut(&key) else { continue };
            let since = std::mem::take(&mut line.again);
            let from = if again || since { 0 } else { waiter.ticket + 1 };
            ended.extend(line.give(from, if since { Held::Unknown } else { held }));
        }
        if leaves {
            for key in &waiter.keys {
                if lines.by_key.get(key).is_some_and(|line| line.members.is_empty())
                    && let Some(line) = lines.by_key.remove(key)
                {
                    ended.extend(line.waves);
                }
            }
        }
        drop(lines);
        drop(ended);
    }

    /// Out of all lines; the turns it has stay its own until they are passed on.
    fn forget(&self, lines: &mut Lines) {
        let waiter = &*self.waiter;
        if lines.by_client.get(&waiter.client.id).is_none_or(|other| !Arc::ptr_eq(other, &self.waiter)) {
            return;
        }
        lines.by_client.remove(&waiter.client.id);
        for key in &waiter.keys {
            if let Some(line) = lines.by_key.get_mut(key) {
                line.members.remove(&waiter.ticket);
            }
        }
        waiter.client.blocked.store(false, SeqCst);
        self.waiters.waiting.fetch_sub(1, SeqCst);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pass(true, &|_| Held::Unknown);
    }
}
