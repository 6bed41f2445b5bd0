//! Tables of DynamoDB's API, from and to files.

pub(super) mod export;
mod files;
pub(super) mod import;
mod manifest;

use super::Failure;
use crate::dynamo::error::Error;

/// What is wrong, in words.
pub(super) fn why(error: &Error) -> String {
    match error {
        Error::Refused(refusal) => refusal.message.clone(),
        Error::Store(error) => error.to_string(),
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        match error {
            crate::store::Error::Engine(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}
