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
    /// Indexes.
    pub indexes: usize,
    /// Their entries.
    pub entries: u64,
    /// The entries' bytes.
    pub entry_bytes: u64,
    /// Streams that are open.
    pub streams: usize,
    /// Backups.
    pub backups: usize,
    /// Items that were removed since they had expired, since the store was opened.
    pub expired: u64,
}

impl Tables {
    /// How much there is now.
    pub fn totals(&self) -> Totals {
        let tables = self.catalog.all().0;
        let mut totals = Totals {
            tables: tables.len(),
            backups: self.backups.len(),
            expired: self.expired.get(),
            ..Totals::default()
        };
        let counted = |space: u64| {
            let (items, bytes) = counters(space);
            [items, bytes].map(|counter| self.store.counter(counter).max(0) as u64)
        };
        for table in tables {
            let [items, bytes] = counted(table.id);
            totals.items += items;
            totals.bytes += bytes;
            totals.streams += usize::from(table.stream().is_some());
            for index in &table.indexes {
                let [entries, bytes] = counted(index.id);
                totals.indexes += 1;
                totals.entries += entries;
                totals.entry_bytes += bytes;
            }
        }
        totals
    }
}
