//! The tables: how much there is, and what came of requests.

use std::fmt::Result;

use super::Page;
use crate::server::http::FrontEnd;

pub(super) fn tell(page: &mut Page<'_>, front_end: &FrontEnd) -> Result {
    let totals = front_end.tables.totals();
    for (name, help, value) in [
        ("siltstone_tables", "Tables", totals.tables as u64),
        ("siltstone_table_items", "Items of all tables", totals.items),
        ("siltstone_table_bytes", "Bytes of all items, as the API counts them", totals.bytes),
        ("siltstone_table_indexes", "Indexes of all tables", totals.indexes as u64),
        ("siltstone_table_index_entries", "Entries of all indexes", totals.entries),
        ("siltstone_table_index_bytes", "Bytes of all entries of indexes", totals.entry_bytes),
        ("siltstone_table_streams", "Streams that are on", totals.streams as u64),
        ("siltstone_table_backups", "Backups", totals.backups as u64),
    ] {
        page.gauge(name, help, value)?;
    }
    page.counter("siltstone_table_expired_items", "Items removed since they expired", totals.expired)?;
    requests(page, front_end)
}

fn requests(page: &mut Page<'_>, front_end: &FrontEnd) -> Result {
    let counts = &front_end.counts;
    let labels =
        |operation: &str, result: &str| [("operation", operation.to_owned()), ("result", result.to_owned())];
    let mut results = Vec::new();
    let mut latencies = Vec::new();
    for (name, count) in counts.operations() {
        let latency = count.latency.snapshot();
        let refused: Vec<_> = count.refused.iter().collect();
        // They are not read at one moment.
        let done = latency.count().saturating_sub(refused.iter().map(|(_, n)| n).sum());
        if done > 0 {
            results.push((labels(name, "ok"), done));
        }
        results.extend(refused.into_iter().map(|(kind, n)| (labels(name, kind.name()), n)));
        latencies.push(([("operation", name.to_owned())], latency));
    }
    page.counters("siltstone_table_requests", "Requests by operation, and by exception if refused", results)?;
    page.durations(
        "siltstone_table_request_duration_seconds",
        "How long requests took, from their last byte until their answer could be sent",
        latencies,
    )?;
    page.counter(
        "siltstone_table_unknown_operations",
        "Requests for no operation that is served",
        counts.others(),
    )?;
    page.counters(
        "siltstone_table_unread_requests",
        "Requests refused before they were read, or whose answer did not fit the memory, by exception",
        counts.unread().iter().map(|(kind, n)| ([("exception", kind.name().to_owned())], n)),
    )
}
