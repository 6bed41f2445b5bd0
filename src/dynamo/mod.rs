//! DynamoDB's tables: its API, version 2012-08-10, as operations over the store.
//!
//! [`Tables::prepare`] reads a request; [`Call::run`] carries it out, at first only with what is in memory, and once more
//! where it may wait for the disk. What came of it may be told once the commit that it names is acknowledged.

pub mod attribute;
pub mod backup;
pub mod batch;
pub mod body;
pub mod capacity;
pub mod catalog;
pub mod changes;
pub mod context;
pub mod error;
pub mod expiry;
pub mod expression;
pub mod expressions;
pub mod item;
pub mod limits;
pub mod number;
pub mod operations;
pub mod partiql;
pub mod read;
pub mod reply;
pub mod request;
pub mod rows;
pub mod schema;
pub mod shape;
pub mod stream;
pub mod table;
pub mod transact;
pub mod validate;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use backup::Backups;
use backup::refill::Refilling;
use catalog::Catalog;
use changes::Sequences;
use context::Context;
use error::{Error, Kind, Refusal};
use expiry::Reaper;
use limits::Limits;
use operations::Operation;
use request::Request;
use table::fill::Filling;

use crate::metrics::Counter;
use crate::store::{self, DYNAMO, EngineError, Realm, Seqno, Store, Tier};

/// What the store must know of these rows.
pub const REALM: Realm = Realm { byte: DYNAMO, deadline_ms };

/// When a row has had its time, in Unix milliseconds: compaction drops it then, and nobody need delete it.
fn deadline_ms(row: &[u8], value: &[u8]) -> Option<u64> {
    if rows::is_token(row) { transact::token::deadline_ms(value) } else { changes::deadline_ms(row) }
}

/// All tables of a store.
pub struct Tables {
    store: Arc<Store>,
    limits: Limits,
    catalog: Catalog,
    backups: Backups,
    sequences: Arc<Sequences>,
    filling: Filling,
    refilling: Refilling,
    /// Items that were removed since they had expired.
    expired: Counter,
}

/// A request that was read.
pub struct Call {
    tables: Arc<Tables>,
    operation: Box<dyn Operation>,
}

/// What is to be sent.
pub struct Answer {
    /// Why the request was not carried out, if it was not.
    pub refused: Option<Kind>,
    /// Its body, JSON.
    pub body: Vec<u8>,
    /// The commit that must be acknowledged before.
    pub needs: Seqno,
}

impl Answer {
    /// The status of the HTTP reply.
    pub fn status(&self) -> u16 {
        self.refused.map_or(200, Kind::status)
    }
}

impl Tables {
    /// The tables of a store.
    pub fn open(store: Arc<Store>, limits: Limits) -> store::Result<Arc<Self>> {
        let catalog = Catalog::open(&store)?;
        let backups = Backups::open(&store)?;
        let tables = Arc::new(Self {
            store,
            limits,
            catalog,
            backups,
            sequences: Arc::default(),
            filling: Filling::default(),
            refilling: Refilling::default(),
            expired: Counter::default(),
        });
        tables.store.set_reap(Arc::new(Reaper(Arc::downgrade(&tables))));
        tables.fill_soon();
        tables.restore_soon();
        Ok(tables)
    }

    /// How large requests and items may be.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Reads a request: its `X-Amz-Target`, such as `DynamoDB_20120810.GetItem`, and its body.
    pub fn prepare(self: &Arc<Self>, target: &str, body: &[u8]) -> Result<Call, Refusal> {
        let unknown = |message: String| Refusal::new(Kind::UnknownOperation, message);
        let (name, shape) = match shape::find(target) {
            shape::Operation::Served(name, shape) => (name, shape),
            shape::Operation::Unserved(name) => return Err(unknown(format!("{name} is not supported."))),
            shape::Operation::Unknown => return Err(unknown(String::new())),
        };
        let entry = operations::find(name).ok_or_else(|| unknown(String::new()))?;
        let json = body::parse(body)?;
        shape::check(shape, &json, &self.limits)?;
        let operation = (entry.read)(Request::new(json)?, &self.limits)?;
        Ok(Call { tables: self.clone(), operation })
    }
}

impl Call {
    /// Carries it out, seeing at least commit `floor`. The only error is [`store::Error::WouldWait`], in the cached tier.
    pub fn run(&self, tier: Tier, floor: Seqno) -> store::Result<Answer> {
        let context = Context::new(&self.tables, tier, floor);
        match self.operation.run(&context) {
            Ok(body) => Ok(Answer { refused: None, body, needs: context.needs() }),
            Err(Error::Store(wait @ store::Error::WouldWait(_))) => Err(wait),
            Err(error) => Ok(Refusal::from(error).answer(context.needs())),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => *refusal,
            // Nothing happened, and it will pass: SDKs wait a little longer each time, and try again.
            Error::Store(error @ store::Error::Engine(EngineError::DiskFull(_))) => {
                Self::new(Kind::ServiceUnavailable, error.to_string())
            }
            Error::Store(error) => Self::new(Kind::Internal, error.to_string()),
        }
    }
}

impl Refusal {
    /// As it is sent, at least after commit `needs` was acknowledged.
    pub fn answer(&self, needs: Seqno) -> Answer {
        let mut body = b"{\"__type\":\"".to_vec();
        body.extend_from_slice(self.kind.type_name().as_bytes());
        body.extend_from_slice(b"\",\"message\":");
        attribute::json::put_text(&mut body, &self.message);
        if let Some(item) = &self.item {
            body.extend_from_slice(b",\"Item\":");
            attribute::json::put_attributes(&mut body, item);
        }
        if !self.reasons.is_empty() {
            body.extend_from_slice(b",\"CancellationReasons\":");
            attribute::json::put_list(&mut body, &self.reasons, |out, reason| {
                transact::put_reason(out, reason.as_ref());
            });
        }
        body.push(b'}');
        Answer { refused: Some(self.kind), body, needs }
    }
}
