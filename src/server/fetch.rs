//! Fetching what commands miss in memory: a few threads wait for the disk on behalf of many connections.
//!
//! A command that meets a miss is dropped, the missing block fetched into the cache, and the command run again on the
//! event loop. Whoever fetches takes all that is wanted at once, asks the disk for everything, and then waits for one
//! after the other: the reads overlap, and a change of thread is paid once for many of them.

use std::sync::Arc;

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
            tokio::task::spawn_blocking(move || run(&fetching.0));
        }
        // Where a fetcher panicked or was cut off, the sender was dropped: the command is run again all the same.
        let _ = fetched.await;
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
fn run(state: &Mutex<State>) {
    loop {
        let mut wanted = {
            let mut state = state.lock();
            state.coming = false;
            if state.wanted.is_empty() {
                return;
            }
            std::mem::take(&mut state.wanted)
        };
        if wanted.len() > 1 {
            for (miss, _) in &wanted {
                miss.read_ahead();
            }
        }
        for (miss, done) in wanted.drain(..) {
            miss.fetch();
            // The connection may have gone meanwhile.
            let _ = done.send(());
        }
    }
}
