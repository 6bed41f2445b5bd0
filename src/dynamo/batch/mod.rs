//! Many items in one request, each for itself: BatchGetItem, BatchWriteItem.

pub mod get;
pub mod write;
