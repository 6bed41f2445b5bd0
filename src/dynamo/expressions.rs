//! The expressions of a request, or the older parameters that say the same, as its operation takes them.

use super::attribute::json::Reading;
use super::error::Result;
use super::expression::{Condition, ExpressionKind, KeyCondition, Placeholders, Projection, Update, legacy};
use super::limits::Limits;
use super::number::Exponents;
use super::request::Request;
use super::validate::expressions::{Parameters, check};

/// The expressions of a request that are still to be taken. They are taken in the order update, condition, key condition,
/// filter, projection, and then finished with.
pub struct Expressions<'a> {
    placeholders: Placeholders,
    reading: Reading,
    limits: &'a Limits,
}

impl<'a> Expressions<'a> {
    /// Those of a request that may have these.
    pub fn of(request: &mut Request, parameters: Parameters, limits: &'a Limits) -> Result<Self> {
        check(request.json(), parameters)?;
        let names = request.take("ExpressionAttributeNames");
        let values = request.take("ExpressionAttributeValues");
        let reading = limits.reading(parameters.exponents);
        Ok(Self { placeholders: Placeholders::read(names, values, reading)?, reading, limits })
    }

    /// The same, of an action of a transaction: there nobody minds placeholders without any expression.
    pub fn in_transaction(request: &mut Request, parameters: Parameters, limits: &'a Limits) -> Result<Self> {
        if !parameters.expressions.iter().any(|name| request.has(name)) {
            request.take("ExpressionAttributeNames");
            request.take("ExpressionAttributeValues");
        }
        Self::of(request, Parameters { exponents: Exponents::Narrow, ..parameters }, limits)
    }

    /// How the values of the request are read.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Takes what an update changes.
    pub fn update(&mut self, request: &mut Request) -> Result<Update> {
        if let Some(json) = request.take("AttributeUpdates") {
            return legacy::attribute_updates(json, self.reading);
        }
        let text = request.text("UpdateExpression")?;
        let bytes_max = self.limits.expression_bytes;
        text.map_or_else(
            || Ok(Update::nothing()),
            |text| Update::parse(&text, &mut self.placeholders, bytes_max),
        )
    }

    /// Takes what must hold for a write.
    pub fn condition(&mut self, request: &mut Request) -> Result<Option<Condition>> {
        let operator = request.text("ConditionalOperator")?;
        if let Some(text) = request.text("ConditionExpression")? {
            return self.parse(&text, ExpressionKind::Condition).map(Some);
        }
        legacy::expected(request.take("Expected"), operator.as_deref(), self.reading)
    }

    /// Takes what a query reads.
    pub fn key_condition(&mut self, request: &mut Request) -> Result<Option<KeyCondition>> {
        if let Some(text) = request.text("KeyConditionExpression")? {
            let bytes_max = self.limits.expression_bytes;
            return KeyCondition::parse(&text, &mut self.placeholders, bytes_max).map(Some);
        }
        let json = request.take("KeyConditions");
        json.map(|json| legacy::key_conditions(json, self.reading)).transpose()
    }

    /// Takes what holds for the items that are returned; `older` is the older parameter for it.
    pub fn filter(&mut self, request: &mut Request, older: &str) -> Result<Option<Condition>> {
        let operator = request.text("ConditionalOperator")?;
        if let Some(text) = request.text("FilterExpression")? {
            return self.parse(&text, ExpressionKind::Filter).map(Some);
        }
        legacy::filter(request.take(older), operator.as_deref(), self.reading)
    }

    /// Takes which parts of items are returned.
    pub fn projection(&mut self, request: &mut Request) -> Result<Option<Projection>> {
        if let Some(text) = request.text("ProjectionExpression")? {
            let bytes_max = self.limits.expression_bytes;
            return Projection::parse(&text, &mut self.placeholders, bytes_max).map(Some);
        }
        request.take("AttributesToGet").map(legacy::attributes_to_get).transpose()
    }

    /// Refuses placeholders that none of them used.
    pub fn finish(self) -> Result<()> {
        self.placeholders.check_all_used()
    }

    fn parse(&mut self, text: &str, kind: ExpressionKind) -> Result<Condition> {
        Condition::parse(text, kind, &mut self.placeholders, self.limits.expression_bytes)
    }
}
