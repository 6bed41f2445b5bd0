//! ExecuteTransaction: statements about single items, all carried out or none: as TransactGetItems and TransactWriteItems.

use super::execute::{Asked, Member};
use super::statement::Statement;
use super::write::write_of;
use crate::dynamo::capacity::Detail;
use crate::dynamo::context::Context;
use crate::dynamo::error::{Error, Kind, Refusal, Result, invalid};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::Operation;
use crate::dynamo::request::{Request, unexpected};
use crate::dynamo::transact::cancelled;
use crate::dynamo::transact::get::read_together;
use crate::dynamo::transact::token::Token;
use crate::dynamo::transact::write::write_together;
use crate::dynamo::validate::write::ReturnValues;

/// Carries out statements, all of them or none.
pub struct ExecuteTransaction {
    members: Vec<Member>,
    token: Option<Token>,
    detail: Detail,
}

impl Operation for ExecuteTransaction {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let statements = request.take("TransactStatements").ok_or_else(unexpected)?;
        let token = request.text("ClientRequestToken")?;
        let token = token.map(|token| Token::new(&token, statements.to_string().as_bytes()));
        let serde_json::Value::Array(statements) = statements else { return Err(unexpected()) };
        let read = |(at, json)| {
            let asked = Asked::of(&mut Request::new(json)?, limits)?;
            in_member(at, asked.parse(limits))
        };
        let members = statements.into_iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
        let reads = members.iter().filter(|member| member.statement.is_read()).count();
        if reads > 0 && reads < members.len() {
            return Err(invalid(
                "ExecuteTransaction API does not support both read and write operations in the same request.",
            ));
        }
        for (at, member) in members.iter().enumerate() {
            if member.statement.returned() != ReturnValues::None {
                in_member(at, Err(invalid("RETURNING clause is not supported in ExecuteTransaction.")))?;
            }
        }
        Ok(Self { members, token, detail: Detail::of(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        if self.members.iter().all(|member| member.statement.is_read()) {
            return self.reads(context);
        }
        let (mut writes, mut reasons) = (Vec::new(), Vec::new());
        for (at, member) in self.members.iter().enumerate() {
            match write_of(context, &member.statement, member.shows_item) {
                Ok(write) => {
                    writes.push(write);
                    reasons.push(None);
                }
                Err(Error::Refused(refusal)) if names_no_item(member, &refusal) => {
                    reasons.push(Some(Refusal::new(
                        Kind::Validation,
                        "The provided key element does not match the schema",
                    )));
                }
                Err(error) => return in_member(at, Err(error)),
            }
        }
        if reasons.iter().any(Option::is_some) {
            return Err(cancelled(reasons));
        }
        let mut told = write_together(context, &writes, self.token.as_ref(), (self.detail, false))?;
        told.raw("Responses", b"[]");
        Ok(told.end())
    }
}

impl ExecuteTransaction {
    fn reads(&self, context: &Context) -> Result<Vec<u8>> {
        let get = |(at, member): (usize, &Member)| {
            let Statement::Select(select) = &member.statement else {
                return Err(invalid("Unsupported operation in transaction."));
            };
            if select.source.index.is_some() {
                let refusal = invalid("Reads on indices are not supported within transactions.");
                return in_member(at, Err(refusal));
            }
            in_member(at, select.get(context, "ExecuteTransaction"))
        };
        let gets = self.members.iter().enumerate().map(get).collect::<Result<Vec<_>>>()?;
        read_together(context, &gets, self.detail)
    }
}

/// Whether a statement was refused because its conditions name no single item.
fn names_no_item(member: &Member, refusal: &Refusal) -> bool {
    let writes = matches!(member.statement, Statement::Update(_) | Statement::Delete(_));
    refusal.kind == Kind::Validation && writes && member.statement.source().index.is_none()
}

/// Says in which statement something is against the rules.
fn in_member<T>(at: usize, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Refused(refusal) if refusal.kind == Kind::Validation => {
            invalid(format!("Validation failed in TransactStatements[{at}]: {}", refusal.message))
        }
        error => error,
    })
}
