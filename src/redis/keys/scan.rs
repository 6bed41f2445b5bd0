//! Walking over keys. A pattern's literal beginning makes it a range read.

use std::ops::ControlFlow;

use crate::random::Random;
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::cursors::Walked;
use crate::redis::error::{Error, Result};
use crate::redis::glob;
use crate::redis::keyspace::{self, Databases};
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::store::Reads;

/// A SCAN that asks for more gets this many; it is free to.
const COUNT_MAX: usize = 10_000;

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
        mut extra: impl FnMut(&mut Walk<'a>) -> bool,
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
    let options = ScanOptions::parse(cursor(call.get(1))?, &mut call.walk(2), |_| false)?;
    let walked = Walked::Keyspace(call.space.id);
    let after = call.instance.cursors.place(walked, options.cursor);
    let prefix = glob::literal_prefix(options.pattern);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let stopped = keyspace::walk(reads, call.space, &prefix, after.as_deref(), options.count, &mut |met| {
        let typed = options.kind.is_none_or(|wanted| {
            met.kind.is_some_and(|kind| wanted.eq_ignore_ascii_case(kind.name().as_bytes()))
        });
        if typed && glob::matches(options.pattern, met.name) {
            names.push(met.name.to_vec());
        }
        ControlFlow::Continue(())
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

/// `KEYS pattern`
pub(super) fn keys(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let pattern = call.get(1);
    let prefix = glob::literal_prefix(pattern);
    let open = reply.open_array();
    let mut n = 0;
    keyspace::walk(reads, call.space, &prefix, None, usize::MAX, &mut |met| {
        if glob::matches(pattern, met.name) {
            reply.bulk(met.name);
            n += 1;
        }
        ControlFlow::Continue(())
    })?;
    reply.end(open, n);
    Ok(())
}

/// `RANDOMKEY`
pub(super) fn randomkey(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut random = Random::seeded(call.instance.random_u64());
    let keys = Databases::size(call.instance.store(), call.space).keys;
    let name = keyspace::random(reads, call.space, keys, &mut random)?;
    reply.bulk_or_null(name.as_deref());
    Ok(())
}
