//! ExecuteStatement.

use serde_json::Value as Json;

use super::next_token::{self, Binding, Place};
use super::parse::parse;
use super::statement::{Select, Statement};
use super::write::write_of;
use crate::dynamo::attribute::Value;
use crate::dynamo::attribute::json::{parse_value, put_attributes};
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::limits::Limits;
use crate::dynamo::number::Exponents;
use crate::dynamo::operations::Operation;
use crate::dynamo::reply::Object;
use crate::dynamo::request::Request;
use crate::dynamo::validate::write::returns_item_on_failure;

/// A statement as a request has it.
pub struct Asked {
    text: String,
    parameters: Vec<Value>,
    binding: Binding,
    shows_item: bool,
    is_consistent: bool,
}

/// A statement that was read.
pub struct Member {
    /// It.
    pub statement: Statement,
    /// Whether a refusal for the condition's sake shows the item.
    pub shows_item: bool,
    /// Whether it is to see all that was written before.
    pub is_consistent: bool,
    binding: Binding,
}

impl Asked {
    /// Takes it.
    pub fn of(request: &mut Request, limits: &Limits) -> Result<Self> {
        let text = request.needed_text("Statement")?;
        let parameters = request.list("Parameters")?.unwrap_or_default();
        let binding = next_token::binding(&text, &Json::from(parameters.clone()).to_string());
        let value = |json| parse_value(json, limits.reading(Exponents::Narrow));
        Ok(Self {
            text,
            parameters: parameters.into_iter().map(value).collect::<Result<_>>()?,
            binding,
            shows_item: returns_item_on_failure(request.json()),
            is_consistent: request.boolean("ConsistentRead")?.unwrap_or(false),
        })
    }

    /// Reads it.
    pub fn parse(self, limits: &Limits) -> Result<Member> {
        Ok(Member {
            statement: parse(&self.text, self.parameters, limits.nesting_levels)?,
            shows_item: self.shows_item,
            is_consistent: self.is_consistent,
            binding: self.binding,
        })
    }
}

impl Member {
    /// Takes a statement that is one for itself, outside of a transaction.
    pub fn of(request: &mut Request, limits: &Limits) -> Result<Self> {
        let member = Asked::of(request, limits)?.parse(limits)?;
        match member.statement {
            Statement::Exists(_) => {
                Err(invalid("EXISTS can only be used in ExecuteTransaction write requests."))
            }
            _ => Ok(member),
        }
    }
}

/// Carries out a statement.
pub struct ExecuteStatement {
    member: Member,
    place: Place,
    rows_max: usize,
    detail: Detail,
}

impl Operation for ExecuteStatement {
    fn read(mut request: Request, limits: &Limits) -> Result<Self> {
        let member = Member::of(&mut request, limits)?;
        let place = match request.text("NextToken")? {
            Some(token) => next_token::place(&token, member.binding)?,
            None => Place::default(),
        };
        let rows_max =
            request.integer("Limit")?.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        Ok(Self { member, place, rows_max, detail: Detail::of(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        match &self.member.statement {
            Statement::Select(select) => self.select(context, select),
            statement => self.write(context, statement),
        }
    }
}

impl ExecuteStatement {
    fn select(&self, context: &Context, select: &Select) -> Result<Vec<u8>> {
        let mut consumed = Consumed::new(self.detail);
        let how = (self.rows_max, self.member.is_consistent);
        let selection = select.page(context, &self.place, how, &mut consumed)?;
        let mut told = Object::new();
        let items = told.member("Items");
        items.push(b'[');
        items.extend_from_slice(&selection.items);
        items.push(b']');
        if let Some(place) = &selection.next {
            told.text("NextToken", &next_token::token(self.member.binding, place));
        }
        if let Some(last) = &selection.last {
            told.attributes("LastEvaluatedKey", last);
        }
        told.json_if("ConsumedCapacity", consumed.one());
        Ok(told.end())
    }

    fn write(&self, context: &Context, statement: &Statement) -> Result<Vec<u8>> {
        let write = write_of(context, statement, self.member.shows_item)?;
        let returned = statement.returned();
        let (mut txn, aimed) = write.lock_alone(context)?;
        let staged = aimed.stage(context, &mut txn, returned.tells_old())?;
        let mut consumed = Consumed::new(self.detail);
        consumed.write(&aimed.table, &staged.written);
        let mut told = Object::new();
        let items = told.member("Items");
        items.push(b'[');
        if let Some(item) = returned.of(aimed.change(), &staged) {
            put_attributes(items, &item);
        }
        items.push(b']');
        told.json_if("ConsumedCapacity", consumed.one());
        context.commit(txn)?;
        Ok(told.end())
    }
}
