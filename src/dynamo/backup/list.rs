//! DescribeBackup, ListBackups, and what they tell.

use serde_json::{Map, Value as Json, json};

use super::{Backup, asked_arn, name_of};
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;
use crate::dynamo::table::describe::{on_demand_throughput, table_arn, timestamp};
use crate::dynamo::validate::backups;
use crate::dynamo::validate::table::{IndexDefinition, Throughput};

/// The most backups of a page.
const PAGE_MAX: u64 = 100;

impl Backup {
    /// As `BackupDetails` describe it.
    pub fn describe(&self, status: &str) -> Json {
        json!({
            "BackupArn": self.arn(),
            "BackupName": self.title,
            "BackupSizeBytes": self.bytes,
            "BackupStatus": status,
            "BackupType": "USER",
            "BackupCreationDateTime": timestamp(self.created_ms),
        })
    }

    /// As `BackupDescription` describes it: with the table.
    pub fn describe_whole(&self, status: &str) -> Json {
        json!({
            "BackupDetails": self.describe(status),
            "SourceTableDetails": self.describe_table(),
            "SourceTableFeatureDetails": self.describe_features(),
        })
    }

    fn describe_table(&self) -> Json {
        let (table, definition) = (&self.table, &self.table.definition);
        let mut told = json!({
            "TableName": table.name,
            "TableId": table.uuid,
            "TableArn": table_arn(&table.name),
            "TableSizeBytes": self.bytes,
            "ItemCount": self.items,
            "KeySchema": definition.key.describe(),
            "TableCreationDateTime": timestamp(table.created_ms),
            "ProvisionedThroughput": throughput(definition.throughput),
            "BillingMode": definition.billing.word(),
        });
        if let Some(on_demand) = definition.on_demand {
            told["OnDemandThroughput"] = on_demand_throughput(on_demand);
        }
        told
    }

    fn describe_features(&self) -> Json {
        let (table, definition) = (&self.table, &self.table.definition);
        let mut told = Map::new();
        for (member, indexes, is_local) in [
            ("LocalSecondaryIndexes", &definition.local_indexes, true),
            ("GlobalSecondaryIndexes", &definition.global_indexes, false),
        ] {
            if !indexes.is_empty() {
                let indexes = indexes.iter().map(|index| describe_index(index, is_local)).collect();
                told.insert(member.to_owned(), indexes);
            }
        }
        if let Some(stream) = table.stream() {
            let told_of = json!({"StreamEnabled": true, "StreamViewType": stream.view.word()});
            told.insert("StreamDescription".to_owned(), told_of);
        }
        if let Some(attribute) = &table.ttl {
            let told_of = json!({"TimeToLiveStatus": "ENABLED", "AttributeName": attribute});
            told.insert("TimeToLiveDescription".to_owned(), told_of);
        }
        told.into()
    }

    fn summary(&self) -> Json {
        let mut told = self.describe(self.status());
        told["TableName"] = self.table.name.clone().into();
        told["TableId"] = self.table.uuid.clone().into();
        told["TableArn"] = table_arn(&self.table.name).into();
        told
    }
}

fn describe_index(index: &IndexDefinition, is_local: bool) -> Json {
    let mut told = json!({
        "IndexName": index.name,
        "KeySchema": index.key.describe(),
        "Projection": index.projection.describe(),
    });
    if !is_local {
        told["ProvisionedThroughput"] = throughput(index.throughput);
    }
    told
}

fn throughput(provisioned: Option<Throughput>) -> Json {
    let provisioned = provisioned.unwrap_or(Throughput { reads: 0, writes: 0 });
    json!({"ReadCapacityUnits": provisioned.reads, "WriteCapacityUnits": provisioned.writes})
}

/// A backup's description.
pub struct DescribeBackup {
    arn: String,
}

impl Operation for DescribeBackup {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        Ok(Self { arn: asked_arn(&mut request)? })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let told = match context.backup(&self.arn) {
            Ok(backup) => backup.describe_whole(backup.status()),
            Err(unknown) => {
                let cut_short = context.tables.backups.cut_short(name_of(&self.arn));
                cut_short.ok_or(unknown)?.describe_whole("DELETED")
            }
        };
        Ok(reply(&json!({"BackupDescription": told})))
    }
}

/// Backups, a page at a time: by table, and then in the order in which they were made.
pub struct ListBackups {
    table: Option<String>,
    /// From when on and before when they were made, in Unix seconds.
    made: (Option<f64>, Option<f64>),
    /// Whether it asks for such as users make; there are no others.
    of_users: bool,
    after: Option<String>,
    max: usize,
}

impl Operation for ListBackups {
    fn read(mut request: Request, _: &Limits) -> Result<Self> {
        backups::check_list(request.json())?;
        let table = if request.has("TableName") { Some(request.table_name()?) } else { None };
        let kind = request.text("BackupType")?;
        let max = request.integer("Limit")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let mut time = |name: &str| request.take(name).and_then(|time| time.as_f64());
        let made = (time("TimeRangeLowerBound"), time("TimeRangeUpperBound"));
        Ok(Self {
            table,
            made,
            of_users: matches!(kind.as_deref(), None | Some("USER" | "ALL")),
            after: request.text("ExclusiveStartBackupArn")?,
            max: max as usize,
        })
    }

    fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let (mut backups, seqno) = context.tables.backups.after(self.after.as_deref().map(name_of));
        context.depends_on(seqno);
        backups.retain(|backup| self.asks_for(backup));
        let has_more = backups.len() > self.max;
        backups.truncate(self.max);
        let mut told =
            json!({"BackupSummaries": backups.iter().map(|backup| backup.summary()).collect::<Vec<_>>()});
        if let Some(last) = backups.last().filter(|_| has_more) {
            told["LastEvaluatedBackupArn"] = last.arn().into();
        }
        Ok(reply(&told))
    }
}

impl ListBackups {
    fn asks_for(&self, backup: &Backup) -> bool {
        let made_s = backup.created_ms as f64 / 1000.0;
        let (from, before) = self.made;
        self.of_users
            && self.table.as_ref().is_none_or(|name| *name == backup.table.name)
            && from.is_none_or(|from| from <= made_s)
            && before.is_none_or(|before| made_s < before)
    }
}
