//! TagResource, UntagResource, ListTagsOfResource.

use std::sync::Arc;

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::{Error, Kind, Result, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::schema::Schema;
use crate::dynamo::validate::tags;

use super::describe::table_arn;

fn not_found(name: &str) -> Error {
    refused(
        Kind::ResourceNotFound,
        format!("Requested resource not found: ResourcArn: {} not found", table_arn(name)),
    )
}

fn find(context: &Context, name: &str) -> Result<Arc<Schema>> {
    context.find(name).ok_or_else(|| not_found(name))
}

/// Attaches tags.
pub struct TagResource {
    table: String,
    tags: Vec<(String, String)>,
}

impl Operation for TagResource {
    fn read(request: Request, _: &Limits) -> Result<Self> {
        let table = tags::table_of_resource(request.json())?.to_owned();
        let tags = tags::to_set(request.json())?;
        Ok(Self {
            table,
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let txn = context.change(&self.table)?;
        let mut schema = (*find(context, &self.table)?).clone();
        schema.tags.extend(self.tags.iter().cloned());
        tags::check_count(schema.tags.len())?;
        context.commit_schema(txn, &self.table, Some(schema))?;
        Ok(Vec::new())
    }
}

/// Removes tags.
pub struct UntagResource {
    table: String,
    keys: Vec<String>,
}

impl Operation for UntagResource {
    fn read(request: Request, _: &Limits) -> Result<Self> {
        let table = tags::table_of_resource(request.json())?.to_owned();
        let keys = tags::to_remove(request.json())?;
        Ok(Self { table, keys: keys.into_iter().map(str::to_owned).collect() })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let txn = context.change(&self.table)?;
        // The one operation on tags that does not say which resource is missing.
        let missing = || refused(Kind::ResourceNotFound, "Requested resource not found");
        let mut schema = (*context.tables.catalog.find(&self.table).ok_or_else(missing)?).clone();
        schema.tags.retain(|key, _| !self.keys.contains(key));
        context.commit_schema(txn, &self.table, Some(schema))?;
        Ok(Vec::new())
    }
}

/// Tells a table's tags.
pub struct ListTagsOfResource {
    table: String,
}

impl Operation for ListTagsOfResource {
    fn read(request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { table: tags::table_of_resource(request.json())?.to_owned() })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let table = find(context, &self.table)?;
        let tags = table.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
        Ok(reply(&json!({"Tags": tags.collect::<Vec<_>>()})))
    }
}
