//! The directories of planes that were touched lately, each as of its plane's newest commit.
//!
//! Whoever reads or changes a plane by rank holds the lock of its key, so that nobody changes it meanwhile: what the
//! cache says of it is what is there. A commit replaces it while it still holds that lock. Owners are never
//! used again, so that what is kept of a dead one is merely in the way until it is thrown out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Directory;

/// What an entry takes beside its directory and its prefix, in bytes.
const ENTRY_BYTES: usize = 160;

/// Directories by the prefix of their plane.
pub(crate) struct Directories {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    entries: HashMap<Arc<[u8]>, Entry, foldhash::fast::FixedState>,
    /// The prefixes in the order in which they were last used.
    by_use: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    directory: Directory,
    used: u64,
    bytes: usize,
}

impl Directories {
    /// A cache of so many bytes; of more only where a single directory is larger.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max }
    }

    /// The directory of a plane. The caller has the plane's key locked.
    pub(crate) fn get(&self, prefix: &[u8]) -> Option<Directory> {
        let mut state = self.state.lock();
        let State { entries, by_use, uses, .. } = &mut *state;
        let entry = entries.get_mut(prefix)?;
        *uses += 1;
        let name = by_use.remove(&entry.used)?;
        by_use.insert(*uses, name);
        entry.used = *uses;
        Some(entry.directory.clone())
    }

    /// Forgets the directory of a plane.
    pub(crate) fn forget(&self, prefix: &[u8]) {
        self.state.lock().forget(prefix);
    }

    /// Keeps the directory of a plane, in the place of the one before. The caller has the plane's key locked.
    pub(crate) fn set(&self, prefix: &[u8], mut directory: Directory) {
        let mut state = self.state.lock();
        // First of all this, so that nobody shares what is settled.
        let name = state.forget(prefix).unwrap_or_else(|| prefix.into());
        directory.settle();
        state.uses += 1;
        let used = state.uses;
        let bytes = directory.memory_bytes() + prefix.len() + ENTRY_BYTES;
        state.bytes += bytes;
        state.by_use.insert(used, name.clone());
        state.entries.insert(name, Entry { directory, used, bytes });
        while state.bytes > self.bytes_max && state.entries.len() > 1 {
            let Some(oldest) = state.by_use.first_key_value().map(|(_, name)| name.clone()) else { break };
            state.forget(&oldest);
        }
    }
}

impl State {
    fn forget(&mut self, prefix: &[u8]) -> Option<Arc<[u8]>> {
        let entry = self.entries.remove(prefix)?;
        self.bytes -= entry.bytes;
        self.by_use.remove(&entry.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_first_and_the_last_one_stays() {
        let cache = Directories::new(3 * (ENTRY_BYTES + 1));
        let directory = Directory::default();
        for name in [b"a", b"b", b"c"] {
            cache.set(name, directory.clone());
        }
        assert!(cache.get(b"a").is_some());
        cache.set(b"d", directory.clone());
        let known = [b"a", b"b", b"c", b"d"].map(|name| cache.get(name).is_some());
        assert_eq!(known, [true, false, true, true]);
        let small = Directories::new(0);
        small.set(b"a", directory.clone());
        small.set(b"b", directory);
        assert!(small.get(b"a").is_none() && small.get(b"b").is_some());
    }
}
