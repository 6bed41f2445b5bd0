//! A position in a data block. Its key buffer and block are replaced, not made anew, from row to row.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use super::common_prefix;
use super::data::{DataBlock, MALFORMED, RESTART_ROWS, Row};
use crate::engine::key::{KeyRef, Trailer};

type Result<T> = std::result::Result<T, &'static str>;

/// A position in a data block, or in none.
pub(crate) struct BlockCursor {
    block: Option<DataBlock>,
    /// The row's offset.
    at: usize,
    valid: bool,
    /// The row's user key.
    key: Vec<u8>,
    trailer: Trailer,
    value: Range<usize>,
}

impl BlockCursor {
    /// Without a block.
    pub(crate) fn new() -> Self {
        Self { block: None, at: 0, valid: false, key: Vec::new(), trailer: Trailer::LAST, value: 0..0 }
    }

    /// Changes the block; there is no row until the next seek.
    pub(crate) fn set_block(&mut self, block: Option<DataBlock>) {
        self.block = block;
        self.valid = false;
    }

    /// Whether there is a block to move in.
    pub(crate) fn has_block(&self) -> bool {
        self.block.is_some()
    }

    #[inline]
    pub(crate) fn valid(&self) -> bool {
        self.valid
    }

    #[inline]
    pub(crate) fn key(&self) -> KeyRef<'_> {
        KeyRef::new(&self.key, self.trailer)
    }

    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| &block.bytes()[self.value.clone()])
    }

    pub(crate) fn value_bytes(&self) -> Bytes {
        self.block.as_ref().map_or_else(Bytes::new, |block| block.value(self.value.clone()))
    }

    /// Moves to the row at `at`, of which `key` holds the row before; at the end of the rows there is none.
    /// Returns how many bytes it shares with the row before.
    #[inline]
    fn load(&mut self, at: usize) -> Result<usize> {
        self.valid = false;
        let Some(block) = &self.block else { return Ok(0) };
        if at < block.end() {
            let Row { shared, suffix, trailer, value } = block.row(at).ok_or(MALFORMED)?;
            if shared > self.key.len() {
                return Err(MALFORMED);
            }
            self.key.truncate(shared);
            self.key.extend_from_slice(suffix);
            (self.at, self.trailer, self.value, self.valid) = (at, trailer, value, true);
            return Ok(shared);
        }
        Ok(0)
    }

    pub(crate) fn first(&mut self) -> Result<()> {
        let at = self.block.as_ref().map_or(0, DataBlock::first);
        self.key.clear();
        self.load(at)?;
        Ok(())
    }

    /// Goes to a row by its number, from 0 on; without a row if there are not so many.
    pub(crate) fn nth(&mut self, row: usize) -> Result<()> {
        self.valid = false;
        let Some(at) = self.block.as_ref().and_then(|block| block.restart_of(row)) else { return Ok(()) };
        self.key.clear();
        self.load(at)?;
        for _ in 0..row % RESTART_ROWS {
            if self.valid {
                self.load(self.value.end)?;
            }
        }
        Ok(())
    }

    pub(crate) fn last(&mut self) -> Result<()> {
        self.valid = false;
        let Some(block) = &self.block else { return Ok(()) };
        let end = block.end();
        let restart = block.restart_below(end).ok_or(MALFORMED)?;
        self.walk(restart, end)
    }

    /// Goes to the row that ends at `end`, from the restart before it.
    fn walk(&mut self, restart: usize, end: usize) -> Result<()> {
        self.key.clear();
        self.load(restart)?;
        while self.valid && self.value.end < end {
            self.load(self.value.end)?;
        }
        // A row of a sound block ends exactly there.
        if self.valid && self.value.end == end { Ok(()) } else { Err(MALFORMED) }
    }

    /// Goes to the first row at or after `target`; without a row if all come before it.
    pub(crate) fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.valid = false;
        let Some(block) = &self.block else { return Ok(()) };
        let restart = block.restart_before(target).ok_or(MALFORMED)?;
        self.key.clear();
        self.load(restart)?;
        // As in DataBlock::get: how much the row before has in common with the target decides most rows.
        let (mut common, mut shared) = (0, 0);
        while self.valid {
            if shared <= common {
                let rest = &target.user[shared..];
                let more = common_prefix(&self.key[shared..], rest);
                common = shared + more;
                match self.key.get(common).cmp(&target.user.get(common)) {
                    Ordering::Less => {}
                    Ordering::Equal if self.trailer > target.trailer => {}
                    Ordering::Equal | Ordering::Greater => return Ok(()),
                }
            }
            shared = self.load(self.value.end)?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<()> {
        self.load(self.value.end)?;
        Ok(())
    }

    pub(crate) fn prev(&mut self) -> Result<()> {
        let (end, Some(block)) = (self.at, &self.block) else { return Ok(()) };
        self.valid = false;
        match block.restart_below(end) {
            Some(restart) => self.walk(restart, end),
            None => Ok(()),
        }
    }
}
