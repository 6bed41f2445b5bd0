//! The operations of the API: one row for each.

use serde_json::Value as Json;

use super::context::Context;
use super::error::Result;
use super::limits::Limits;
use super::request::Request;
use super::{backup, batch, item, partiql, read, stream, table, transact};

/// An operation that was asked for: what its request says, ready to be carried out, as often as it takes.
pub trait Operation: Send + Sync {
    /// Reads a request whose shape is right.
    fn read(request: Request, limits: &Limits) -> Result<Self>
    where
        Self: Sized;

    /// Carries it out; the reply's body.
    fn run(&self, context: &Context) -> Result<Vec<u8>>;
}

/// Reads a request.
type Read = fn(Request, &Limits) -> Result<Box<dyn Operation>>;

/// An operation's row.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Reads a request for it.
    pub read: Read,
}

const fn entry<T: Operation + 'static>(name: &'static str) -> Entry {
    Entry { name, read: |request, limits| Ok(Box::new(T::read(request, limits)?)) }
}

/// All that are served.
pub const OPERATIONS: &[Entry] = &[
    entry::<backup::create::CreateBackup>("CreateBackup"),
    entry::<backup::delete::DeleteBackup>("DeleteBackup"),
    entry::<backup::list::DescribeBackup>("DescribeBackup"),
    entry::<backup::list::ListBackups>("ListBackups"),
    entry::<backup::restore::RestoreTableFromBackup>("RestoreTableFromBackup"),
    entry::<batch::get::BatchGetItem>("BatchGetItem"),
    entry::<batch::write::BatchWriteItem>("BatchWriteItem"),
    entry::<item::operations::DeleteItem>("DeleteItem"),
    entry::<item::operations::PutItem>("PutItem"),
    entry::<item::operations::UpdateItem>("UpdateItem"),
    entry::<partiql::batch::BatchExecuteStatement>("BatchExecuteStatement"),
    entry::<partiql::execute::ExecuteStatement>("ExecuteStatement"),
    entry::<partiql::transaction::ExecuteTransaction>("ExecuteTransaction"),
    entry::<read::get::GetItem>("GetItem"),
    entry::<read::query::Query>("Query"),
    entry::<read::query::Scan>("Scan"),
    entry::<transact::get::TransactGetItems>("TransactGetItems"),
    entry::<transact::write::TransactWriteItems>("TransactWriteItems"),
    entry::<table::create::CreateTable>("CreateTable"),
    entry::<table::delete::DeleteTable>("DeleteTable"),
    entry::<table::recovery::DescribeContinuousBackups>("DescribeContinuousBackups"),
    entry::<table::endpoints::DescribeEndpoints>("DescribeEndpoints"),
    entry::<table::endpoints::DescribeLimits>("DescribeLimits"),
    entry::<table::list::DescribeTable>("DescribeTable"),
    entry::<table::ttl::DescribeTimeToLive>("DescribeTimeToLive"),
    entry::<table::list::ListTables>("ListTables"),
    entry::<table::tags::ListTagsOfResource>("ListTagsOfResource"),
    entry::<table::tags::TagResource>("TagResource"),
    entry::<table::tags::UntagResource>("UntagResource"),
    entry::<table::recovery::UpdateContinuousBackups>("UpdateContinuousBackups"),
    entry::<table::update::UpdateTable>("UpdateTable"),
    entry::<table::ttl::UpdateTimeToLive>("UpdateTimeToLive"),
    entry::<stream::list::DescribeStream>("DescribeStream"),
    entry::<stream::records::GetRecords>("GetRecords"),
    entry::<stream::records::GetShardIterator>("GetShardIterator"),
    entry::<stream::list::ListStreams>("ListStreams"),
];

/// The row of an operation.
pub fn find(name: &str) -> Option<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.name == name)
}

/// A reply's body.
pub fn reply(json: &Json) -> Vec<u8> {
    json.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::shape::{self, UNSERVED};

    #[test]
    fn what_is_not_served_is_what_the_document_says() {
        let told = include_str!("../../tests/tables/parameters.txt").lines();
        let mut told: Vec<&str> =
            told.filter_map(|line| Some(line.strip_prefix("operation ")?.split_once(": ")?.0)).collect();
        told.sort_unstable();
        assert_eq!(told, UNSERVED);
        assert!(UNSERVED.iter().all(|name| find(name).is_none()));
    }

    #[test]
    fn what_is_described_is_served() {
        for entry in OPERATIONS {
            let of_streams = shape::find(&format!("DynamoDBStreams_20120810.{}", entry.name));
            let of_tables = shape::find(&format!("DynamoDB_20120810.{}", entry.name));
            let is_described = |operation| matches!(operation, shape::Operation::Served(..));
            assert!(is_described(of_streams) || is_described(of_tables), "{}", entry.name);
        }
        assert_eq!(OPERATIONS.len() + UNSERVED.len(), 66);
    }
}
