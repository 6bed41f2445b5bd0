//! ListStreams, DescribeStream.

use serde_json::{Value as Json, json};

use super::{number_text, shard_id, table_of};
use crate::dynamo::changes::first_at;
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::table::describe::{stream_arn, stream_label, timestamp};

/// The most streams, or shards, of a page.
const PAGE_MAX: u64 = 100;

/// The streams of a table, or of all.
pub struct ListStreams {
    table: Option<String>,
    after: Option<String>,
    max: usize,
}

impl Operation for ListStreams {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let table = if request.has("TableName") { Some(request.table_name()?) } else { None };
        let max = request.integer("Limit")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let after = request.text("ExclusiveStartStreamArn")?;
        after.as_deref().map(table_of).transpose()?;
        Ok(Self { table, after, max: max as usize })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let mut tables: Vec<_> = if let Some(name) = &self.table {
            context.find(name).into_iter().collect()
        } else {
            let (tables, seqno) = context.tables.catalog.all();
            context.depends_on(seqno);
            tables
        };
        let departed = context.tables.catalog.departed(context.tables.store().now_ms()).into_iter();
        tables.extend(departed.filter(|table| self.table.as_ref().is_none_or(|name| *name == table.name)));
        let mut streams: Vec<(String, Json)> = Vec::new();
        for table in &tables {
            for stream in &table.streams {
                let arn = stream_arn(&table.name, stream);
                let told =
                    json!({"StreamArn": arn, "TableName": table.name, "StreamLabel": stream_label(stream)});
                streams.push((arn, told));
            }
        }
        streams.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let begin = self.after.as_ref().map_or(0, |after| streams.partition_point(|(arn, _)| arn <= after));
        let mut page: Vec<_> = streams.into_iter().skip(begin).collect();
        let has_more = page.len() > self.max;
        page.truncate(self.max);
        let last = page.last().filter(|_| has_more).map(|(arn, _)| arn.clone());
        let mut told = json!({"Streams": page.into_iter().map(|(_, told)| told).collect::<Vec<_>>()});
        if let Some(last) = last {
            told["LastEvaluatedStreamArn"] = last.into();
        }
        Ok(reply(&told))
    }
}

/// A stream's description: of its one shard too.
pub struct DescribeStream {
    arn: String,
    max: u64,
    after: Option<String>,
}

impl Operation for DescribeStream {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self {
            arn: request.needed_text("StreamArn")?,
            max: request.integer("Limit")?.unwrap_or(PAGE_MAX),
            after: request.text("ExclusiveStartShardId")?,
        })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let (table, stream) = context.stream(&self.arn)?;
        let mut range = json!({"StartingSequenceNumber": number_text(first_at(stream.created_ms))});
        if let Some(closed_ms) = stream.closed_ms {
            range["EndingSequenceNumber"] = number_text(first_at(closed_ms + 1) - 1).into();
        }
        let shard = json!({"ShardId": shard_id(&stream), "SequenceNumberRange": range});
        let has_shard = self.max > 0 && self.after.as_deref().is_none_or(|after| *after < *shard_id(&stream));
        let shards = if has_shard { vec![shard] } else { Vec::new() };
        let status = if stream.closed_ms.is_some() { "DISABLED" } else { "ENABLED" };
        Ok(reply(&json!({"StreamDescription": {
            "StreamArn": self.arn,
            "StreamLabel": stream_label(&stream),
            "StreamStatus": status,
            "StreamViewType": stream.view.word(),
            "CreationRequestDateTime": timestamp(stream.created_ms),
            "TableName": table.name,
            "KeySchema": table.definition.key.describe(),
            "Shards": shards,
        }})))
    }
}
