//! TagResource, UntagResource, ListTagsOfResource.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::dynamo::context::Context;
use crate::dynamo::error::{Error, Kind, Result, invalid, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::schema::Schema;

use super::describe::table_arn;

/// The most tags of a table.
const TAGS_MAX: usize = 50;

/// Reads a list of tags.
pub fn tags(list: Vec<Json>) -> Result<Vec<(String, String)>> {
    let tag = |json| {
        let mut tag = Request::new(json)?;
        Ok((tag.needed_text("Key")?, tag.needed_text("Value")?))
    };
    list.into_iter().map(tag).collect()
}

/// The name of the table that a resource's ARN names.
fn named(arn: &str) -> Result<String> {
    let name = arn.rsplit_once(":table/").map(|(_, name)| name);
    match name {
        Some(name) if !name.is_empty() && !name.contains('/') && arn.starts_with("arn:aws") => {
            Ok(name.to_owned())
        }
        _ => Err(invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}"))),
    }
}

fn not_found(name: &str) -> Error {
    refused(
        Kind::ResourceNotFound,
        format!("Requested resource not found: ResourcArn: {} not found", table_arn(name)),
    )
}

fn find(context: &Context, name: &str) -> Result<Arc<Schema>> {
    context.tables.catalog.find(name).ok_or_else(|| not_found(name))
}

/// Attaches tags.
pub struct TagResource {
    table: String,
    tags: Vec<(String, String)>,
}

impl Operation for TagResource {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let table = named(&request.needed_text("ResourceArn")?)?;
        Ok(Self { table, tags: tags(request.list("Tags")?.unwrap_or_default())? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let txn = context.change(&self.table)?;
        let mut schema = (*find(context, &self.table)?).clone();
        schema.tags.extend(self.tags.iter().cloned());
        if schema.tags.len() > TAGS_MAX {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Too many tags: at most {TAGS_MAX}"
            )));
        }
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
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let table = named(&request.needed_text("ResourceArn")?)?;
        Ok(Self { table, keys: request.texts("TagKeys")?.unwrap_or_default() })
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
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { table: named(&request.needed_text("ResourceArn")?)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        context.depends_on(context.tables.catalog.seqno());
        let table = find(context, &self.table)?;
        let tags = table.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
        Ok(reply(&json!({"Tags": tags.collect::<Vec<_>>()})))
    }
}
