//! Strings.

use super::command::{Call, Command, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{self, Body, Type};
use super::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    read("get", 2, Keys::FIRST, get).fast().doc("Returns the string value of a key.", "1.0.0", "O(1)"),
    write("set", -3, Keys::FIRST, set).doc(
        "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        "1.0.0",
        "O(1)",
    ),
];

fn get(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    match keyspace::load(reads, call.space, call.get(1))? {
        None => reply.null(),
        Some(meta) if meta.kind != Type::String => return Err(Error::WrongType),
        Some(meta) => match meta.body {
            Body::Inline(contents) => reply.bulk(&contents),
            Body::Owned { .. } => return Err(Error::WrongType),
        },
    }
    Ok(())
}

fn set(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 3 {
        return Err(Error::Syntax);
    }
    keyspace::overwrite(txn, call.space, call.get(1), call.get(2), None)?;
    reply.ok();
    Ok(())
}
