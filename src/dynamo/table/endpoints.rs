//! DescribeEndpoints and DescribeLimits: what never changes.

use serde_json::json;

use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::limits::Limits;
use crate::dynamo::operations::{Operation, reply};
use crate::dynamo::request::Request;

/// Where clients that look for an endpoint find it.
pub struct DescribeEndpoints;

impl Operation for DescribeEndpoints {
    fn read(_: Request, _: &Limits) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, _: &Context) -> Result<Vec<u8>> {
        let endpoint = json!({"Address": "dynamodb.us-east-1.amazonaws.com", "CachePeriodInMinutes": 1440});
        Ok(reply(&json!({"Endpoints": [endpoint]})))
    }
}

/// How much capacity may be asked for.
pub struct DescribeLimits;

impl Operation for DescribeLimits {
    fn read(_: Request, _: &Limits) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, _: &Context) -> Result<Vec<u8>> {
        Ok(reply(&json!({
            "AccountMaxReadCapacityUnits": 80_000,
            "AccountMaxWriteCapacityUnits": 80_000,
            "TableMaxReadCapacityUnits": 40_000,
            "TableMaxWriteCapacityUnits": 40_000,
        })))
    }
}
