//! How often operations were asked for, and how often that came to nothing. INFO tells it.

use crate::dynamo::Tables;
use crate::dynamo::operations::OPERATIONS;
use crate::metrics::Counter;

/// The counts.
pub(super) struct Counts {
    /// In the order of the table of operations.
    operations: Vec<Count>,
    /// What was asked for and is no operation.
    others: Counter,
}

#[derive(Default)]
struct Count {
    calls: Counter,
    errors: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        Self { operations: OPERATIONS.iter().map(|_| Count::default()).collect(), others: Counter::default() }
    }
}

impl Counts {
    /// Counts an answer to a request, by its `X-Amz-Target`.
    pub(super) fn answered(&self, target: &str, status: u16) {
        let name = target.rsplit_once('.').map_or(target, |(_, name)| name);
        let place = OPERATIONS.iter().position(|entry| entry.name == name);
        let Some(count) = place.and_then(|place| self.operations.get(place)) else {
            return self.others.increment();
        };
        count.calls.increment();
        if status != 200 {
            count.errors.increment();
        }
    }

    /// What INFO tells of tables: names and values.
    pub(super) fn told(&self, tables: &Tables) -> Vec<(String, String)> {
        let totals = tables.totals();
        let sum =
            |of: fn(&Count) -> &Counter| self.operations.iter().map(|count| of(count).get()).sum::<u64>();
        let others = self.others.get();
        let mut told: Vec<(String, String)> = [
            ("tables", totals.tables as u64),
            ("table_items", totals.items),
            ("table_bytes", totals.bytes),
            ("table_streams", totals.streams as u64),
            ("table_backups", totals.backups as u64),
            ("table_requests", sum(|count| &count.calls) + others),
            ("table_errors", sum(|count| &count.errors) + others),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .into();
        for (entry, count) in OPERATIONS.iter().zip(&self.operations) {
            let (calls, errors) = (count.calls.get(), count.errors.get());
            if calls > 0 {
                told.push((format!("operation_{}", entry.name), format!("calls={calls},errors={errors}")));
            }
        }
        told
    }
}
