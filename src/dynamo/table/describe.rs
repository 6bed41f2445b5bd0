//! Tables as replies describe them.

use serde_json::{Map, Value as Json, json};

use crate::dynamo::context::Context;
use crate::dynamo::rows::counters;
use crate::dynamo::schema::{Index, Schema, Stream};
use crate::dynamo::validate::table::{
    AttributeDefinition, Billing, OnDemandThroughput, TableClass, Throughput, WarmThroughput,
};

/// What ARNs begin with. Region and account are those of the documentation's examples: here there is one of each.
const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/";

/// A table's ARN.
pub fn table_arn(name: &str) -> String {
    format!("{ARN}{name}")
}

/// A stream's ARN.
pub fn stream_arn(table: &str, stream: &Stream) -> String {
    format!("{ARN}{table}/stream/{}", stream_label(stream))
}

/// A stream's label: when it was switched on.
pub fn stream_label(stream: &Stream) -> String {
    timestamp_text(stream.created_ms)
}

/// A time as JSON: seconds since 1970, with a fraction.
pub fn timestamp(ms: u64) -> Json {
    (ms as f64 / 1000.0).into()
}

/// A time as text: `2026-01-31T12:00:00.000`.
pub fn timestamp_text(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}", rest / 1000 % 60, rest % 1000)
}

/// The date of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms", 2013).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

impl Context<'_> {
    /// The description of a table that is being deleted: its keys, its indexes and its beginning are told no more.
    pub fn describe_departing(&self, table: &Schema) -> Json {
        let mut told = self.describe(table, "DELETING");
        if let Some(told) = told.as_object_mut() {
            told.retain(|member, _| {
                let is_gone =
                    ["AttributeDefinitions", "KeySchema", "CreationDateTime"].contains(&&member[..]);
                !is_gone && !member.ends_with("SecondaryIndexes")
            });
        }
        told
    }

    /// A table's description.
    pub fn describe(&self, table: &Schema, status: &str) -> Json {
        let mut told = Map::new();
        let mut tell = |name: &str, value: Json| {
            told.insert(name.to_owned(), value);
        };
        tell("TableName", table.name.clone().into());
        tell("TableArn", table_arn(&table.name).into());
        tell("TableId", table.uuid.clone().into());
        tell("TableStatus", status.into());
        tell("CreationDateTime", timestamp(table.created_ms));
        let definition = &table.definition;
        tell(
            "AttributeDefinitions",
            definition.attributes.iter().map(AttributeDefinition::describe).collect(),
        );
        tell("KeySchema", definition.key.describe());
        let (items, bytes) = self.counted(table.id);
        tell("ItemCount", items.into());
        tell("TableSizeBytes", bytes.into());
        tell("DeletionProtectionEnabled", definition.is_protected.into());
        let mut provisioned = throughput(definition.throughput);
        for (member, ms) in [
            ("LastIncreaseDateTime", table.changes.increased_ms),
            ("LastDecreaseDateTime", table.changes.decreased_ms),
        ] {
            if let Some(ms) = ms {
                provisioned[member] = timestamp(ms);
            }
        }
        tell("ProvisionedThroughput", provisioned);
        let is_on_demand = definition.billing == Billing::PerRequest;
        if is_on_demand || table.changes.on_demand_ms.is_some() {
            let mut summary =
                json!({"BillingMode": if is_on_demand { "PAY_PER_REQUEST" } else { "PROVISIONED" }});
            if let Some(ms) = table.changes.on_demand_ms {
                summary["LastUpdateToPayPerRequestDateTime"] = timestamp(ms);
            }
            tell("BillingModeSummary", summary);
        }
        if definition.class != TableClass::Standard {
            tell("TableClassSummary", json!({"TableClass": definition.class.word()}));
        }
        if let Some(encryption) = &definition.encryption {
            let key = encryption.key.as_deref().unwrap_or("alias/aws/dynamodb");
            tell("SSEDescription", json!({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}));
        }
        if let Some(on_demand) = &definition.on_demand {
            tell("OnDemandThroughput", on_demand_throughput(*on_demand));
        }
        if let Some(warm) = &definition.warm {
            tell("WarmThroughput", warm_throughput(*warm));
        }
        for (member, is_local) in [("LocalSecondaryIndexes", true), ("GlobalSecondaryIndexes", false)] {
            let indexes = table.indexes.iter().filter(|index| index.is_local == is_local);
            let indexes: Vec<_> = indexes.map(|index| self.describe_index(table, index)).collect();
            if !indexes.is_empty() {
                tell(member, indexes.into());
            }
        }
        if let Some(restored) = &table.restored {
            tell(
                "RestoreSummary",
                json!({
                    "SourceBackupArn": restored.backup,
                    "SourceTableArn": restored.table,
                    "RestoreDateTime": timestamp(restored.at_ms),
                    "RestoreInProgress": restored.is_going_on,
                }),
            );
        }
        if let Some(stream) = table.stream() {
            tell("StreamSpecification", json!({"StreamEnabled": true, "StreamViewType": stream.view.word()}));
        }
        if let Some(stream) = table.streams.first() {
            tell("LatestStreamArn", stream_arn(&table.name, stream).into());
            tell("LatestStreamLabel", stream_label(stream).into());
        }
        told.into()
    }

    fn describe_index(&self, table: &Schema, index: &Index) -> Json {
        let (items, bytes) = self.counted(index.id);
        let mut told = json!({
            "IndexName": index.name,
            "IndexArn": format!("{}/index/{}", table_arn(&table.name), index.name),
            "Projection": index.projection.describe(),
            "ItemCount": items,
            "IndexSizeBytes": bytes,
        });
        if let Some(definition) = table.definition.indexes().find(|one| one.name == index.name) {
            told["KeySchema"] = definition.key.describe();
            if !index.is_local {
                told["ProvisionedThroughput"] = throughput(definition.throughput);
            }
            if let Some(on_demand) = definition.on_demand {
                told["OnDemandThroughput"] = on_demand_throughput(on_demand);
            }
            if let Some(warm) = definition.warm {
                told["WarmThroughput"] = warm_throughput(warm);
            }
        }
        if !index.is_local {
            told["IndexStatus"] =
                if index.is_filling || table.is_being_restored() { "CREATING" } else { "ACTIVE" }.into();
            if index.is_filling {
                told["Backfilling"] = true.into();
            }
        }
        told
    }

    /// Items and their bytes.
    pub fn counted(&self, space: u64) -> (u64, u64) {
        let (items, bytes) = counters(space);
        let store = self.tables.store();
        (store.counter(items).max(0) as u64, store.counter(bytes).max(0) as u64)
    }
}

fn throughput(provisioned: Option<Throughput>) -> Json {
    let provisioned = provisioned.unwrap_or(Throughput { reads: 0, writes: 0 });
    json!({
        "ReadCapacityUnits": provisioned.reads,
        "WriteCapacityUnits": provisioned.writes,
        "NumberOfDecreasesToday": 0,
    })
}

/// Bounds of use on demand.
pub fn on_demand_throughput(on_demand: OnDemandThroughput) -> Json {
    json!({
        "MaxReadRequestUnits": on_demand.reads.unwrap_or(-1),
        "MaxWriteRequestUnits": on_demand.writes.unwrap_or(-1),
    })
}

/// Nothing has to be made ready: it is as good as done.
fn warm_throughput(warm: WarmThroughput) -> Json {
    json!({
        "ReadUnitsPerSecond": warm.reads.unwrap_or(12_000),
        "WriteUnitsPerSecond": warm.writes.unwrap_or(4_000),
        "Status": "ACTIVE",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000"),
            (951_868_799_999, "2000-02-29T23:59:59.999"),
            (1_793_491_200_000, "2026-11-01T00:00:00.000"),
        ] {
            assert_eq!(timestamp_text(ms), text);
        }
    }
}
