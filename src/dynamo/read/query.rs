//! Query and Scan.

use std::ops::Bound;

use super::page::{Bounds, Page, Range, Source, beginning_with, in_buckets, read_page};
use super::shown::Shown;
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::{
    Condition, KeyCondition, Projection, SortBound, SortedKeys, check_keys_are_whole,
};
use crate::dynamo::expressions::Expressions;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::Operation;
use crate::dynamo::reply::Object;
use crate::dynamo::request::Request;
use crate::dynamo::rows::{bucket_start, partition_of, put_key_beginning, put_key_value, segment};
use crate::dynamo::schema::{Index, KeyPart, Keys, Schema};
use crate::dynamo::validate::expressions::{QUERY, SCAN};
use crate::dynamo::validate::read::{Select, segment as part_of_scan, select_of_query, select_of_scan};
use crate::store::after_prefix;

/// What queries and scans have in common.
struct Asked {
    table: String,
    index: Option<String>,
    select: Select,
    filter: Option<Condition>,
    projection: Option<Projection>,
    start: Option<Attributes>,
    rows_max: usize,
    is_consistent: bool,
    detail: Detail,
}

impl Asked {
    fn read(
        request: &mut Request,
        select: Select,
        (expressions, older): (&mut Expressions, &str),
    ) -> Result<Self> {
        let filter = expressions.filter(request, older)?;
        let projection = expressions.projection(request)?;
        Ok(Self {
            table: request.table_name()?,
            index: request.text("IndexName")?,
            select,
            filter,
            projection,
            start: request.attributes("ExclusiveStartKey", expressions.reading())?,
            rows_max: request
                .integer("Limit")?
                .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)),
            is_consistent: request.boolean("ConsistentRead")?.unwrap_or(false),
            detail: Detail::of(request)?,
        })
    }

    /// The index, if one was named.
    fn index<'a>(&self, table: &'a Schema) -> Result<Option<&'a Index>> {
        let Some(name) = &self.index else { return Ok(None) };
        let index = table
            .index(name)
            .ok_or_else(|| invalid(format!("The table does not have the specified index: {name}")))?;
        if index.is_filling {
            return Err(invalid(format!("Cannot read from backfilling global secondary index: {name}")));
        }
        if self.is_consistent && !index.is_local {
            return Err(invalid("Consistent reads are not supported on global secondary indexes"));
        }
        Ok(Some(index))
    }

    /// The key that the page begins after.
    fn start(&self, source: Source, limits: &Limits) -> Result<Option<Vec<u8>>> {
        self.start.as_ref().map(|place| source.start(place, limits)).transpose()
    }

    fn reply(&self, source: Source, page: Page, shown: &Shown) -> Vec<u8> {
        let mut told = Object::new();
        told.json("Count", &page.count.into());
        told.json("ScannedCount", &page.scanned.into());
        if shown.has_items() {
            let items = told.member("Items");
            items.push(b'[');
            items.extend_from_slice(&page.items);
            items.push(b']');
        }
        if let Some(last) = &page.last {
            told.attributes("LastEvaluatedKey", last);
        }
        let mut consumed = Consumed::new(self.detail);
        consumed.read(source.table, source.index, page.bytes, self.is_consistent);
        for bytes in page.fetched {
            consumed.read(source.table, None, bytes, self.is_consistent);
        }
        told.json_if("ConsumedCapacity", consumed.one());
        told.end()
    }

    fn run(&self, context: &Context, range: impl Fn(Source) -> Result<Range>) -> Result<Vec<u8>> {
        let table = context.table(&self.table)?;
        let source = Source { table: &table, index: self.index(&table)? };
        check_keys_are_whole(&table.definition, self.filter.iter().flat_map(Condition::paths))?;
        check_keys_are_whole(&table.definition, self.projection.iter().flat_map(Projection::paths))?;
        let shown =
            Shown::new((&table, source.index), self.select, self.filter.as_ref(), self.projection.as_ref())?;
        let mut range = range(source)?;
        if let Some(start) = self.start(source, context.limits())? {
            range.begin_after(start)?;
        }
        let page = read_page(context, &context.view(), source, &range, &shown)?;
        Ok(self.reply(source, page, &shown))
    }
}

/// Items of one partition, by the sort key.
pub struct Query {
    asked: Asked,
    keys: KeyCondition,
    is_reverse: bool,
    /// What refusals call the filter.
    filter_name: &'static str,
}

impl Operation for Query {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let select = select_of_query(request.json())?;
        let filter_name = if request.has("QueryFilter") { "QueryFilter" } else { "Filter Expression" };
        let mut expressions = Expressions::of(&mut request, QUERY, limits)?;
        let keys = expressions.key_condition(&mut request)?;
        let asked = Asked::read(&mut request, select, (&mut expressions, "QueryFilter"))?;
        let keys = keys.ok_or_else(|| {
            invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
        })?;
        expressions.finish()?;
        let is_reverse = !request.boolean("ScanIndexForward")?.unwrap_or(true);
        Ok(Self { asked, keys, is_reverse, filter_name })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        self.asked.run(context, |source| {
            let keys = source.keys();
            let sorted = self.keys.clone().resolve(keys)?;
            if let Some(filter) = &self.asked.filter {
                filter.check_no_keys(keys.parts().map(|part| &part.name[..]), self.filter_name)?;
            }
            source.check_filter(self.asked.filter.as_ref())?;
            let (from, to) = bounds(keys, &sorted)?;
            Ok(Range { from, to, is_reverse: self.is_reverse, rows_max: self.asked.rows_max, segment: None })
        })
    }
}

/// The bounds of the keys that a condition on them stands for.
pub fn bounds(keys: &Keys, sorted: &SortedKeys) -> Result<Bounds> {
    let wrong = || {
        invalid(
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        )
    };
    let hash: Vec<&Value> = sorted.hash.iter().map(|value| &**value).collect();
    let mut beginning = partition_of(&keys.hash, &hash).ok_or_else(wrong)?;
    let mut parts = keys.range.iter();
    for value in &sorted.range {
        let part: &KeyPart = parts.next().ok_or_else(wrong)?;
        put_key_value(&mut beginning, part.kind, value).ok_or_else(wrong)?;
    }
    let Some(bound) = &sorted.bound else { return Ok(beginning_with(beginning)) };
    let part = parts.next().ok_or_else(wrong)?;
    let key = |value: &Value| -> Result<Vec<u8>> {
        let mut key = beginning.clone();
        put_key_value(&mut key, part.kind, value).ok_or_else(wrong)?;
        Ok(key)
    };
    // Further parts may follow: what begins with a key is what is equal to it.
    let after = |value: &Value| -> Result<Vec<u8>> { Ok(after_prefix(&key(value)?).unwrap_or_default()) };
    let (first, last) = beginning_with(beginning.clone());
    Ok(match bound {
        SortBound::Less(value) => (first, Bound::Excluded(key(value)?)),
        SortBound::LessOrEqual(value) => (first, Bound::Excluded(after(value)?)),
        SortBound::Greater(value) => (Bound::Included(after(value)?), last),
        SortBound::GreaterOrEqual(value) => (Bound::Included(key(value)?), last),
        SortBound::Between(low, high) => (Bound::Included(key(low)?), Bound::Excluded(after(high)?)),
        SortBound::BeginsWith(value) => {
            let mut prefix = beginning.clone();
            put_key_beginning(&mut prefix, value).ok_or_else(wrong)?;
            beginning_with(prefix)
        }
    })
}

/// All items, or a segment of them.
pub struct Scan {
    asked: Asked,
    segment: u64,
    total: u64,
}

impl Operation for Scan {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let select = select_of_scan(request.json())?;
        let part = part_of_scan(request.json())?;
        let mut expressions = Expressions::of(&mut request, SCAN, limits)?;
        let asked = Asked::read(&mut request, select, (&mut expressions, "ScanFilter"))?;
        expressions.finish()?;
        let (segment, total) = part.map_or((0, 1), |(segment, total)| (segment.into(), total.into()));
        Ok(Self { asked, segment, total })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        self.asked.run(context, |_| {
            let (from, to) = segment(self.segment, self.total);
            let (from, to) = in_buckets(bucket_start(from), bucket_start(to));
            let segment = Some((self.segment, self.total));
            Ok(Range { from, to, is_reverse: false, rows_max: self.asked.rows_max, segment })
        })
    }
}
