//! Cursors of SCAN and its kin: 64-bit numbers that stand for a place in an ordered walk.
//!
//! A place is the last name told, so a walk misses nothing that is there from its start to its end, whatever else
//! changes. The places live in a table bounded in bytes, the oldest forgotten first. A cursor that is not known (any
//! more) begins anew, which SCAN's contract allows: names may be told twice, but none is missed.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Bytes of all places together.
const BYTES_MAX: usize = 2 << 20;
/// Bytes that a place takes beside its name, roughly.
const PLACE_BYTES: usize = 96;

/// What a walk goes through: a cursor of one walk means nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// The keys of a keyspace.
    Keyspace(u64),
    /// The elements of a key, by the hash of keyspace and name.
    Key(u64),
}

/// The table of places.
pub(crate) struct Cursors {
    table: Mutex<Table>,
}

struct Table {
    places: HashMap<u64, (Walked, Bytes), RandomState>,
    by_age: VecDeque<u64>,
    bytes: usize,
    next: u64,
}

impl Cursors {
    /// An empty table. Cursors count up from `first`, so that one from before a restart is not mistaken.
    pub(crate) fn new(first: u64) -> Self {
        let table =
            Table { places: HashMap::default(), by_age: VecDeque::new(), bytes: 0, next: first >> 16 | 1 };
        Self { table: Mutex::new(table) }
    }

    /// A cursor that goes on after this name.
    pub(crate) fn after(&self, walked: Walked, name: &[u8]) -> u64 {
        let mut table = self.table.lock();
        let cursor = table.next;
        // Never 0, which ends a walk.
        table.next = table.next.wrapping_add(1).max(1);
        table.bytes += name.len() + PLACE_BYTES;
        table.places.insert(cursor, (walked, Bytes::copy_from_slice(name)));
        table.by_age.push_back(cursor);
        while table.bytes > BYTES_MAX {
            let Some(oldest) = table.by_age.pop_front() else { break };
            if let Some((_, name)) = table.places.remove(&oldest) {
                table.bytes -= name.len() + PLACE_BYTES;
            }
        }
        cursor
    }

    /// The name after which the cursor goes on; `None` from the start.
    pub(crate) fn place(&self, walked: Walked, cursor: u64) -> Option<Bytes> {
        let table = self.table.lock();
        table.places.get(&cursor).filter(|place| place.0 == walked).map(|place| place.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stands_for_its_place_in_its_walk() {
        let cursors = Cursors::new(7 << 16);
        let cursor = cursors.after(Walked::Keyspace(1), b"name");
        assert_ne!(cursor, 0);
        assert_eq!(cursors.place(Walked::Keyspace(1), cursor).unwrap(), "name");
        assert_eq!(cursors.place(Walked::Key(1), cursor), None);
        assert_eq!(cursors.place(Walked::Keyspace(1), cursor + 1), None);
    }

    #[test]
    fn the_oldest_places_make_room() {
        let cursors = Cursors::new(0);
        let name = vec![b'x'; 60_000];
        let first = cursors.after(Walked::Keyspace(1), &name);
        let last = (0..100).map(|_| cursors.after(Walked::Keyspace(1), &name)).last().unwrap();
        assert_eq!(cursors.place(Walked::Keyspace(1), first), None);
        assert!(cursors.place(Walked::Keyspace(1), last).is_some());
        assert!(cursors.table.lock().bytes <= BYTES_MAX);
    }
}
