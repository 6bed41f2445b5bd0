//! All tables together, for whoever watches the server.

use crate::dynamo::Tables;
use crate::dynamo::rows::counters;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tables.
    pub tables: usize,
    /// Their items.
    pub items: u64,
    /// The items' bytes, as the API counts them; without indexes.
    pub bytes: u64,
    /// Streams that are open.
    pub streams: usize,
    /// Backups.
    pub backups: usize,
}

impl Tables {
    /// How much there is now.
    pub fn totals(&self) -> Totals {
        let tables = self.catalog.all().0;
        let mut totals = Totals { tables: tables.len(), backups: self.backups.len(), ..Totals::default() };
        for table in tables {
            let (items, bytes) = counters(table.id);
            totals.items += self.store.counter(items).max(0) as u64;
            totals.bytes += self.store.counter(bytes).max(0) as u64;
            totals.streams += usize::from(table.stream().is_some());
        }
        totals
    }
}
