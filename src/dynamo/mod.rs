//! DynamoDB's tables: its API, version 2012-08-10, as operations over the store.
//!
//! [`Tables::prepare`] reads a request; [`Call::run`] carries it out, at first only with what is in memory, and once more
//! where it may wait for the disk. What came of it may be told once the commit that it names is acknowledged.

pub mod attribute;
pub mod error;
pub mod number;
pub mod shape;
pub mod validate;

use std::sync::Arc;

use error::{Kind, Refusal};

use crate::store::{self, Seqno, Store, Tier};

/// All tables of a store.
pub struct Tables {
    store: Arc<Store>,
}

/// A request that was read.
pub struct Call {
    tables: Arc<Tables>,
}

/// What is to be sent.
pub struct Answer {
    /// The status of the HTTP reply.
    pub status: u16,
    /// Its body, JSON.
    pub body: Vec<u8>,
    /// The commit that must be acknowledged before.
    pub needs: Seqno,
}

impl Tables {
    /// The tables of a store.
    pub fn open(store: Arc<Store>) -> store::Result<Arc<Self>> {
        Ok(Arc::new(Self { store }))
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Reads a request: its `X-Amz-Target`, such as `DynamoDB_20120810.GetItem`, and its body.
    pub fn prepare(self: &Arc<Self>, target: &str, body: &[u8]) -> Result<Call, Refusal> {
        let _ = body;
        match target {
            "DynamoDB_20120810.ListTables" => Ok(Call { tables: self.clone() }),
            _ => Err(Refusal::new(Kind::UnknownOperation, "")),
        }
    }
}

impl Call {
    /// Carries it out, seeing at least commit `floor`. The only error is [`store::Error::WouldWait`], in the cached tier.
    pub fn run(&self, tier: Tier, floor: Seqno) -> store::Result<Answer> {
        let view = self.tables.store.view(floor, tier);
        Ok(Answer { status: 200, body: b"{\"TableNames\":[]}".to_vec(), needs: store::Reads::seqno(&view) })
    }
}

impl Refusal {
    /// As it is sent, at least after commit `needs` was acknowledged.
    pub fn answer(&self, needs: Seqno) -> Answer {
        let mut body = b"{\"__type\":\"".to_vec();
        body.extend_from_slice(self.kind.type_name().as_bytes());
        body.extend_from_slice(b"\",\"message\":");
        attribute::json::put_text(&mut body, &self.message);
        body.push(b'}');
        Answer { status: self.kind.status(), body, needs }
    }
}
