//! MEMORY.

use std::ops::{Bound, ControlFlow};

use super::super::command::{Access, Call, Command, Keys, read, session};
use super::super::error::{Error, Result};
use super::super::keyspace::{self, Body, COUNTED, Collection, Contents, Databases, Type};
use super::super::process::{Resident, resident};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use crate::store::{Reads, Tier};

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("memory|doctor", 2, doctor).doc("Outputs a memory problems report.", "4.0.0", "O(1)"),
    session("memory|malloc-stats", 2, malloc_stats).doc("Returns the allocator statistics.", "4.0.0", "O(1)"),
    session("memory|purge", 2, purge).doc("Asks the allocator to release memory.", "4.0.0", "O(1)"),
    session("memory|stats", 2, stats).doc("Returns details about memory usage.", "4.0.0", "O(1)"),
    read("memory|usage", -3, Keys::SECOND, usage).access(Access::LOOK).ranked().doc(
        "Estimates the space that a key takes, in rows.",
        "4.0.0",
        "O(N) where N is the number of samples.",
    ),
];

/// What a row costs beside its bytes: key prefix, sequence number, its share of indexes and filters.
const ROW_BYTES: u64 = 32;

fn usage(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut samples = 5;
    let mut walk = call.walk(3);
    while !walk.is_done() {
        if !walk.accept("SAMPLES") {
            return Err(Error::Syntax);
        }
        samples = usize::try_from(walk.int()?).map_err(|_| Error::Syntax)?;
    }
    let name = call.get(2);
    let Some(meta) = keyspace::load(reads, call.space, name)? else {
        reply.null();
        return Ok(());
    };
    let mut bytes = name.len() as u64 + ROW_BYTES;
    match &meta.body {
        Body::Inline(contents) => bytes += contents.len() as u64,
        Body::Owned { .. } if meta.kind == Type::String => {
            let contents = Contents::from_meta(call.space, name, meta)?;
            let len = contents.len();
            let (mut seen, mut sum, mut end) = (0, 0, 0);
            contents.each(reads, 0..len, &mut |at, piece| {
                if samples > 0 && seen == samples {
                    return ControlFlow::Break(());
                }
                seen += 1;
                sum += piece.len() as u64 + ROW_BYTES;
                end = at + piece.len() as u64;
                ControlFlow::Continue(())
            })?;
            bytes += if seen == samples { sum * len / end.max(1) } else { sum };
        }
        Body::Owned { len, .. } => {
            let (len, kind) = (*len, meta.kind);
            let collection = Collection::from_meta(call.space, name, meta)?;
            let (mut seen, mut sum) = (0_u64, 0_u64);
            let most = if samples == 0 { usize::MAX } else { samples };
            let mut weigh = |subkey: &[u8], value: &[u8]| {
                seen += 1;
                sum += (subkey.len() + value.len()) as u64 + ROW_BYTES;
                if seen as usize >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            if kind == Type::List {
                // Many share a row.
                collection.ordered(reads)?.range(reads, 0, &mut weigh)?;
            } else {
                let all = (Bound::Unbounded, Bound::Unbounded);
                collection.each(reads, COUNTED, all.0, all.1, false, &mut |subkey, element| {
                    weigh(subkey, &element.value)
                })?;
            }
            bytes += sum * len / seen.max(1);
        }
    }
    reply.int(bytes as i64);
    Ok(())
}

fn stats(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Resident { all, own, peak } = resident();
    let keyspace = call.instance.keyspace();
    let view = keyspace.store().view_newest(Tier::Disk);
    let mut keys = 0;
    for database in 0..keyspace.databases().count() {
        let space = keyspace.databases().space(&view, database)?;
        keys += Databases::size(keyspace.store(), space).keys;
    }
    let buffers = call.instance.buffers().taken() as u64;
    let dataset = own.saturating_sub(buffers);
    let fields = [
        ("peak.allocated", peak),
        ("total.allocated", own),
        ("startup.allocated", 0),
        ("clients.normal", buffers),
        ("overhead.total", buffers),
        ("keys.count", keys),
        ("keys.bytes-per-key", own.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", dataset),
        ("allocator.allocated", own),
        ("allocator.resident", all),
        ("fragmentation.bytes", all.saturating_sub(own)),
        ("memory.budget", call.instance.config().memory),
    ];
    let part = |of: u64, whole: u64| of as f64 / whole.max(1) as f64;
    let parts = [
        ("dataset.percentage", part(dataset, own) * 100.0),
        ("peak.percentage", part(own, peak) * 100.0),
        ("fragmentation", part(all, own)),
    ];
    reply.map(fields.len() + parts.len());
    for (name, bytes) in fields {
        reply.bulk(name.as_bytes());
        reply.int(bytes as i64);
    }
    for (name, part) in parts {
        reply.bulk(name.as_bytes());
        reply.double(part);
    }
    Ok(())
}

fn doctor(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let own = resident().own;
    let budget = call.instance.config().memory;
    reply.verbatim(&if own > budget + budget / 7 {
        format!(
            "The process holds {own} bytes of its own, more than the budget of {budget}: please report it.\n"
        )
    } else {
        format!("All is well: the process holds {own} bytes of its own, within the budget of {budget}.\n")
    });
    Ok(())
}

fn malloc_stats(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.verbatim("Stats not supported for the current allocator\n");
    Ok(())
}

fn purge(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.ok();
    Ok(())
}
