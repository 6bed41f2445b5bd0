//! The engine: what it did since it was opened, and what it is like now.

use std::fmt::Result;

use super::{NS_PER_S, Page};
use crate::engine::{CacheStatus, Db, LevelStatus, Status, Totals};

pub(super) fn tell(page: &mut Page<'_>, db: &Db) -> Result {
    let totals = db.stats();
    counters(page, &totals)?;
    times(page, &totals)?;
    let status = db.status();
    cache(page, &status.cache)?;
    gauges(page, &status)
}

fn counters(page: &mut Page<'_>, totals: &Totals) -> Result {
    for (name, help, value) in [
        ("commits", "Batches committed", totals.commits),
        ("commit_bytes", "Bytes of batches committed", totals.commit_bytes),
        ("log_bytes", "Bytes written to logs", totals.log_bytes),
        ("log_syncs", "Syncs of a log", totals.log_syncs),
        ("flushes", "Memtables that became tables", totals.flushes),
        ("flush_bytes", "Bytes of tables that flushes wrote", totals.flush_bytes),
        ("compactions", "Merges of tables", totals.compactions),
        ("compaction_read_bytes", "Bytes of tables that merges read", totals.compaction_read_bytes),
        ("compaction_written_bytes", "Bytes of tables that merges wrote", totals.compaction_write_bytes),
        (
            "compaction_dropped_rows",
            "Rows that merges dropped: overwritten, deleted, expired or dead",
            totals.compaction_dropped_rows,
        ),
        ("moved_tables", "Tables moved a level down without being read", totals.trivial_moves),
        ("dropped_tables", "Tables deleted without being read", totals.tables_dropped),
        ("delayed_writes", "Writes slowed down since merges are behind", totals.delayed_writes),
        ("stopped_writes", "Writes that waited for memory", totals.stopped_writes),
        ("background_errors", "Background jobs that failed and were tried again", totals.background_errors),
        ("reads", "Point reads", totals.gets),
        ("hot_row_hits", "Point reads answered by a hot row", totals.hot_hits),
        ("table_probes", "Tables whose filters point reads asked", totals.table_probes),
    ] {
        page.counter(&format!("siltstone_engine_{name}"), help, value)?;
    }
    Ok(())
}

fn times(page: &mut Page<'_>, totals: &Totals) -> Result {
    for (name, help, ns) in [
        ("compaction", "Time spent in merges", totals.compaction_ns),
        ("delayed_writes", "Time for which writes were slowed down", totals.delayed_ns),
        ("stopped_writes", "Time for which writes waited for memory", totals.stopped_ns),
    ] {
        page.counter(&format!("siltstone_engine_{name}_seconds"), help, ns as f64 / NS_PER_S)?;
    }
    Ok(())
}

fn cache(page: &mut Page<'_>, cache: &CacheStatus) -> Result {
    page.counter("siltstone_engine_cache_hits", "Blocks found in the block cache", cache.hits)?;
    page.counter("siltstone_engine_cache_misses", "Blocks not found in the block cache", cache.misses)?;
    for (name, help, value) in [
        ("blocks", "Blocks in the block cache", cache.entries),
        ("bytes", "Bytes in the block cache", cache.used),
        ("filter_index_bytes", "Bytes of the block cache that are filters and indexes", cache.partitions),
        ("capacity_bytes", "Bytes that the block cache may take", cache.capacity),
    ] {
        page.gauge(&format!("siltstone_engine_cache_{name}"), help, value)?;
    }
    Ok(())
}

fn gauges(page: &mut Page<'_>, status: &Status) -> Result {
    let by_level = |of: fn(&LevelStatus) -> u64| {
        let levels = status.levels.iter().enumerate();
        levels.map(move |(level, status)| ([("level", level.to_string())], of(status)))
    };
    page.gauges("siltstone_engine_level_tables", "Tables by level", by_level(|level| level.tables as u64))?;
    page.gauges("siltstone_engine_level_bytes", "Bytes of tables by level", by_level(|level| level.bytes))?;
    for (name, help, value) in [
        ("memtable_bytes", "Bytes of the memtable that commits go to", status.memtable_bytes),
        ("sealed_memtables", "Memtables that wait to become tables", status.sealed_memtables as u64),
        ("sealed_memtable_bytes", "Bytes of memtables that wait to become tables", status.sealed_bytes),
        ("pending_compaction_bytes", "Bytes by which levels exceed their targets", status.pending_bytes),
        ("snapshots", "Moments that are held", status.snapshots as u64),
        ("disk_full", "1 while writes are refused for want of disk space", u64::from(status.is_full)),
        ("poisoned", "1 once writes are refused until a restart", u64::from(status.is_poisoned)),
    ] {
        page.gauge(&format!("siltstone_engine_{name}"), help, value)?;
    }
    Ok(())
}
