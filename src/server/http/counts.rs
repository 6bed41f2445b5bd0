//! How often operations were asked for, what came of it, and how long it took. INFO and the page of metrics tell it.

use crate::dynamo::Tables;
use crate::dynamo::error::Kind;
use crate::dynamo::operations::OPERATIONS;
use crate::metrics::{Counter, Histogram};

/// The counts.
pub(super) struct Counts {
    /// In the order of the table of operations.
    operations: Vec<Count>,
    /// What was asked for and is no operation.
    others: Counter,
    /// What was refused before it was read, by kind: for want of a signature, or of memory.
    unread: ByKind,
}

/// How one operation fared.
#[derive(Default)]
pub(super) struct Count {
    /// How long each call took, from its last byte until its answer could be sent.
    pub(super) latency: Histogram,
    /// Calls that were refused.
    pub(super) refused: ByKind,
}

/// A counter for each of the exceptions.
pub(super) struct ByKind(Vec<Counter>);

impl Default for ByKind {
    fn default() -> Self {
        Self(Kind::ALL.iter().map(|_| Counter::default()).collect())
    }
}

impl ByKind {
    fn increment(&self, kind: Kind) {
        if let Some(counter) = self.0.get(kind as usize) {
            counter.increment();
        }
    }

    /// The exceptions that there were, and how many.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().zip(&self.0).map(|(kind, counter)| (*kind, counter.get())).filter(|(_, n)| *n > 0)
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            operations: OPERATIONS.iter().map(|_| Count::default()).collect(),
            others: Counter::default(),
            unread: ByKind::default(),
        }
    }
}

impl Counts {
    /// Counts what came of a request, by its `X-Amz-Target`.
    pub(super) fn answered(&self, target: &str, refused: Option<Kind>, took_ns: u64) {
        let name = target.rsplit_once('.').map_or(target, |(_, name)| name);
        let place = OPERATIONS.iter().position(|entry| entry.name == name);
        let Some(count) = place.and_then(|place| self.operations.get(place)) else {
            return self.others.increment();
        };
        count.latency.record_ns(took_ns);
        if let Some(kind) = refused {
            count.refused.increment(kind);
        }
    }

    /// Counts a request that was refused before it was read, or whose answer there is no memory for.
    pub(super) fn refused(&self, kind: Kind) {
        self.unread.increment(kind);
    }

    /// The operations, with their names.
    pub(super) fn operations(&self) -> impl Iterator<Item = (&'static str, &Count)> {
        OPERATIONS.iter().map(|entry| entry.name).zip(&self.operations)
    }

    /// How often something was asked for that is no operation.
    pub(super) fn others(&self) -> u64 {
        self.others.get()
    }

    /// What was refused before it was read.
    pub(super) fn unread(&self) -> &ByKind {
        &self.unread
    }

    /// What INFO tells of tables: names and values.
    pub(super) fn told(&self, tables: &Tables) -> Vec<(String, String)> {
        let totals = tables.totals();
        let calls: Vec<(&str, u64, u64)> = self
            .operations()
            .map(|(name, count)| (name, count.latency.snapshot().count(), count.refused.sum()))
            .collect();
        let others = self.others.get() + self.unread.sum();
        let mut told: Vec<(String, String)> = [
            ("tables", totals.tables as u64),
            ("table_items", totals.items),
            ("table_bytes", totals.bytes),
            ("table_expired_items", totals.expired),
            ("table_streams", totals.streams as u64),
            ("table_backups", totals.backups as u64),
            ("table_requests", calls.iter().map(|(_, calls, _)| calls).sum::<u64>() + others),
            ("table_errors", calls.iter().map(|(_, _, errors)| errors).sum::<u64>() + others),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .into();
        for (name, calls, errors) in calls.into_iter().filter(|(_, calls, _)| *calls > 0) {
            told.push((format!("operation_{name}"), format!("calls={calls},errors={errors}")));
        }
        told
    }
}
