//! Changes of a collection where there is more to know than one subkey: that an element is new, that a run of elements
//! goes, that none of a kind will ever come again.

use std::ops::{Bound, RangeBounds};

use super::inline::Entry;
use super::{COUNTED, Collection, Elements, Plane, Result, rows};
use crate::redis::keyspace::copy::copy_elements;
use crate::redis::keyspace::meta::Owner;
use crate::store::{Reads, Txn, after_prefix};

/// How many rows are looked at before they are staged to go.
const STEP_ROWS: usize = 1024;

/// Up to so many rows go one by one, more with a certificate of their death.
const FEW_ROWS: usize = 64;

/// Up to so many rows go one by one rather than that others are copied.
const MANY_ROWS: u64 = 20_000;

/// More than so many rows never go one by one, whatever there is to copy: a transaction holds them in memory.
const MOST_ROWS: u64 = 1 << 20;

impl Collection {
    /// Sets an element of which is known that it is not there, without looking for it. It has no deadline.
    pub fn put_new(&mut self, txn: &mut Txn, plane: Plane, subkey: &[u8], value: &[u8]) -> Result<()> {
        if let Elements::Rows { prefix, len, .. } = &mut self.elements {
            self.changed = true;
            *len += u64::from(plane == COUNTED);
            txn.put(rows::element_row(prefix, plane, subkey), rows::encode(subkey, value, None));
            return Ok(());
        }
        self.put(txn, plane, subkey, value, None)?;
        Ok(())
    }

    /// Removes the first elements between two bounds, at most `max`, without looking into them: they must have no
    /// deadlines, nor subkeys longer than 1024 bytes. How many there were.
    pub fn remove_first(
        &mut self,
        txn: &mut Txn,
        plane: Plane,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        max: u64,
    ) -> Result<u64> {
        self.edit(txn.now_ms());
        let mut removed = 0;
        match &mut self.elements {
            Elements::Packed(_) => {}
            Elements::Inline(entries) => entries.retain(|Entry { plane: at, subkey, .. }| {
                let goes =
                    *at == plane && removed < max && RangeBounds::<[u8]>::contains(&(from, to), &subkey[..]);
                removed += u64::from(goes);
                !goes
            }),
            Elements::Rows { prefix, len, .. } => {
                let (mut from, to) = rows::bounds(prefix, plane, from, to);
                while removed < max {
                    let step = usize::try_from(max - removed).map_or(STEP_ROWS, |left| left.min(STEP_ROWS));
                    let found = keys(txn, from.as_ref(), to.as_ref(), step)?;
                    let Some(end) = found.last().cloned() else { break };
                    removed += found.len() as u64;
                    let is_all = found.len() < step;
                    for row in found {
                        txn.delete(row);
                    }
                    from = Bound::Excluded(end);
                    if is_all {
                        break;
                    }
                }
                if plane == COUNTED {
                    *len = len.saturating_sub(removed);
                }
            }
        }
        Ok(removed)
    }

    /// Removes the first `count` elements of the counted plane, of which `last` is the last and none lies before `first`,
    /// as [`Collection::remove_first`] does. If they are many, and more than what is left, the rest moves to a new owner
    /// instead, and they die with the old one.
    pub fn remove_head(&mut self, txn: &mut Txn, first: &[u8], last: &[u8], count: u64) -> Result<()> {
        self.edit(txn.now_ms());
        match &mut self.elements {
            Elements::Rows { owner, prefix, len, .. }
                if count > MANY_ROWS && (count > len.saturating_sub(count) || count > MOST_ROWS) =>
            {
                let new = Owner { home: self.space.id, id: txn.new_id()? };
                let after = rows::element_row(prefix, COUNTED, last);
                copy_elements(txn, *owner, new, Bound::Excluded(after))?;
                let len = len.saturating_sub(count);
                self.elements = Elements::Rows { owner: new, prefix: new.prefix(), len };
            }
            _ => {
                let bounds = (Bound::Included(first), Bound::Included(last));
                self.remove_first(txn, COUNTED, bounds.0, bounds.1, count)?;
            }
        }
        Ok(())
    }

    /// Removes all elements of a plane, not the counted one, whose subkeys begin with a prefix, which no element will
    /// ever begin with again. Costs no more than a few rows.
    pub fn remove_for_good(&mut self, txn: &mut Txn, plane: Plane, prefix: &[u8]) -> Result<()> {
        self.edit(txn.now_ms());
        match &mut self.elements {
            Elements::Packed(_) => {}
            Elements::Inline(entries) => {
                entries.retain(|entry| entry.plane != plane || !entry.subkey.starts_with(prefix));
            }
            Elements::Rows { prefix: owner, .. } => {
                let from = rows::element_row(owner, plane, prefix);
                let to = after_prefix(&from).map_or(Bound::Unbounded, Bound::Excluded);
                let found = keys(txn, Bound::Included(&from), to.as_ref(), FEW_ROWS + 1)?;
                if found.len() > FEW_ROWS {
                    txn.kill(&from);
                } else {
                    for row in found {
                        txn.delete(row);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The keys of the first rows between two bounds.
fn keys(reads: &dyn Reads, from: Bound<&Vec<u8>>, to: Bound<&Vec<u8>>, max: usize) -> Result<Vec<Vec<u8>>> {
    let mut scan = reads.scan(from.map(|from| &from[..]), to.map(|to| &to[..]));
    let mut found = Vec::new();
    scan.first()?;
    while scan.valid() && found.len() < max {
        found.push(scan.key().to_vec());
        scan.next()?;
    }
    Ok(found)
}
