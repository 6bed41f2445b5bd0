//! Collections: ordered maps of elements, in the key's own row while small, in rows of their own when large.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::{Meta, Result, Space, Type};
use crate::random::Random;
use crate::store::{Reads, Txn};

/// One of a collection's ordered maps. Plane 0 is the one whose elements are counted.
pub type Plane = u8;

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What it holds.
    pub value: Bytes,
    /// When it ceases to exist, in Unix milliseconds.
    pub deadline_ms: Option<u64>,
}

/// A collection. Changes are staged in the transaction by [`Collection::save`].
pub struct Collection {
    kind: Type,
}

/// A row's deadline, for compaction.
pub(super) fn deadline_ms(_row: &[u8], _value: &[u8]) -> Option<u64> {
    unimplemented!()
}

impl Collection {
    /// The collection of a key; `None` if there is no such key.
    pub fn load(_reads: &dyn Reads, _space: Space, _name: &[u8], _kind: Type) -> Result<Option<Self>> {
        unimplemented!()
    }

    /// The collection of a key, or an empty one.
    pub fn load_or_new(_reads: &dyn Reads, _space: Space, _name: &[u8], _kind: Type) -> Result<Self> {
        unimplemented!()
    }

    /// The collection in a loaded meta row, whose type has been checked.
    pub fn from_meta(_space: Space, _name: &[u8], _meta: Meta) -> Result<Self> {
        unimplemented!()
    }

    /// How many elements the first plane has.
    pub fn len(&self, _reads: &dyn Reads) -> Result<u64> {
        unimplemented!()
    }

    /// Whether it lies within the key's meta row.
    pub fn is_inline(&self) -> bool {
        unimplemented!()
    }

    /// An element.
    pub fn get(&self, _reads: &dyn Reads, _plane: Plane, _subkey: &[u8]) -> Result<Option<Element>> {
        unimplemented!()
    }

    /// Several elements, in the order asked; cold ones are fetched together.
    pub fn get_many(
        &self,
        _reads: &dyn Reads,
        _plane: Plane,
        _subkeys: &[&[u8]],
    ) -> Result<Vec<Option<Element>>> {
        unimplemented!()
    }

    /// Sets an element; what was there before.
    pub fn put(
        &mut self,
        _txn: &mut Txn,
        _plane: Plane,
        _subkey: &[u8],
        _value: &[u8],
        _deadline_ms: Option<u64>,
    ) -> Result<Option<Element>> {
        unimplemented!()
    }

    /// Removes an element; what was there.
    pub fn remove(&mut self, _txn: &mut Txn, _plane: Plane, _subkey: &[u8]) -> Result<Option<Element>> {
        unimplemented!()
    }

    /// Visits the elements between two bounds, ascending or descending, until told to stop.
    pub fn each(
        &self,
        _reads: &dyn Reads,
        _plane: Plane,
        _from: Bound<&[u8]>,
        _to: Bound<&[u8]>,
        _descending: bool,
        _visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
    ) -> Result<()> {
        unimplemented!()
    }

    /// Some element of a plane: any with equal chance while there are a few thousand, roughly so beyond.
    pub fn random(
        &self,
        _reads: &dyn Reads,
        _plane: Plane,
        _random: &mut Random,
    ) -> Result<Option<(Bytes, Element)>> {
        unimplemented!()
    }

    /// Stages the key's meta row; an emptied collection's key is removed.
    pub fn save(self, _txn: &mut Txn) -> Result<()> {
        unimplemented!()
    }
}
