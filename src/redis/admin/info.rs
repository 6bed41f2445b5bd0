//! INFO: the sections and fields that clients and dashboards read.

use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::super::clients::Client;
use super::super::command::Call;
use super::super::connection::REDIS_VERSION;
use super::super::error::Result;
use super::super::keyspace::Databases;
use super::super::process::{Resident, processor_s, resident};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::super::table::table;
use crate::config::Fsync;
use crate::config::machine::total_memory;
use crate::metrics::{Histogram, HistogramSnapshot};
use crate::store::{Reads, Tier};

type Section = fn(&Call<'_>, &mut String);

/// Name, whether it is among the default ones, and what writes it.
const SECTIONS: &[(&str, bool, Section)] = &[
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, memory_section),
    ("Persistence", true, persistence),
    ("Stats", true, stats),
    ("Replication", true, replication),
    ("CPU", true, cpu),
    ("Modules", true, |_, _| {}),
    ("Commandstats", false, commandstats),
    ("Errorstats", true, errorstats),
    ("Latencystats", false, latencystats),
    ("Cluster", true, |_, out| line(out, "cluster_enabled", 0)),
    ("Keyspace", true, keyspace),
    ("Tables", true, tables),
];

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "{name}:{value}\r\n");
}

pub(super) fn info(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let asked = |name: &str| call.from(1).any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let all = asked("all") || asked("everything");
    let default = call.len() == 1 || asked("default");
    let mut out = String::new();
    for (name, by_default, section) in SECTIONS {
        if all || (default && *by_default) || asked(name) {
            if !out.is_empty() {
                out.push_str("\r\n");
            }
            let _ = write!(out, "# {name}\r\n");
            section(call, &mut out);
        }
    }
    reply.verbatim(&out);
    Ok(())
}

fn tables(call: &Call<'_>, out: &mut String) {
    for (name, value) in call.instance.tables() {
        line(out, &name, value);
    }
}

fn uptime_s(call: &Call<'_>) -> u64 {
    call.instance.clock().now_ms().saturating_sub(call.instance.started_ms) / 1000
}

/// As `uname -srm` says it.
fn operating_system() -> String {
    let kernel = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let (kind, release) = (kernel("ostype"), kernel("osrelease"));
    let kind = if kind.is_empty() { std::env::consts::OS } else { kind.trim() };
    format!("{kind} {} {}", release.trim(), std::env::consts::ARCH)
}

fn server(call: &Call<'_>, out: &mut String) {
    let uptime_s = uptime_s(call);
    line(out, "redis_version", REDIS_VERSION);
    line(out, "redis_mode", "standalone");
    line(out, "siltstone_version", env!("CARGO_PKG_VERSION"));
    line(out, "os", operating_system());
    line(out, "arch_bits", usize::BITS);
    line(out, "multiplexing_api", "epoll");
    line(out, "process_supervised", "no");
    line(out, "process_id", std::process::id());
    line(out, "run_id", &call.instance.run_id);
    line(out, "tcp_port", call.instance.port.load(Relaxed));
    line(out, "server_time_usec", call.instance.now_us());
    line(out, "uptime_in_seconds", uptime_s);
    line(out, "uptime_in_days", uptime_s / 86400);
    line(out, "executable", std::env::current_exe().unwrap_or_default().display());
    line(
        out,
        "config_file",
        call.instance.config_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    );
}

fn clients(call: &Call<'_>, out: &mut String) {
    let clients = call.instance.clients.all();
    let most = |of: fn(&Client) -> &AtomicUsize| clients.iter().map(|one| of(one).load(Relaxed)).max();
    line(out, "connected_clients", clients.len());
    line(out, "cluster_connections", 0);
    line(out, "maxclients", call.instance.config().maxclients);
    line(out, "client_recent_max_input_buffer", most(|one| &one.input_bytes).unwrap_or(0));
    line(out, "client_recent_max_output_buffer", most(|one| &one.output_bytes).unwrap_or(0));
    let held_up = call.instance.held_up.load(Relaxed);
    line(out, "blocked_clients", call.instance.waiters.len() + held_up);
    line(out, "tracking_clients", call.instance.tracking.len());
    line(out, "clients_in_timeout_table", 0);
    line(out, "peak_clients", call.instance.clients.peak());
}

fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes}B") } else { format!("{value:.2}{unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.2}T")
}

fn memory_section(call: &Call<'_>, out: &mut String) {
    let Resident { all, own, peak } = resident();
    let budget = call.instance.config().memory;
    let buffers = call.instance.buffers().taken() as u64;
    let part = |of: u64, whole: u64| of as f64 / whole.max(1) as f64;
    let sized = |out: &mut String, name: &str, bytes: u64| {
        line(out, name, bytes);
        line(out, &format!("{name}_human"), human(bytes));
    };
    sized(out, "used_memory", own);
    sized(out, "used_memory_rss", all);
    sized(out, "used_memory_peak", peak);
    line(out, "used_memory_peak_perc", format_args!("{:.2}%", part(own, peak) * 100.0));
    line(out, "used_memory_overhead", buffers);
    line(out, "used_memory_dataset", own.saturating_sub(buffers));
    let (scripts, script_bytes) = call.instance.scripting.cached();
    let (libraries, functions, library_bytes) = call.instance.scripting.libraries.size();
    line(out, "used_memory_lua", script_bytes + library_bytes);
    line(out, "used_memory_scripts", script_bytes + library_bytes);
    line(out, "number_of_cached_scripts", scripts);
    line(out, "number_of_functions", functions);
    line(out, "number_of_libraries", libraries);
    if let Some(total) = total_memory() {
        sized(out, "total_system_memory", total);
    }
    line(out, "mem_clients_normal", buffers + call.instance.hub.mail().held() as u64);
    let parameters = &call.instance.parameters;
    sized(out, "maxmemory", parameters.maxmemory().unwrap_or(0));
    line(out, "maxmemory_policy", parameters.text("maxmemory-policy"));
    sized(out, "memory_budget", budget);
    line(out, "mem_fragmentation_ratio", format_args!("{:.2}", part(all, own)));
    line(out, "mem_fragmentation_bytes", all.saturating_sub(own));
    line(out, "mem_allocator", "mimalloc");
    line(out, "active_defrag_running", 0);
    line(out, "lazyfree_pending_objects", 0);
    line(out, "lazyfreed_objects", call.instance.stats.sum(|one| one.freed_later.get()));
}

fn persistence(call: &Call<'_>, out: &mut String) {
    let instance = call.instance;
    let saved = *instance.saved.lock();
    let seconds = |ms: Option<u64>| ms.map_or(-1, |ms| (ms / 1000) as i64);
    let running_ms =
        saved.running_since_ms.map(|since_ms| instance.clock().now_ms().saturating_sub(since_ms));
    let newest = instance.store().view_newest(Tier::Cached).seqno();
    line(out, "loading", 0);
    line(out, "async_loading", 0);
    line(out, "rdb_changes_since_last_save", newest.saturating_sub(saved.seqno));
    line(out, "rdb_bgsave_in_progress", u8::from(saved.running_since_ms.is_some()));
    line(out, "rdb_last_save_time", saved.at_s);
    line(out, "rdb_last_bgsave_status", if saved.failed { "err" } else { "ok" });
    line(out, "rdb_last_bgsave_time_sec", seconds(saved.took_ms));
    line(out, "rdb_current_bgsave_time_sec", seconds(running_ms));
    line(out, "rdb_saves", saved.count);
    line(out, "aof_enabled", 1);
    line(out, "aof_rewrite_in_progress", 0);
    line(out, "aof_rewrite_scheduled", 0);
    line(out, "aof_last_rewrite_time_sec", -1);
    line(out, "aof_current_rewrite_time_sec", -1);
    line(out, "aof_last_write_status", if instance.store().db().is_refusing() { "err" } else { "ok" });
    line(out, "aof_last_bgrewrite_status", "ok");
    let fsync = match instance.config().fsync {
        Fsync::Always => "always",
        Fsync::EverySecond => "everysec",
        Fsync::Never => "never",
    };
    line(out, "fsync", fsync);
}

fn stats(call: &Call<'_>, out: &mut String) {
    let stats = &call.instance.stats;
    let rates = stats.per_second();
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    line(out, "total_connections_received", stats.connections.get());
    line(out, "total_commands_processed", stats.commands());
    line(out, "instantaneous_ops_per_sec", rates.commands);
    line(out, "total_net_input_bytes", stats.sum(|one| one.bytes_in.get()));
    line(out, "total_net_output_bytes", stats.sum(|one| one.bytes_out.get()));
    line(out, "instantaneous_input_kbps", kilobytes(rates.bytes_in));
    line(out, "instantaneous_output_kbps", kilobytes(rates.bytes_out));
    line(out, "rejected_connections", stats.refused.get());
    line(out, "expired_keys", call.instance.store().expired().get());
    line(out, "evicted_keys", 0);
    line(out, "evicted_clients", 0);
    line(out, "client_output_buffer_limit_disconnections", call.instance.hub.mail().closed());
    line(out, "keyspace_hits", stats.sum(|one| one.hits.get()));
    line(out, "keyspace_misses", stats.sum(|one| one.misses.get()));
    let [keys, items, prefixes] = call.instance.tracking.counts();
    line(out, "tracking_total_keys", keys);
    line(out, "tracking_total_items", items);
    line(out, "tracking_total_prefixes", prefixes);
    let [channels, patterns, shards] = call.instance.hub.counts();
    line(out, "pubsub_channels", channels);
    line(out, "pubsub_patterns", patterns);
    line(out, "pubsubshard_channels", shards);
    line(out, "latest_fork_usec", 0);
    line(out, "total_forks", 0);
    line(out, "migrate_cached_sockets", 0);
    line(out, "pipelines_moved_to_disk_pool", stats.sum(|one| one.moved.get()));
    line(out, "total_error_replies", stats.errors().values().sum::<u64>());
    for (reason, count) in ["auth", "cmd", "key", "channel"].iter().zip(&stats.refused_to_users) {
        line(out, &format!("acl_access_denied_{reason}"), count.get());
    }
}

fn replication(call: &Call<'_>, out: &mut String) {
    line(out, "role", "master");
    line(out, "connected_slaves", 0);
    line(out, "master_failover_state", "no-failover");
    line(out, "master_replid", &call.instance.run_id);
    line(out, "master_replid2", "0".repeat(40));
    line(out, "master_repl_offset", 0);
    line(out, "second_repl_offset", -1);
    line(out, "repl_backlog_active", 0);
    line(out, "repl_backlog_size", 0);
    line(out, "repl_backlog_first_byte_offset", 0);
    line(out, "repl_backlog_histlen", 0);
}

fn cpu(_: &Call<'_>, out: &mut String) {
    let (user, system) = processor_s();
    line(out, "used_cpu_sys", format!("{system:.6}"));
    line(out, "used_cpu_user", format!("{user:.6}"));
}

fn commandstats(call: &Call<'_>, out: &mut String) {
    let loops = call.instance.stats.loops();
    for entry in table().flat() {
        let sum = |of: &dyn Fn(&super::super::stats::CommandStats) -> u64| {
            loops.iter().map(|stats| of(&stats.commands[entry.id])).sum::<u64>()
        };
        let calls = sum(&|one| one.calls.get());
        let rejected = sum(&|one| one.rejected.get());
        if calls + rejected > 0 {
            let us = sum(&|one| one.spent_ns.get()) / 1000;
            let failed = sum(&|one| one.failed.get());
            let _ = write!(
                out,
                "cmdstat_{}:calls={calls},usec={us},usec_per_call={:.2},rejected_calls={rejected},failed_calls={failed}\r\n",
                entry.command.name,
                us as f64 / calls.max(1) as f64,
            );
        }
    }
}

fn errorstats(call: &Call<'_>, out: &mut String) {
    for (code, count) in call.instance.stats.errors() {
        let _ = write!(out, "errorstat_{code}:count={count}\r\n");
    }
}

/// Quantiles of each event loop's busiest: loops share the load evenly, so the largest stands for all.
fn latencystats(call: &Call<'_>, out: &mut String) {
    let parameters = &call.instance.parameters;
    if parameters.text("latency-tracking") == "no" {
        return;
    }
    let percentiles = parameters.text("latency-tracking-info-percentiles");
    let loops = call.instance.stats.loops();
    for entry in table().flat() {
        let seen =
            loops.iter().filter_map(|stats| stats.commands[entry.id].latency()).map(Histogram::snapshot);
        let Some(seen) = seen.filter(|seen| seen.count() > 0).max_by_key(HistogramSnapshot::count) else {
            continue;
        };
        let shown = percentiles.split(' ').filter_map(|percent| {
            let part = percent.parse::<f64>().ok()? / 100.0;
            Some(format!("p{percent}={:.3}", seen.quantile_ns(part) as f64 / 1000.0))
        });
        let shown: Vec<String> = shown.collect();
        let _ = write!(out, "latency_percentiles_usec_{}:{}\r\n", entry.command.name, shown.join(","));
    }
}

fn keyspace(call: &Call<'_>, out: &mut String) {
    let keyspace = call.instance.keyspace();
    let view = keyspace.store().view_newest(Tier::Disk);
    for database in 0..keyspace.databases().count() {
        let Ok(space) = keyspace.databases().space(&view, database) else { continue };
        let size = Databases::size(keyspace.store(), space);
        if size.keys > 0 {
            let _ = write!(
                out,
                "db{database}:keys={},expires={},avg_ttl=0,subexpiry=0,unsettled={}\r\n",
                size.keys, size.expiring, size.unsettled
            );
        }
    }
}
