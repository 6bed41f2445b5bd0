//! LATENCY.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::command::{Call, Command, Flags, session};
use super::super::error::Result;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::super::table::{Entry, table};

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("latency|doctor", 2, doctor).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Returns a human-readable latency analysis report.",
        "2.8.13",
        "O(1)",
    ),
    session("latency|histogram", -2, histogram).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Returns the cumulative distribution of latencies of a subset or all commands.",
        "7.0.0",
        "O(N) where N is the number of commands with latency information being retrieved.",
    ),
    session("latency|history", 3, history).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Returns timestamp-latency samples for an event.",
        "2.8.13",
        "O(1)",
    ),
    session("latency|latest", 2, latest).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Returns the latest latency samples for all events.",
        "2.8.13",
        "O(1)",
    ),
    session("latency|reset", -2, reset).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Resets the latency data for one or more events.",
        "2.8.13",
        "O(1)",
    ),
];

fn latest(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let events = call.instance.stats.events();
    reply.array(events.len());
    for (name, samples) in events {
        let (at_s, ms) = samples.back().copied().unwrap_or_default();
        let longest = samples.iter().map(|&(_, ms)| ms).max().unwrap_or_default();
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.int(at_s as i64);
        reply.int(ms as i64);
        reply.int(longest as i64);
    }
    Ok(())
}

fn history(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let events = call.instance.stats.events();
    let samples = events.get(call.text(2).as_ref()).cloned().unwrap_or_default();
    reply.array(samples.len());
    for (at_s, ms) in samples {
        reply.array(2);
        reply.int(at_s as i64);
        reply.int(ms as i64);
    }
    Ok(())
}

fn reset(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let all = call.len() == 2;
    let forgotten = call
        .instance
        .stats
        .forget_events(|event| all || call.from(2).any(|name| name.eq_ignore_ascii_case(event.as_bytes())));
    reply.count(forgotten);
    Ok(())
}

fn doctor(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let events = call.instance.stats.events();
    let mut report = String::new();
    if events.is_empty() {
        report.push_str(match call.instance.parameters.latency_threshold_ms() {
            Some(_) => "No command took as long as latency-monitor-threshold.\n",
            None => "Set latency-monitor-threshold to some milliseconds, so that commands as long are remembered.\n",
        });
    }
    for (name, samples) in events {
        let longest = samples.iter().map(|&(_, ms)| ms).max().unwrap_or_default();
        let _ = writeln!(
            report,
            "{name}: {} slow seconds, the worst {longest} ms. See SLOWLOG GET.",
            samples.len()
        );
    }
    reply.verbatim(&report);
    Ok(())
}

fn histogram(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let entries: Vec<&Entry> = if call.len() == 2 {
        table().flat().collect()
    } else {
        // A command stands for its subcommands too.
        let named = call.from(2).filter_map(|name| table().find_full(name));
        named.flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands)).collect()
    };
    let loops = call.instance.stats.loops();
    let open = reply.open_map();
    let mut shown = 0;
    for entry in entries {
        // Microseconds up to the next power of two → how many.
        let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
        for stats in &loops {
            let Some(latency) = stats.commands[entry.id].latency() else { continue };
            for (longest_ns, count) in latency.snapshot().buckets() {
                *buckets.entry((longest_ns / 1000).max(1).next_power_of_two()).or_default() += count;
            }
        }
        if buckets.is_empty() {
            continue;
        }
        shown += 1;
        reply.bulk(entry.command.name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(buckets.values().sum::<u64>() as i64);
        reply.bulk(b"histogram_usec");
        reply.map(buckets.len());
        let mut cumulative = 0;
        for (us, count) in buckets {
            cumulative += count;
            reply.int(us as i64);
            reply.int(cumulative as i64);
        }
    }
    reply.end(open, shown);
    Ok(())
}
