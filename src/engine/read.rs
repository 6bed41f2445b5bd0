//! THE READ PATH of one key: memtables, also some that are in tables by now → hot rows → level 0, newest first → each
//! level below.
//!
//! The first version found at or before the view's seqno is the newest, since each place is newer than those after
//! it; range marks may hide it. What was found in tables is offered to the hot rows, unless it is about to change.

use std::sync::Arc;

use bytes::Bytes;

use super::cursor::Found;
use super::error::{Error, Result};
use super::key::Seqno;
use super::marks;
use super::shared::{Shared, SuperVersion};
use super::table::Table;
use super::version::Version;
use super::view::Tier;

/// From which moment, how far to go for an answer, and what to do with it.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) seqno: Seqno,
    pub(crate) tier: Tier,
    /// Whether what is found in tables is offered to the hot rows.
    pub(crate) offers: bool,
}

/// A key's value at a moment.
pub(crate) fn get(shared: &Shared, at: &SuperVersion, key: &[u8], reading: Reading) -> Result<Option<Bytes>> {
    let Reading { seqno, tier, offers } = reading;
    shared.stats.gets.add(1);
    let hidden = hidden_below(at, key, seqno);
    if let Some(found) = in_memtables(at, key, seqno, tier)? {
        return Ok(found.value.filter(|_| found.seqno >= hidden));
    }
    if let Some(value) = shared.hot.get(key, seqno) {
        shared.stats.hot_hits.add(1);
        return Ok(value);
    }
    let mut probes = 0;
    let found = in_tables(&at.version, key, seqno, hidden, |table| {
        probes += 1;
        table.get(key, seqno, tier)
    });
    shared.stats.table_probes.add(probes);
    let found = found?.filter(|found| found.seqno >= hidden);
    let (newest, value) = found.map_or((seqno, None), |found| (found.seqno, found.value));
    if offers {
        let again = shared.hot.fill(key, seqno, newest, value.as_deref());
        shared.balance.note(again, &shared.cache, &shared.hot);
    }
    Ok(value)
}

/// The newest version of a key at a moment, from where it is stored; `None` if a mark hides it.
pub(crate) fn newest(at: &SuperVersion, key: &[u8], seqno: Seqno, tier: Tier) -> Result<Option<Found>> {
    let hidden = hidden_below(at, key, seqno);
    let found = match in_memtables(at, key, seqno, tier)? {
        Some(found) => Some(found),
        None => in_tables(&at.version, key, seqno, hidden, |table| table.get(key, seqno, tier))?,
    };
    Ok(found.filter(|found| found.seqno >= hidden))
}

/// Several keys' values at a moment. What is not in memory is asked of the disk all at once, and then awaited.
pub(crate) fn multi_get(
    shared: &Shared,
    at: &SuperVersion,
    keys: &[&[u8]],
    reading: Reading,
) -> Result<Vec<Option<Bytes>>> {
    let Reading { seqno, tier, .. } = reading;
    if tier == Tier::Cached || keys.len() < 2 {
        let values: Result<_> = keys.iter().map(|key| get(shared, at, key, reading)).collect();
        return values.map_err(|error| match error {
            // Nobody should fetch one after the other what can be fetched together.
            Error::NotCached(Some(_)) if keys.len() > 1 => Error::NotCached(None),
            other => other,
        });
    }
    let mut values = Vec::with_capacity(keys.len());
    let mut cold = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        values.push(match get(shared, at, key, Reading { tier: Tier::Cached, ..reading }) {
            Ok(value) => value,
            Err(Error::NotCached(_)) => {
                cold.push(i);
                None
            }
            Err(error) => return Err(error),
        });
    }
    if cold.len() > 1 {
        for &i in &cold {
            let hidden = hidden_below(at, keys[i], seqno);
            in_tables(&at.version, keys[i], seqno, hidden, |table| {
                // The first table whose filter does not say no is nearly always the one.
                let found = table.may_contain(keys[i]).then(|| table.read_ahead(keys[i]));
                Ok(found.map(|()| Found { seqno, value: None }))
            })?;
        }
    }
    for i in cold {
        values[i] = get(shared, at, keys[i], reading)?;
    }
    Ok(values)
}

/// False if a key has no value at a moment for sure, judged in memory alone.
pub(crate) fn may_contain(shared: &Shared, at: &SuperVersion, key: &[u8], seqno: Seqno) -> bool {
    let hidden = hidden_below(at, key, seqno);
    match in_memtables(at, key, seqno, Tier::Cached) {
        Ok(Some(found)) => return found.value.is_some() && found.seqno >= hidden,
        Ok(None) => {}
        Err(_) => return true,
    }
    if let Some(value) = shared.hot.get(key, seqno) {
        return value.is_some();
    }
    let found = in_tables(&at.version, key, seqno, hidden, |table| {
        Ok(table.may_contain(key).then_some(Found { seqno, value: None }))
    });
    !matches!(found, Ok(None))
}

/// The newest mark over a key that a reader at `seqno` sees: versions below it are hidden.
fn hidden_below(at: &SuperVersion, key: &[u8], seqno: Seqno) -> Seqno {
    let flushed = if at.marks.is_empty() { 0 } else { marks::hidden_below(&at.marks, key, seqno) };
    at.memtables().map(|memtable| memtable.hidden_below(key, seqno)).fold(flushed, Seqno::max)
}

fn in_memtables(at: &SuperVersion, key: &[u8], seqno: Seqno, tier: Tier) -> Result<Option<Found>> {
    for memtable in at.readable() {
        if let Some(found) = memtable.get(key, seqno, tier)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Asks the tables that may hold a version between `hidden` and `seqno`, newest first, until one answers.
fn in_tables(
    version: &Version,
    key: &[u8],
    seqno: Seqno,
    hidden: Seqno,
    mut ask: impl FnMut(&Arc<Table>) -> Result<Option<Found>>,
) -> Result<Option<Found>> {
    let [level0, below @ ..] = &version.levels;
    let overlapping =
        level0.iter().filter(|t| t.meta().smallest.as_slice() <= key && key <= t.meta().largest.as_slice());
    let one_each = below.iter().filter_map(|tables| {
        let place = tables.partition_point(|t| t.meta().largest.as_slice() < key);
        tables.get(place).filter(|t| t.meta().smallest.as_slice() <= key)
    });
    for table in overlapping.chain(one_each) {
        if table.meta().seqno_min > seqno || table.meta().seqno_max < hidden {
            continue;
        }
        if let Some(found) = ask(table)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
