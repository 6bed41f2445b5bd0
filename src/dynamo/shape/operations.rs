//! All operations of the API, and which of them are served.

use super::model::{self, Shape};

/// What is known of an operation that a request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// It is served: its name, and its input.
    Served(&'static str, &'static Shape),
    /// The API has it, this program does not.
    Unserved(&'static str),
    /// There is no such operation.
    Unknown,
}

/// The prefixes of the targets of requests, by API.
const TABLES: &str = "DynamoDB_20120810.";
const STREAMS: &str = "DynamoDBStreams_20120810.";
/// The operations of [`STREAMS`].
const OF_STREAMS: [&str; 4] = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];

/// What the API has and this program does not; docs/parameters.md says why.
pub const UNSERVED: [&str; 30] = [
    "CancelBulkOperation",
    "CreateGlobalTable",
    "DeleteResourcePolicy",
    "DescribeBulkOperation",
    "DescribeContributorInsights",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBulkOperations",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "PutResourcePolicy",
    "RestoreTableToPointInTime",
    "SearchVectors",
    "StartBulkPutItems",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// The operation that a request's `X-Amz-Target` names, such as `DynamoDB_20120810.GetItem`.
pub fn find(target: &str) -> Operation {
    let (name, is_of_streams) = match (target.strip_prefix(TABLES), target.strip_prefix(STREAMS)) {
        (Some(name), _) => (name, false),
        (None, Some(name)) => (name, true),
        (None, None) => return Operation::Unknown,
    };
    if OF_STREAMS.contains(&name) != is_of_streams {
        return Operation::Unknown;
    }
    match (model::operation(name), UNSERVED.iter().find(|unserved| **unserved == name)) {
        (Some(shape), _) => Operation::Served(shape.name, shape),
        (None, Some(name)) => Operation::Unserved(name),
        (None, None) => Operation::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_operations() {
        assert!(matches!(find("DynamoDB_20120810.GetItem"), Operation::Served("GetItem", _)));
        assert!(matches!(find("DynamoDBStreams_20120810.GetRecords"), Operation::Served("GetRecords", _)));
        assert!(matches!(find("DynamoDB_20120810.GetRecords"), Operation::Unknown));
        assert!(matches!(find("DynamoDBStreams_20120810.GetItem"), Operation::Unknown));
        assert!(matches!(find("DynamoDB_20120810.SearchVectors"), Operation::Unserved("SearchVectors")));
        for odd in ["", "GetItem", "DynamoDB_20120810.", "DynamoDB_20111205.GetItem"] {
            assert!(matches!(find(odd), Operation::Unknown), "{odd}");
        }
    }

    #[test]
    fn the_api_has_66_operations() {
        assert_eq!(UNSERVED.len() + model::operations().count(), 66);
        assert!(UNSERVED.iter().all(|name| model::operation(name).is_none()));
    }
}
