//! A page of a table or an index: rows between two bounds, filtered and projected, until there is enough.

use std::ops::Bound;

use super::shown::Shown;
use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::{decode, size_of};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::Condition;
use crate::dynamo::item::load;
use crate::dynamo::limits::Limits;
use crate::dynamo::rows::{BUCKET_BYTES, index_key, items_prefix, table_key};
use crate::dynamo::schema::{Index, Keys, Schema};
use crate::dynamo::validate::keys::check_start_key;
use crate::store::{self, Reads, RowScan, View, after_prefix};

/// How many times as long as a page's bytes its text may be: numbers that are short on disk may have 126 digits.
const TEXT_TIMES_MAX: usize = 16;

/// What is read: a table, or one of its indexes.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The table.
    pub table: &'a Schema,
    /// The index.
    pub index: Option<&'a Index>,
}

impl<'a> Source<'a> {
    /// What it is sorted by.
    pub fn keys(self) -> &'a Keys {
        self.index.map_or(&self.table.keys, |index| &index.keys)
    }

    /// What its rows begin with.
    pub fn prefix(self) -> Vec<u8> {
        items_prefix(self.index.map_or(self.table.id, |index| index.id))
    }

    /// An item's key in it.
    pub fn key(self, item: &Attributes) -> Option<Vec<u8>> {
        match self.index {
            Some(index) => index_key(index, &self.table.keys, item),
            None => table_key(&self.table.keys, item),
        }
    }

    /// What `LastEvaluatedKey` tells of an item.
    pub fn place(self, item: &Attributes) -> Attributes {
        let index = self.index.into_iter().flat_map(|index| index.keys.parts());
        let parts = self.table.keys.parts().chain(index);
        parts.filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone()))).collect()
    }

    /// Refuses a filter on what the index does not hold.
    pub fn check_filter(self, filter: Option<&Condition>) -> Result<()> {
        let (Some(index), Some(filter)) = (self.index, filter) else { return Ok(()) };
        let mut lacking: Vec<&str> = filter.paths().iter().map(|path| path.head.as_str()).collect();
        lacking.retain(|name| !index.holds(&self.table.keys, name));
        lacking.sort_unstable();
        lacking.dedup();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(invalid(format!(
            "One or more parameter values were invalid: Secondary index {} does not project one or more filter \
             attributes: [{}]",
            index.name,
            lacking.join(", ")
        )))
    }

    /// The key that `ExclusiveStartKey` stands for.
    pub fn start(self, place: &Attributes, limits: &Limits) -> Result<Vec<u8>> {
        let definition = &self.table.definition;
        let index = self.index.and_then(|index| definition.indexes().find(|one| one.name == index.name));
        check_start_key(definition, index, place, limits)?;
        self.key(place).ok_or_else(|| invalid("The provided starting key is invalid"))
    }
}

/// The first key and the last one, without the prefix of all rows.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Which rows: keys between two bounds, in which direction, and how many.
pub struct Range {
    /// The first key, without the prefix of all rows.
    pub from: Bound<Vec<u8>>,
    /// The last one.
    pub to: Bound<Vec<u8>>,
    /// From the last one to the first.
    pub is_reverse: bool,
    /// The most rows.
    pub rows_max: usize,
    /// Of a parallel scan: which segment it is, of how many.
    pub segment: Option<(u64, u64)>,
}

impl Range {
    /// Leaves out all up to this key, in the range's own direction.
    pub fn begin_after(&mut self, key: Vec<u8>) -> Result<()> {
        let key_is_in = match (&self.from, &self.to) {
            (Bound::Included(from), _) if key < *from => false,
            (_, Bound::Excluded(to)) if key >= *to => false,
            _ => true,
        };
        if !key_is_in {
            return Err(invalid(match self.segment {
                Some((segment, total)) => format!(
                    "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with \
                     correct Segment. TotalSegments: {total} Segment: {segment}"
                ),
                None => "The provided starting key is outside query boundaries based on provided conditions"
                    .to_owned(),
            }));
        }
        let bound = if self.is_reverse { &mut self.to } else { &mut self.from };
        *bound = Bound::Excluded(key);
        Ok(())
    }
}

/// What was found.
#[derive(Default)]
pub struct Page {
    /// The items, JSON objects with commas between.
    pub items: Vec<u8>,
    /// How many they are.
    pub count: u64,
    /// How many rows were gone through.
    pub scanned: u64,
    /// Their bytes.
    pub bytes: usize,
    /// What was read of the table for an index, in bytes, item by item.
    pub fetched: Vec<usize>,
    /// All that was read, in bytes.
    read: usize,
    /// Where the next page goes on; `None` at the end.
    pub last: Option<Attributes>,
}

/// Reads a page.
pub fn read_page(
    context: &Context,
    view: &View,
    source: Source,
    range: &Range,
    shown: &Shown,
) -> Result<Page> {
    let prefix = source.prefix();
    let whole = |bound: &Bound<Vec<u8>>| bound.as_ref().map(|key| [&prefix[..], key].concat());
    let end = after_prefix(&prefix).unwrap_or_default();
    let from = match whole(&range.from) {
        Bound::Unbounded => Bound::Included(prefix.clone()),
        bound => bound,
    };
    let to = match whole(&range.to) {
        Bound::Unbounded => Bound::Excluded(end),
        bound => bound,
    };
    let mut scan = view.scan(from.as_ref().map(|row| &row[..]), to.as_ref().map(|row| &row[..]));
    if range.is_reverse {
        scan.last()?;
    } else {
        scan.first()?;
    }
    let mut page = Page::default();
    while scan.valid() {
        let size = size_of(scan.value())?;
        let most = context.limits().page_bytes;
        let is_full = page.read + size > most || page.items.len() > most.saturating_mul(TEXT_TIMES_MAX);
        if page.scanned > 0 && is_full {
            // The row before is where the next page goes on after.
            step(&mut scan, !range.is_reverse)?;
            page.last = Some(source.place(&decode(scan.value())?));
            break;
        }
        page.bytes += size;
        page.read += size;
        page.scanned += 1;
        context.went_through(page.read)?;
        take(view, source, scan.value(), shown, &mut page)?;
        if page.scanned as usize >= range.rows_max {
            page.last = Some(source.place(&decode(scan.value())?));
            break;
        }
        step(&mut scan, range.is_reverse)?;
    }
    Ok(page)
}

fn step(scan: &mut RowScan, is_reverse: bool) -> store::Result<()> {
    if is_reverse { scan.prev() } else { scan.next() }
}

/// Adds a row to a page, if it passes.
fn take(view: &View, source: Source, row: &[u8], shown: &Shown, page: &mut Page) -> Result<()> {
    let comma = if page.count > 0 { &b","[..] } else { b"" };
    if shown.is_whole() {
        page.items.extend_from_slice(comma);
        crate::dynamo::attribute::transcode::put_item(&mut page.items, row)?;
        page.count += 1;
        return Ok(());
    }
    if shown.is_counted() {
        page.count += 1;
        return Ok(());
    }
    let mut item = decode(row)?;
    if shown.needs_table {
        let key = table_key(&source.table.keys, &item).ok_or(store::Error::Damaged("an index's item"))?;
        // The index is never behind: what it names is there.
        item = load(view, source.table, &key)?.ok_or(store::Error::Damaged("an index's row"))?;
        let size = crate::dynamo::attribute::size(&item);
        page.fetched.push(size);
        page.read += size;
    }
    if shown.passes(&item) {
        page.count += 1;
        shown.put(&mut page.items, comma, &item);
    }
    Ok(())
}

/// The bounds of the keys that begin with this; all of them if it is nothing.
pub fn beginning_with(beginning: Vec<u8>) -> Bounds {
    let end = after_prefix(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(beginning), end)
}

/// The bounds of the keys in some buckets.
pub fn in_buckets(from: Option<[u8; BUCKET_BYTES]>, to: Option<[u8; BUCKET_BYTES]>) -> Bounds {
    let to = to.map_or(Bound::Unbounded, |bucket| Bound::Excluded(bucket.to_vec()));
    match from {
        Some(bucket) => (Bound::Included(bucket.to_vec()), to),
        // There is no such bucket: nothing lies there.
        None => (Bound::Included(Vec::new()), Bound::Excluded(Vec::new())),
    }
}
