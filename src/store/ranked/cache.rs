//! The directories of planes that were touched lately, each as of its plane's newest commit.
//!
//! Whoever reads or changes a plane by rank holds the lock of its key, so that nobody changes it meanwhile: what the
//! cache says of it is what is there. A commit replaces it while it still holds that lock. Owners are never
//! used again, so that what is kept of a dead one is merely in the way until it is thrown out.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Directory;

/// What an entry takes beside its directory and its prefix, in bytes.
const ENTRY_BYTES: usize = 120;

/// Where there is no more room, so much of it is made at once that looking for what to throw out is rare: this part.
const FREED_PART: usize = 8;

/// Directories by the prefix of their plane.
pub(crate) struct Directories {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    entries: HashMap<Box<[u8]>, Entry, foldhash::fast::FixedState>,
    uses: u64,
    bytes: usize,
}

#[derive(Default)]
struct Entry {
    directory: Directory,
    /// When it was used last, counted in uses.
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
        let State { entries, uses, .. } = &mut *state;
        let entry = entries.get_mut(prefix)?;
        *uses += 1;
        entry.used = *uses;
        Some(entry.directory.clone())
    }

    /// Forgets the directory of a plane.
    pub(crate) fn forget(&self, prefix: &[u8]) {
        let mut state = self.state.lock();
        if let Some(entry) = state.entries.remove(prefix) {
            state.bytes -= entry.bytes;
        }
    }

    /// Keeps the directory of a plane, in the place of the one before. The caller has the plane's key locked.
    pub(crate) fn set(&self, prefix: &[u8], mut directory: Directory) {
        let mut state = self.state.lock();
        let State { entries, uses, bytes } = &mut *state;
        *uses += 1;
        let entry = match entries.get_mut(prefix) {
            Some(entry) => entry,
            None => entries.entry(prefix.into()).or_default(),
        };
        // First of all the old one goes, so that nobody shares what is settled.
        entry.directory = Directory::default();
        directory.settle();
        *bytes -= entry.bytes;
        entry.bytes = directory.memory_bytes() + prefix.len() + ENTRY_BYTES;
        *bytes += entry.bytes;
        entry.directory = directory;
        entry.used = *uses;
        if *bytes > self.bytes_max {
            state.shrink(self.bytes_max - self.bytes_max / FREED_PART);
        }
    }
}

impl State {
    /// Throws out what was not used for longest, down to so many bytes, but for the last.
    fn shrink(&mut self, bytes: usize) {
        let mut ages: Vec<(u64, usize)> =
            self.entries.values().map(|entry| (entry.used, entry.bytes)).collect();
        ages.sort_unstable();
        ages.pop();
        let mut oldest_kept = 0;
        for (used, freed) in ages {
            if self.bytes <= bytes {
                break;
            }
            self.bytes -= freed;
            oldest_kept = used + 1;
        }
        self.entries.retain(|_, entry| entry.used >= oldest_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of ten single-letter planes are known, and that what is counted is what they take.
    fn known(cache: &Directories) -> String {
        let known = ('a'..='j').filter(|name| cache.get(name.to_string().as_bytes()).is_some()).collect();
        let state = cache.state.lock();
        assert_eq!(state.bytes, state.entries.values().map(|entry| entry.bytes).sum::<usize>());
        known
    }

    #[test]
    fn the_least_recently_used_go_first_and_the_last_one_stays() {
        let directory = Directory::default();
        let each = directory.memory_bytes() + ENTRY_BYTES + 1;
        let cache = Directories::new(8 * each);
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            cache.set(name.as_bytes(), directory.clone());
        }
        assert!(cache.get(b"a").is_some());
        cache.set(b"c", directory.clone());
        assert_eq!(cache.state.lock().entries.len(), 8, "it is full");
        cache.set(b"i", directory.clone());
        assert_eq!(known(&cache), "acefghi", "one is too many, and another makes room");
        cache.forget(b"e");
        assert_eq!(known(&cache), "acfghi");
        let small = Directories::new(0);
        small.set(b"a", directory.clone());
        small.set(b"b", directory);
        assert_eq!(known(&small), "b");
    }
}
