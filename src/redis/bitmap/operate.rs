//! BITOP: strings bit by bit, the shorter ones with zeros behind them.

use bytes::Bytes;

use super::wait_if_long;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace;
use crate::redis::protocol::reply::Reply;
use crate::redis::string;
use crate::store::Txn;

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

    /// All sources together; NOT has but one.
    fn perform(self, sources: Vec<Bytes>, len: usize) -> Vec<u8> {
        let mut sources = sources.into_iter();
        let mut result = sources.next().unwrap_or_default().to_vec();
        result.resize(len, 0);
        for source in sources {
            match self {
                Self::And => combine(&mut result, &source, |a, b| a & b),
                Self::Or => combine(&mut result, &source, |a, b| a | b),
                Self::Xor => combine(&mut result, &source, |a, b| a ^ b),
                Self::Not => {}
            }
        }
        if self == Self::Not {
            combine(&mut result, &[], |a, _| !a);
        }
        result
    }
}

fn combine(result: &mut [u8], source: &[u8], apply: impl Fn(u8, u8) -> u8) {
    let (both, alone) = result.split_at_mut(source.len());
    for (byte, other) in both.iter_mut().zip(source) {
        *byte = apply(*byte, *other);
    }
    for byte in alone {
        *byte = apply(*byte, 0);
    }
}

/// `BITOP AND | OR | XOR | NOT destination key [key ...]`
pub(super) fn bitop(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let operation = Operation::parse(call)?;
    let names: Vec<&[u8]> = call.from(3).collect();
    let mut sources = Vec::with_capacity(names.len());
    for meta in call.load_many(txn, &names)? {
        sources.push(meta.map(string::check).transpose()?.map(|found| found.contents).unwrap_or_default());
    }
    let len = sources.iter().map(Bytes::len).max().unwrap_or(0);
    wait_if_long(txn, len.saturating_mul(sources.len()))?;
    let result = operation.perform(sources, len);
    let to = call.get(2);
    if result.is_empty() {
        keyspace::delete(txn, call.space, to)?;
    } else {
        keyspace::overwrite(txn, call.space, to, &result, None)?;
    }
    reply.count(len);
    Ok(())
}
