//! The tail of a large reply.
//!
//! A command that tells many elements tells a piece of them at once. What is left then goes into a [`Tail`], which the
//! connection comes back to as often as the client has taken what was told; until it is through, nothing else is told. So a
//! reply of any size takes the memory of one piece. There are three kinds:
//!
//! - elements in the order of their places, from any of them on ([`Source`]): where nobody knows how many they are, they are
//!   counted before the first piece leaves, since a reply begins with that;
//! - elements by rank;
//! - results that had to be gathered ([`Gathered`]), and so take their memory until they are told.
//!
//! What is read piece by piece is told as of one moment, whatever is written meanwhile: a snapshot, which holds on to no
//! memory and to little of the disk. So that nobody keeps it for ever, a client is disconnected that does not take a piece
//! within [`STALLED_MS`] and a little, and one whose reply goes on for longer than [`SLOW_MS`] at less than
//! [`BYTES_PER_S`], be it since others have the memory for its next piece. Where there is none the pieces are small ones,
//! which need none unless an element is large.
//!
//! Within EXEC and scripts there are no tails: there a reply fits the memory budget, or is refused.

use std::ops::{Bound, ControlFlow};

use super::command::{Call, Lookups};
use super::error::{Error, Result};
use super::gathered::Gathered;
use super::keyspace::{Collection, Ordered, Plane};
use super::protocol::reply::{Open, Reply};
use crate::store::{self, Ranked, Reads, Snapshot, Tier};

/// Bytes of a piece.
const PIECE_BYTES: usize = 128 << 10;
/// Where there is no memory for that: what output may take that nobody counts, and an element still fits.
const SMALL_PIECE_BYTES: usize = 16 << 10;
/// How long a client may take nothing of it, or of any output that takes memory of all, in milliseconds.
const STALLED_MS: u64 = 60_000;
/// How long a large reply may take, in milliseconds, and by how many bytes of it for each further second.
const SLOW_MS: u64 = 300_000;
const BYTES_PER_S: u64 = 128 << 10;

/// How long a client may keep so many bytes of output waiting, in milliseconds.
pub(crate) fn patience_ms(bytes: usize) -> u64 {
    STALLED_MS + (bytes as u64).saturating_mul(1000) / BYTES_PER_S
}

/// Tells an element: its place or subkey, and its value.
pub(crate) type Tell = fn(&mut Reply, &[u8], &[u8]) -> Result;

/// Is shown an element.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Elements in the order of their places, from any of them on.
pub(crate) trait Source: Send {
    /// Visits those beyond a place, or all, until told to stop.
    fn each(&self, reads: &dyn Reads, beyond: Option<&[u8]>, visit: &mut Visit<'_>) -> Result;

    /// How many there are, if that is known.
    fn count(&self, _reads: &dyn Reads) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// The counted plane of a collection.
impl Source for (Collection, Plane) {
    fn each(&self, reads: &dyn Reads, beyond: Option<&[u8]>, visit: &mut Visit<'_>) -> Result {
        let (collection, plane) = self;
        let from = beyond.map_or(Bound::Unbounded, Bound::Excluded);
        let mut visit = |subkey: &[u8], element: &super::keyspace::Element| visit(subkey, &element.value);
        Ok(collection.each(reads, *plane, from, Bound::Unbounded, false, &mut visit)?)
    }

    fn count(&self, reads: &dyn Reads) -> Result<Option<u64>> {
        Ok(Some(self.0.len(reads)?))
    }
}

/// What of a reply is still to be told.
pub(crate) struct Tail {
    walk: Walk,
    left: u64,
    /// When it began, in Unix milliseconds, and how many bytes were told since.
    begun_ms: u64,
    bytes: u64,
}

/// Elements to be told, in order.
enum Walk {
    Places { snapshot: Snapshot, source: Box<dyn Source>, beyond: Option<Vec<u8>>, tell: Tell },
    Ranks { snapshot: Snapshot, ranked: Ranked, next: u64, reverse: bool, tell: Tell },
    Rows { rows: Box<dyn Rows>, next: usize },
}

/// Rows that lie in memory.
trait Rows: Send {
    /// Tells the row of a number; false if there is none.
    fn tell(&self, at: usize, reply: &mut Reply) -> bool;
}

impl<T: Send, F: Fn(&mut Reply, &T) + Send> Rows for (Gathered<T>, F) {
    fn tell(&self, at: usize, reply: &mut Reply) -> bool {
        let row = self.0.rows().get(at);
        row.inspect(|row| (self.1)(reply, row)).is_some()
    }
}

/// What became of a piece.
struct Piece {
    told: u64,
    /// It was broken off, since it was long enough.
    is_cut: bool,
    /// The place of its last element, if it was broken off and places matter.
    last: Option<Vec<u8>>,
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

impl<'a> Telling<'a> {
    fn new(reply: &'a mut Reply, tell: Tell, (most, stop_at): (u64, usize)) -> Self {
        Self { reply, tell, most, stop_at, told: 0, is_cut: false, failed: None }
    }

    fn visit(&mut self, subkey: &[u8], value: &[u8]) -> ControlFlow<()> {
        let told = (self.tell)(self.reply, subkey, value);
        let told = told.and_then(|()| if self.reply.is_over() { Err(Error::OverBudget) } else { Ok(()) });
        if let Err(error) = told {
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

    fn end(self, last: Option<Vec<u8>>) -> Result<Piece> {
        self.failed.map_or(Ok(Piece { told: self.told, is_cut: self.is_cut, last }), Err)
    }
}

/// Tells elements beyond a place.
fn tell_some(
    source: &dyn Source,
    reads: &dyn Reads,
    beyond: Option<&[u8]>,
    mut telling: Telling<'_>,
) -> Result<Piece> {
    let mut last = None;
    if telling.most > 0 {
        source.each(reads, beyond, &mut |subkey, value| {
            let flow = telling.visit(subkey, value);
            if telling.is_cut {
                last = Some(subkey.to_vec());
            }
            flow
        })?;
    }
    telling.end(last)
}

/// Tells elements from a rank on, or back from it.
fn tell_some_ranks(
    ranked: &Ranked,
    reads: &dyn Reads,
    (next, reverse): (u64, bool),
    mut telling: Telling<'_>,
) -> Result<Piece> {
    let mut visit = |place: &[u8], value: &[u8]| telling.visit(place, value);
    if reverse {
        ranked.range_back(reads, next, &mut visit)?;
    } else {
        ranked.range(reads, next, &mut visit)?;
    }
    telling.end(None)
}

impl Tail {
    /// When more of it must have been told, in Unix milliseconds.
    pub(crate) fn due_ms(&self) -> u64 {
        self.begun_ms.saturating_add(SLOW_MS).saturating_add(self.bytes.saturating_mul(1000) / BYTES_PER_S)
    }

    /// Tells the next piece; whether it was the last. May wait for the disk. If it fails, it may be tried again.
    pub(crate) fn go_on(&mut self, reply: &mut Reply) -> Result<bool> {
        let mark = reply.len();
        let mut told = self.tell(reply, mark + PIECE_BYTES);
        if matches!(told, Err(Error::OverBudget)) {
            reply.truncate(mark);
            told = self.tell(reply, mark + SMALL_PIECE_BYTES);
        }
        if matches!(told, Err(Error::OverBudget)) && matches!(self.walk, Walk::Rows { .. }) {
            // It has memory itself, which comes back only when it is through.
            reply.truncate(mark);
            reply.set_overdraws(true);
            told = self.tell(reply, mark + 1);
            reply.set_overdraws(false);
        }
        let is_last = told?;
        self.bytes += (reply.len() - mark) as u64;
        Ok(is_last)
    }

    fn tell(&mut self, reply: &mut Reply, stop_at: usize) -> Result<bool> {
        let bounds = (self.left, stop_at);
        let piece = match &mut self.walk {
            Walk::Places { snapshot, source, beyond, tell } => {
                let view = snapshot.view().with_tier(Tier::Disk);
                let telling = Telling::new(reply, *tell, bounds);
                let mut piece = tell_some(&**source, &view, beyond.as_deref(), telling)?;
                *beyond = piece.last.take();
                piece
            }
            Walk::Ranks { snapshot, ranked, next, reverse, tell } => {
                let view = snapshot.view().with_tier(Tier::Disk);
                let telling = Telling::new(reply, *tell, bounds);
                let piece = tell_some_ranks(ranked, &view, (*next, *reverse), telling)?;
                *next = if *reverse { next.saturating_sub(piece.told) } else { *next + piece.told };
                piece
            }
            Walk::Rows { rows, next } => tell_some_rows(&**rows, next, reply, stop_at)?,
        };
        self.left -= piece.told;
        if self.left > 0 && !piece.is_cut {
            return Err(fewer());
        }
        Ok(self.left == 0)
    }
}

/// Tells rows from one on, which becomes the one after the last that was told.
fn tell_some_rows(rows: &dyn Rows, next: &mut usize, reply: &mut Reply, stop_at: usize) -> Result<Piece> {
    let (mut at, mut is_cut) = (*next, false);
    while !is_cut && rows.tell(at, reply) {
        if reply.is_over() {
            return Err(Error::OverBudget);
        }
        at += 1;
        is_cut = reply.len() >= stop_at;
    }
    let told = (at - *next) as u64;
    *next = at;
    Ok(Piece { told, is_cut, last: None })
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
fn leave(call: &Call<'_>, walk: Walk, left: u64) {
    let begun_ms = call.instance.store().now_ms();
    call.lookups.tail.set(Some(Box::new(Tail { walk, left, begun_ms, bytes: 0 })));
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Tells at most so many elements of a source, and ends what was opened for them. It is loaded a second time where it is to
/// be read in pieces, as of a moment that can be kept; `None` if there is nothing there.
pub(crate) fn tell_places<S: Source + 'static>(
    reads: &dyn Reads,
    call: &Call<'_>,
    load: impl Fn(&dyn Reads, &Call<'_>) -> Result<Option<S>>,
    (reply, open): (&mut Reply, Open),
    (most, tell): (u64, Tell),
) -> Result {
    let Some(source) = load(reads, call)? else {
        reply.end(open, 0);
        return Ok(());
    };
    let bounds = (most, stop_at(call, reply));
    let piece = tell_some(&source, reads, None, Telling::new(reply, tell, bounds))?;
    if !piece.is_cut {
        reply.end(open, size(piece.told));
        return Ok(());
    }
    drop(source);
    if reads.tier() == Tier::Cached {
        return Err(Error::Store(store::Error::WouldWait(None)));
    }
    reply.go_back(&open);
    let store = call.instance.store();
    let snapshot = store.snapshot();
    let view = snapshot.view().with_tier(Tier::Disk);
    call.lookups.needs.set(view.seqno());
    let space = call.instance.keyspace().databases().space(&view, call.space.database)?;
    // The first time counts.
    let lookups = &Lookups::default();
    let Some(source) = load(&view, &Call { space, lookups, ..*call })? else {
        reply.end(open, 0);
        return Ok(());
    };
    let piece = tell_some(&source, &view, None, Telling::new(reply, tell, bounds))?;
    let count = match source.count(&view)? {
        Some(count) => count.min(most),
        None if !piece.is_cut => piece.told,
        None => piece.told + count_rest(&source, &view, piece.last.as_deref(), most - piece.told)?,
    };
    reply.end(open, size(count));
    match count.checked_sub(piece.told) {
        Some(0) => {}
        Some(left) if piece.is_cut => {
            let source = Box::new(source);
            leave(call, Walk::Places { snapshot, source, beyond: piece.last, tell }, left);
        }
        _ => return Err(fewer()),
    }
    Ok(())
}

/// How many elements lie beyond a place; no more than `most` are counted.
fn count_rest(source: &dyn Source, reads: &dyn Reads, beyond: Option<&[u8]>, most: u64) -> Result<u64> {
    let mut count = 0;
    source.each(reads, beyond, &mut |_, _| {
        count += 1;
        if count == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(count)
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
            let mut telling = Telling::new(reply, tell, (count, usize::MAX));
            let mut visit = |place: &[u8], value: &[u8]| telling.visit(place, value);
            if reverse {
                ordered.range_back(reads, from, &mut visit)?;
            } else {
                ordered.range(reads, from, &mut visit)?;
            }
            return telling.end(None).map(drop);
        }
    };
    let bounds = (count, stop_at(call, reply));
    let piece = tell_some_ranks(&ranked, reads, (from, reverse), Telling::new(reply, tell, bounds))?;
    match count - piece.told {
        0 => Ok(()),
        left if piece.is_cut => {
            // Whoever reads by rank has the key locked: what is newest is what was read.
            let snapshot = call.instance.store().snapshot();
            let next = if reverse { from.saturating_sub(piece.told) } else { from + piece.told };
            leave(call, Walk::Ranks { snapshot, ranked, next, reverse, tell }, left);
            Ok(())
        }
        _ => Err(fewer()),
    }
}

/// Tells rows that were gathered; their head has been told.
pub(crate) fn tell_gathered<T: Send + 'static>(
    call: &Call<'_>,
    gathered: Gathered<T>,
    reply: &mut Reply,
    tell: impl Fn(&mut Reply, &T) + Send + 'static,
) -> Result {
    let (stop_at, len, mut next) = (stop_at(call, reply), gathered.rows().len() as u64, 0);
    let rows = (gathered, tell);
    let piece = tell_some_rows(&rows, &mut next, reply, stop_at)?;
    if piece.told < len {
        leave(call, Walk::Rows { rows: Box::new(rows), next }, len - piece.told);
    }
    Ok(())
}
