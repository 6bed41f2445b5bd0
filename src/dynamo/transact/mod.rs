//! Transactions: TransactWriteItems, TransactGetItems.

pub mod get;
pub mod token;
pub mod write;

use super::error::{Error, Kind, Refusal, Result};
use super::reply::Object;

/// The most bytes of the items of a transaction.
const BYTES_MAX: usize = 4 << 20;

/// Why one of a transaction's items is refused, if it is.
fn own_reason(result: Result<()>) -> Result<Option<Refusal>> {
    match result {
        Ok(()) => Ok(None),
        Err(Error::Refused(refusal)) if refusal.kind != Kind::ResourceNotFound => Ok(Some(*refusal)),
        Err(error) => Err(error),
    }
}

/// The same, of what is found before the transaction begins: what the whole request is refused for is told at once.
fn own_reason_before(result: Result<()>) -> Result<Option<Refusal>> {
    match own_reason(result)? {
        Some(refusal) if refusal.is_of_request => Err(refusal.into()),
        reason => Ok(reason),
    }
}

/// Refuses a transaction if there is something wrong with any of its items; the request as a whole if there is nothing else
/// wrong than that.
fn refuse(reasons: Vec<Option<Refusal>>) -> Result<()> {
    let mut given = reasons.iter().flatten();
    match given.next() {
        None => Ok(()),
        Some(first) if first.is_of_request && given.all(|other| other.is_of_request) => {
            Err(first.clone().into())
        }
        Some(_) => Err(cancelled(reasons)),
    }
}

/// The refusal of a transaction: what was wrong with each of its items, in order; `None` for nothing.
pub fn cancelled(reasons: Vec<Option<Refusal>>) -> Error {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.as_ref().map_or("None", code)).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    Refusal { reasons, ..Refusal::new(Kind::TransactionCanceled, message) }.into()
}

/// Appends what was wrong with an item.
pub fn put_reason(out: &mut Vec<u8>, reason: Option<&Refusal>) {
    let mut told = Object::new();
    told.text("Code", reason.map_or("None", code));
    if let Some(reason) = reason {
        told.text("Message", &reason.message);
        if let Some(item) = &reason.item {
            told.attributes("Item", item);
        }
    }
    out.extend_from_slice(&told.end());
}

/// A reason's code.
pub fn code(reason: &Refusal) -> &'static str {
    match reason.kind {
        Kind::ConditionalCheckFailed => "ConditionalCheckFailed",
        Kind::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
        Kind::TransactionConflict => "TransactionConflict",
        Kind::DuplicateItem => "DuplicateItem",
        _ => "ValidationError",
    }
}
