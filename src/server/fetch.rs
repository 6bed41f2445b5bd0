//! Fetching what commands miss in memory: a few threads wait for the disk on behalf of many connections.
//!
//! A command that meets a miss is dropped, the missing block fetched into the cache, and the command run again on the
//! event loop. Whoever fetches takes all that is wanted at once and has the disk read it all at once: the reads overlap, and
//! a change of thread is paid once for many of them, there and back: the loop is woken once, and wakes its connections itself.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::store::Miss;

/// Threads that fetch at once. One keeps the disk busy: the next batch gathers while it waits for this one, and the fewer
/// wake up, the more each has to do. Others come when much has gathered, since the disk then is slow.
const FETCHERS_MAX: usize = 4;
const GATHERED_MAX: usize = 32;

/// What is wanted, and who is at it.
#[derive(Clone, Default)]
pub(super) struct Fetcher {
    state: Arc<Mutex<State>>,
    fetched: Arc<Fetched>,
}

/// Those whose blocks were fetched and that have not been woken.
#[derive(Default)]
struct Fetched {
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    waker: Mutex<Option<Waker>>,
}

impl Fetched {
    fn add(&self, done: impl Iterator<Item = oneshot::Sender<()>>) {
        self.waiting.lock().extend(done);
        if let Some(waker) = self.waker.lock().as_ref() {
            waker.wake_by_ref();
        }
    }
}

#[derive(Default)]
struct State {
    wanted: Vec<(Miss, oneshot::Sender<()>)>,
    fetching: usize,
    /// One is on its way that has not looked yet.
    coming: bool,
}

impl Fetcher {
    /// Comes back when the block has been fetched, or could not be.
    pub(super) async fn fetch(&self, miss: Miss) {
        let (done, fetched) = oneshot::channel();
        let starts = {
            let mut state = self.state.lock();
            state.wanted.push((miss, done));
            let wanted = state.fetching == 0 || state.wanted.len() >= GATHERED_MAX;
            let starts = wanted && !state.coming && state.fetching < FETCHERS_MAX;
            if starts {
                state.coming = true;
                state.fetching += 1;
            }
            starts
        };
        if starts {
            let fetching = Fetching(self.state.clone());
            let fetched = self.fetched.clone();
            tokio::task::spawn_blocking(move || run(&fetching.0, &fetched));
        }
        // Where a fetcher panicked or was cut off, the sender was dropped: the command is run again all the same.
        let _ = fetched.await;
    }

    /// Whether anything is on its way from the disk.
    pub(super) fn is_busy(&self) -> bool {
        self.state.lock().fetching > 0
    }

    /// Wakes those whose blocks were fetched: a task of the loop.
    pub(super) async fn wake_for_ever(self) {
        loop {
            let woken = poll_fn(|cx| {
                // Whoever adds looks for the waker afterwards.
                let mut waker = self.fetched.waker.lock();
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                drop(waker);
                let waiting = std::mem::take(&mut *self.fetched.waiting.lock());
                if waiting.is_empty() { Poll::Pending } else { Poll::Ready(waiting) }
            })
            .await;
            for done in woken {
                // The connection may have gone meanwhile.
                let _ = done.send(());
            }
        }
    }
}

/// One that fetches, or is on its way. Should it end by a panic, or never begin, nobody waits for it.
struct Fetching(Arc<Mutex<State>>);

impl Drop for Fetching {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.coming = false;
        state.fetching -= 1;
        state.wanted.clear();
    }
}

/// Fetches until nothing is wanted.
fn run(state: &Mutex<State>, fetched: &Fetched) {
    loop {
        let wanted = {
            let mut state = state.lock();
            state.coming = false;
            if state.wanted.is_empty() {
                return;
            }
            std::mem::take(&mut state.wanted)
        };
        Miss::fetch_all(&wanted.iter().map(|(miss, _)| miss).collect::<Vec<_>>());
        fetched.add(wanted.into_iter().map(|(_, done)| done));
    }
}
