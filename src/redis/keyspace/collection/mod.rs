//! Collections: one or more ordered maps of elements (*planes*), of which the first is counted. The one door between
//! data types and rows: a collection that fits [`INLINE_BYTES_MAX`] lies within the key's meta row, a larger one's
//! elements have rows of their own, and a data type cannot tell which.
//!
//! A collection that has grown stays in rows until it is emptied, which removes its key, unless it is a stream. An element past its deadline
//! does not exist for any reader; the reaper takes it away, and the count does not include it meanwhile.

mod build;
mod cursor;
mod inline;
mod order;
mod random;
mod ranges;
mod rows;

use std::ops::{Bound, ControlFlow, RangeBounds};

use bytes::Bytes;

use self::inline::{Entry, EntryRef};
use super::meta::{Body, Meta, Owner};
use super::{META, Result, Space, Type, key, lock_key};
use crate::redis::events::Events;
use crate::store::{REDIS, Ranked, Reads, Txn, take_ordered};

pub use self::build::Build;
pub use self::cursor::{Cursor, Merge};
pub use self::order::Ordered;
pub(super) use self::random::random_row;

/// The largest collection, in bytes, that lies within its key's meta row.
const INLINE_BYTES_MAX: usize = 512;

/// One of a collection's ordered maps, below 128.
pub type Plane = u8;

/// The plane whose elements are counted.
pub const COUNTED: Plane = 0;

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What it holds.
    pub value: Bytes,
    /// When it ceases to exist, in Unix milliseconds.
    pub deadline_ms: Option<u64>,
}

impl Element {
    fn is_due(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_some_and(|deadline| deadline <= now_ms)
    }
}

/// Where the elements are.
enum Elements {
    /// In the meta row, as read.
    Packed(Bytes),
    /// In the meta row, being changed; in the order of `inline`, none of them due when it was unpacked.
    Inline(Vec<Entry>),
    /// In rows of their own.
    Rows { owner: Owner, prefix: Vec<u8>, len: u64 },
}

/// A collection. Its changes take effect with [`Collection::save`].
pub struct Collection {
    space: Space,
    name: Vec<u8>,
    kind: Type,
    old: Option<Meta>,
    head: Bytes,
    elements: Elements,
    elements_due_ms: Option<u64>,
    /// The plane that is in order by rank, once it was changed.
    ranked: Option<Ranked>,
    changed: bool,
}

/// A row's deadline, for compaction. Only keys: elements are left to the reaper, which keeps the counts.
pub(super) fn deadline_ms(row: &[u8], value: &[u8]) -> Option<u64> {
    let mut rest = row.strip_prefix(&[REDIS])?;
    take_ordered(&mut rest)?;
    if rest.first() == Some(&META) { Meta::peek_deadline_ms(value) } else { None }
}

/// Whether every element of a key is due, so that the key does not exist.
pub(super) fn is_spent(reads: &dyn Reads, space: Space, meta: &Meta) -> Result<bool> {
    if meta.kind == Type::String || meta.elements_due_ms.is_none_or(|due| due > reads.now_ms()) {
        return Ok(false);
    }
    Ok(Collection::from_meta(space, &[], meta.clone())?.len(reads)? == 0)
}

impl Collection {
    /// The collection of a key; `None` if there is no such key.
    pub fn load(reads: &dyn Reads, space: Space, name: &[u8], kind: Type) -> Result<Option<Self>> {
        let meta = key::load_as(reads, space, name, kind)?;
        meta.map(|meta| Self::from_meta(space, name, meta)).transpose()
    }

    /// The collection of a key, or an empty one.
    pub fn load_or_new(reads: &dyn Reads, space: Space, name: &[u8], kind: Type) -> Result<Self> {
        Ok(match Self::load(reads, space, name, kind)? {
            Some(collection) => collection,
            None => Self::new(space, name, kind),
        })
    }

    /// An empty collection, for a key that [`key::load`] did not find.
    pub fn new(space: Space, name: &[u8], kind: Type) -> Self {
        Self {
            space,
            name: name.to_vec(),
            kind,
            old: None,
            head: Bytes::new(),
            elements: Elements::Inline(Vec::new()),
            elements_due_ms: None,
            ranked: None,
            changed: false,
        }
    }

    /// The collection in a loaded meta row, whose type has been checked.
    pub fn from_meta(space: Space, name: &[u8], meta: Meta) -> Result<Self> {
        let (head, elements) = match &meta.body {
            Body::Inline(contents) => {
                let (head, packed) = inline::split(contents)?;
                (head, Elements::Packed(packed))
            }
            Body::Owned { owner, len, head } => {
                (head.clone(), Elements::Rows { owner: *owner, prefix: owner.prefix(), len: *len })
            }
        };
        Ok(Self {
            space,
            name: name.to_vec(),
            kind: meta.kind,
            head,
            elements,
            elements_due_ms: meta.elements_due_ms,
            ranked: None,
            old: Some(meta),
            changed: false,
        })
    }

    /// The key's deadline, in Unix milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.old.as_ref().and_then(|meta| meta.deadline_ms)
    }

    /// What the type keeps beside its elements.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// Sets what the type keeps beside its elements.
    pub fn set_head(&mut self, head: Bytes) {
        self.changed = true;
        self.head = head;
    }

    /// Whether it lies within the key's meta row.
    pub fn is_inline(&self) -> bool {
        !matches!(self.elements, Elements::Rows { .. })
    }

    /// What type of value it is.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// How many elements the first plane has.
    pub fn len(&self, reads: &dyn Reads) -> Result<u64> {
        let now_ms = reads.now_ms();
        let counted = |plane: Plane, is_due: bool| plane == COUNTED && !is_due;
        Ok(match &self.elements {
            Elements::Packed(packed) => inline::entries(packed)
                .filter(|entry| counted(entry.plane, entry.is_due(now_ms)))
                .count() as u64,
            Elements::Inline(entries) => {
                entries.iter().filter(|e| counted(e.plane, e.element.is_due(now_ms))).count() as u64
            }
            Elements::Rows { prefix, len, .. } => {
                if self.elements_due_ms.is_none_or(|due| due > now_ms) {
                    return Ok(*len);
                }
                let due = rows::due(reads, prefix, now_ms, usize::MAX)?;
                len.saturating_sub(due.iter().filter(|due| due.plane == COUNTED).count() as u64)
            }
        })
    }

    /// An element.
    pub fn get(&self, reads: &dyn Reads, plane: Plane, subkey: &[u8]) -> Result<Option<Element>> {
        let found = match &self.elements {
            Elements::Packed(packed) => inline::entries(packed)
                .find(|entry| entry.plane == plane && entry.subkey == subkey)
                .map(|entry| entry.element(packed)),
            Elements::Inline(entries) => place(self.kind, entries, plane, subkey)
                .ok()
                .and_then(|at| entries.get(at))
                .map(|e| e.element.clone()),
            Elements::Rows { prefix, .. } => {
                let value = reads.get(&rows::element_row(prefix, plane, subkey))?;
                value.map(|value| rows::decode(&value)).transpose()?.map(|(element, _)| element)
            }
        };
        Ok(found.filter(|element| !element.is_due(reads.now_ms())))
    }

    /// Several elements, in the order asked; cold ones are fetched together.
    pub fn get_many(
        &self,
        reads: &dyn Reads,
        plane: Plane,
        subkeys: &[&[u8]],
    ) -> Result<Vec<Option<Element>>> {
        let Elements::Rows { prefix, .. } = &self.elements else {
            return subkeys.iter().map(|subkey| self.get(reads, plane, subkey)).collect();
        };
        let keys: Vec<_> = subkeys.iter().map(|subkey| rows::element_row(prefix, plane, subkey)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let values = reads.multi_get(&keys)?.into_iter();
        values
            .map(|value| {
                let element =
                    value.map(|value| rows::decode(&value)).transpose()?.map(|(element, _)| element);
                Ok(element.filter(|element| !element.is_due(reads.now_ms())))
            })
            .collect()
    }

    /// Visits the elements between two bounds, ascending or descending, until told to stop. Those of a small hash come in
    /// the order in which they were added, as in Redis.
    pub fn each(
        &self,
        reads: &dyn Reads,
        plane: Plane,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        descending: bool,
        visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
    ) -> Result<()> {
        let now_ms = reads.now_ms();
        let wanted =
            |at: Plane, subkey: &[u8]| at == plane && RangeBounds::<[u8]>::contains(&(from, to), subkey);
        match &self.elements {
            Elements::Packed(packed) => {
                let found =
                    inline::entries(packed).filter(|e| wanted(e.plane, e.subkey) && !e.is_due(now_ms));
                let mut show = |entry: EntryRef<'_>| visit(entry.subkey, &entry.element(packed));
                if descending {
                    let found: Vec<_> = found.collect();
                    let _ = found.into_iter().rev().try_for_each(&mut show);
                } else {
                    let _ = found.into_iter().try_for_each(&mut show);
                }
                Ok(())
            }
            Elements::Inline(entries) => {
                let mut found = entries
                    .iter()
                    .filter(|entry| wanted(entry.plane, &entry.subkey) && !entry.element.is_due(now_ms));
                let mut show = |entry: &Entry| visit(&entry.subkey, &entry.element);
                let _ = if descending {
                    found.rev().try_for_each(&mut show)
                } else {
                    found.try_for_each(&mut show)
                };
                Ok(())
            }
            Elements::Rows { prefix, .. } => each_row(reads, prefix, plane, (from, to), descending, visit),
        }
    }

    /// Sets an element; what was there before.
    pub fn put(
        &mut self,
        txn: &mut Txn,
        plane: Plane,
        subkey: &[u8],
        value: &[u8],
        deadline_ms: Option<u64>,
    ) -> Result<Option<Element>> {
        self.edit(txn.now_ms());
        self.note_deadline(deadline_ms);
        let now_ms = txn.now_ms();
        match &mut self.elements {
            Elements::Rows { prefix, len, .. } => {
                let row = rows::element_row(prefix, plane, subkey);
                let old = txn.get(&row)?.map(|value| rows::decode(&value)).transpose()?.map(|(old, _)| old);
                let old_deadline_ms = old.as_ref().and_then(|old| old.deadline_ms);
                if old_deadline_ms != deadline_ms {
                    if let Some(old) = old_deadline_ms {
                        txn.delete(rows::deadline_row(prefix, old, plane, subkey));
                    }
                    if let Some(new) = deadline_ms {
                        txn.put(rows::deadline_row(prefix, new, plane, subkey), Bytes::new());
                    }
                }
                if plane == COUNTED && self.kind == Type::SortedSet {
                    let before = old.as_ref().map(|old| &old.value[..]);
                    let ranked = order::ranked_mut(&mut self.ranked, self.kind, prefix, *len, txn)?;
                    order::revalue(ranked, txn, subkey, before, Some(value))?;
                }
                if plane == COUNTED && old.is_none() {
                    *len += 1;
                }
                txn.put(row, rows::encode(subkey, value, deadline_ms));
                Ok(old.filter(|old| !old.is_due(now_ms)))
            }
            Elements::Inline(entries) => {
                let element = Element { value: Bytes::copy_from_slice(value), deadline_ms };
                let old = match place(self.kind, entries, plane, subkey) {
                    Ok(at) => entries.get_mut(at).map(|entry| std::mem::replace(&mut entry.element, element)),
                    Err(at) => {
                        entries.insert(at, Entry { plane, subkey: Bytes::copy_from_slice(subkey), element });
                        None
                    }
                };
                self.spill(txn)?;
                Ok(old)
            }
            Elements::Packed(_) => Ok(None),
        }
    }

    /// Removes an element; what was there. One that is due is not there, and left to the reaper, since whoever is told that
    /// nothing was removed need not save.
    pub fn remove(&mut self, txn: &mut Txn, plane: Plane, subkey: &[u8]) -> Result<Option<Element>> {
        self.edit(txn.now_ms());
        let now_ms = txn.now_ms();
        match &mut self.elements {
            Elements::Rows { prefix, len, .. } => {
                let row = rows::element_row(prefix, plane, subkey);
                let Some(value) = txn.get(&row)? else { return Ok(None) };
                let (old, _) = rows::decode(&value)?;
                if old.is_due(now_ms) {
                    return Ok(None);
                }
                if let Some(deadline_ms) = old.deadline_ms {
                    txn.delete(rows::deadline_row(prefix, deadline_ms, plane, subkey));
                }
                if plane == COUNTED && self.kind == Type::SortedSet {
                    let ranked = order::ranked_mut(&mut self.ranked, self.kind, prefix, *len, txn)?;
                    order::revalue(ranked, txn, subkey, Some(&old.value), None)?;
                }
                if plane == COUNTED {
                    *len = len.saturating_sub(1);
                }
                txn.delete(row);
                Ok(Some(old))
            }
            Elements::Inline(entries) => {
                Ok(place(self.kind, entries, plane, subkey).ok().map(|at| entries.remove(at).element))
            }
            Elements::Packed(_) => Ok(None),
        }
    }

    /// Removes elements that are due, at most about `max`; how many of the first plane.
    pub(super) fn reap(&mut self, txn: &mut Txn, max: usize) -> Result<u64> {
        let before = self.physical_len();
        self.edit(txn.now_ms());
        if let Elements::Rows { prefix, len, .. } = &mut self.elements {
            for due in rows::due(txn, prefix, txn.now_ms(), max)? {
                txn.delete(rows::element_row_of(prefix, due.plane, &due.short));
                txn.delete(rows::deadline_row_of(prefix, due.deadline_ms, due.plane, &due.short));
                *len = len.saturating_sub(u64::from(due.plane == COUNTED));
            }
            self.elements_due_ms = rows::first_deadline_ms(txn, prefix)?;
        }
        Ok(before.saturating_sub(self.physical_len()))
    }

    /// Stages the key's meta row; an emptied collection's key is removed, unless the type has a use for empty ones.
    pub fn save(self, txn: &mut Txn) -> Result<()> {
        self.save_as(txn, false)
    }

    /// The same, but where nothing changed that whoever watches the key, or waits for it, is interested in: nobody is
    /// told, unless the key is new.
    pub fn save_quietly(self, txn: &mut Txn) -> Result<()> {
        self.save_as(txn, true)
    }

    fn save_as(mut self, txn: &mut Txn, quietly: bool) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        // It may be the head alone that changed.
        self.edit(txn.now_ms());
        let deadline_ms = self.deadline_ms();
        if self.physical_len() == 0 && !self.kind.may_be_empty() {
            if let Some(old) = &self.old {
                key::note(txn, self.space, Events::GENERIC, "del", &self.name);
                key::remove(txn, self.space, &self.name, old);
            }
            return Ok(());
        }
        if let Some(ranked) = self.ranked.take() {
            txn.set_ranked(ranked);
        }
        let (body, elements_due_ms) = match self.elements {
            Elements::Packed(_) => return Ok(()),
            Elements::Inline(entries) => {
                let due = entries.iter().filter_map(|entry| entry.element.deadline_ms).min();
                (Body::Inline(inline::join(&self.head, &entries)), due)
            }
            Elements::Rows { owner, len, .. } => {
                (Body::Owned { owner, len, head: self.head }, self.elements_due_ms)
            }
        };
        if let (Some(old), Body::Owned { .. }) = (&self.old, &body)
            && old.body == body
            && old.index_ms().is_none()
            && elements_due_ms.is_none()
        {
            // Elements that lie in rows of their own changed, but not their number, and nothing is ever due.
            if !quietly {
                txn.touch(lock_key(self.space.database, &self.name), &self.name);
            }
            return Ok(());
        }
        let new = Meta { kind: self.kind, deadline_ms, elements_due_ms, armed_ms: None, body };
        match &self.old {
            Some(old) if quietly => key::replace_quietly(txn, self.space, &self.name, old, new),
            old => key::replace(txn, self.space, &self.name, old.as_ref(), new),
        }
    }

    /// Elements of the first plane, due or not.
    fn physical_len(&self) -> u64 {
        match &self.elements {
            Elements::Packed(packed) => {
                inline::entries(packed).filter(|entry| entry.plane == COUNTED).count() as u64
            }
            Elements::Inline(entries) => entries.iter().filter(|entry| entry.plane == COUNTED).count() as u64,
            Elements::Rows { len, .. } => *len,
        }
    }

    /// Makes ready for changes.
    fn edit(&mut self, now_ms: u64) {
        self.changed = true;
        if let Elements::Packed(packed) = &self.elements {
            self.elements = Elements::Inline(inline::unpack(packed, now_ms));
        }
    }

    fn note_deadline(&mut self, deadline_ms: Option<u64>) {
        self.elements_due_ms = self.elements_due_ms.into_iter().chain(deadline_ms).min();
    }

    /// Moves the elements to rows of their own if they have outgrown the meta row.
    fn spill(&mut self, txn: &mut Txn) -> Result<()> {
        let Elements::Inline(entries) = &self.elements else { return Ok(()) };
        if entries.iter().map(Entry::byte_len).sum::<usize>() <= INLINE_BYTES_MAX {
            return Ok(());
        }
        let owner = Owner { home: self.space.id, id: txn.new_id()? };
        let prefix = owner.prefix();
        self.ranked = order::spill(txn, self.kind, &prefix, entries)?;
        for Entry { plane, subkey, element } in entries {
            if self.kind == Type::List {
                continue;
            }
            let value = rows::encode(subkey, &element.value, element.deadline_ms);
            txn.put(rows::element_row(&prefix, *plane, subkey), value);
            if let Some(deadline_ms) = element.deadline_ms {
                txn.put(rows::deadline_row(&prefix, deadline_ms, *plane, subkey), Bytes::new());
            }
        }
        self.elements = Elements::Rows { owner, prefix, len: self.physical_len() };
        Ok(())
    }
}

/// Where an entry is, or would go.
fn place(kind: Type, entries: &[Entry], plane: Plane, subkey: &[u8]) -> std::result::Result<usize, usize> {
    if kind == Type::Hash {
        let found = entries.iter().position(|entry| entry.plane == plane && entry.subkey == subkey);
        return found.ok_or(entries.len());
    }
    entries.binary_search_by(|entry| (entry.plane, &entry.subkey[..]).cmp(&(plane, subkey)))
}

fn each_row(
    reads: &dyn Reads,
    prefix: &[u8],
    plane: Plane,
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    descending: bool,
    visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
) -> Result<()> {
    let (from, to) = rows::bounds(prefix, plane, from, to);
    let mut scan = reads.scan(from.as_ref().map(|from| &from[..]), to.as_ref().map(|to| &to[..]));
    if descending {
        scan.last()?;
    } else {
        scan.first()?;
    }
    while scan.valid() {
        let (element, long) = rows::decode(&scan.value_bytes())?;
        if !element.is_due(reads.now_ms()) {
            let subkey = match &long {
                Some(long) => &long[..],
                None => scan.key().get(prefix.len() + 1..).unwrap_or_default(),
            };
            if visit(subkey, &element).is_break() {
                break;
            }
        }
        if descending { scan.prev()? } else { scan.next()? }
    }
    Ok(())
}
