//! Tokens: a transaction that is sent again with the token of one that happened in the last ten minutes is not carried out
//! again.
//!
//! ```text
//! row   := 2 (dynamo) ‖ 2 ‖ digest of the token
//! value := version(1) ‖ until, Unix milliseconds (8 bytes, big-endian) ‖ digest of the request (16 bytes)
//! ```

use crate::codec::digest::digest;
use crate::dynamo::error::{Kind, Result, refused};
use crate::dynamo::rows::{token_lock, token_row};
use crate::store::{self, LockKey, Reads, Txn};

/// The version of tokens that this program writes.
const VERSION: u8 = 1;

/// How long a token is remembered, in milliseconds.
const REMEMBERED_MS: u64 = 10 * 60 * 1000;

/// A token, and what came with it.
pub struct Token {
    token: [u8; 16],
    request: [u8; 16],
}

/// Until when a token is remembered, in Unix milliseconds.
pub fn deadline_ms(value: &[u8]) -> Option<u64> {
    let (until, _) = value.strip_prefix(&[VERSION])?.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*until))
}

impl Token {
    /// A token, with the request that it came with.
    pub fn new(token: &str, request: &[u8]) -> Self {
        Self { token: digest(token.as_bytes()), request: digest(request) }
    }

    /// What it is locked by.
    pub fn lock(&self) -> LockKey {
        token_lock(self.token)
    }

    /// Whether its transaction happened already.
    pub fn is_done(&self, reads: &impl Reads) -> Result<bool> {
        let Some(value) = reads.get(&token_row(self.token))? else { return Ok(false) };
        let damaged = store::Error::Damaged("a transaction's token");
        if deadline_ms(&value).ok_or(damaged)? <= reads.now_ms() {
            return Ok(false);
        }
        if value.ends_with(&self.request) {
            return Ok(true);
        }
        Err(refused(
            Kind::IdempotentParameterMismatch,
            "DynamoDB does not allow a request with the same ClientRequestToken but with different parameters",
        ))
    }

    /// Stages that it did.
    pub fn remember(&self, txn: &mut Txn) {
        let until = txn.now_ms() + REMEMBERED_MS;
        let value = [&[VERSION], &until.to_be_bytes()[..], &self.request].concat();
        txn.put(token_row(self.token), value);
    }
}
