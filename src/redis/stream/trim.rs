//! Trimming, and the options of XADD and XTRIM that ask for it.

use std::ops::Bound;

use super::entries::{NODE_ENTRIES_MAX, Stream, id_of};
use super::id::{self, Id, NewId};
use super::{ENTRIES, load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::store::Txn;

/// What is left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The last so many.
    Last(u64),
    /// Those from an id on.
    From(Id),
}

/// How to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trim {
    keep: Keep,
    /// Only whole nodes go, and no more than so many entries.
    limit: Option<u64>,
}

/// The options of XADD and XTRIM.
pub(super) struct Options {
    pub(super) trim: Option<Trim>,
    /// What XADD is to add, if its id is there.
    pub(super) id: Option<NewId>,
    /// Whether XADD adds to a stream that is there, but makes none.
    pub(super) existing_only: bool,
    /// The word after them.
    pub(super) end: usize,
}

impl Options {
    /// Reads the options from the third word on, for XADD up to the id.
    pub(super) fn parse(call: &Call<'_>, is_add: bool) -> Result<Self> {
        let (mut keep, mut is_about, mut limit) = (None, false, None);
        let mut options = Self { trim: None, id: None, existing_only: false, end: 0 };
        let mut at = 2;
        while at < call.len() && options.id.is_none() {
            let has_more = at + 1 < call.len();
            if is_add && call.get(at) == b"*" {
                options.id = Some(NewId::Auto);
            } else if has_more && (call.is(at, "maxlen") || call.is(at, "minid")) {
                if keep.is_some() {
                    return Err(Error::text(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                let is_length = call.is(at, "maxlen");
                is_about = at + 2 < call.len() && call.get(at + 1) == b"~";
                at += 1 + usize::from(is_about || (at + 2 < call.len() && call.get(at + 1) == b"="));
                keep = Some(if is_length {
                    Keep::Last(not_negative(call.int(at)?, "ERR The MAXLEN argument must be >= 0.")?)
                } else {
                    Keep::From(id::strict(call.get(at), 0)?)
                });
            } else if has_more && call.is(at, "limit") {
                at += 1;
                limit = Some(not_negative(call.int(at)?, "ERR The LIMIT argument must be >= 0.")?);
            } else if is_add && call.is(at, "nomkstream") {
                options.existing_only = true;
            } else if is_add {
                options.id = Some(id::new(call.get(at))?);
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        options.end = at;
        let Some(keep) = keep else {
            if limit.is_some_and(|limit| limit > 0) {
                return Err(Error::text(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !is_add {
                return Err(Error::text("ERR syntax error, XTRIM must be called with a trimming strategy"));
            }
            if limit.is_some() {
                return Err(limit_without_about());
            }
            return Ok(options);
        };
        if limit.is_some() && !is_about {
            return Err(limit_without_about());
        }
        let limit = is_about.then(|| match limit {
            None => 100 * NODE_ENTRIES_MAX,
            Some(0) => u64::MAX,
            Some(limit) => limit,
        });
        options.trim = Some(Trim { keep, limit });
        Ok(options)
    }
}

fn limit_without_about() -> Error {
    Error::text("ERR syntax error, LIMIT cannot be used without the special ~ option")
}

fn not_negative(n: i64, otherwise: &'static str) -> Result<u64> {
    u64::try_from(n).map_err(|_| Error::text(otherwise))
}

impl Stream {
    /// Removes entries from the front; how many.
    pub(super) fn trim(&mut self, txn: &mut Txn, trim: Trim) -> Result<u64> {
        let limit = trim.limit.unwrap_or(u64::MAX);
        let (mut len, mut removed, mut gone) = (self.len(txn)?, 0, None);
        while let Some(node) = self.front() {
            let is_whole = match trim.keep {
                Keep::Last(keep) if len <= keep => break,
                Keep::Last(keep) => len - node.live.min(len) >= keep,
                Keep::From(id) => node.last < id,
            };
            if removed + node.live > limit || (!is_whole && trim.limit.is_some()) {
                break;
            }
            let (last, max) = match trim.keep {
                _ if is_whole => (node.last, u64::MAX),
                Keep::Last(keep) => (node.last, len - keep),
                Keep::From(id) => match id.previous() {
                    Some(last) => (last, u64::MAX),
                    None => break,
                },
            };
            let (count, last) = self.remove_until(txn, gone, last, max)?;
            removed += count;
            len = len.saturating_sub(count);
            gone = gone.max(last);
            self.set_front_live(txn, if is_whole { 0 } else { node.live.saturating_sub(count) })?;
            if !is_whole {
                break;
            }
        }
        if let Some(gone) = gone {
            self.find_first(txn, gone)?;
        }
        Ok(removed)
    }

    /// Removes the first entries after an id and up to another, at most `max`: how many, and the last of them.
    fn remove_until(
        &mut self,
        txn: &mut Txn,
        after: Option<Id>,
        to: Id,
        max: u64,
    ) -> Result<(u64, Option<Id>)> {
        let from = after.and_then(Id::next).unwrap_or(self.head.first);
        if from > to {
            return Ok((0, None));
        }
        let (from, to) = (from.bytes(), to.bytes());
        let (count, last) =
            self.rows.remove_first(txn, ENTRIES, Bound::Included(&from), Bound::Included(&to), max)?;
        Ok((count, if count > 0 { Some(id_of(&last)?) } else { None }))
    }
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(super) fn xtrim(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call, false)?;
    let mut removed = 0;
    if let (Some(mut stream), Some(trim)) = (load(txn, call, call.get(1))?, options.trim) {
        removed = stream.trim(txn, trim)?;
        if removed > 0 {
            stream.save(txn)?;
        }
    }
    tell_count(removed, reply);
    Ok(())
}
