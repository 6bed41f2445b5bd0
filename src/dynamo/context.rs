//! What an operation runs in: how far its reads go, which commits it sees, and which its answer depends on.

use std::cell::Cell;
use std::sync::Arc;

use super::Tables;
use super::error::Result;
use super::limits::Limits;
use crate::store::{self, LockSet, Reads, Seqno, Tier, Txn, View};

/// Inline, no more than so many bytes are gone through; what takes longer would hold up others.
const CACHED_BYTES_MAX: usize = 128 << 10;

/// One run of an operation.
pub struct Context<'a> {
    /// All tables.
    pub tables: &'a Arc<Tables>,
    tier: Tier,
    floor: Seqno,
    needs: Cell<Seqno>,
}

impl<'a> Context<'a> {
    /// A run that sees at least commit `floor`.
    pub fn new(tables: &'a Arc<Tables>, tier: Tier, floor: Seqno) -> Self {
        Self { tables, tier, floor, needs: Cell::new(0) }
    }

    /// What is allowed.
    pub fn limits(&self) -> &Limits {
        &self.tables.limits
    }

    /// A moment to read: of everything that was ever acknowledged, and of all that the answer depends on already.
    pub fn view(&self) -> View {
        let view = self.tables.store.view(self.floor.max(self.needs()), self.tier);
        self.depends_on(view.seqno());
        view
    }

    /// The newest moment: the answer waits until it is on disk.
    pub fn view_newest(&self) -> View {
        let view = self.tables.store.view_newest(self.tier);
        self.depends_on(view.seqno());
        view
    }

    /// A transaction on these keys. Whatever is answered after it began depends on what it saw.
    pub fn txn(&self, keys: LockSet) -> Result<Txn> {
        let txn = self.tables.store.txn(keys, self.tier)?;
        self.depends_on(txn.seqno());
        Ok(txn)
    }

    /// The same, for one that only reads.
    pub fn reading(&self, keys: LockSet) -> Result<Txn> {
        let txn = self.tables.store.reading(keys, self.tier)?;
        self.depends_on(txn.seqno());
        Ok(txn)
    }

    /// Makes a transaction happen.
    pub fn commit(&self, txn: Txn) -> Result<()> {
        self.depends_on(txn.commit()?);
        Ok(())
    }

    /// Says that the answer may leave only once this commit is acknowledged.
    pub fn depends_on(&self, seqno: Seqno) {
        self.needs.set(self.needs.get().max(seqno));
    }

    /// The newest commit that the answer depends on.
    pub fn needs(&self) -> Seqno {
        self.needs.get()
    }

    /// Refuses to go on once an operation went through so many bytes, where it holds up others.
    pub fn went_through(&self, bytes: usize) -> store::Result<()> {
        if self.tier == Tier::Cached && bytes > CACHED_BYTES_MAX {
            return Err(store::Error::WouldWait(None));
        }
        Ok(())
    }

    /// How far reads go.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}
