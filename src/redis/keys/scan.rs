//! Walking over keys. A pattern's literal beginning makes it a range read.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::cursors::Walked;
use crate::redis::error::{Error, Result};
use crate::redis::glob;
use crate::redis::keyspace::{self, COUNTED, Collection, Databases, Element, Space, lock_key};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::tail::{Source, Visit, tell_places};
use crate::store::Reads;

/// A SCAN that asks for more gets this many; it is free to.
const COUNT_MAX: usize = 10_000;
/// A part ends when it has so many bytes.
const PART_BYTES: usize = 1 << 20;

/// What SCAN and its kin are asked.
pub(crate) struct ScanOptions<'a> {
    /// Where to go on; 0 from the start.
    pub(crate) cursor: u64,
    /// Only what matches.
    pub(crate) pattern: &'a [u8],
    /// How many to look at.
    pub(crate) count: usize,
    /// Only keys of this type.
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the words behind the cursor; `extra` may take further options off the walk.
    pub(crate) fn parse(
        cursor: u64,
        walk: &mut Walk<'a>,
        extra: &mut dyn FnMut(&mut Walk<'_>) -> bool,
    ) -> Result<Self> {
        let mut options = Self { cursor, pattern: b"*", count: 10, kind: None };
        while !walk.is_done() {
            if walk.accept("match") {
                options.pattern = walk.word()?;
            } else if walk.accept("count") {
                let count = walk.int()?;
                options.count =
                    usize::try_from(count).ok().filter(|&n| n > 0).ok_or(Error::Syntax)?.min(COUNT_MAX);
            } else if walk.accept("type") {
                options.kind = Some(walk.word()?);
            } else if !extra(walk) {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }
}

/// Reads a cursor.
pub(crate) fn cursor(word: &[u8]) -> Result<u64> {
    number::parse_u64(word).ok_or_else(|| Error::text("ERR invalid cursor"))
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = ScanOptions::parse(cursor(call.get(1))?, &mut call.walk(2), &mut |_| false)?;
    let walked = Walked::Keyspace(call.space.id);
    let after = call.instance.cursors.place(walked, options.cursor);
    let prefix = glob::literal_prefix(options.pattern);
    let (mut names, mut bytes): (Vec<Vec<u8>>, _) = (Vec::new(), 0);
    let stopped = keyspace::walk(reads, call.space, &prefix, after.as_deref(), options.count, &mut |met| {
        let typed = options.kind.is_none_or(|wanted| {
            met.kind.is_some_and(|kind| wanted.eq_ignore_ascii_case(kind.name().as_bytes()))
        });
        if typed && glob::matches(options.pattern, met.name) {
            names.push(met.name.to_vec());
            bytes += met.name.len();
        }
        if bytes < PART_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    reply.array(2);
    let cursor = stopped.map_or(0, |name| call.instance.cursors.after(walked, &name));
    reply.bulk(cursor.to_string().as_bytes());
    reply.array(names.len());
    for name in &names {
        reply.bulk(name);
    }
    Ok(())
}

/// A part of a collection's elements, in their order.
#[derive(Default)]
pub(crate) struct Part {
    /// Those that match.
    pub(crate) elements: Vec<(Bytes, Element)>,
    cursor: u64,
}

impl Part {
    /// Begins the reply: the elements are its second half.
    pub(crate) fn head(&self, reply: &mut Reply) {
        reply.array(2);
        reply.bulk(self.cursor.to_string().as_bytes());
    }
}

/// What HSCAN and its kin tell: the next elements behind a cursor, of a collection that may not be there. A small
/// one is told whole. `extra` may take options of the type off the walk.
pub(crate) fn part_of(
    reads: &dyn Reads,
    call: &Call<'_>,
    cursor: u64,
    collection: Option<&Collection>,
    extra: &mut dyn FnMut(&mut Walk<'_>) -> bool,
) -> Result<Part> {
    let mut part = Part::default();
    // As in Redis, nobody looks at the options where there is nothing to scan.
    let Some(collection) = collection else { return Ok(part) };
    let options = ScanOptions::parse(cursor, &mut call.walk(3), extra)?;
    if options.kind.is_some() {
        return Err(Error::Syntax);
    }
    let mut stopped = None;
    let walked = Walked::Key(lock_key(call.space.database, call.get(1)).0);
    let after = call.instance.cursors.place(walked, options.cursor);
    let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let steps_max = if collection.is_inline() { usize::MAX } else { options.count };
    let (mut steps, mut bytes) = (0, 0);
    collection.each(reads, COUNTED, from, Bound::Unbounded, false, &mut |subkey, element| {
        steps += 1;
        if glob::matches(options.pattern, subkey) {
            // Else each would hold on to all of the block that it was read from.
            let value = Bytes::copy_from_slice(&element.value);
            part.elements.push((Bytes::copy_from_slice(subkey), Element { value, ..element.clone() }));
            bytes += subkey.len() + element.value.len();
        }
        if steps >= steps_max || bytes >= PART_BYTES {
            stopped = Some(subkey.to_vec());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    part.cursor = stopped.map_or(0, |subkey| call.instance.cursors.after(walked, &subkey));
    Ok(part)
}

/// `KEYS pattern`
pub(super) fn keys(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let open = reply.open_array();
    let load = |_: &dyn Reads, call: &Call<'_>| {
        Ok(Some(Matching { space: call.space, pattern: call.get(1).to_vec() }))
    };
    let tell = |reply: &mut Reply, name: &[u8], _: &[u8]| {
        reply.bulk(name);
        Ok(())
    };
    tell_places(reads, call, load, (reply, open), (u64::MAX, tell))
}

/// The keys whose names match a pattern.
struct Matching {
    space: Space,
    pattern: Vec<u8>,
}

impl Source for Matching {
    fn each(&self, reads: &dyn Reads, beyond: Option<&[u8]>, visit: &mut Visit<'_>) -> Result {
        let prefix = glob::literal_prefix(&self.pattern);
        keyspace::walk(reads, self.space, &prefix, beyond, usize::MAX, &mut |met| {
            if glob::matches(&self.pattern, met.name) {
                visit(met.name, b"")
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(())
    }
}

/// `RANDOMKEY`
pub(super) fn randomkey(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut random = call.random();
    let keys = Databases::size(call.instance.store(), call.space).keys;
    let name = keyspace::random(reads, call.space, keys, &mut random)?;
    reply.bulk_or_null(name.as_deref());
    Ok(())
}
