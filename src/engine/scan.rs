//! STAND-IN (in memory) for ordered iteration; the signatures are final.

use std::marker::PhantomData;

use bytes::Bytes;

use super::error::Result;

/// A position in the rows between two bounds. Borrows the view it reads.
pub struct Scan<'v> {
    rows: Vec<(Vec<u8>, Bytes)>,
    at: Option<usize>,
    view: PhantomData<&'v ()>,
}

impl Scan<'_> {
    pub(crate) fn over(rows: Vec<(Vec<u8>, Bytes)>) -> Self {
        Self { rows, at: None, view: PhantomData }
    }

    fn set(&mut self, at: Option<usize>) {
        self.at = at.filter(|&i| i < self.rows.len());
    }

    /// Goes to the first row.
    pub fn first(&mut self) -> Result<()> {
        self.set(Some(0));
        Ok(())
    }

    /// Goes to the last row.
    pub fn last(&mut self) -> Result<()> {
        self.set(self.rows.len().checked_sub(1));
        Ok(())
    }

    /// Goes to the first row at or after a key.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.set(Some(self.rows.partition_point(|(k, _)| &k[..] < key)));
        Ok(())
    }

    /// Goes to the last row at or before a key.
    pub fn seek_back(&mut self, key: &[u8]) -> Result<()> {
        self.set(self.rows.partition_point(|(k, _)| &k[..] <= key).checked_sub(1));
        Ok(())
    }

    /// Goes one row on. Only when valid.
    pub fn next(&mut self) -> Result<()> {
        self.set(self.at.map(|i| i + 1));
        Ok(())
    }

    /// Goes one row back. Only when valid.
    pub fn prev(&mut self) -> Result<()> {
        self.set(self.at.and_then(|i| i.checked_sub(1)));
        Ok(())
    }

    /// Whether there is a row here.
    pub fn valid(&self) -> bool {
        self.at.is_some()
    }

    /// The row's key; empty when not valid.
    pub fn key(&self) -> &[u8] {
        self.at.map_or(&[], |i| &self.rows[i].0)
    }

    /// The row's value; empty when not valid.
    pub fn value(&self) -> &[u8] {
        self.at.map_or(&[], |i| &self.rows[i].1)
    }

    /// The row's value, shared with the block it lies in where that costs no copy.
    pub fn value_bytes(&self) -> Bytes {
        self.at.map_or_else(Bytes::new, |i| self.rows[i].1.clone())
    }
}
