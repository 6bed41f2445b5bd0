//! Operations on streams (the API "DynamoDB Streams", version 2012-08-10). A stream has one shard, from when it was
//! switched on until it is switched off.

mod iterator;
pub mod list;
pub mod records;

use std::sync::Arc;

use super::context::Context;
use super::error::{Error, Kind, Result, invalid, refused};
use super::schema::{Schema, Stream};
use super::table::describe::stream_arn;

/// A sequence number as text: the API wants 21 digits at least, none of them a 0 in front.
pub fn number_text(sequence: u64) -> String {
    format!("1{sequence:020}")
}

/// The sequence number that a text is.
pub fn parse_number(text: &str) -> Option<u64> {
    text.strip_prefix('1').filter(|digits| digits.len() == 20)?.parse().ok()
}

/// The shard's id.
pub fn shard_id(stream: &Stream) -> String {
    format!("shardId-{:020}-{:08x}", stream.created_ms, stream.id as u32)
}

fn not_found(arn: &str) -> Error {
    refused(Kind::ResourceNotFound, format!("Requested resource not found: Stream: {arn} not found"))
}

fn shard_not_found(shard: &str, arn: &str) -> Error {
    refused(
        Kind::ResourceNotFound,
        format!("Requested resource not found: Shard: {shard} in Stream: {arn} not found"),
    )
}

/// The table that a stream's ARN names.
fn table_of(arn: &str) -> Result<&str> {
    let name = arn.rsplit_once(":table/").and_then(|(_, rest)| rest.split_once("/stream/"));
    name.map(|(name, _)| name).ok_or_else(|| invalid("Invalid StreamArn"))
}

impl Context<'_> {
    /// The stream of this ARN, and its table.
    fn stream(&self, arn: &str) -> Result<(Arc<Schema>, Stream)> {
        let now = self.find(table_of(arn)?);
        let departed = self.tables.catalog.departed(self.tables.store.now_ms());
        let found = now.into_iter().chain(departed).find_map(|table| {
            let stream = table.streams.iter().find(|stream| stream_arn(&table.name, stream) == arn)?.clone();
            Some((table, stream))
        });
        found.ok_or_else(|| not_found(arn))
    }
}
