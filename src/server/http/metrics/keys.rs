//! The process and its memory, and the side of Redis's protocol: the figures of INFO.

use std::fmt::Result;
use std::sync::atomic::Ordering::Relaxed;

use super::Page;
use crate::metrics::{Histogram, HistogramSnapshot};
use crate::redis::instance::Instance;
use crate::redis::keyspace::Databases;
use crate::redis::process::{Resident, processor_s, resident};
use crate::redis::stats::CommandStats;
use crate::redis::table::table;
use crate::store::Tier;

pub(super) fn tell(page: &mut Page<'_>, instance: &Instance) -> Result {
    process(page, instance)?;
    clients(page, instance)?;
    commands(page, instance)?;
    keyspace(page, instance)
}

fn process(page: &mut Page<'_>, instance: &Instance) -> Result {
    let Resident { all, own, .. } = resident();
    let (user, system) = processor_s();
    page.gauges(
        "siltstone_build_info",
        "Always 1; the label is the version",
        [([("version", env!("CARGO_PKG_VERSION").to_owned())], 1)],
    )?;
    page.counter("process_cpu_seconds", "Processor time that the process took", user + system)?;
    page.gauge("process_resident_memory_bytes", "Memory of the process, mapped files included", all)?;
    let started_s = instance.started_ms as f64 / 1e3;
    page.gauge("process_start_time_seconds", "When the process started, in Unix seconds", started_s)?;
    page.gauge("siltstone_memory_used_bytes", "Memory of the process, without mapped files", own)?;
    page.gauge("siltstone_memory_budget_bytes", "The setting memory", instance.config().memory)?;
    let buffers = instance.buffers().taken();
    page.gauge("siltstone_buffers_bytes", "Memory that large requests and replies hold", buffers)?;
    let most = instance.buffers().most();
    page.gauge("siltstone_buffers_max_bytes", "Memory that large requests and replies may hold", most)
}

fn clients(page: &mut Page<'_>, instance: &Instance) -> Result {
    let stats = &instance.stats;
    page.gauge("siltstone_clients", "Connections, of both protocols", instance.clients.len())?;
    let most = u64::from(instance.config().maxclients);
    page.gauge("siltstone_clients_max", "Connections that there may be", most)?;
    let blocked = instance.waiters.len() + instance.held_up.load(Relaxed);
    page.gauge("siltstone_clients_blocked", "Connections that wait for a key, or that are paused", blocked)?;
    for (name, help, value) in [
        ("connections", "Connections accepted", stats.connections.get()),
        ("connections_refused", "Connections refused", stats.refused.get()),
        ("received_bytes", "Bytes received from clients", stats.sum(|one| one.bytes_in.get())),
        ("sent_bytes", "Bytes sent to clients", stats.sum(|one| one.bytes_out.get())),
        (
            "moved_to_disk_pool",
            "Pipelines and requests that waited for the disk on the blocking pool",
            stats.sum(|one| one.moved.get()),
        ),
        ("keyspace_hits", "Keys that were looked for and found", stats.sum(|one| one.hits.get())),
        ("keyspace_misses", "Keys that were looked for in vain", stats.sum(|one| one.misses.get())),
        ("expired_keys", "Keys and fields that expired", instance.store().expired().get()),
        // Not by their codes: scripts make those up.
        ("error_replies", "Error replies to commands", stats.errors().values().sum()),
    ] {
        page.counter(&format!("siltstone_{name}"), help, value)?;
    }
    let denied = ["auth", "cmd", "key", "channel"].iter().zip(&stats.refused_to_users);
    page.counters(
        "siltstone_acl_denied",
        "Commands refused to users, by what they may not do",
        denied.map(|(reason, count)| ([("reason", (*reason).to_owned())], count.get())),
    )
}

fn commands(page: &mut Page<'_>, instance: &Instance) -> Result {
    let loops = instance.stats.loops();
    let summed = |of: fn(&CommandStats) -> u64| {
        table().flat().filter_map({
            let loops = &loops;
            move |entry| {
                let sum: u64 = loops.iter().map(|stats| of(&stats.commands[entry.id])).sum();
                (sum > 0).then(|| ([("command", entry.command.name.to_owned())], sum))
            }
        })
    };
    page.counters(
        "siltstone_commands_failed",
        "Commands that ran into an error",
        summed(|one| one.failed.get()),
    )?;
    page.counters(
        "siltstone_commands_rejected",
        "Commands refused before they ran",
        summed(|one| one.rejected.get()),
    )?;
    let latencies = table().flat().map(|entry| {
        let mut all = HistogramSnapshot::default();
        let seen = loops.iter().filter_map(|stats| stats.commands[entry.id].latency());
        seen.map(Histogram::snapshot).for_each(|one| all.add(&one));
        ([("command", entry.command.name.to_owned())], all)
    });
    page.durations("siltstone_command_duration_seconds", "How long commands ran", latencies)
}

fn keyspace(page: &mut Page<'_>, instance: &Instance) -> Result {
    let keyspace = instance.keyspace();
    let view = keyspace.store().view_newest(Tier::Disk);
    let spaces = (0..keyspace.databases().count())
        .filter_map(|database| Some((database, keyspace.databases().space(&view, database).ok()?)));
    let sizes: Vec<_> =
        spaces.map(|(database, space)| (database, Databases::size(keyspace.store(), space))).collect();
    let held = || sizes.iter().filter(|(_, size)| size.keys > 0);
    let label = |database: &u16| [("database", database.to_string())];
    page.gauges("siltstone_keys", "Keys by database", held().map(|(at, size)| (label(at), size.keys)))?;
    page.gauges(
        "siltstone_keys_expiring",
        "Keys with a deadline, by database",
        held().map(|(at, size)| (label(at), size.expiring)),
    )
}
