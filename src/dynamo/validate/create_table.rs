//! CreateTable: keys, indexes, and what else a table is made with.

use serde_json::Value as Json;

use super::schema::{
    attribute_definitions, check_defined, global_key, joined, key_names, projection, table_key,
};
use super::table::{
    AttributeDefinition, Billing, Encryption, IndexDefinition, KeySchema, Projection, StreamView, TableClass,
    TableDefinition, Throughput,
};
use super::throughput::{self, Of};
use super::update_table::Turn;
use super::{Result, boolean, duplicate, elements, invalid, member, parameter, text};

const LOCAL_INDEXES_MAX: usize = 5;
pub(super) const GLOBAL_INDEXES_MAX: usize = 20;
/// How many attributes all indexes together may name in their projections.
pub(super) const PROJECTED_MAX: usize = 100;

/// What a CreateTable asks for. Its tags are read by [`super::tags::of_request`].
pub fn create_table(request: &Json) -> Result<TableDefinition> {
    refuse_unserved(
        request,
        &["GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "ResourcePolicy", "VectorIndexes"],
    )?;
    let class = table_class(request)?.unwrap_or_default();
    let billing = throughput::billing(request).unwrap_or(Billing::Provisioned);
    let provisioned = throughput_for(billing, request)?;
    let on_demand = throughput::on_demand(request, Some(billing), Of::Table, false)?;
    let attributes = attribute_definitions(request)?;
    let key = table_schema(request, &attributes)?;
    let global_indexes = global_indexes(request, &attributes, billing)?;
    let local_indexes = local_indexes(request, &attributes, &key)?;
    check_indexes(&local_indexes, &global_indexes)?;
    Ok(TableDefinition {
        attributes,
        key,
        local_indexes,
        global_indexes,
        billing,
        throughput: provisioned,
        on_demand,
        warm: throughput::warm(request),
        stream: stream(request)?,
        encryption: match encryption(request)? {
            Some(Turn::On(encryption)) => Some(encryption),
            _ => None,
        },
        class,
        is_protected: boolean(request, "DeletionProtectionEnabled").unwrap_or(false),
    })
}

/// What no table here has.
pub(super) fn refuse_unserved(request: &Json, names: &[&str]) -> Result<()> {
    match names.iter().find(|name| member(request, name).is_some()) {
        Some(name) => Err(parameter(format_args!("{name} is not supported"))),
        None => Ok(()),
    }
}

fn throughput_for(billing: Billing, request: &Json) -> Result<Option<Throughput>> {
    match (billing, throughput::provisioned(request)?) {
        (Billing::PerRequest, Some(_)) => Err(parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Billing::Provisioned, None) => Err(parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (_, asked) => Ok(asked),
    }
}

/// The table's own key, and whether attributes are defined as the keys of table and indexes need them.
fn table_schema(request: &Json, attributes: &[AttributeDefinition]) -> Result<KeySchema> {
    let schema = request.get("KeySchema").unwrap_or(&Json::Null);
    if key_names(schema).count() > attributes.len() {
        return Err(invalid("Invalid KeySchema: Some index key attribute have no definition"));
    }
    check_defined(schema, attributes)?;
    let key = table_key(schema)?;
    let mut used: Vec<&str> = key_names(schema).collect();
    let mut has_indexes = false;
    for name in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        let Some(indexes) = member(request, name) else { continue };
        if elements(indexes).next().is_none() {
            return Err(parameter(format_args!("List of {name} is empty")));
        }
        has_indexes = true;
        for schema in elements(indexes).filter_map(|index| index.get("KeySchema")) {
            check_defined(schema, attributes)?;
            used.extend(key_names(schema));
        }
    }
    if attributes.iter().all(|definition| used.contains(&&definition.name[..])) {
        return Ok(key);
    }
    if !has_indexes {
        return Err(parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        ));
    }
    let mut seen = std::collections::HashSet::new();
    used.retain(|name| seen.insert(*name));
    Err(parameter(format_args!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        joined(attributes.iter().map(|definition| definition.name.as_str())),
        joined(used.into_iter()),
    )))
}

fn local_indexes(
    request: &Json,
    attributes: &[AttributeDefinition],
    table_key: &KeySchema,
) -> Result<Vec<IndexDefinition>> {
    let Some(indexes) = member(request, "LocalSecondaryIndexes") else { return Ok(Vec::new()) };
    if table_key.range.is_empty() {
        return Err(parameter(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    elements(indexes).map(|index| local_index(index, attributes, table_key)).collect()
}

/// A local index, as a backup may name some of too.
fn local_index(
    index: &Json,
    attributes: &[AttributeDefinition],
    of_table: &KeySchema,
) -> Result<IndexDefinition> {
    let name = text(index, "IndexName");
    let schema = index.get("KeySchema").unwrap_or(&Json::Null);
    check_defined(schema, attributes)?;
    let key = table_key(schema)?;
    if key.range.is_empty() {
        return Err(parameter(format_args!("Index KeySchema does not have a range key for index: {name}")));
    }
    if key.hash != of_table.hash {
        return Err(parameter(format_args!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. \
             index hash key: {}, table hash key: {}",
            joined(key.hash.iter().map(String::as_str)),
            joined(of_table.hash.iter().map(String::as_str)),
        )));
    }
    Ok(IndexDefinition {
        name: name.to_owned(),
        key,
        projection: projection(index)?,
        throughput: None,
        on_demand: None,
        warm: None,
    })
}

fn global_indexes(
    request: &Json,
    attributes: &[AttributeDefinition],
    billing: Billing,
) -> Result<Vec<IndexDefinition>> {
    let indexes = member(request, "GlobalSecondaryIndexes").into_iter().flat_map(elements);
    indexes
        .map(|index| {
            let defined = global_index(index, attributes, Some(billing))?;
            let name = &defined.name;
            match (billing, defined.throughput) {
                (Billing::PerRequest, Some(_)) => Err(parameter(format_args!(
                    "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
                ))),
                (Billing::Provisioned, None) => {
                    Err(parameter(format_args!("ProvisionedThroughput is not specified for index: {name}")))
                }
                _ => Ok(defined),
            }
        })
        .collect()
}

/// A global index that is to be made, with its table or later.
pub(super) fn global_index(
    index: &Json,
    attributes: &[AttributeDefinition],
    billing: Option<Billing>,
) -> Result<IndexDefinition> {
    let name = text(index, "IndexName");
    let schema = index.get("KeySchema").unwrap_or(&Json::Null);
    check_defined(schema, attributes)?;
    Ok(IndexDefinition {
        name: name.to_owned(),
        key: global_key(schema)?,
        projection: projection(index)?,
        throughput: throughput::provisioned(index)?,
        on_demand: throughput::on_demand(index, billing, Of::Index(name), false)?,
        warm: throughput::warm(index),
    })
}

/// The rules about all indexes together.
fn check_indexes(local: &[IndexDefinition], global: &[IndexDefinition]) -> Result<()> {
    let all = || local.iter().chain(global);
    if let Some(name) = duplicate(all().map(|index| index.name.as_str())) {
        return Err(parameter(format_args!("Duplicate index name: {name}")));
    }
    if local.len() > LOCAL_INDEXES_MAX {
        return Err(parameter(format_args!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"
        )));
    }
    if global.len() > GLOBAL_INDEXES_MAX {
        return Err(parameter(format_args!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_INDEXES_MAX}"
        )));
    }
    if projected(all()) > PROJECTED_MAX {
        return Err(parameter(format_args!(
            "Number of NonKeyAttributes of all indexes exceeds the per-table limit of {PROJECTED_MAX}"
        )));
    }
    Ok(())
}

/// How many attributes indexes name in their projections.
pub(super) fn projected<'a>(indexes: impl Iterator<Item = &'a IndexDefinition>) -> usize {
    indexes
        .map(|index| match &index.projection {
            Projection::Include(names) => names.len(),
            _ => 0,
        })
        .sum()
}

/// What the stream of a new table is to hold.
fn stream(request: &Json) -> Result<Option<StreamView>> {
    let Some(asked) = member(request, "StreamSpecification") else { return Ok(None) };
    let view = StreamView::parse(text(asked, "StreamViewType"));
    match (boolean(asked, "StreamEnabled").unwrap_or(false), view) {
        (true, None) => {
            Err(parameter("Table is being created with a stream enabled, UpdateViewType is required"))
        }
        (false, Some(_)) => Err(parameter(
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        )),
        (_, view) => Ok(view),
    }
}

/// The class that a request asks for.
pub(super) fn table_class(request: &Json) -> Result<Option<TableClass>> {
    let Some(asked) = member(request, "TableClass") else { return Ok(None) };
    TableClass::parse(asked.as_str().unwrap_or_default()).map(Some).ok_or_else(|| {
        invalid(
            "Invalid table-class parameter provided. Please try again with a valid table-class value: \
             [STANDARD, STANDARD_INFREQUENT_ACCESS].",
        )
    })
}

/// How a request wants a table encrypted.
pub(super) fn encryption(request: &Json) -> Result<Option<Turn<Encryption>>> {
    let Some(asked) = member(request, "SSESpecification") else { return Ok(None) };
    let (kind, key) = (member(asked, "SSEType").and_then(Json::as_str), member(asked, "KMSMasterKeyId"));
    if !boolean(asked, "Enabled").unwrap_or(kind.is_some() || key.is_some()) {
        return match (kind, key) {
            (Some(_), _) => Err(parameter("SSEType can not be specified if Enabled is false")),
            (None, Some(_)) => Err(parameter("KMSMasterKeyId can not be specified if Enabled is false")),
            (None, None) => Ok(Some(Turn::Off)),
        };
    }
    match (kind, key) {
        (Some("AES256"), _) => Err(parameter("SSEType AES256 is not supported")),
        (None, Some(_)) => Err(parameter("SSEType KMS is required if KMSMasterKeyId is specified")),
        (_, key) => Ok(Some(Turn::On(Encryption { key: key.and_then(Json::as_str).map(str::to_owned) }))),
    }
}
