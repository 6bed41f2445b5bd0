//! XINFO: what streams, groups and consumers are like.

use std::ops::ControlFlow;

use super::entries::{Stream, tell};
use super::group::unknown_words;
use super::groups::{Consumer, Group};
use super::id::Id;
use super::{load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::redis::session::Session;
use crate::store::Reads;

fn existing(reads: &dyn Reads, call: &Call<'_>) -> Result<Stream> {
    load(reads, call, call.get(2))?.ok_or(Error::NoSuchKey)
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(super) fn stream(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let stream = existing(reads, call)?;
    let options = call.len() - 3;
    if options == 0 {
        return brief(reads, &stream, reply);
    }
    if !matches!(options, 1 | 3) || !call.is(3, "full") || (options == 3 && !call.is(4, "count")) {
        return Err(unknown_words(call, "XINFO"));
    }
    let count = if options == 3 { u64::try_from(call.int(5)?).unwrap_or(10) } else { 10 };
    full(reads, &stream, if count == 0 { u64::MAX } else { count }, reply)
}

fn brief(reads: &dyn Reads, stream: &Stream, reply: &mut Reply) -> Result {
    reply.map(10);
    outline(reads, stream, reply)?;
    reply.bulk(b"groups");
    reply.count(stream.groups(reads)?.len());
    for (name, last) in [("first-entry", false), ("last-entry", true)] {
        reply.bulk(name.as_bytes());
        match stream.edge(reads, last)? {
            Some((id, fields)) => tell((id, &fields), reply),
            None => reply.null(),
        }
    }
    Ok(())
}

/// Seven pairs that both forms begin with. Redis keeps its nodes in a radix tree.
fn outline(reads: &dyn Reads, stream: &Stream, reply: &mut Reply) -> Result {
    let head = &stream.head;
    let counts = [
        ("length", stream.len(reads)?),
        ("radix-tree-keys", head.nodes()),
        ("radix-tree-nodes", head.nodes() + 1),
    ];
    for (name, count) in counts {
        reply.bulk(name.as_bytes());
        tell_count(count, reply);
    }
    for (name, id) in [("last-generated-id", head.last), ("max-deleted-entry-id", head.deleted)] {
        reply.bulk(name.as_bytes());
        id.tell(reply);
    }
    reply.bulk(b"entries-added");
    tell_count(head.added, reply);
    reply.bulk(b"recorded-first-entry-id");
    head.first.tell(reply);
    Ok(())
}

fn full(reads: &dyn Reads, stream: &Stream, count: u64, reply: &mut Reply) -> Result {
    reply.map(9);
    outline(reads, stream, reply)?;
    reply.bulk(b"entries");
    stream.tell_range(reads, (Id::MIN, Id::MAX), false, count, reply)?;
    reply.bulk(b"groups");
    let groups = stream.groups(reads)?;
    reply.array(groups.len());
    for (name, group) in &groups {
        let consumers = stream.consumers(reads, group)?;
        reply.map(7);
        progress(reads, stream, name, group, None, reply)?;
        reply.bulk(b"pel-count");
        tell_count(pending(&consumers), reply);
        reply.bulk(b"pending");
        let open = reply.open_array();
        let mut told = 0;
        stream.each_pending(reads, group, (Id::MIN, Id::MAX), false, &mut |id, delivery| {
            reply.array(4);
            id.tell(reply);
            reply.bulk(&delivery.consumer);
            tell_count(delivery.at_ms, reply);
            tell_count(delivery.count, reply);
            told += 1;
            if told < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        reply.end(open, usize::try_from(told).unwrap_or(usize::MAX));
        reply.bulk(b"consumers");
        reply.array(consumers.len());
        for (name, consumer) in &consumers {
            full_consumer(reads, stream, group, (name, consumer), count, reply)?;
        }
    }
    Ok(())
}

fn full_consumer(
    reads: &dyn Reads,
    stream: &Stream,
    group: &Group,
    (name, consumer): (&[u8], &Consumer),
    count: u64,
    reply: &mut Reply,
) -> Result {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"seen-time");
    tell_count(consumer.seen_ms, reply);
    reply.bulk(b"active-time");
    tell_or_minus_one(consumer.active_ms, reply);
    reply.bulk(b"pel-count");
    tell_count(consumer.pending, reply);
    reply.bulk(b"pending");
    let max = usize::try_from(count).unwrap_or(usize::MAX);
    let held = stream.held(reads, group, consumer, (Id::MIN, Id::MAX), max)?;
    reply.array(held.len());
    for (id, delivery) in held {
        reply.array(3);
        id.tell(reply);
        tell_count(delivery.at_ms, reply);
        tell_count(delivery.count, reply);
    }
    Ok(())
}

fn pending(consumers: &[(bytes::Bytes, Consumer)]) -> u64 {
    consumers.iter().map(|(_, consumer)| consumer.pending).sum()
}

fn tell_or_minus_one(n: Option<u64>, reply: &mut Reply) {
    match n {
        Some(n) => tell_count(n, reply),
        None => reply.int(-1),
    }
}

fn tell_or_null(n: Option<u64>, reply: &mut Reply) {
    match n {
        Some(n) => tell_count(n, reply),
        None => reply.null(),
    }
}

/// A group's name, its consumers and what is pending at them where that belongs here, and how far it has come.
fn progress(
    reads: &dyn Reads,
    stream: &Stream,
    name: &[u8],
    group: &Group,
    consumers: Option<&[(bytes::Bytes, Consumer)]>,
    reply: &mut Reply,
) -> Result {
    reply.bulk(b"name");
    reply.bulk(name);
    if let Some(consumers) = consumers {
        reply.bulk(b"consumers");
        reply.count(consumers.len());
        reply.bulk(b"pending");
        tell_count(pending(consumers), reply);
    }
    reply.bulk(b"last-delivered-id");
    group.last.tell(reply);
    reply.bulk(b"entries-read");
    tell_or_null(group.read, reply);
    reply.bulk(b"lag");
    match lag(reads, stream, group)? {
        Some(lag) => reply.int(lag),
        None => reply.null(),
    }
    Ok(())
}

/// How many entries the group has not seen, if that can be told.
fn lag(reads: &dyn Reads, stream: &Stream, group: &Group) -> Result<Option<i64>> {
    let (head, len) = (&stream.head, stream.len(reads)?);
    if head.added == 0 {
        return Ok(Some(0));
    }
    let read = match group.read {
        Some(read) if !head.has_holes_from(group.last, len) => Some(read),
        _ => head.added_until(group.last, len),
    };
    // Both were given by clients, perhaps: XSETID, and XGROUP with ENTRIESREAD.
    Ok(read.map(|read| head.added.wrapping_sub(read).cast_signed()))
}

/// `XINFO GROUPS key`
pub(super) fn groups(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let stream = existing(reads, call)?;
    let groups = stream.groups(reads)?;
    reply.array(groups.len());
    for (name, group) in &groups {
        let consumers = stream.consumers(reads, group)?;
        reply.map(6);
        progress(reads, &stream, name, group, Some(&consumers), reply)?;
    }
    Ok(())
}

/// `XINFO CONSUMERS key group`
pub(super) fn consumers(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let stream = existing(reads, call)?;
    let Some(group) = stream.group(reads, call.get(3))? else {
        return Err(Error::text(format!(
            "NOGROUP No such consumer group '{}' for key name '{}'",
            call.text(3),
            call.text(2)
        )));
    };
    let consumers = stream.consumers(reads, &group)?;
    let now_ms = reads.now_ms();
    reply.array(consumers.len());
    for (name, consumer) in &consumers {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"pending");
        tell_count(consumer.pending, reply);
        reply.bulk(b"idle");
        tell_count(now_ms.saturating_sub(consumer.seen_ms), reply);
        reply.bulk(b"inactive");
        tell_or_minus_one(consumer.active_ms.map(|active_ms| now_ms.saturating_sub(active_ms)), reply);
    }
    Ok(())
}

/// `XINFO HELP`
pub(super) fn help(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    let lines = [
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
        "HELP",
        "    Prints this help.",
    ];
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
    Ok(())
}
