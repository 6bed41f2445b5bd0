//! UpdateTable: what is to change, and which changes go together.

use serde_json::Value as Json;

use super::create_table::{encryption, global_index, refuse_unserved, table_class};
use super::schema::attribute_definitions;
use super::table::{
    AttributeDefinition, Billing, Encryption, IndexDefinition, OnDemandThroughput, StreamView, TableClass,
    Throughput, WarmThroughput,
};
use super::throughput::{self, Of};
use super::{Result, boolean, elements, invalid, member, parameter, text};
use crate::dynamo::error::{Kind, Refusal};

/// What is to change; `None` stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TableUpdate {
    /// How use is paid for.
    pub billing: Option<Billing>,
    /// What is provisioned.
    pub throughput: Option<Throughput>,
    /// The types of attributes of new keys. Those of others are ignored.
    pub attributes: Vec<AttributeDefinition>,
    /// What becomes of indexes.
    pub indexes: Vec<IndexUpdate>,
    /// The stream, with this in it.
    pub stream: Option<Turn<StreamView>>,
    /// Encryption with a key of the user's.
    pub encryption: Option<Turn<Encryption>>,
    /// Its class.
    pub class: Option<TableClass>,
    /// Whether it may not be deleted.
    pub is_protected: Option<bool>,
    /// How much it may be used on demand.
    pub on_demand: Option<OnDemandThroughput>,
    /// How much use it is to be ready for.
    pub warm: Option<WarmThroughput>,
}

impl TableUpdate {
    /// Whether it wins space: it drops indexes, and makes none, or ends a stream, without which deletes win some. What else
    /// it may set takes a few bytes.
    pub fn wins_space(&self) -> bool {
        let is_drop = |index: &IndexUpdate| matches!(index, IndexUpdate::Delete(_));
        let wins = match &self.stream {
            None => !self.indexes.is_empty(),
            Some(Turn::Off) => true,
            Some(Turn::On(_)) => false,
        };
        wins && self.indexes.iter().all(is_drop)
    }
}

/// Something is turned on or off.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn<T> {
    /// On, in this way.
    On(T),
    /// Off.
    Off,
}

impl<T: Clone> Turn<T> {
    /// How it is on, if it is.
    pub fn on(&self) -> Option<T> {
        match self {
            Self::On(how) => Some(how.clone()),
            Self::Off => None,
        }
    }
}

/// What becomes of a global index.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexUpdate {
    /// It is made.
    Create(IndexDefinition),
    /// What is provisioned, bounded or warmed changes.
    Change {
        /// Of which index.
        name: String,
        /// What is provisioned.
        throughput: Option<Throughput>,
        /// How much it may be used on demand.
        on_demand: Option<OnDemandThroughput>,
        /// How much use it is to be ready for.
        warm: Option<WarmThroughput>,
    },
    /// The index of this name is dropped.
    Delete(String),
}

/// What is said to more than one index that is made or dropped at once.
pub const ONE_AT_A_TIME: &str =
    "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";

/// What can be changed here or at AWS, in the order in which the service lists it; the names that start a change are the
/// request's, but for the stream's.
const CHANGES: [(&str, &str); 13] = [
    ("ProvisionedThroughput", "ProvisionedThroughput"),
    ("BillingMode", "BillingMode"),
    ("UpdateStreamEnabled", "StreamSpecification"),
    ("GlobalSecondaryIndexUpdates", "GlobalSecondaryIndexUpdates"),
    ("SSESpecification", "SSESpecification"),
    ("ReplicaUpdates", "ReplicaUpdates"),
    ("MultiAccountReplicaReady", ""),
    ("ReplicaTransitRoleArn", ""),
    ("MultiRegionConsistency", ""),
    ("DeletionProtectionEnabled", "DeletionProtectionEnabled"),
    ("OnDemandThroughput", "OnDemandThroughput"),
    ("WarmThroughput", "WarmThroughput"),
    ("TableClass", "TableClass"),
];

/// What an UpdateTable asks for.
pub fn update_table(request: &Json) -> Result<TableUpdate> {
    refuse_unserved(request, &["VectorIndexUpdates", "DisassociationProtectionEnabled"])?;
    check_some_change(request)?;
    refuse_unserved(
        request,
        &[
            "ReplicaUpdates",
            "GlobalTableWitnessUpdates",
            "MultiRegionConsistency",
            "GlobalTableSettingsReplicationMode",
        ],
    )?;
    let billing = throughput::billing(request);
    let provisioned = throughput::provisioned(request)?;
    match (billing, provisioned) {
        (Some(Billing::Provisioned), None) => {
            return Err(parameter("ProvisionedThroughput must be specified when BillingMode is PROVISIONED"));
        }
        (Some(Billing::PerRequest), Some(_)) => {
            return Err(parameter(
                "ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        _ => {}
    }
    let attributes = attribute_definitions(request)?;
    let update = TableUpdate {
        billing,
        throughput: provisioned,
        indexes: index_updates(request, &attributes, billing)?,
        attributes,
        stream: stream(request)?,
        encryption: encryption(request)?,
        class: table_class(request)?,
        is_protected: boolean(request, "DeletionProtectionEnabled"),
        on_demand: throughput::on_demand(request, billing, Of::Table, true)?,
        warm: throughput::warm(request),
    };
    update.check_together()?;
    Ok(update)
}

fn check_some_change(request: &Json) -> Result<()> {
    let is_some =
        |name: &str| member(request, name).is_some_and(|value| !value.as_array().is_some_and(Vec::is_empty));
    if CHANGES.iter().any(|(_, name)| is_some(name)) {
        return Ok(());
    }
    let mut told: Vec<&str> = CHANGES.iter().map(|(told, _)| *told).collect();
    told.retain(|name| member(request, name).is_none() || *name == "GlobalSecondaryIndexUpdates");
    let last = told.pop().unwrap_or_default();
    Err(invalid(format!("At least one of {} or {last} is required", told.join(", "))))
}

fn index_updates(
    request: &Json,
    attributes: &[AttributeDefinition],
    billing: Option<Billing>,
) -> Result<Vec<IndexUpdate>> {
    let Some(list) = member(request, "GlobalSecondaryIndexUpdates") else { return Ok(Vec::new()) };
    if elements(list).next().is_none() {
        return Err(parameter("List of GlobalSecondaryIndexUpdates is empty"));
    }
    let mut updates: Vec<IndexUpdate> = Vec::new();
    for entry in elements(list) {
        let update = index_update(entry, request, attributes, billing)?;
        if updates.iter().any(|other| other.name() == update.name()) {
            return Err(parameter(format_args!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {}",
                update.name()
            )));
        }
        updates.push(update);
    }
    if updates.iter().filter(|update| !matches!(update, IndexUpdate::Change { .. })).count() > 1 {
        return Err(Refusal::new(Kind::LimitExceeded, ONE_AT_A_TIME));
    }
    Ok(updates)
}

fn index_update(
    entry: &Json,
    request: &Json,
    attributes: &[AttributeDefinition],
    billing: Option<Billing>,
) -> Result<IndexUpdate> {
    match (member(entry, "Update"), member(entry, "Create"), member(entry, "Delete")) {
        (None, None, None) => Err(parameter(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        (Some(index), None, None) => index_change(index, billing),
        (None, Some(index), None) => {
            if member(request, "AttributeDefinitions").is_none() {
                let name = text(index, "IndexName");
                return Err(parameter(format_args!(
                    "AttributeDefinitions is not specified for index: {name}"
                )));
            }
            Ok(IndexUpdate::Create(global_index(index, attributes, billing)?))
        }
        (None, None, Some(index)) => Ok(IndexUpdate::Delete(text(index, "IndexName").to_owned())),
        _ => Err(parameter(
            "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        )),
    }
}

fn index_change(index: &Json, billing: Option<Billing>) -> Result<IndexUpdate> {
    let name = text(index, "IndexName");
    let warm = throughput::warm(index);
    if warm.is_none() && member(index, "WarmThroughput").is_some() {
        return Err(parameter(format_args!(
            "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: \
             {name}"
        )));
    }
    Ok(IndexUpdate::Change {
        name: name.to_owned(),
        throughput: throughput::provisioned(index)?,
        on_demand: throughput::on_demand(index, billing, Of::Index(name), true)?,
        warm,
    })
}

fn stream(request: &Json) -> Result<Option<Turn<StreamView>>> {
    let Some(asked) = member(request, "StreamSpecification") else { return Ok(None) };
    let view = StreamView::parse(text(asked, "StreamViewType"));
    match (boolean(asked, "StreamEnabled").unwrap_or(false), view) {
        (true, None) => Err(parameter("If stream is being enabled then UpdateViewType is required")),
        (false, Some(_)) => {
            Err(parameter("If stream is being disabled, then UpdateViewType must not be specified"))
        }
        (_, view) => Ok(Some(view.map_or(Turn::Off, Turn::On))),
    }
}

impl IndexUpdate {
    /// The index's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Create(index) => &index.name,
            Self::Change { name, .. } | Self::Delete(name) => name,
        }
    }
}

impl TableUpdate {
    /// How many things it changes.
    fn count(&self) -> usize {
        [
            self.billing.is_some() || self.throughput.is_some(),
            !self.indexes.is_empty(),
            self.stream.is_some(),
            self.encryption.is_some(),
            self.class.is_some(),
            self.is_protected.is_some(),
            self.on_demand.is_some(),
            self.warm.is_some(),
        ]
        .into_iter()
        .filter(|changes| *changes)
        .count()
    }

    fn check_together(&self) -> Result<()> {
        let is_alone = self.count() == 1;
        let makes_or_drops = self.indexes.iter().any(|update| !matches!(update, IndexUpdate::Change { .. }));
        let makes = self.indexes.iter().any(|update| matches!(update, IndexUpdate::Create(_)));
        let wrong = if self.encryption.is_some() && !is_alone {
            "Server-Side Encryption modification must be the only operation in the request"
        } else if self.class.is_some() && !is_alone {
            "TableClass modification must be the only operation in the request"
        } else if self.is_protected.is_some() && !is_alone {
            "DeletionProtection modification must be the only operation in the request"
        } else if self.warm.is_some() && makes {
            "Create global secondary index cannot be specified when updating WarmThroughput"
        } else if self.warm.is_some() && !is_alone {
            "WarmThroughput must be the only operation in the request"
        } else if self.on_demand.is_some()
            && (!self.indexes.is_empty() || self.stream.is_some() || self.throughput.is_some())
        {
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
        } else if self.throughput.is_some() && self.stream.is_some() {
            "You cannot modify stream status while updating table IOPS"
        } else if self.throughput.is_some() && makes_or_drops {
            "You cannot create or delete index while updating table IOPS"
        } else if self.stream.is_some() && makes_or_drops {
            "You cannot create or delete index while changing stream status"
        } else {
            return Ok(());
        };
        Err(parameter(wrong))
    }
}
