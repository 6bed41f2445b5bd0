//! Commands that look at strings.

use std::ops::Range;

use super::{lcs as subsequence, load, open, read_part, whole};
use crate::redis::args::Args;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::number;
use crate::redis::portions::Portions;
use crate::redis::protocol::reply::Reply;
use crate::store::Reads;

/// `GET key`
pub(super) fn get(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let found = load(reads, call, call.get(1))?;
    reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
    Ok(())
}

/// `MGET key [key ...]`: what is no string reads as null.
pub(super) fn mget(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    reply.array(names.len());
    let (mut portions, mut bytes) = (Portions::of(&names), 0);
    while let Some(portion) = portions.next(bytes) {
        let before = reply.len();
        for meta in call.load_many(reads, portion)? {
            let found = match meta.map(|meta| whole(reads, call, meta)).transpose() {
                Err(Error::WrongType) => None,
                found => found?,
            };
            reply.bulk_or_null(found.as_ref().map(|found| &found.contents[..]));
        }
        reply.check()?;
        bytes = reply.len() - before;
    }
    Ok(())
}

/// `STRLEN key`
pub(super) fn strlen(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.int(open(reads, call, call.get(1))?.map_or(0, |contents| contents.len()) as i64);
    Ok(())
}

/// `GETRANGE key start end`, both included, from the end where negative.
pub(super) fn getrange(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let Some(contents) = open(reads, call, call.get(1))? else {
        reply.bulk(b"");
        return Ok(());
    };
    reply.bulk(&read_part(reads, call, &contents, range(contents.len(), start, end))?);
    Ok(())
}

/// The bytes of so many that lie between two places, both included, from the end where negative.
fn range(len: u64, start: i64, end: i64) -> Range<u64> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let len = len as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end { 0..0 } else { start as u64..end as u64 + 1 }
}

#[derive(Default)]
struct LcsOptions {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

fn lcs_options(args: &Args<'_>) -> Result<LcsOptions> {
    let mut options = LcsOptions::default();
    let mut walk = args.walk(3);
    while !walk.is_done() {
        if walk.accept("len") {
            options.len = true;
        } else if walk.accept("idx") {
            options.idx = true;
        } else if walk.accept("withmatchlen") {
            options.with_match_len = true;
        } else if walk.accept("minmatchlen") {
            options.match_len_min = walk.int()?.max(0);
        } else {
            return Err(Error::Syntax);
        }
    }
    if options.idx && options.len {
        return Err(Error::text("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(super) fn lcs(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let string = |name| match load(reads, call, name) {
        Err(Error::WrongType) => Err(Error::text("ERR The specified keys must contain string values")),
        found => found.map(|found| found.map(|found| found.contents).unwrap_or_default()),
    };
    let (a, b) = (string(call.get(1))?, string(call.get(2))?);
    let options = lcs_options(call)?;
    if subsequence::memory(a.len(), b.len())
        > call.instance.parameters.bulk_bytes_max().min(call.instance.value_bytes_max())
    {
        return Err(Error::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    if options.len {
        reply.count(subsequence::length(&a, &b));
        return Ok(());
    }
    let common = subsequence::common(&a, &b);
    if !options.idx {
        reply.bulk(&common.text);
        return Ok(());
    }
    let long_enough = |m: &&subsequence::Match| m.len() as i64 >= options.match_len_min;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(common.matches.iter().filter(long_enough).count());
    for found in common.matches.iter().filter(long_enough) {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for range in [&found.in_a, &found.in_b] {
            reply.array(2);
            reply.count(*range.start());
            reply.count(*range.end());
        }
        if options.with_match_len {
            reply.count(found.len());
        }
    }
    reply.bulk(b"len");
    reply.count(common.text.len());
    Ok(())
}

/// Reads an integer from a string's contents.
pub(super) fn as_int(contents: &[u8]) -> Result<i64> {
    number::parse_i64(contents).ok_or(Error::NotAnInteger)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        let text = b"This is a string";
        let cases: &[(i64, i64, &[u8])] = &[
            (0, 3, b"This"),
            (-3, -1, b"ing"),
            (0, -1, text),
            (10, 100, b"string"),
            (5, 3, b""),
            (-1, -3, b""),
            (100, 200, b""),
            (-100, 3, b"This"),
            (0, -100, b"T"),
            (i64::MIN, i64::MAX, text),
        ];
        for &(start, end, wanted) in cases {
            let range = range(text.len() as u64, start, end);
            assert_eq!(&text[range.start as usize..range.end as usize], wanted, "{start} {end}");
        }
        assert!(range(0, 0, -1).is_empty());
    }
}
