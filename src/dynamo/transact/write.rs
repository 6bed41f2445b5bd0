//! TransactWriteItems: all or nothing, in one commit.

use serde_json::Value as Json;

use super::token::Token;
use super::{BYTES_MAX, own_reason, own_reason_before, refuse};
use crate::dynamo::attribute::size;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::Update;
use crate::dynamo::expressions::Expressions;
use crate::dynamo::item::metrics::Metrics;
use crate::dynamo::item::write::{Aimed, Change, Write, lock};
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::reply::Object;
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::validate::expressions::{PUT_OR_DELETE, UPDATE};
use crate::dynamo::validate::transaction::{Action, action, check_distinct};
use crate::dynamo::validate::write::returns_item_on_failure;
use crate::store::LockSet;

/// Writes items, all of them or none.
pub struct TransactWriteItems {
    writes: Vec<Write>,
    token: Option<Token>,
    detail: Detail,
    wants_metrics: bool,
}

impl Operation for TransactWriteItems {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let items = request.take("TransactItems").ok_or_else(unexpected)?;
        let token = request.text("ClientRequestToken")?;
        let token = token.map(|token| Token::new(&token, items.to_string().as_bytes()));
        let Json::Array(items) = items else { return Err(unexpected()) };
        let writes =
            items.into_iter().map(|item| read(Request::new(item)?, limits)).collect::<Result<_>>()?;
        let wants_metrics = request.text("ReturnItemCollectionMetrics")?.as_deref() == Some("SIZE");
        Ok(Self { writes, token, detail: Detail::of(&mut request)?, wants_metrics })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let told =
            write_together(context, &self.writes, self.token.as_ref(), (self.detail, self.wants_metrics))?;
        Ok(told.end())
    }
}

/// Writes items, all of them or none, unless their token says that it happened before; what is to be told of it.
pub fn write_together(
    context: &Context,
    writes: &[Write],
    token: Option<&Token>,
    (detail, wants_metrics): (Detail, bool),
) -> Result<Object> {
    let mut locks = LockSet::new();
    if let Some(token) = token {
        locks.exclusive(token.lock());
    }
    let (mut txn, aimed) = lock(context, &locks, || aim(context, writes))?;
    let mut consumed = Consumed::in_transaction(detail, "WriteCapacityUnits");
    let mut metrics = Metrics::new(wants_metrics);
    if token.map_or(Ok(false), |token| token.is_done(&txn))? {
        consumed = reread(context, writes, detail);
    } else {
        let (mut reasons, mut bytes) = (Vec::with_capacity(aimed.len()), 0);
        for one in &aimed {
            reasons.push(own_reason(one.stage(context, &mut txn, false).map(|staged| {
                // What is only read or taken away may be large.
                bytes += staged.new.as_deref().map_or(0, size);
                consumed.write(&one.table, &staged.written);
                metrics.add(one);
            }))?);
        }
        refuse(reasons)?;
        if bytes > BYTES_MAX {
            return Err(invalid("Transaction payload size cannot exceed 4 MB"));
        }
        if let Some(token) = token {
            token.remember(&mut txn);
        }
        context.commit(txn)?;
    }
    let mut told = Object::new();
    metrics.tell_by_table(&mut told);
    told.json_if("ConsumedCapacity", consumed.list());
    Ok(told)
}

/// What it costs to be told that it happened before: a read of its items, as far as the request knows them.
fn reread(context: &Context, writes: &[Write], detail: Detail) -> Consumed {
    let mut consumed = Consumed::in_transaction(detail, "ReadCapacityUnits");
    for write in writes {
        let bytes = if let Change::Put(item) = &write.change { size(item) } else { 0 };
        if let Some(table) = context.find(&write.table) {
            consumed.read(&table, None, bytes, true);
        }
    }
    consumed
}

/// Finds all of them, unless there is something wrong with any.
fn aim<'w>(context: &Context, writes: &'w [Write]) -> Result<Vec<Aimed<'w>>> {
    let (mut all, mut reasons) = (Vec::with_capacity(writes.len()), vec![None; writes.len()]);
    for (write, reason) in writes.iter().zip(&mut reasons) {
        *reason = own_reason_before(write.aim(context).map(|aimed| all.push(aimed)))?;
        if reason.is_some() {
            // Nobody looks at those after it.
            break;
        }
    }
    check_distinct(all.iter().map(|one| (one.table.id, &one.key)))?;
    refuse(reasons)?;
    Ok(all)
}

/// Reads one of the actions.
fn read(mut request: Request, limits: &Limits) -> Result<Write> {
    let kind = action(request.json())?;
    let mut action = request.structure(kind.member())?.ok_or_else(unexpected)?;
    let shows_item = returns_item_on_failure(action.json());
    let parameters = if kind == Action::Update { UPDATE } else { PUT_OR_DELETE };
    let mut expressions = Expressions::in_transaction(&mut action, parameters, limits)?;
    let update = if kind == Action::Update { expressions.update(&mut action)? } else { Update::nothing() };
    let condition = expressions.condition(&mut action)?;
    expressions.finish()?;
    let place = if kind == Action::Put { "Item" } else { "Key" };
    let attributes = action.attributes(place, limits.reading(Exponents::Narrow))?.ok_or_else(unexpected)?;
    let change = match kind {
        Action::Put => Change::Put(attributes),
        Action::Update => Change::Update(attributes, update),
        Action::Delete => Change::Delete(attributes),
        Action::Check => Change::Check(attributes),
    };
    Ok(Write { table: action.table_name()?, change, condition, shows_item })
}
