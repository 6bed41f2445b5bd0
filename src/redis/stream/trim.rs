//! Trimming, and the options of XADD and XTRIM that ask for it.

use std::ops::ControlFlow;

use super::entries::{NodeLimits, Stream};
use super::id::{self, Id, NewId};
use super::{load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

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
            None => NodeLimits::of(call).trimmed_max(),
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

/// What goes from the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    /// So many whole nodes.
    nodes: u64,
    /// How many entries, of these nodes and of the next.
    entries: u64,
    /// How many of the next.
    more: u64,
    /// The last entry that goes.
    last: Id,
}

impl Stream {
    /// Removes entries from the front; how many.
    pub(super) fn trim(&mut self, txn: &mut Txn, trim: Trim) -> Result<u64> {
        let cut = self.cut(txn, trim)?;
        if cut.entries > 0 {
            self.remove_nodes(txn, cut.nodes)?;
            if cut.more > 0
                && let Some(node) = self.front()
            {
                self.set_front_live(txn, node.live.saturating_sub(cut.more))?;
            }
            self.rows.remove_head(txn, &self.head.first.bytes(), &cut.last.bytes(), cut.entries)?;
            self.find_first(txn, cut.last)?;
        }
        Ok(cut.entries)
    }

    /// What a trimming takes away.
    fn cut(&self, reads: &dyn Reads, trim: Trim) -> Result<Cut> {
        let limit = trim.limit.unwrap_or(u64::MAX);
        let len = self.len(reads)?;
        let mut cut = Cut::default();
        // The node that goes in part, and how many of its entries at most.
        let mut part: Option<(Id, u64)> = None;
        self.each_node(reads, &mut |node| {
            let left = len.saturating_sub(cut.entries);
            let is_whole = match trim.keep {
                Keep::Last(keep) if left <= keep => return ControlFlow::Break(()),
                Keep::Last(keep) => left.saturating_sub(node.live) >= keep,
                Keep::From(id) => node.last < id,
            };
            if cut.entries + node.live > limit {
                return ControlFlow::Break(());
            }
            if is_whole {
                cut.nodes += 1;
                cut.entries += node.live;
                cut.last = node.last;
                return ControlFlow::Continue(());
            }
            part = match trim.keep {
                _ if trim.limit.is_some() => None,
                Keep::Last(keep) => Some((node.last, left - keep)),
                Keep::From(id) => id.previous().map(|last| (last, u64::MAX)),
            };
            ControlFlow::Break(())
        })?;
        if let Some((last, max)) = part {
            let from = if cut.nodes > 0 { cut.last.next().unwrap_or(Id::MAX) } else { Id::MIN };
            cut.more = self.range(reads, (from, last), false, max, &mut |id, _| cut.last = id)?;
            cut.entries += cut.more;
        }
        Ok(cut)
    }
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(super) fn xtrim(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call, false)?;
    let mut removed = 0;
    if let (Some(mut stream), Some(trim)) = (load(txn, call, call.get(1))?, options.trim) {
        removed = stream.trim(txn, trim)?;
        if removed > 0 {
            call.notify(txn, Events::STREAM, "xtrim", call.get(1));
            stream.save(txn)?;
        }
    }
    tell_count(removed, reply);
    Ok(())
}
