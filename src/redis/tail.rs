//! The tail of a large reply.
//!
//! A command that tells the elements of one collection tells a piece of them at once. What is left then goes into a
//! [`Tail`], which the connection comes back to as often as the client has taken what was told; until it is through,
//! nothing else is told. So a reply of any size takes the memory of one piece. All of it is told as of one moment, whatever
//! is written meanwhile: a snapshot, which holds on to no memory and to little of the disk. A client that takes nothing for
//! [`STALLED_MS`] is disconnected.
//!
//! Within EXEC and scripts there are no tails: there a reply fits the memory budget, or is refused.

use std::ops::{Bound, ControlFlow};

use super::command::Call;
use super::error::{Error, Result};
use super::keyspace::{Collection, Ordered, Plane};
use super::protocol::reply::{Open, Reply};
use crate::store::{self, Ranked, Reads, Snapshot, Tier};

/// Bytes of a piece.
const PIECE_BYTES: usize = 128 << 10;
/// How long a client may take nothing of a large reply, in milliseconds.
pub(crate) const STALLED_MS: u64 = 60_000;

/// Tells an element: its subkey, or its place in order, and its value.
pub(crate) type Tell = fn(&mut Reply, &[u8], &[u8]) -> Result;

/// What of a reply is still to be told.
pub(crate) struct Tail {
    snapshot: Snapshot,
    walk: Walk,
    left: u64,
    tell: Tell,
}

/// Elements to be told, in order.
enum Walk {
    Plane { collection: Box<Collection>, plane: Plane, after: Option<Vec<u8>> },
    Ranks { ranked: Ranked, next: u64, reverse: bool },
}

/// What became of a piece.
struct Piece {
    told: u64,
    /// It was broken off, since it was long enough.
    is_cut: bool,
}

/// A telling that may be broken off.
struct Telling<'a> {
    reply: &'a mut Reply,
    tell: Tell,
    most: u64,
    stop_at: usize,
    told: u64,
    is_cut: bool,
    failed: Option<Error>,
}

impl Telling<'_> {
    fn visit(&mut self, subkey: &[u8], value: &[u8]) -> ControlFlow<()> {
        if let Err(error) = (self.tell)(self.reply, subkey, value) {
            self.failed = Some(error);
            return ControlFlow::Break(());
        }
        self.told += 1;
        if self.told == self.most {
            return ControlFlow::Break(());
        }
        self.is_cut = self.reply.len() >= self.stop_at;
        if self.is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Walk {
    /// Tells at most so many elements, until the output is that long.
    fn tell(
        &mut self,
        reads: &dyn Reads,
        reply: &mut Reply,
        tell: Tell,
        (most, stop_at): (u64, usize),
    ) -> Result<Piece> {
        let mut telling = Telling { reply, tell, most, stop_at, told: 0, is_cut: false, failed: None };
        match self {
            Self::Plane { collection, plane, after } => {
                let mut last = None;
                let from = after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(&after[..]));
                collection.each(reads, *plane, from, Bound::Unbounded, false, &mut |subkey, element| {
                    let flow = telling.visit(subkey, &element.value);
                    if telling.is_cut {
                        last = Some(subkey.to_vec());
                    }
                    flow
                })?;
                *after = last;
            }
            Self::Ranks { ranked, next, reverse: false } => {
                ranked.range(reads, *next, &mut |place, value| telling.visit(place, value))?;
                *next += telling.told;
            }
            Self::Ranks { ranked, next, reverse: true } => {
                ranked.range_back(reads, *next, &mut |place, value| telling.visit(place, value))?;
                *next = next.saturating_sub(telling.told);
            }
        }
        let Telling { told, is_cut, failed, .. } = telling;
        failed.map_or(Ok(Piece { told, is_cut }), Err)
    }
}

impl Tail {
    /// Tells the next piece; whether it was the last. May wait for the disk.
    pub(crate) fn go_on(&mut self, reply: &mut Reply) -> Result<bool> {
        let bounds = (self.left, reply.len() + PIECE_BYTES);
        let view = self.snapshot.view().with_tier(Tier::Disk);
        let piece = self.walk.tell(&view, reply, self.tell, bounds)?;
        self.left -= piece.told;
        if self.left > 0 && !piece.is_cut {
            return Err(fewer());
        }
        Ok(self.left == 0)
    }
}

/// There are fewer elements than were counted.
fn fewer() -> Error {
    Error::Store(store::Error::Damaged("a collection's count"))
}

/// Where to break off; nowhere, if there may be no tail.
fn stop_at(call: &Call<'_>, reply: &Reply) -> usize {
    if call.lookups.may_leave_tail.get() { reply.len() + PIECE_BYTES } else { usize::MAX }
}

/// Leaves the rest for later.
fn leave(call: &Call<'_>, snapshot: Snapshot, walk: Walk, left: u64, tell: Tell) {
    call.lookups.tail.set(Some(Box::new(Tail { snapshot, walk, left, tell })));
}

/// Tells all elements of a plane, the counted one, and ends what was opened for them.
pub(crate) fn tell_plane(
    reads: &dyn Reads,
    call: &Call<'_>,
    (collection, plane): (Collection, Plane),
    reply: &mut Reply,
    open: Open,
    tell: Tell,
) -> Result {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let bounds = (u64::MAX, stop_at(call, reply));
    let kind = collection.kind();
    let mut walk = Walk::Plane { collection: Box::new(collection), plane, after: None };
    let piece = walk.tell(reads, reply, tell, bounds)?;
    if !piece.is_cut {
        reply.end(open, size(piece.told));
        return Ok(());
    }
    // Told again from the start, as of a moment that can be kept.
    reply.go_back(&open);
    let store = call.instance.store();
    let snapshot = store.snapshot();
    let view = snapshot.view().with_tier(reads.tier());
    call.lookups.needs.set(view.seqno());
    let space = call.instance.keyspace().databases().space(&view, call.space.database)?;
    let Some(collection) = Collection::load(&view, space, call.get(1), kind)? else {
        reply.end(open, 0);
        return Ok(());
    };
    let count = collection.len(&view)?;
    let mut walk = Walk::Plane { collection: Box::new(collection), plane, after: None };
    let piece = walk.tell(&view, reply, tell, bounds)?;
    reply.end(open, size(count));
    match count.checked_sub(piece.told) {
        Some(0) => {}
        Some(left) if piece.is_cut => leave(call, snapshot, walk, left, tell),
        _ => return Err(fewer()),
    }
    Ok(())
}

/// Tells so many elements from a rank on, or back from it; their head has been told.
pub(crate) fn tell_ranks(
    reads: &dyn Reads,
    call: &Call<'_>,
    collection: &Collection,
    (from, count, reverse): (u64, u64, bool),
    reply: &mut Reply,
    tell: Tell,
) -> Result {
    if count == 0 {
        return Ok(());
    }
    let ranked = match collection.ordered(reads)? {
        Ordered::Stored(ranked) => ranked,
        ordered => {
            let mut telling = Telling {
                reply,
                tell,
                most: count,
                stop_at: usize::MAX,
                told: 0,
                is_cut: false,
                failed: None,
            };
            let mut visit = |place: &[u8], value: &[u8]| telling.visit(place, value);
            if reverse {
                ordered.range_back(reads, from, &mut visit)?;
            } else {
                ordered.range(reads, from, &mut visit)?;
            }
            return telling.failed.map_or(Ok(()), Err);
        }
    };
    let stop_at = stop_at(call, reply);
    let mut walk = Walk::Ranks { ranked, next: from, reverse };
    let piece = walk.tell(reads, reply, tell, (count, stop_at))?;
    match count - piece.told {
        0 => Ok(()),
        left if piece.is_cut => {
            // Whoever reads by rank has the key locked: what is newest is what was read.
            leave(call, call.instance.store().snapshot(), walk, left, tell);
            Ok(())
        }
        _ => Err(fewer()),
    }
}
