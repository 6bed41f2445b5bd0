//! What a RestoreTableFromBackup wants to be otherwise than in the backup.

use serde_json::Value as Json;

use super::schema::{global_key, projection, table_key};
use super::table::{Billing, Encryption, IndexDefinition, OnDemandThroughput, Throughput};
use super::throughput::{self, Of};
use super::update_table::Turn;
use super::{Result, create_table, elements, member, text};

/// What is to be otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// How its use is paid for.
    pub billing: Option<Billing>,
    /// What is provisioned.
    pub throughput: Option<Throughput>,
    /// How much it may be used on demand.
    pub on_demand: Option<OnDemandThroughput>,
    /// The key that encrypts it, or none of the user's.
    pub encryption: Option<Turn<Encryption>>,
    /// The local indexes that it keeps, if not all.
    pub local: Option<Vec<IndexDefinition>>,
    /// The global indexes that it keeps, if not all.
    pub global: Option<Vec<IndexDefinition>>,
}

/// Reads it. That indexes are as the backup knows them is for whoever knows the backup to check.
pub fn overrides(request: &Json) -> Result<Overrides> {
    create_table::refuse_unserved(request, &["VectorIndexOverride"])?;
    let billing = Billing::parse(text(request, "BillingModeOverride"));
    let override_of = |name: &str, member: &str| {
        let asked = request.get(name).cloned().unwrap_or(Json::Null);
        Json::Object([(member.to_owned(), asked)].into_iter().collect())
    };
    let throughput = override_of("ProvisionedThroughputOverride", "ProvisionedThroughput");
    let on_demand = override_of("OnDemandThroughputOverride", "OnDemandThroughput");
    let encryption = override_of("SSESpecificationOverride", "SSESpecification");
    Ok(Overrides {
        billing,
        throughput: throughput::provisioned(&throughput)?,
        on_demand: throughput::on_demand(&on_demand, billing, Of::Table, false)?,
        encryption: create_table::encryption(&encryption)?,
        local: indexes(request, "LocalSecondaryIndexOverride", true)?,
        global: indexes(request, "GlobalSecondaryIndexOverride", false)?,
    })
}

fn indexes(request: &Json, name: &str, are_local: bool) -> Result<Option<Vec<IndexDefinition>>> {
    let Some(asked) = member(request, name) else { return Ok(None) };
    let index = |index: &Json| {
        let schema = index.get("KeySchema").unwrap_or(&Json::Null);
        Ok(IndexDefinition {
            name: text(index, "IndexName").to_owned(),
            key: if are_local { table_key(schema)? } else { global_key(schema)? },
            projection: projection(index)?,
            throughput: throughput::provisioned(index)?,
            on_demand: throughput::on_demand(index, None, Of::Index(text(index, "IndexName")), false)?,
            warm: None,
        })
    };
    elements(asked).map(index).collect::<Result<_>>().map(Some)
}
