//! BITOP: strings bit by bit, the shorter ones with zeros behind them.

use std::ops::{ControlFlow, Range};

use super::wait_if_long;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::{self, BuildContents, Contents};
use crate::redis::protocol::reply::Reply;
use crate::redis::string;
use crate::store::{Reads, Txn};

/// So many bytes of the result are worked out at once. A longer one is built by parts.
const PORTION_BYTES: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(call: &Call<'_>) -> Result<Self> {
        let all = [("and", Self::And), ("or", Self::Or), ("xor", Self::Xor), ("not", Self::Not)];
        let found = all.into_iter().find(|(name, _)| call.is(1, name)).ok_or(Error::Syntax)?.1;
        if found == Self::Not && call.len() != 4 {
            return Err(Error::text("ERR BITOP NOT must be called with a single source key."));
        }
        Ok(found)
    }

    /// Some bytes of all sources together; NOT has but one.
    fn perform(self, reads: &dyn Reads, sources: &[Contents<'_>], range: Range<u64>) -> Result<Vec<u8>> {
        let len = (range.end - range.start) as usize;
        let mut result = vec![0; len];
        let Some((first, others)) = sources.split_first() else { return Ok(result) };
        merge(reads, first, &range, &mut result, |_, b| b)?;
        for source in others {
            match self {
                Self::And => {
                    // What a source has no byte for is zero, and so is what it is put together with.
                    let mut both = vec![0; len];
                    merge(reads, source, &range, &mut both, |_, b| b)?;
                    combine(&mut result, &both, |a, b| a & b);
                }
                Self::Or => merge(reads, source, &range, &mut result, |a, b| a | b)?,
                Self::Xor => merge(reads, source, &range, &mut result, |a, b| a ^ b)?,
                Self::Not => {}
            }
        }
        if self == Self::Not {
            for byte in &mut result {
                *byte = !*byte;
            }
        }
        Ok(result)
    }
}

/// Applies what a source has of some bytes to them; its zeros may be left out.
fn merge(
    reads: &dyn Reads,
    source: &Contents<'_>,
    range: &Range<u64>,
    result: &mut [u8],
    apply: impl Fn(u8, u8) -> u8,
) -> Result {
    Ok(source.each(reads, range.clone(), &mut |at, bytes| {
        let there = result.get_mut(at.saturating_sub(range.start) as usize..).unwrap_or_default();
        combine(there, bytes, &apply);
        ControlFlow::Continue(())
    })?)
}

fn combine(result: &mut [u8], source: &[u8], apply: impl Fn(u8, u8) -> u8) {
    for (byte, other) in result.iter_mut().zip(source) {
        *byte = apply(*byte, *other);
    }
}

/// `BITOP AND | OR | XOR | NOT destination key [key ...]`
pub(super) fn bitop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let operation = Operation::parse(call)?;
    let names: Vec<&[u8]> = call.from(3).collect();
    let sources = string::open_many(txn, call, &names)?;
    let len = sources.iter().map(Contents::len).max().unwrap_or(0);
    wait_if_long(txn, len.saturating_mul(sources.len() as u64))?;
    let to = call.get(2);
    if len == 0 {
        if keyspace::delete(txn, call.space, to)? {
            call.notify(txn, Events::GENERIC, "del", to);
        }
        reply.int(0);
        return Ok(());
    }
    if len <= PORTION_BYTES {
        let result = operation.perform(txn, &sources, 0..len)?;
        keyspace::overwrite(txn, call.space, to, &result, None)?;
    } else {
        let mut build = BuildContents::new(txn, call.space)?;
        for start in (0..len).step_by(PORTION_BYTES as usize) {
            let portion = operation.perform(txn, &sources, start..len.min(start + PORTION_BYTES))?;
            build.append(txn, &portion)?;
        }
        build.link(txn, call.space, to)?;
    }
    call.notify(txn, Events::STRING, "set", to);
    reply.int(len as i64);
    Ok(())
}
