//! Unions, differences and intersections that become a set of their own: built in parts, so that its size does not
//! matter.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::MEMBERS;
use super::algebra::{Algebra, Operation};
use crate::redis::command::Call;
use crate::redis::error::Result;
use crate::redis::events::Events;
use crate::redis::keyspace::{self, Build, Type};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// So many bytes of members are put together before they are written.
const PORTION_BYTES: usize = 1 << 20;

/// `SUNIONSTORE destination key [key ...]`
pub(super) fn sunionstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    store(txn, call, Operation::Union, reply)
}

/// `SDIFFSTORE destination key [key ...]`
pub(super) fn sdiffstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    store(txn, call, Operation::Difference, reply)
}

/// `SINTERSTORE destination key [key ...]`
pub(super) fn sinterstore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    store(txn, call, Operation::Intersection, reply)
}

fn store(txn: &mut Txn, call: &Call<'_>, operation: Operation, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(2).collect();
    let algebra = Algebra::load(txn, call, operation, &names)?;
    let mut build = Build::new(call.space, Type::Set);
    let mut after: Option<Bytes> = None;
    loop {
        let (mut members, mut bytes) = (Vec::new(), 0);
        algebra.each(txn, after.as_deref(), &mut |member| {
            members.push(Bytes::copy_from_slice(member));
            bytes += member.len() + size_of::<Bytes>();
            if bytes < PORTION_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for member in &members {
            build.add(txn, MEMBERS, member, b"")?;
        }
        after = members.pop();
        if bytes < PORTION_BYTES {
            break;
        }
    }
    reply.int(i64::try_from(build.len()).unwrap_or(i64::MAX));
    if !build.is_empty() {
        call.notify(txn, Events::SET, call.command.name, call.get(1));
    } else if keyspace::load(txn, call.space, call.get(1))?.is_some() {
        call.notify(txn, Events::GENERIC, "del", call.get(1));
    }
    build.link(txn, call.get(1))?;
    Ok(())
}
