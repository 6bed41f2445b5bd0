//! BatchWriteItem.

use serde_json::Value as Json;

use crate::dynamo::attribute::json::parse_attributes;
use crate::dynamo::attribute::size;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::item::metrics::Metrics;
use crate::dynamo::item::write::{Aimed, Change, Write, aim_all, lock_aimed};
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::reply::Object;
use crate::dynamo::request::{Request, table_name};
use crate::dynamo::validate::batch::{Write as Asked, check_distinct, writes};
use crate::dynamo::validate::keys::check_key;
use crate::store::{self, LockSet, Tier};

/// Items of so many bytes are committed together. What is larger would only make others wait.
const LOT_BYTES: usize = 1 << 20;

/// Puts and removes items of one table or more.
pub struct BatchWriteItem {
    writes: Vec<Write>,
    detail: Detail,
    wants_metrics: bool,
}

impl Operation for BatchWriteItem {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let mut tables = request.map("RequestItems")?.unwrap_or_default();
        let asked = writes(&mut tables, limits.batch_write_items)?;
        let writes = asked.into_iter().map(|(named, one)| read(named, one, limits)).collect::<Result<_>>()?;
        let wants_metrics = request.text("ReturnItemCollectionMetrics")?.as_deref() == Some("SIZE");
        Ok(Self { writes, detail: Detail::of(&mut request)?, wants_metrics })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        // What is wrong with any of them is told before the first lot is carried out.
        let mut aimed = self.aim(context)?;
        if lot_len(&aimed) < aimed.len() && context.tier() == Tier::Cached {
            // If a later lot had to wait, the first ones would happen twice, over what others wrote in between.
            return Err(store::Error::WouldWait(None).into());
        }
        let mut consumed = Consumed::new(self.detail);
        let mut metrics = Metrics::new(self.wants_metrics);
        let mut done = 0;
        while let Some(rest) = aimed.get(done..).filter(|rest| !rest.is_empty()) {
            let (lot, _) = rest.split_at(lot_len(rest));
            let Some(mut txn) = lock_aimed(context, &LockSet::new(), lot)? else {
                aimed = self.aim(context)?;
                continue;
            };
            for one in lot {
                let staged = one.stage(context, &mut txn, false)?;
                consumed.write(&one.table, &staged.written);
                metrics.add(one);
            }
            context.commit(txn)?;
            done += lot.len();
        }
        let mut told = Object::new();
        told.raw("UnprocessedItems", b"{}");
        metrics.tell_by_table(&mut told);
        told.json_if("ConsumedCapacity", consumed.list());
        Ok(told.end())
    }
}

impl BatchWriteItem {
    /// Finds all of them, unless there is something wrong with any.
    fn aim(&self, context: &Context) -> Result<Vec<Aimed<'_>>> {
        for write in &self.writes {
            // A batch says of items what others say of keys.
            if let Change::Put(item) = &write.change {
                let table = context.table(&write.table)?;
                let parts = table.keys.parts();
                let key = parts
                    .filter_map(|part| Some((part.name.clone(), item.get(&part.name)?.clone())))
                    .collect();
                check_key(&table.definition, &key, context.limits())?;
            }
        }
        let aimed = aim_all(context, &self.writes)?;
        check_distinct(aimed.iter().map(|one| (one.table.id, &one.key)))?;
        Ok(aimed)
    }
}

/// How many of the first of these are one lot.
fn lot_len(writes: &[Aimed<'_>]) -> usize {
    let mut bytes = 0;
    let fits = writes.iter().take_while(|write| {
        let before = bytes;
        bytes += if let Change::Put(item) = write.change() { size(item) } else { 0 };
        before == 0 || bytes <= LOT_BYTES
    });
    fits.count()
}

fn read(named: &str, write: Asked, limits: &Limits) -> Result<Write> {
    let attributes = |json: Json| parse_attributes(json, limits.reading(Exponents::Narrow));
    let change = match write {
        Asked::Put(item) => Change::Put(attributes(item)?),
        Asked::Delete(key) => Change::Delete(attributes(key)?),
    };
    Ok(Write { table: table_name(named)?, change, condition: None, shows_item: false })
}
