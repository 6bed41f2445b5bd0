//! Picking at random from ordered rows, of which nobody knows how many lie where.
//!
//! Among a few thousand rows one is counted out. Among more the engine draws one without looking at the others: every
//! row has the same chance, but for a few small ones among mostly large ones, whose chance is less by as much as their
//! block has more than four times the rows of others (`engine::draw`). Only where that finds nothing
//! soon (almost everything has been deleted and not yet merged away, or a transaction has changed thousands of rows)
//! a place between the first and the last key is drawn, and a few rows are walked from there: rows behind a gap are
//! likelier then.

use std::ops::Bound;

use bytes::Bytes;

use super::{Collection, Element, Elements, Plane, Result, inline, rows};
use crate::random::Random;
use crate::store::Reads;

/// Up to so many rows are walked through, if it is known that there are no more.
const EXACT_ROWS: u64 = 2048;

/// Up to so many rows are walked through to learn that there are no more.
const COUNTED_ROWS: u64 = 256;

/// How far to walk from a drawn place.
const WALK_ROWS: u64 = 64;

/// How often to draw again when what was drawn is due.
const DRAWS: usize = 50;

/// Some row between two bounds, of which there are `len`, if that is known.
pub(in super::super) fn random_row(
    reads: &dyn Reads,
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    len: Option<u64>,
    random: &mut Random,
) -> Result<Option<(Vec<u8>, Bytes)>> {
    let mut few = len.filter(|&len| len <= EXACT_ROWS);
    if len.is_some()
        && few.is_none()
        && let Some(drawn) = reads.draw(from, to, len, random)?
    {
        return Ok(Some(drawn));
    }
    let mut scan = reads.scan(from, to);
    scan.first()?;
    if len.is_none() {
        let mut rows = 0;
        while scan.valid() && rows <= COUNTED_ROWS {
            rows += 1;
            scan.next()?;
        }
        few = (rows <= COUNTED_ROWS).then_some(rows);
        scan.first()?;
    }
    let mut steps = random.below(few.unwrap_or(1).max(1));
    if few.is_none() {
        if len.is_none()
            && let Some(drawn) = reads.draw(from, to, len, random)?
        {
            return Ok(Some(drawn));
        }
        let first = scan.key().to_vec();
        scan.last()?;
        let place = between(&first, scan.key(), random);
        scan.seek(&place)?;
        steps = random.below(WALK_ROWS);
    }
    for _ in 0..steps {
        if !scan.valid() {
            scan.first()?;
        }
        if scan.valid() {
            scan.next()?;
        }
    }
    if !scan.valid() {
        scan.first()?;
    }
    Ok(scan.valid().then(|| (scan.key().to_vec(), scan.value_bytes())))
}

/// A key drawn evenly, as far as eight bytes go, between two keys.
fn between(first: &[u8], last: &[u8], random: &mut Random) -> Vec<u8> {
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let digits = |key: &[u8]| {
        let mut bytes = [0; 8];
        let tail = key.get(common..).unwrap_or_default();
        let len = tail.len().min(8);
        bytes[..len].copy_from_slice(&tail[..len]);
        u64::from_be_bytes(bytes)
    };
    let (low, high) = (digits(first), digits(last));
    let drawn = low + random.below(high.saturating_sub(low).saturating_add(1));
    let mut place = first[..common].to_vec();
    place.extend_from_slice(&drawn.to_be_bytes());
    place
}

impl Collection {
    /// Some element of a plane, any with the same chance (or nearly, see above).
    pub fn random(
        &self,
        reads: &dyn Reads,
        plane: Plane,
        random: &mut Random,
    ) -> Result<Option<(Bytes, Element)>> {
        let now_ms = reads.now_ms();
        let Elements::Rows { prefix, len, .. } = &self.elements else {
            let entries = match &self.elements {
                Elements::Packed(packed) => inline::unpack(packed, now_ms),
                Elements::Inline(entries) => entries.clone(),
                Elements::Rows { .. } => Vec::new(),
            };
            let mut found: Vec<_> =
                entries.into_iter().filter(|e| e.plane == plane && !e.element.is_due(now_ms)).collect();
            if found.is_empty() {
                return Ok(None);
            }
            let entry = found.swap_remove(random.below(found.len() as u64) as usize);
            return Ok(Some((entry.subkey, entry.element)));
        };
        let (from, to) = rows::bounds(prefix, plane, Bound::Unbounded, Bound::Unbounded);
        let bounds = (from.as_ref().map(|from| &from[..]), to.as_ref().map(|to| &to[..]));
        for _ in 0..DRAWS {
            let Some((row, value)) = random_row(reads, bounds, Some(*len), random)? else { return Ok(None) };
            let (element, long) = rows::decode(&value)?;
            if !element.is_due(now_ms) {
                let subkey = long.unwrap_or_else(|| Bytes::from(row).slice(prefix.len() + 1..));
                return Ok(Some((subkey, element)));
            }
        }
        Ok(None)
    }
}
