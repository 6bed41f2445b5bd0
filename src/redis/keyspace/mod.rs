//! Redis's keys as rows.
//!
//! ```text
//! row        := 1 (redis) ‖ keyspace ‖ kind ‖ …              keyspace, owner := ordered number, see `store::realm`
//!   kind 1   meta       ‖ name              → meta           the key: meta.rs
//!   kind 2   owner row  ‖ name              → owner          only where elements have rows of their own
//!   kind 3   deadline   ‖ due ‖ name        → empty          `store::deadline`
//!   kind 4   element    ‖ owner ‖ plane ‖ subkey → element   collection/
//!                       ‖ owner ‖ plane ‖ …                  a plane by rank: `store::ranked`, collection/order.rs
//!                       ‖ owner ‖ chunk                      of a long string that changed in part: contents/
//! owner      := home keyspace ‖ id
//! databases  := 0 ‖ 6 ‖ 1 ‖ 0 → version ‖ keyspace of database 0 ‖ keyspace of database 1 …
//! ```
//!
//! Everything of a database begins with its keyspace id. FLUSHDB gives the database a new id and certifies the old
//! one dead; SWAPDB swaps two ids. Meta rows lie together in the order of names, so that SCAN reads nothing else.
//!
//! Elements lie below the keyspace they were born in, their *home*, and know nothing of the key's name: RENAME
//! moves two rows. When a key with elements leaves its home (MOVE, or RENAME after SWAPDB), an exile row ties its
//! elements to the keyspace it went to; should it come back, the exile row goes.
//!
//! Whether a key has elements is asked of the owner row's filter, so a plain SET reads nothing from disk.

mod collection;
mod contents;
mod copy;
mod databases;
mod key;
mod meta;
mod parts;
mod reap;
mod recount;
mod suspension;
#[cfg(test)]
mod tests;
mod walk;

use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use collection::{Build, COUNTED, Collection, Cursor, Element, Merge, Ordered, Plane};
pub use contents::{Build as BuildContents, Contents};
pub use copy::copy;
pub use databases::{Databases, Size, map_row, row_of_key};
pub use key::{
    delete, expire, expired_since, load, load_as, load_even_due, load_many, overwrite, remove, rename,
    replace,
};
pub use meta::{Body, Meta, Owner, Type};
pub use suspension::remove_due;
pub use walk::{Met, random, walk};

use parking_lot::Mutex;
use recount::Recounts;

use crate::store::{self, Committed, Env, LockKey, Options, REDIS, Realm, Store, put_ordered};

/// What the keyspace answers with when it cannot.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
}

/// A keyspace result.
pub type Result<T> = std::result::Result<T, Error>;

/// A database at one moment: its number, and the keyspace it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The number that SELECT takes.
    pub database: u16,
    /// The keyspace id.
    pub id: u64,
    /// Keys that were due by then, in Unix milliseconds, are no longer counted, whether their rows are gone or not.
    pub waived_ms: u64,
}

pub(crate) const META: u8 = 1;
pub(crate) const OWNER: u8 = 2;
pub(crate) const ELEMENT: u8 = 4;

/// The prefix of all rows of a keyspace.
pub(crate) fn space_prefix(id: u64) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(10);
    prefix.push(REDIS);
    put_ordered(&mut prefix, id);
    prefix
}

impl Space {
    /// No keyspace, for commands that only need the database's number.
    pub fn unresolved(database: u16) -> Self {
        Self { database, id: 0, waived_ms: 0 }
    }

    fn row(self, kind: u8, name: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(11 + name.len());
        row.push(REDIS);
        put_ordered(&mut row, self.id);
        row.push(kind);
        row.extend_from_slice(name);
        row
    }

    /// A key's meta row.
    pub(crate) fn meta_row(self, name: &[u8]) -> Vec<u8> {
        self.row(META, name)
    }

    /// A key's owner row.
    pub(crate) fn owner_row(self, name: &[u8]) -> Vec<u8> {
        self.row(OWNER, name)
    }

    /// The prefix of all its rows.
    pub(crate) fn prefix(self) -> Vec<u8> {
        space_prefix(self.id)
    }
}

/// What a key is locked and watched by.
pub fn lock_key(database: u16, name: &[u8]) -> LockKey {
    let mut hasher = foldhash::fast::FixedState::with_seed(0x5117).build_hasher();
    hasher.write_u16(database);
    hasher.write(name);
    LockKey(hasher.finish())
}

type Listener = Box<dyn Fn(&Committed) + Send + Sync>;

/// The keys of all databases.
pub struct Keyspace {
    store: Arc<Store>,
    databases: Databases,
    recounts: Mutex<Recounts>,
    /// Told of what the reaper commits.
    reaped: OnceLock<Listener>,
    suspension: suspension::Suspension,
}

impl Keyspace {
    /// Opens or creates the store in a directory, with this many databases.
    pub fn open(env: Env, dir: &Path, options: Options, databases: u16) -> Result<Arc<Self>> {
        Self::open_among(env, dir, options, databases, &[])
    }

    /// The same, for a store that holds other realms as well.
    pub fn open_among(
        env: Env,
        dir: &Path,
        options: Options,
        databases: u16,
        others: &[Realm],
    ) -> Result<Arc<Self>> {
        let realm = Realm { byte: REDIS, deadline_ms: collection::deadline_ms };
        let store = Store::open(env, dir, options, &[&[realm], others].concat())?;
        let databases = Databases::open(&store, databases)?;
        // Plain reads see what is durable: from the first one on that includes what opening wrote.
        store.db().sync().map_err(store::Error::from)?;
        let keyspace = Arc::new(Self {
            store,
            databases,
            recounts: Mutex::default(),
            reaped: OnceLock::new(),
            suspension: suspension::Suspension::default(),
        });
        reap::attach(&keyspace);
        Ok(keyspace)
    }

    /// The store underneath: views, transactions, locks.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Has somebody told of every commit that the reaper makes, once it is visible.
    pub fn on_reaped(&self, listener: impl Fn(&Committed) + Send + Sync + 'static) {
        // Whoever comes second would be the owner of another server over the same keys, which there is none of.
        let _ = self.reaped.set(Box::new(listener));
    }

    /// Which keyspace each database stands for.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }
}
