//! What a write of one item answers: PutItem, UpdateItem, DeleteItem.

use super::metrics::Metrics;
use super::write::{Aimed, Change, Staged, Write};
use crate::dynamo::attribute::Attributes;
use crate::dynamo::capacity::{Consumed, Detail};
use crate::dynamo::context::Context;
use crate::dynamo::error::Result;
use crate::dynamo::expression::too_large;
use crate::dynamo::reply::Object;
use crate::dynamo::request::Request;
use crate::dynamo::validate::write::ReturnValues;

impl ReturnValues {
    /// Whether the item before must be known.
    pub fn tells_old(self) -> bool {
        matches!(self, Self::AllOld | Self::UpdatedOld)
    }

    /// They, of a change that was made.
    pub fn of(self, change: &Change, staged: &Staged) -> Option<Attributes> {
        let touched = |item: Option<&Attributes>| match (change, item) {
            (Change::Update(_, update), Some(item)) => {
                Some(update.touched(item)).filter(|some| !some.is_empty())
            }
            _ => None,
        };
        match self {
            Self::None => None,
            Self::AllOld => staged.old.clone(),
            Self::AllNew => staged.new.as_deref().cloned(),
            Self::UpdatedOld => touched(staged.old.as_ref()),
            Self::UpdatedNew => touched(staged.new.as_deref()),
        }
    }
}

/// A write of one item, and what is to be said of it.
pub struct One {
    write: Write,
    returned: ReturnValues,
    detail: Detail,
    wants_metrics: bool,
}

impl One {
    /// Takes what such requests have in common; the rest is the write.
    pub fn read(request: &mut Request, write: Write, returned: ReturnValues) -> Result<Self> {
        let wants_metrics = request.text("ReturnItemCollectionMetrics")?.as_deref() == Some("SIZE");
        Ok(Self { write, returned, detail: Detail::of(request)?, wants_metrics })
    }

    /// Carries it out.
    pub fn run(&self, context: &Context) -> Result<Vec<u8>> {
        let (mut txn, aimed) = self.write.lock_alone(context)?;
        let staged = aimed.stage(context, &mut txn, self.returned.tells_old())?;
        if let (Change::Update(_, update), Some(item)) = (&self.write.change, &staged.new)
            && update.recorded_bytes(item) > context.limits().item_bytes
        {
            return Err(too_large());
        }
        let told = self.tell(&aimed, &staged);
        context.commit(txn)?;
        Ok(told)
    }

    fn tell(&self, aimed: &Aimed, staged: &Staged) -> Vec<u8> {
        let mut told = Object::new();
        if let Some(attributes) = self.returned.of(&self.write.change, staged) {
            told.attributes("Attributes", &attributes);
        }
        let mut consumed = Consumed::new(self.detail);
        consumed.write(&aimed.table, &staged.written);
        told.json_if("ConsumedCapacity", consumed.one());
        let mut metrics = Metrics::new(self.wants_metrics);
        metrics.add(aimed);
        metrics.tell_one(&mut told);
        told.end()
    }
}
