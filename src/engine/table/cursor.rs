//! A position in a table.

use std::sync::Arc;

use bytes::Bytes;

use super::{Caching, Table};
use crate::engine::cursor::Cursor;
use crate::engine::error::Result;
use crate::engine::key::KeyRef;
use crate::engine::view::Tier;

/// A position in a table. Owns its handle.
pub(crate) struct TableCursor {}

impl TableCursor {
    pub(super) fn new(_table: Arc<Table>, _tier: Tier, _caching: Caching) -> Self {
        unimplemented!()
    }
}

impl Cursor for TableCursor {
    fn first(&mut self) -> Result<()> {
        unimplemented!()
    }

    fn last(&mut self) -> Result<()> {
        unimplemented!()
    }

    fn seek(&mut self, _target: KeyRef<'_>) -> Result<()> {
        unimplemented!()
    }

    fn seek_back(&mut self, _target: KeyRef<'_>) -> Result<()> {
        unimplemented!()
    }

    fn next(&mut self) -> Result<()> {
        unimplemented!()
    }

    fn prev(&mut self) -> Result<()> {
        unimplemented!()
    }

    fn valid(&self) -> bool {
        unimplemented!()
    }

    fn key(&self) -> KeyRef<'_> {
        unimplemented!()
    }

    fn value(&self) -> &[u8] {
        unimplemented!()
    }

    fn value_bytes(&self) -> Bytes {
        unimplemented!()
    }
}
