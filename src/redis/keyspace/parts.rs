//! New rows of an owner, as many as there are: staged while they fit into one part, and committed in parts beyond,
//! under an owner that nothing links to until the transaction commits.

use bytes::Bytes;

use super::Result;
use crate::store::{Batch, Error, Reads, Tier, Txn};

/// How many bytes of rows make a part. It is in memory three times on its way, and many may be on theirs.
pub(super) const PART_BYTES: usize = 256 << 10;

/// Rows below a prefix that nobody has written below.
pub(super) struct Parts {
    prefix: Vec<u8>,
    rows: Vec<(Vec<u8>, Bytes)>,
    bytes: usize,
    is_parted: bool,
}

impl Parts {
    pub(super) fn new(prefix: Vec<u8>) -> Self {
        Self { prefix, rows: Vec::new(), bytes: 0, is_parted: false }
    }

    /// The owner's prefix, which all rows begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Adds a row. Where it makes a part full, that is a matter for the disk.
    pub(super) fn put(&mut self, txn: &mut Txn, row: Vec<u8>, value: Bytes) -> Result<()> {
        self.bytes += row.len() + value.len();
        self.rows.push((row, value));
        if self.bytes < PART_BYTES {
            return Ok(());
        }
        if txn.tier() == Tier::Cached {
            return Err(Error::WouldWait(None).into());
        }
        if !self.is_parted {
            txn.build(&self.prefix)?;
            self.is_parted = true;
        }
        let mut batch = Batch::new();
        for (row, value) in self.rows.drain(..) {
            batch.put(&row, &value);
        }
        txn.build_part(&batch)?;
        self.bytes = 0;
        Ok(())
    }

    /// Stages what is left, and that all of it is linked. The caller stages the link.
    pub(super) fn finish(self, txn: &mut Txn) {
        for (row, value) in self.rows {
            txn.put(row, value);
        }
        if self.is_parted {
            txn.link(&self.prefix);
        }
    }
}
