//! Key locks: a fixed table of stripes, each a reader-writer lock of one word. A key's stripe follows from its
//! hash; a set of keys is locked in stripe order, so that no two transactions can wait for each other in a
//! circle, and nothing is ever retried. Locking every stripe is how one has the whole store to oneself.
//!
//! ```text
//! stripe := 0 free | 1.. that many share it | HELD one owns it
//!           with RESERVED set, a thread sleeps for it       with WATCHED set, a task wants to hear when it is free
//! ```
//!
//! Threads that wait are next, in the order in which they came: nobody overtakes them, however often the lock is free.
//! An event loop that runs one command after the other on a key would else keep a thread from it for seconds. Tasks
//! cannot sleep: they are woken, and try again.
//!
//! Waiters of 64 stripes share one condition variable; a lock is rarely waited for, since no lock is held across a
//! sync, and across a disk read only after the read has been tried without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

use parking_lot::{Condvar, Mutex};

const STRIPES: usize = 4096;
const WAITERS: usize = 64;
const HELD: u32 = 0x3FFF_FFFF;
const WATCHED: u32 = 0x4000_0000;
const RESERVED: u32 = 0x8000_0000;

/// What a key is locked and watched by: a hash of realm, database and name. Two keys with the same one are only
/// locked together and warned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey(pub u64);

/// A lock that was not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripe(u16);

impl LockKey {
    fn stripe(self) -> u16 {
        (self.0 >> 52) as u16
    }
}

/// The locks that a transaction needs.
#[derive(Clone, Debug, Default)]
pub struct LockSet {
    /// Stripe and whether exclusively; sorted and without duplicates once [`LockSet::sort`] ran.
    stripes: Vec<(u16, bool)>,
    all: bool,
}

impl LockSet {
    /// No locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// One key, to be written.
    pub fn one(key: LockKey) -> Self {
        Self { stripes: vec![(key.stripe(), true)], all: false }
    }

    /// Everything, exclusively.
    pub fn all() -> Self {
        Self { stripes: Vec::new(), all: true }
    }

    /// Adds a key to be written.
    pub fn exclusive(&mut self, key: LockKey) {
        self.stripes.push((key.stripe(), true));
    }

    /// Adds a key to be read only.
    pub fn shared(&mut self, key: LockKey) {
        self.stripes.push((key.stripe(), false));
    }

    /// Adds another set.
    pub fn join(&mut self, other: &Self) {
        self.stripes.extend_from_slice(&other.stripes);
        self.all |= other.all;
    }

    fn sort(&mut self) {
        if self.all {
            self.stripes = (0..STRIPES as u16).map(|stripe| (stripe, true)).collect();
        } else if self.stripes.len() > 1 {
            // Exclusive first among equals, so that it is the one kept.
            self.stripes.sort_unstable_by_key(|&(stripe, exclusive)| (stripe, !exclusive));
            self.stripes.dedup_by_key(|&mut (stripe, _)| stripe);
        }
    }
}

/// The table.
pub(crate) struct Locks {
    stripes: Box<[AtomicU32]>,
    waiters: Box<[Waiters]>,
}

/// Those who wait for some of the stripes.
#[derive(Default)]
struct Waiters {
    waiting: Mutex<Waiting>,
    /// Signalled when a stripe may be free.
    unlocked: Condvar,
}

#[derive(Default)]
struct Waiting {
    tasks: Vec<Waker>,
    /// What each thread sleeps for, in the order in which they came.
    threads: Vec<Place>,
    came: u64,
}

/// A thread's place among those that wait.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    stripe: u16,
    exclusive: bool,
}

impl Waiting {
    /// Whether nobody who came before this one must be served before it.
    fn is_next(&self, place: &Place) -> bool {
        let before = self.threads.iter().take_while(|other| other.number < place.number);
        before.filter(|other| other.stripe == place.stripe).all(|other| !other.exclusive && !place.exclusive)
    }
}

impl Locks {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            stripes: (0..STRIPES).map(|_| AtomicU32::new(0)).collect(),
            waiters: (0..WAITERS).map(|_| Waiters::default()).collect(),
        })
    }

    /// Locks a set. With `wait` false it gives back what it took and says where somebody is in the way.
    pub(crate) fn lock(self: &Arc<Self>, mut set: LockSet, wait: bool) -> Result<Held, Stripe> {
        set.sort();
        let mut held = Held { locks: self.clone(), stripes: set.stripes, taken: 0 };
        while let Some(&(stripe, exclusive)) = held.stripes.get(held.taken) {
            if !self.try_one(stripe, exclusive, 0) {
                if !wait {
                    return Err(Stripe(stripe));
                }
                self.wait_for(stripe, exclusive);
            }
            held.taken += 1;
        }
        Ok(held)
    }

    fn stripe(&self, stripe: u16) -> &AtomicU32 {
        &self.stripes[usize::from(stripe) % STRIPES]
    }

    /// Takes a stripe if it is free; `reserved` is [`RESERVED`] for whom it is reserved.
    fn try_one(&self, stripe: u16, exclusive: bool, reserved: u32) -> bool {
        let word = self.stripe(stripe);
        word.fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| {
            let count = word & HELD;
            match (exclusive, count) {
                _ if word & RESERVED != reserved => None,
                (true, 0) => Some(word | HELD),
                (false, n) if n < HELD - 1 => Some(word + 1),
                _ => None,
            }
        })
        .is_ok()
    }

    fn waiters(&self, stripe: u16) -> &Waiters {
        &self.waiters[usize::from(stripe) % WAITERS]
    }

    fn wait_for(&self, stripe: u16, exclusive: bool) {
        let waiters = self.waiters(stripe);
        let mut waiting = waiters.waiting.lock();
        waiting.came += 1;
        let place = Place { number: waiting.came, stripe, exclusive };
        waiting.threads.push(place);
        // Set before the last try: whoever unlocks after it sees the mark, and must take the mutex to wake us,
        // which we give up only by sleeping.
        self.stripe(stripe).fetch_or(RESERVED, Ordering::SeqCst);
        while !(waiting.is_next(&place) && self.try_one(stripe, exclusive, RESERVED)) {
            waiters.unlocked.wait(&mut waiting);
        }
        waiting.threads.retain(|other| other.number != place.number);
        // The mark stays for as long as anybody sleeps for this stripe.
        if !waiting.threads.iter().any(|other| other.stripe == stripe) {
            self.stripe(stripe).fetch_and(!RESERVED, Ordering::SeqCst);
        }
    }

    /// Ready if the stripe is free; else wakes when that may have changed.
    pub(crate) fn poll_free(&self, Stripe(stripe): Stripe, waker: &Waker) -> Poll<()> {
        let tasks = &mut self.waiters(stripe).waiting.lock().tasks;
        // As with a thread's mark: whoever unlocks after it must take the mutex.
        let before = self.stripe(stripe).fetch_or(WATCHED, Ordering::SeqCst);
        if before & (HELD | RESERVED) == 0 {
            return Poll::Ready(());
        }
        if !tasks.iter().any(|other| other.will_wake(waker)) {
            tasks.push(waker.clone());
        }
        Poll::Pending
    }

    fn unlock(&self, stripe: u16, exclusive: bool) {
        let word = self.stripe(stripe);
        let before = if exclusive {
            word.fetch_and(!(HELD | WATCHED), Ordering::SeqCst)
        } else {
            word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| Some((word - 1) & !WATCHED))
                .unwrap_or_else(|word| word)
        };
        if before & (RESERVED | WATCHED) == 0 {
            return;
        }
        let waiters = self.waiters(stripe);
        // All: they wait for different stripes.
        let tasks = std::mem::take(&mut waiters.waiting.lock().tasks);
        waiters.unlocked.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }
}

/// Locks held until dropped.
pub(crate) struct Held {
    locks: Arc<Locks>,
    stripes: Vec<(u16, bool)>,
    taken: usize,
}

impl Held {
    /// Whether all of these are among them.
    pub(crate) fn covers(&self, set: &LockSet) -> bool {
        // They are sorted; the whole table was locked exclusively.
        let all = self.stripes.len() == STRIPES;
        let has = |&(stripe, exclusive): &(u16, bool)| {
            self.stripes
                .binary_search_by_key(&stripe, |&(held, _)| held)
                .is_ok_and(|at| self.stripes.get(at).is_some_and(|held| held.1 || !exclusive))
        };
        all || (!set.all && set.stripes.iter().all(has))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for &(stripe, exclusive) in self.stripes.iter().take(self.taken) {
            self.locks.unlock(stripe, exclusive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workers::{Lane, Workers};

    fn key(stripe: u64) -> LockKey {
        LockKey(stripe << 52)
    }

    #[test]
    fn sharing_excludes_owning() {
        let locks = Locks::new();
        let mut shared = LockSet::new();
        shared.shared(key(3));
        let first = locks.lock(shared.clone(), false).unwrap();
        let second = locks.lock(shared.clone(), false).unwrap();
        assert!(locks.lock(LockSet::one(key(3)), false).is_err());
        drop(first);
        assert!(locks.lock(LockSet::one(key(3)), false).is_err());
        drop(second);
        let owner = locks.lock(LockSet::one(key(3)), false).unwrap();
        assert!(locks.lock(shared, false).is_err());
        drop(owner);
        assert!(locks.lock(LockSet::all(), false).is_ok());
    }

    #[test]
    fn a_failed_try_gives_back_what_it_took() {
        let locks = Locks::new();
        let held = locks.lock(LockSet::one(key(9)), false).unwrap();
        assert!(locks.lock(LockSet::all(), false).is_err());
        assert!(locks.lock(LockSet::one(key(8)), false).is_ok());
        drop(held);
        assert!(locks.lock(LockSet::all(), false).is_ok());
    }

    #[test]
    fn the_same_stripe_twice_is_locked_once_and_exclusively() {
        let locks = Locks::new();
        let mut set = LockSet::one(key(5));
        set.shared(key(5));
        let held = locks.lock(set.clone(), false).unwrap();
        assert!(locks.lock(set, false).is_err());
        drop(held);
    }

    #[test]
    fn what_is_held_is_known() {
        let locks = Locks::new();
        let mut set = LockSet::one(key(5));
        set.shared(key(3));
        let held = locks.lock(set.clone(), false).unwrap();
        let mut shared = LockSet::new();
        shared.shared(key(5));
        assert!(held.covers(&set) && held.covers(&shared) && held.covers(&LockSet::new()));
        assert!(!held.covers(&LockSet::one(key(3))));
        assert!(!held.covers(&LockSet::one(key(4))));
        assert!(!held.covers(&LockSet::all()));
        drop(held);
        let all = locks.lock(LockSet::all(), false).unwrap();
        assert!(all.covers(&set) && all.covers(&LockSet::all()));
    }

    #[test]
    fn waiters_get_their_turn() {
        let locks = Locks::new();
        let total = Mutex::new((0_u64, 0_u64));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (locks, total) = (&locks, &total);
                scope.spawn(move || {
                    for round in 0..2000_u64 {
                        let mut set = LockSet::one(key(7 + (round + thread) % 2 * 64));
                        set.exclusive(key(1000));
                        let held = locks.lock(set, true).unwrap();
                        let mut both = total.try_lock().expect("the lock excludes the others");
                        both.0 += 1;
                        both.1 += 1;
                        drop(both);
                        drop(held);
                        if round % 500 == 0 {
                            drop(locks.lock(LockSet::all(), true));
                        }
                    }
                });
            }
        });
        assert_eq!(*total.lock(), (8000, 8000));
    }

    #[test]
    fn nobody_overtakes_a_thread_that_waits() {
        let locks = Locks::new();
        let held = locks.lock(LockSet::one(key(3)), false).unwrap();
        let (let_go, told) = std::sync::mpsc::channel::<()>();
        let threads = Workers::threads(1);
        let own = locks.clone();
        threads.submit(Lane::Idle, move || {
            let held = own.lock(LockSet::one(key(3)), true);
            told.recv().unwrap();
            drop(held);
        });
        while locks.stripe(3).load(Ordering::SeqCst) & RESERVED == 0 {
            std::thread::yield_now();
        }
        drop(held);
        for _ in 0..1000 {
            assert!(locks.lock(LockSet::one(key(3)), false).is_err());
        }
        let_go.send(()).unwrap();
        // Which waits for the job.
        drop(threads);
        assert!(locks.lock(LockSet::one(key(3)), false).is_ok());
    }

    #[test]
    fn who_shares_a_lock_forgets_nobody_who_wants_to_own_it() {
        let locks = Locks::new();
        let mut shared = LockSet::new();
        shared.shared(key(3));
        let held = locks.lock(shared.clone(), false).unwrap();
        let threads = Workers::threads(1);
        let (done, owned) = std::sync::mpsc::channel();
        let own = locks.clone();
        threads.submit(Lane::Idle, move || done.send(own.lock(LockSet::one(key(3)), true).is_ok()).unwrap());
        while locks.stripe(3).load(Ordering::SeqCst) & RESERVED == 0 {
            std::thread::yield_now();
        }
        drop(held);
        drop(locks.lock(shared, true));
        assert!(owned.recv().unwrap());
        drop(threads);
        assert!(locks.lock(LockSet::one(key(3)), false).is_ok());
    }

    #[test]
    fn a_task_hears_when_a_lock_is_free() {
        struct Flag(AtomicU32);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let flag = Arc::new(Flag(AtomicU32::new(0)));
        let woken = || flag.0.load(Ordering::SeqCst);
        let waker = Waker::from(flag.clone());
        let locks = Locks::new();
        let held = locks.lock(LockSet::one(key(3)), false).unwrap();
        let Err(stripe) = locks.lock(LockSet::one(key(3)), false) else { panic!("locked twice") };
        assert!(locks.poll_free(stripe, &waker).is_pending());
        drop(locks.lock(LockSet::one(key(4)), false));
        assert_eq!(woken(), 0);
        drop(held);
        assert_eq!(woken(), 1);
        assert!(locks.poll_free(stripe, &waker).is_ready());
    }
}
