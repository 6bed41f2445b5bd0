//! BatchExecuteStatement: statements about single items, each with its own success. What of them is written is one commit,
//! so that none happens twice if the request is begun again where it may wait.

use super::execute::Member;
use super::statement::Statement;
use super::write::write_of;
use crate::dynamo::attribute::Attributes;
use crate::dynamo::attribute::encoding::size_of;
use crate::dynamo::attribute::json::put_list;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Error, Kind, Refusal, Result, invalid};
use crate::dynamo::item::write::{Aimed, Write, lock};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::Operation;
use crate::dynamo::read::get::{put_shown, row_of};
use crate::dynamo::reply::Object;
use crate::dynamo::request::Request;
use crate::dynamo::transact;
use crate::dynamo::validate::write::ReturnValues;
use crate::store::{LockSet, Reads, View};

/// Carries out statements, each for itself.
pub struct BatchExecuteStatement {
    members: Vec<std::result::Result<Member, Refusal>>,
    detail: Detail,
}

impl Operation for BatchExecuteStatement {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let statements = request.list("Statements")?.unwrap_or_default();
        let read = |json| of_its_own(Member::of(&mut Request::new(json)?, limits));
        let members = statements.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut reads = members.iter().flatten().map(|member| member.statement.is_read());
        let first = reads.next();
        if reads.any(|is_read| Some(is_read) != first) {
            return Err(invalid("Read and write requests together in the same batch is not supported."));
        }
        Ok(Self { members, detail: Detail::of(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut consumed = Consumed::new(self.detail);
        let is_read = self.members.iter().flatten().any(|member| member.statement.is_read());
        let responses =
            if is_read { self.reads(context, &mut consumed)? } else { self.writes(context, &mut consumed)? };
        let mut told = Object::new();
        put_list(told.member("Responses"), responses, |out, response| out.extend_from_slice(&response.end()));
        told.json_if("ConsumedCapacity", consumed.list());
        Ok(told.end())
    }
}

impl BatchExecuteStatement {
    fn reads(&self, context: &Context, consumed: &mut Consumed) -> Result<Vec<Object>> {
        let view = context.view();
        let read = |member: &std::result::Result<Member, Refusal>| match member {
            Ok(member) => {
                let read = of_its_own(read(context, &view, member, consumed))?;
                Ok(read.unwrap_or_else(|refusal| failed(None, &refusal)))
            }
            Err(refusal) => Ok(failed(None, refusal)),
        };
        self.members.iter().map(read).collect()
    }

    fn writes(&self, context: &Context, consumed: &mut Consumed) -> Result<Vec<Object>> {
        let write = |member: &std::result::Result<Member, Refusal>| match member {
            Ok(member) => of_its_own(
                write_of(context, &member.statement, member.shows_item)
                    .map(|write| (write, member.statement.returned())),
            ),
            Err(refusal) => Ok(Err(refusal.clone())),
        };
        let writes = self.members.iter().map(write).collect::<Result<Vec<_>>>()?;
        let tells_old = writes.iter().flatten().any(|(_, returned)| returned.tells_old());
        let (mut txn, targets) = lock(context, &LockSet::new(), || Targets::of(context, &writes))?;
        let mut written = Vec::with_capacity(writes.len());
        for (one, returned) in targets.aimed.iter().zip(targets.returned) {
            let table = &one.table.name;
            let done = of_its_own(one.stage(context, &mut txn, tells_old).map(|staged| {
                consumed.write(&one.table, &staged.written);
                let item = returned.of(one.change(), &staged);
                response(table, item.as_ref())
            }))?;
            written.push(done.unwrap_or_else(|refusal| failed(Some(table), &refusal)));
        }
        context.commit(txn)?;
        let mut written = written.into_iter();
        let refused = targets.refused.into_iter();
        let told = |refusal: Option<Refusal>| match refusal {
            Some(refusal) => Some(failed(None, &refusal)),
            None => written.next(),
        };
        Ok(refused.filter_map(told).collect())
    }
}

/// What statements write to.
#[derive(Default)]
struct Targets<'w> {
    /// Of those that are not refused.
    aimed: Vec<Aimed<'w>>,
    /// What each of these is to tell.
    returned: Vec<ReturnValues>,
    /// Of all of them in order: why, if it is refused.
    refused: Vec<Option<Refusal>>,
}

impl<'w> Targets<'w> {
    fn of(
        context: &Context,
        writes: &'w [std::result::Result<(Write, ReturnValues), Refusal>],
    ) -> Result<Self> {
        let mut targets = Self::default();
        for write in writes {
            let aimed = match write {
                Ok((write, returned)) => {
                    of_its_own(write.aim_alone(context))?.map(|aimed| (aimed, *returned))
                }
                Err(refusal) => Err(refusal.clone()),
            };
            targets.refused.push(match aimed {
                Ok((aimed, returned)) => {
                    targets.aimed.push(aimed);
                    targets.returned.push(returned);
                    None
                }
                Err(refusal) => Some(refusal),
            });
        }
        Ok(targets)
    }
}

impl<'w> AsRef<[Aimed<'w>]> for Targets<'w> {
    fn as_ref(&self) -> &[Aimed<'w>] {
        &self.aimed
    }
}

/// Reads the item that a statement selects.
fn read(context: &Context, view: &View, member: &Member, consumed: &mut Consumed) -> Result<Object> {
    let Statement::Select(select) = &member.statement else { return Err(invalid("Unsupported operation")) };
    let get = select.get(context, "BatchExecuteStatement")?;
    let table = context.table(&get.table)?;
    let found = view.get(&row_of(&table, &get.key, context.limits())?)?;
    consumed.read(&table, None, found.as_deref().map_or(Ok(0), size_of)?, member.is_consistent);
    let mut told = response(&table.name, None);
    if let Some(row) = &found {
        put_shown(told.member("Item"), row, get.projection.as_ref())?;
    }
    Ok(told)
}

/// A refusal that is one of a single statement, and none of the request.
fn of_its_own<T>(result: Result<T>) -> Result<std::result::Result<T, Refusal>> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Refused(refusal)) => Ok(Err(*refusal)),
        Err(error @ Error::Store(_)) => Err(error),
    }
}

fn response(table: &str, item: Option<&Attributes>) -> Object {
    let mut told = Object::new();
    told.text("TableName", table);
    if let Some(item) = item {
        told.attributes("Item", item);
    }
    told
}

/// The reply to a statement that failed; it tells the table if it came as far as that.
fn failed(table: Option<&str>, refusal: &Refusal) -> Object {
    let mut told = Object::new();
    told.raw("Error", &error(refusal));
    if let Some(table) = table {
        told.text("TableName", table);
    }
    told
}

fn error(refusal: &Refusal) -> Vec<u8> {
    let mut told = Object::new();
    told.text(
        "Code",
        match refusal.kind {
            Kind::ResourceNotFound => "ResourceNotFound",
            Kind::AccessDenied => "AccessDenied",
            Kind::Internal => "InternalServerError",
            _ => transact::code(refusal),
        },
    );
    told.text("Message", &refusal.message);
    if let Some(item) = &refusal.item {
        told.attributes("Item", item);
    }
    told.end()
}
