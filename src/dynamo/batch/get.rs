//! BatchGetItem.

use serde_json::Value as Json;

use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::size_of;
use crate::dynamo::attribute::json::{parse_attributes, put_attributes, put_list};
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::expression::{Projection, check_keys_are_whole};
use crate::dynamo::expressions::Expressions;
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::read::get::{put_shown, row_of};
use crate::dynamo::reply::Object;
use crate::dynamo::request::{Request, table_name};
use crate::dynamo::validate::batch::{check_distinct, check_gets};
use crate::dynamo::validate::expressions::GET;
use crate::store::Reads;

/// The most bytes of items in one reply.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// The length from which on a reply takes no more, whatever its items count for: short numbers may have many digits.
const REPLY_TEXT_MAX: usize = 64 << 20;

/// How many items are read at once.
const ITEMS_AT_ONCE: usize = 100;

/// Keys of a table that are asked for.
struct Asked {
    /// As the request names it.
    named: String,
    table: String,
    keys: Vec<Attributes>,
    projection: Option<Projection>,
    is_consistent: bool,
    /// What was asked, but for the keys: for those that are left unprocessed.
    rest: Json,
}

/// Reads items of one table or more.
pub struct BatchGetItem {
    asked: Vec<Asked>,
    detail: Detail,
}

impl Operation for BatchGetItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        check_gets(request.json(), limits.batch_get_items)?;
        let tables = request.map("RequestItems")?.unwrap_or_default();
        let asked = tables
            .into_iter()
            .map(|(named, json)| Asked::read(named, json, limits))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { asked, detail: Detail::of(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let view = context.view();
        let mut consumed = Consumed::new(self.detail);
        let (mut responses, mut unprocessed) = (Object::new(), Object::new());
        let mut bytes = 0;
        for asked in &self.asked {
            let table = context.table(&asked.table)?;
            let rows = asked
                .keys
                .iter()
                .map(|key| row_of(&table, key, context.limits()))
                .collect::<Result<Vec<_>>>()?;
            check_distinct(&rows)?;
            check_keys_are_whole(&table.definition, asked.projection.iter().flat_map(Projection::paths))?;
            let out = responses.member(&asked.named);
            out.push(b'[');
            let (mut is_first, mut left) = (true, Vec::new());
            for (keys, rows) in asked.keys.chunks(ITEMS_AT_ONCE).zip(rows.chunks(ITEMS_AT_ONCE)) {
                if !left.is_empty() {
                    left.extend(keys);
                    continue;
                }
                let found = view.multi_get(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>())?;
                for (key, row) in keys.iter().zip(found) {
                    let size = row.as_deref().map_or(Ok(0), size_of)?;
                    if bytes > 0 && (bytes + size > REPLY_BYTES_MAX || out.len() > REPLY_TEXT_MAX) {
                        left.push(key);
                        continue;
                    }
                    bytes += size;
                    context.went_through(bytes)?;
                    consumed.read(&table, None, size, asked.is_consistent);
                    let Some(row) = row else { continue };
                    if !std::mem::replace(&mut is_first, false) {
                        out.push(b',');
                    }
                    put_shown(out, &row, asked.projection.as_ref())?;
                }
            }
            out.push(b']');
            if !left.is_empty() {
                unprocessed.raw(&asked.named, &asked.again(&left));
            }
        }
        let mut told = Object::new();
        told.raw("Responses", &responses.end());
        told.raw("UnprocessedKeys", &unprocessed.end());
        told.json_if("ConsumedCapacity", consumed.list());
        Ok(told.end())
    }
}

impl Asked {
    fn read(named: String, json: Json, limits: &Limits) -> Result<Self> {
        let mut request = Request::new(json)?;
        let keys = request.list("Keys")?.unwrap_or_default();
        let rest = request.json().clone();
        let mut expressions = Expressions::of(&mut request, GET, limits)?;
        let projection = expressions.projection(&mut request)?;
        expressions.finish()?;
        let keys = keys.into_iter().map(|key| parse_attributes(key, limits.reading(Exponents::Wide)));
        Ok(Self {
            table: table_name(&named)?,
            named,
            keys: keys.collect::<Result<_>>()?,
            projection,
            is_consistent: request.boolean("ConsistentRead")?.unwrap_or(false),
            rest,
        })
    }

    /// As a request for only these keys.
    fn again(&self, keys: &[&Attributes]) -> Vec<u8> {
        let mut again = Object::new();
        put_list(again.member("Keys"), keys, |out, key| {
            put_attributes(out, key);
        });
        for (name, value) in self.rest.as_object().into_iter().flatten() {
            again.json(name, value);
        }
        again.end()
    }
}
