//! Drawing a row at random: each with the same chance, and no more read than a few blocks.
//!
//! Every row that a view sees is one version of a key, and lies in one memtable or table. So any version is drawn, and
//! kept if it is one that the view sees; else another is drawn (rejection sampling, von Neumann 1951). What is drawn
//! from are *slots*:
//!
//! ```text
//! a memtable              a slot for each of its rows, whatever their keys: a miss costs one look at memory
//! a block of a table      ROWS slots, filled by its rows from the first slot on; only blocks near the range count
//! ```
//!
//! ROWS is four times what blocks have on average in the table where that is most: so about four blocks are looked at
//! for a row. A block that has more rows than slots shares its slots out among them: the chance of its rows is ROWS / rows
//! of the others'. That is the only bias, and there is none but where a few small rows crowd together among mostly
//! large ones.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::error::Result;
use super::key::Seqno;
use super::memtable::Memtable;
use super::read;
use super::scan::{is_after, is_before};
use super::shared::SuperVersion;
use super::table::{Span, Table};
use super::view::Tier;
use crate::random::Random;

/// What may be spent on one row: a draw from memory costs 1, one from a block [`BLOCK_COST`].
const BUDGET: u32 = 50_000;
const BLOCK_COST: u32 = 250;

/// Slots of a block, for each row that blocks have on average.
const CROWD: u64 = 4;

/// Where slots are.
enum Place<'a> {
    Memtable(&'a Memtable),
    Table(&'a Arc<Table>, Span),
}

/// A drawn version, before it is known whether the view sees it.
pub(crate) struct Drawn {
    pub(crate) key: Vec<u8>,
    pub(crate) seqno: Seqno,
}

/// Some row between two bounds; `None` if there is none, or so few among so many others that none was met.
pub(crate) fn draw(
    at: &SuperVersion,
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    seqno: Seqno,
    tier: Tier,
    random: &mut Random,
) -> Result<Option<(Vec<u8>, Bytes)>> {
    let wanted = |key: &[u8]| is_after(from, key) && is_before(to, key);
    let reaches =
        |table: &Table| is_after(from, &table.meta().largest) && is_before(to, &table.meta().smallest);
    let mut spans = Vec::new();
    for (_, table) in at.version.tables().filter(|(_, table)| reaches(table)) {
        spans.push((table, table.span(from, to, tier)?));
    }
    let block_rows = CROWD * spans.iter().map(|(_, span)| span.rows_per_block).max().unwrap_or(0);
    // Where each place's slots end, counted through.
    let mut places = Vec::new();
    let mut slots = 0;
    for memtable in at.memtables() {
        slots += u64::from(memtable.row_count());
        places.push((slots, Place::Memtable(memtable)));
    }
    for (table, span) in spans {
        slots += span.blocks() * block_rows;
        places.push((slots, Place::Table(table, span)));
    }
    let mut budget = if slots == 0 { 0 } else { BUDGET };
    while budget > 0 {
        let slot = random.below(slots);
        let i = places.partition_point(|(end, _)| *end <= slot);
        let Some((end, place)) = places.get(i) else { break };
        let (drawn, cost) = match place {
            Place::Memtable(memtable) => (memtable.row((end - slot - 1) as u32, seqno, wanted), 1),
            Place::Table(table, span) => {
                let back = end - slot - 1;
                let drawn =
                    table.row(span, back / block_rows, back % block_rows, block_rows, tier, random)?;
                (drawn.filter(|drawn| drawn.seqno <= seqno && wanted(&drawn.key)), BLOCK_COST)
            }
        };
        budget = budget.saturating_sub(cost);
        let Some(Drawn { key, seqno: version }) = drawn else { continue };
        if let Some(found) = read::newest(at, &key, seqno, tier)?
            && found.seqno == version
            && let Some(value) = found.value
        {
            return Ok(Some((key, value)));
        }
    }
    Ok(None)
}
