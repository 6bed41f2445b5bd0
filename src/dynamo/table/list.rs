//! ListTables, DescribeTable.

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;

/// The most names of a page.
const NAMES_MAX: u64 = 100;

/// The names of tables, a page at a time.
pub struct ListTables {
    after: Option<String>,
    max: usize,
}

impl Operation for ListTables {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let max = request.integer("Limit")?.unwrap_or(NAMES_MAX).min(NAMES_MAX);
        Ok(Self { after: request.text("ExclusiveStartTableName")?, max: max as usize })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let (mut names, seqno) = context.tables.catalog.names(self.after.as_deref(), self.max + 1);
        context.depends_on(seqno);
        let has_more = names.len() > self.max;
        names.truncate(self.max);
        let mut told = json!({"TableNames": names});
        if let Some(last) = names.last().filter(|_| has_more) {
            told["LastEvaluatedTableName"] = last.clone().into();
        }
        Ok(reply(&told))
    }
}

/// A table's description.
pub struct DescribeTable {
    name: String,
}

impl Operation for DescribeTable {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { name: request.table_name()? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let table = context.table_to_tell(&self.name)?;
        Ok(reply(&json!({"Table": context.describe(&table, table.status())})))
    }
}
