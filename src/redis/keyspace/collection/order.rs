//! Collections whose elements have ranks: lists, and sorted sets.
//!
//! ```text
//! list         the counted plane itself is ranked:     place  → element                   place: list/place.rs
//! sorted set   the counted plane has rows:             member → score
//!              and plane 1 is ranked:                  score ‖ member → empty             score: 8 bytes that sort
//! ```
//!
//! Ranked planes are the store's (`store::ranked`). A small collection keeps its elements in the meta row like any other and
//! is sorted when that is asked for.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::inline::{self, Entry};
use super::{COUNTED, Collection, Element, Elements, Plane, Result, Type, place, rows};
use crate::store::{Error, Ranked, Reads, Txn};

/// A sorted set's plane in order of scores.
const BY_SCORE: Plane = 1;

type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The elements in order of rank: a list's places and values, or a sorted set's scores with members, and nothing.
pub enum Ordered<'a> {
    /// Of a small collection.
    Few(Vec<(Bytes, Bytes)>),
    /// As changed and not saved yet.
    Changed(&'a Ranked),
    /// As stored.
    Stored(Ranked),
}

impl Ordered<'_> {
    fn ranked(&self) -> std::result::Result<&Ranked, &[(Bytes, Bytes)]> {
        match self {
            Self::Few(few) => Err(few),
            Self::Changed(ranked) => Ok(ranked),
            Self::Stored(ranked) => Ok(ranked),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ranked().map_or_else(|few| few.len() as u64, Ranked::len)
    }

    /// How many come before a subkey, which need not be there.
    pub fn rank(&self, reads: &dyn Reads, subkey: &[u8]) -> Result<u64> {
        Ok(match self.ranked() {
            Ok(ranked) => ranked.rank(reads, subkey)?.0,
            Err(few) => few.partition_point(|(other, _)| **other < *subkey) as u64,
        })
    }

    /// The element of a rank.
    pub fn at(&self, reads: &dyn Reads, rank: u64) -> Result<Option<(Bytes, Bytes)>> {
        Ok(match self.ranked() {
            Ok(ranked) => ranked.at(reads, rank)?.map(|(subkey, value)| (subkey.into(), value.into())),
            Err(few) => usize::try_from(rank).ok().and_then(|rank| few.get(rank)).cloned(),
        })
    }

    /// Visits the elements from a rank on, until told to stop.
    pub fn range(&self, reads: &dyn Reads, from: u64, visit: &mut Visit<'_>) -> Result<()> {
        match self.ranked() {
            Ok(ranked) => ranked.range(reads, from, visit)?,
            Err(few) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let _ = few.iter().skip(from).try_for_each(|(subkey, value)| visit(subkey, value));
            }
        }
        Ok(())
    }

    /// Shows so many elements, of which there is one at least, from a rank on; false if told to stop.
    fn each(&self, reads: &dyn Reads, from: u64, count: u64, show: &mut Visit<'_>) -> Result<bool> {
        let (mut left, mut is_stopped) = (count, false);
        self.range(reads, from, &mut |subkey, value| {
            is_stopped = show(subkey, value).is_break();
            left -= 1;
            if left == 0 || is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(!is_stopped)
    }

    /// Visits the elements from a rank back to the first, until told to stop.
    pub fn range_back(&self, reads: &dyn Reads, from: u64, visit: &mut Visit<'_>) -> Result<()> {
        match self.ranked() {
            Ok(ranked) => ranked.range_back(reads, from, visit)?,
            Err(few) => {
                let count = usize::try_from(from).map_or(0, |from| from.saturating_add(1));
                let _ = few.iter().take(count).rev().try_for_each(|(subkey, value)| visit(subkey, value));
            }
        }
        Ok(())
    }
}

/// A member's place in order of scores.
fn by_score(score: &[u8], member: &[u8]) -> Vec<u8> {
    [score, member].concat()
}

/// The prefix of the ranked plane.
fn ranked_prefix(kind: Type, prefix: &[u8]) -> Vec<u8> {
    rows::element_row(prefix, if kind == Type::List { COUNTED } else { BY_SCORE }, &[])
}

/// The ranked plane of a collection with so many elements, to be changed.
pub(super) fn ranked_mut<'a>(
    ranked: &'a mut Option<Ranked>,
    kind: Type,
    prefix: &[u8],
    len: u64,
    txn: &Txn,
) -> Result<&'a mut Ranked> {
    let found = match ranked.take() {
        Some(ranked) => ranked,
        None => txn.ranked(&ranked_prefix(kind, prefix), len)?,
    };
    Ok(ranked.insert(found))
}

/// Moves a member from one score to another; `None` is no score.
pub(super) fn revalue(
    ranked: &mut Ranked,
    txn: &mut Txn,
    member: &[u8],
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<()> {
    let [before, after] = [before, after].map(|score| score.map(|score| by_score(score, member)));
    if before != after {
        if let Some(before) = before {
            ranked.remove_known(txn, &before)?;
        }
        if let Some(after) = after {
            ranked.insert_new(txn, &after, &[])?;
        }
    }
    Ok(())
}

/// Stages the ranked plane of a collection that moves to rows of its own; `None` if it has none.
pub(super) fn spill(txn: &mut Txn, kind: Type, prefix: &[u8], entries: &[Entry]) -> Result<Option<Ranked>> {
    if !matches!(kind, Type::List | Type::SortedSet) {
        return Ok(None);
    }
    let mut ranked = Ranked::new(&ranked_prefix(kind, prefix));
    for (subkey, value) in in_order(kind, entries.to_vec()) {
        ranked.insert_new(txn, &subkey, &value)?;
    }
    Ok(Some(ranked))
}

/// The elements of a small collection in order.
fn in_order(kind: Type, entries: Vec<Entry>) -> Vec<(Bytes, Bytes)> {
    let counted = entries.into_iter().filter(|entry| entry.plane == COUNTED);
    if kind == Type::List {
        return counted.map(|entry| (entry.subkey, entry.element.value)).collect();
    }
    let by_score = counted.map(|entry| by_score(&entry.element.value, &entry.subkey).into());
    let mut few: Vec<_> = by_score.map(|subkey| (subkey, Bytes::new())).collect();
    few.sort_unstable();
    few
}

impl Collection {
    /// The elements in order of rank: of a list, or a sorted set.
    pub fn ordered(&self, reads: &dyn Reads) -> Result<Ordered<'_>> {
        Ok(match &self.elements {
            Elements::Packed(packed) => {
                Ordered::Few(in_order(self.kind, inline::unpack(packed, reads.now_ms())))
            }
            Elements::Inline(entries) => Ordered::Few(in_order(self.kind, entries.clone())),
            Elements::Rows { prefix, len, .. } => match &self.ranked {
                Some(ranked) => Ordered::Changed(ranked),
                None => Ordered::Stored(reads.ranked(&ranked_prefix(self.kind, prefix), *len)?),
            },
        })
    }

    /// Adds an element to a list, at a place that is free.
    pub fn insert_at(&mut self, txn: &mut Txn, place: &[u8], value: &[u8]) -> Result<()> {
        self.edit(txn.now_ms());
        if let Elements::Rows { prefix, len, .. } = &mut self.elements {
            let ranked = ranked_mut(&mut self.ranked, self.kind, prefix, *len, txn)?;
            ranked.insert_new(txn, place, value)?;
            *len += 1;
            return Ok(());
        }
        self.put(txn, COUNTED, place, value, None)?;
        Ok(())
    }

    /// Replaces an element of a list, at its place.
    pub fn set_at(&mut self, txn: &mut Txn, place: &[u8], value: &[u8]) -> Result<()> {
        self.edit(txn.now_ms());
        if let Elements::Rows { prefix, len, .. } = &mut self.elements {
            ranked_mut(&mut self.ranked, self.kind, prefix, *len, txn)?.insert(txn, place, value)?;
            return Ok(());
        }
        self.put(txn, COUNTED, place, value, None)?;
        Ok(())
    }

    /// Removes an element of a list, which is there, from its place.
    pub fn remove_at(&mut self, txn: &mut Txn, place: &[u8]) -> Result<()> {
        self.edit(txn.now_ms());
        if let Elements::Rows { prefix, len, .. } = &mut self.elements {
            ranked_mut(&mut self.ranked, self.kind, prefix, *len, txn)?.remove_known(txn, place)?;
            *len = len.saturating_sub(1);
            return Ok(());
        }
        self.remove(txn, COUNTED, place)?;
        Ok(())
    }

    /// Removes the elements of ranks `from` to `to` (excluded); how many there were. Of a list, or a sorted set.
    pub fn remove_ranks(&mut self, txn: &mut Txn, from: u64, to: u64) -> Result<u64> {
        self.remove_shown(txn, from, to, None)
    }

    /// The same, and shows them in order, as [`Ordered::range`] does; told to stop, it removes none.
    pub fn take_ranks(&mut self, txn: &mut Txn, from: u64, to: u64, show: &mut Visit<'_>) -> Result<u64> {
        self.remove_shown(txn, from, to, Some(show))
    }

    fn remove_shown(
        &mut self,
        txn: &mut Txn,
        from: u64,
        to: u64,
        mut show: Option<&mut Visit<'_>>,
    ) -> Result<u64> {
        self.edit(txn.now_ms());
        let to = to.min(self.len(txn)?);
        let count = to.saturating_sub(from);
        if count == 0 {
            return Ok(0);
        }
        if self.is_inline() {
            let mut gone = Vec::new();
            let goes = self.ordered(txn)?.each(txn, from, count, &mut |subkey, value| {
                gone.push(self.subkey_of(subkey).to_vec());
                show.as_mut().map_or(ControlFlow::Continue(()), |show| show(subkey, value))
            })?;
            if !goes {
                return Ok(0);
            }
            if let Elements::Inline(entries) = &mut self.elements {
                for subkey in gone {
                    let _ = place(self.kind, entries, COUNTED, &subkey).map(|at| entries.remove(at));
                }
            }
            return Ok(count);
        }
        // All of it: the key goes, and its elements with it, unread unless they are wanted.
        if count == self.physical_len() {
            if let Some(show) = show
                && !self.ordered(txn)?.each(txn, from, count, show)?
            {
                return Ok(0);
            }
            if let Elements::Rows { len, .. } = &mut self.elements {
                *len = 0;
            }
            return Ok(count);
        }
        // Where most goes and it need not be told, the few others move to another owner: what goes is not touched, and dies
        // with the one that it had.
        if show.is_none()
            && count >= GONE_MANY
            && self.physical_len() - count <= KEPT_FEW
            && let Some(others) = self.others(txn, from, to)?
        {
            self.ranked = None;
            self.elements = Elements::Inline(others);
            self.spill(txn)?;
            return Ok(count);
        }
        let kind = self.kind;
        let Elements::Rows { prefix, len, .. } = &mut self.elements else { return Ok(0) };
        let ranked = ranked_mut(&mut self.ranked, kind, prefix, *len, txn)?;
        if kind == Type::SortedSet {
            // What else is staged counts only once all are known.
            let bytes_max = txn.store().db().batch_bytes_max();
            let (mut gone, mut bytes) = (Vec::new(), 0);
            let removed = ranked.take_range(txn, from, to, &mut |subkey, value| {
                let row = rows::element_row(prefix, COUNTED, subkey.get(SCORE_BYTES..).unwrap_or_default());
                bytes += row.len() as u64;
                gone.push(row);
                if bytes > bytes_max {
                    return ControlFlow::Break(());
                }
                show.as_mut().map_or(ControlFlow::Continue(()), |show| show(subkey, value))
            })?;
            if removed == 0 {
                return if bytes > bytes_max { Err(Error::over_batch(bytes_max).into()) } else { Ok(0) };
            }
            for row in gone {
                txn.delete(row);
            }
        } else if let Some(show) = show {
            if ranked.take_range(txn, from, to, show)? == 0 {
                return Ok(0);
            }
        } else {
            ranked.remove_range(txn, from, to)?;
        }
        *len = len.saturating_sub(count);
        Ok(count)
    }

    /// The elements that are not of ranks `from` to `to` (excluded), as a small collection keeps them; `None` if they are
    /// many bytes.
    fn others(&self, reads: &dyn Reads, from: u64, to: u64) -> Result<Option<Vec<Entry>>> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let after = self.physical_len().saturating_sub(to);
        for (first, count) in [(0, from), (to, after)].into_iter().filter(|(_, count)| *count > 0) {
            let mut left = count;
            self.ordered(reads)?.range(reads, first, &mut |place, value| {
                let value = if self.kind == Type::List {
                    value
                } else {
                    place.get(..SCORE_BYTES).unwrap_or_default()
                };
                let element = Element { value: Bytes::copy_from_slice(value), deadline_ms: None };
                let subkey = Bytes::copy_from_slice(self.subkey_of(place));
                entries.push(Entry { plane: COUNTED, subkey, element });
                bytes += place.len() + value.len();
                left -= 1;
                if left == 0 || bytes > KEPT_BYTES {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        entries.sort_unstable_by(|one, other| one.subkey.cmp(&other.subkey));
        Ok((bytes <= KEPT_BYTES).then_some(entries))
    }

    /// The subkey in the counted plane of an element in order.
    fn subkey_of<'a>(&self, subkey: &'a [u8]) -> &'a [u8] {
        if self.kind == Type::List { subkey } else { subkey.get(SCORE_BYTES..).unwrap_or_default() }
    }
}

/// Bytes of a score.
const SCORE_BYTES: usize = 8;

/// Where so many elements go, and no more than so many stay, in so many bytes, those that stay move.
const GONE_MANY: u64 = 4096;
const KEPT_FEW: u64 = 512;
const KEPT_BYTES: usize = 64 << 10;
