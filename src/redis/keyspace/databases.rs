//! Which keyspace each database stands for.

use std::sync::Arc;

use super::{Result, Space};
use crate::store::{Reads, Store, Txn};

/// The databases.
pub struct Databases {
    count: u16,
}

/// How many keys a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Keys; exact when nothing is unsettled.
    pub keys: u64,
    /// Writes that could not tell whether their key was new without reading the disk, until recounted.
    pub unsettled: u64,
}

impl Databases {
    pub(super) fn open(_store: &Arc<Store>, count: u16) -> Result<Self> {
        Ok(Self { count })
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The keyspace of a database (below [`Databases::count`]) as these reads see it.
    pub fn space(&self, _reads: &dyn Reads, _database: u16) -> Result<Space> {
        unimplemented!()
    }

    /// How many keys a database holds now.
    pub fn size(&self, _store: &Store, _space: Space) -> Size {
        unimplemented!()
    }

    /// Stages that a database is empty. The transaction must hold [`crate::store::LockSet::all`].
    pub fn flush(&self, _txn: &mut Txn, _database: u16) -> Result<()> {
        unimplemented!()
    }

    /// Stages that two databases change places. The transaction must hold [`crate::store::LockSet::all`].
    pub fn swap(&self, _txn: &mut Txn, _one: u16, _other: u16) -> Result<()> {
        unimplemented!()
    }
}
