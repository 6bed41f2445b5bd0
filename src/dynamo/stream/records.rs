//! GetShardIterator, GetRecords.

use serde_json::json;

use super::iterator::Iterator;
use super::{number_text, parse_number, shard_id, shard_not_found};
use crate::codec::digest::digest;
use crate::dynamo::attribute::json::put_list;
use crate::dynamo::attribute::size;
use crate::dynamo::changes::{self, Event, KEPT_MS, Record, created_ms, first_at};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Result, invalid, refused};
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::reply::Object;
use crate::dynamo::request::Request;
use crate::dynamo::schema::Stream;

/// The most records of a page, and their bytes.
const RECORDS_MAX: u64 = 1000;
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Where in a stream to begin.
enum Begin {
    Oldest,
    Newest,
    /// A time, in Unix milliseconds.
    Since(u64),
    At(String),
    After(String),
}

/// An iterator for a shard.
pub struct GetShardIterator {
    arn: String,
    shard: String,
    begin: Begin,
}

impl Operation for GetShardIterator {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let (arn, shard) = (request.needed_text("StreamArn")?, request.needed_text("ShardId")?);
        let kind = request.needed_text("ShardIteratorType")?;
        let number = request.text("SequenceNumber")?;
        let missing =
            || invalid(format!("The ShardIteratorType {kind} requires SequenceNumber to be specified"));
        if number.is_some() && matches!(&kind[..], "TRIM_HORIZON" | "LATEST") {
            return Err(invalid(format!(
                "The ShardIteratorType {kind} does not allow SequenceNumber to be specified"
            )));
        }
        let begin = match &kind[..] {
            "TRIM_HORIZON" => Begin::Oldest,
            "LATEST" => Begin::Newest,
            "AT_SEQUENCE_NUMBER" => Begin::At(number.ok_or_else(missing)?),
            "AT_TIMESTAMP" => {
                let seconds = request.take("Timestamp").and_then(|json| json.as_f64());
                let seconds = seconds.filter(|seconds| *seconds >= 0.0);
                let seconds = seconds.ok_or_else(|| {
                    invalid("The ShardIteratorType AT_TIMESTAMP requires Timestamp to be specified")
                })?;
                Begin::Since((seconds * 1000.0) as u64)
            }
            _ => Begin::After(number.ok_or_else(missing)?),
        };
        Ok(Self { arn, shard, begin })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let (_, stream) = context.stream(&self.arn)?;
        if self.shard != shard_id(&stream) {
            return Err(shard_not_found(&self.shard, &self.arn));
        }
        let next = match &self.begin {
            Begin::Oldest => 0,
            Begin::Newest => {
                // What is on its way now comes after now.
                let (view, end) = context.tables.sequences.pin(stream.id, || context.view_newest());
                changes::newest(&view, stream.id)?.saturating_add(1).min(end)
            }
            Begin::Since(ms) => first_at(*ms),
            Begin::At(number) => sequence(context, number)?,
            Begin::After(number) => sequence(context, number)?.saturating_add(1),
        };
        let issued_ms = context.tables.store().now_ms();
        let iterator = Iterator { issued_ms, next, arn: self.arn.clone() };
        Ok(reply(&json!({"ShardIterator": iterator.show()})))
    }
}

fn sequence(context: &Context, text: &str) -> Result<u64> {
    let number = parse_number(text)
        .ok_or_else(|| invalid(format!("Invalid SequenceNumber: {text} is none of this stream")))?;
    if created_ms(number).saturating_add(KEPT_MS) < context.tables.store().now_ms() {
        return Err(refused(
            Kind::TrimmedDataAccess,
            "The operation attempted to read past the oldest stream record in a shard.",
        ));
    }
    Ok(number)
}

/// Records from an iterator on.
pub struct GetRecords {
    iterator: String,
    max: u64,
}

impl Operation for GetRecords {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        let max = request.integer("Limit")?.unwrap_or(RECORDS_MAX).min(RECORDS_MAX);
        Ok(Self { iterator: request.needed_text("ShardIterator")?, max })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let now_ms = context.tables.store().now_ms();
        let iterator = Iterator::parse(&self.iterator, now_ms)?;
        let (_, stream) = context.stream(&iterator.arn)?;
        let (view, end) = context.tables.sequences.pin(stream.id, || context.view_newest());
        let (mut count, mut bytes) = (0, 0);
        let mut pace = Ok(());
        let (records, next) = changes::read(&view, stream.id, (iterator.next, end), |_, size| {
            count += 1;
            bytes += size;
            pace = context.went_through(bytes);
            count < self.max && bytes < PAGE_BYTES_MAX && pace.is_ok()
        })?;
        pace?;
        let mut told = Object::new();
        put_list(told.member("Records"), &records, |out, record| {
            out.extend_from_slice(&show(record, &stream));
        });
        // A stream that is switched off has an end.
        let is_over = records.is_empty() && stream.closed_ms.is_some();
        if !is_over {
            let next = Iterator { issued_ms: now_ms, next: next.max(iterator.next), arn: iterator.arn };
            told.text("NextShardIterator", &next.show());
        }
        Ok(told.end())
    }
}

fn show(record: &Record, stream: &Stream) -> Vec<u8> {
    let mut change = Object::new();
    change.json("ApproximateCreationDateTime", &(record.created_ms() / 1000).into());
    change.attributes("Keys", &record.keys);
    for (name, image) in [("NewImage", &record.new), ("OldImage", &record.old)] {
        if let Some(image) = image {
            change.attributes(name, image);
        }
    }
    change.text("SequenceNumber", &number_text(record.sequence));
    let images = [&record.old, &record.new].into_iter().flatten().map(size).sum::<usize>();
    change.json("SizeBytes", &(size(&record.keys) + images).into());
    change.text("StreamViewType", stream.view.word());
    let mut told = Object::new();
    let id = digest(&[stream.id.to_be_bytes(), record.sequence.to_be_bytes()].concat());
    told.text("eventID", &format!("{:032x}", u128::from_be_bytes(id)));
    told.text("eventName", record.event.name());
    told.text("eventVersion", "1.1");
    told.text("eventSource", "aws:dynamodb");
    told.text("awsRegion", "us-east-1");
    told.raw("dynamodb", &change.end());
    if record.event == Event::Expire {
        told.json("userIdentity", &json!({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}));
    }
    told.end()
}
