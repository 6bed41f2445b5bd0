//! UpdateTimeToLive, DescribeTimeToLive.

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::{Request, unexpected};

/// Says which attribute holds the time when an item expires, or that none does any more.
pub struct UpdateTimeToLive {
    table: String,
    attribute: String,
    enabled: bool,
}

impl Operation for UpdateTimeToLive {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let table = request.table_name()?;
        let mut specification = request.structure("TimeToLiveSpecification")?.ok_or_else(unexpected)?;
        let attribute = specification.needed_text("AttributeName")?;
        Ok(Self { table, attribute, enabled: specification.boolean("Enabled")?.unwrap_or(false) })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let txn = context.change(&self.table)?;
        let mut schema = (*context.table_to_change(&self.table)?).clone();
        match (&schema.ttl, self.enabled) {
            (Some(now), _) if *now != self.attribute => {
                return Err(invalid(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {now}"
                )));
            }
            (Some(_), true) => return Err(invalid("TimeToLive is already enabled")),
            (None, false) => return Err(invalid("TimeToLive is already disabled")),
            _ => {}
        }
        schema.ttl = self.enabled.then(|| self.attribute.clone());
        // Deadlines of items that are there already are learnt one after the other.
        schema.is_arming = self.enabled;
        context.commit_schema(txn, &self.table, Some(schema))?;
        context.tables.fill_soon();
        let told = json!({"AttributeName": self.attribute, "Enabled": self.enabled});
        Ok(reply(&json!({"TimeToLiveSpecification": told})))
    }
}

/// Tells that attribute.
pub struct DescribeTimeToLive {
    table: String,
}

impl Operation for DescribeTimeToLive {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { table: request.table_name()? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let table = context.table_to_tell(&self.table)?;
        let told = match &table.ttl {
            Some(attribute) => json!({"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}),
            None => json!({"TimeToLiveStatus": "DISABLED"}),
        };
        Ok(reply(&json!({"TimeToLiveDescription": told})))
    }
}
