//! Streams of changes: what each record holds, and in which order they come.
//!
//! ```text
//! record   := version(1) ‖ kind ‖ keys ‖ old ‖ new           under the row 1 ‖ stream ‖ 4 ‖ sequence, see rows.rs
//! kind     := 0 INSERT | 1 MODIFY | 2 REMOVE | 3 REMOVE, by the service since the item had expired
//! keys     := map
//! old, new := 0 | 1 ‖ map                                    what the stream's view asks for
//! sequence := Unix milliseconds << 20, or one more than the one before
//! ```
//!
//! A record is a row of the transaction that changes the item, so that neither is without the other. Numbers are given
//! out while the item's lock is held: records of one item lie in the order of its changes. Records of different items may
//! be committed in another order than they were numbered in; readers stop before the first number that was still on its
//! way, or not given out, when they began, so that they miss none.
//!
//! A record is gone 24 hours after the time in its number; compaction drops it then, and nobody need delete it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::attribute::Attributes;
use super::attribute::encoding::{put_attributes, take_attributes};
use super::error::Result;
use super::rows::{records_prefix, records_row};
use super::schema::Schema;
use crate::store::{self, Reads, Txn, after_prefix};

/// The version of records that this program writes.
const VERSION: u8 = 1;

/// How long records are kept, in milliseconds.
pub const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

const TIME_SHIFT: u32 = 20;

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is new.
    Insert,
    /// It is another one.
    Modify,
    /// It is gone.
    Remove,
    /// It is gone, since it had expired.
    Expire,
}

impl Event {
    const ALL: [Self; 4] = [Self::Insert, Self::Modify, Self::Remove, Self::Expire];

    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Modify => "MODIFY",
            Self::Remove | Self::Expire => "REMOVE",
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
    /// The item's keys.
    pub keys: Attributes,
    /// The item before, if the stream holds that.
    pub old: Option<Attributes>,
    /// The item after, if the stream holds that.
    pub new: Option<Attributes>,
}

impl Record {
    /// When it happened, in Unix milliseconds.
    pub fn created_ms(&self) -> u64 {
        created_ms(self.sequence)
    }
}

/// The time in a number, in Unix milliseconds.
pub fn created_ms(sequence: u64) -> u64 {
    sequence >> TIME_SHIFT
}

/// The first number that a record of this time may have.
pub fn first_at(ms: u64) -> u64 {
    ms.min(u64::MAX >> TIME_SHIFT) << TIME_SHIFT
}

/// A record's row.
pub fn record_row(stream: u64, sequence: u64) -> Vec<u8> {
    let mut row = records_prefix(stream);
    row.extend_from_slice(&sequence.to_be_bytes());
    row
}

/// When a record has had its time, in Unix milliseconds.
pub fn deadline_ms(row: &[u8]) -> Option<u64> {
    let digits = records_row(row)?;
    Some(created_ms(u64::from_be_bytes(digits.try_into().ok()?)) + KEPT_MS)
}

/// The number in a record's row.
fn sequence_of(stream: u64, row: &[u8]) -> Option<u64> {
    let digits = row.strip_prefix(&records_prefix(stream)[..])?;
    Some(u64::from_be_bytes(digits.try_into().ok()?))
}

/// The numbers of all streams.
#[derive(Default)]
pub struct Sequences(Mutex<HashMap<u64, Numbers>>);

#[derive(Default)]
struct Numbers {
    last: u64,
    /// Those that are given out, and not yet committed or given up.
    on_their_way: BTreeSet<u64>,
}

/// A number that is on its way. To be let go of once its record can be seen, or never will be.
struct Reserved {
    sequences: Arc<Sequences>,
    stream: u64,
    sequence: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(numbers) = self.sequences.0.lock().get_mut(&self.stream) {
            numbers.on_their_way.remove(&self.sequence);
        }
    }
}

impl Sequences {
    fn reserve(self: &Arc<Self>, txn: &Txn, stream: u64) -> Result<Reserved> {
        let mut streams = self.0.lock();
        let stored = if streams.contains_key(&stream) {
            0
        } else {
            // Nobody waits for the disk.
            MutexGuard::unlocked(&mut streams, || newest(txn, stream))?
        };
        let numbers = streams.entry(stream).or_default();
        let sequence = (numbers.last.max(stored) + 1).max(first_at(txn.now_ms()));
        numbers.last = sequence;
        numbers.on_their_way.insert(sequence);
        Ok(Reserved { sequences: self.clone(), stream, sequence })
    }

    /// Forgets a stream that has been over for so long that it has no records.
    pub fn forget(&self, stream: u64) {
        self.0.lock().remove(&stream);
    }

    /// Pins a view; and the first number that its reader may not see yet. That is the first one on its way before, or that
    /// was not given out: of those given out since, a later one may be in the view and an earlier one not.
    pub fn pin<V>(&self, stream: u64, view: impl Fn() -> V) -> (V, u64) {
        loop {
            let end = self.end(stream);
            let pinned = view();
            // Where none was given out since the store was opened, all that there are are in the view.
            if end.is_some() || self.end(stream).is_none() {
                return (pinned, end.unwrap_or(u64::MAX));
            }
        }
    }

    /// The first number that is on its way or not given out; `None` if none was since the store was opened.
    fn end(&self, stream: u64) -> Option<u64> {
        let streams = self.0.lock();
        let numbers = streams.get(&stream)?;
        Some(numbers.on_their_way.first().copied().unwrap_or(numbers.last + 1))
    }
}

/// The newest number in the store, 0 if there is none.
pub fn newest(reads: &impl Reads, stream: u64) -> store::Result<u64> {
    let from = records_prefix(stream);
    let end = after_prefix(&from).unwrap_or_default();
    let mut scan = reads.scan(Bound::Included(&from), Bound::Excluded(&end));
    scan.last()?;
    if !scan.valid() {
        return Ok(0);
    }
    sequence_of(stream, scan.key()).ok_or(store::Error::Damaged("a stream's row"))
}

/// Stages the record of a change, if the table has a stream.
pub fn record(
    txn: &mut Txn,
    sequences: &Arc<Sequences>,
    table: &Schema,
    (old, new): (Option<&Attributes>, Option<&Attributes>),
    has_expired: bool,
) -> Result<()> {
    let Some(stream) = table.stream() else { return Ok(()) };
    let (event, some) = match (old, new) {
        (None, Some(new)) => (Event::Insert, new),
        (Some(old), Some(_)) => (Event::Modify, old),
        (Some(old), None) => (if has_expired { Event::Expire } else { Event::Remove }, old),
        (None, None) => return Ok(()),
    };
    let reserved = sequences.reserve(txn, stream.id)?;
    let mut value = vec![VERSION, Event::ALL.iter().position(|one| *one == event).unwrap_or(0) as u8];
    let keys = table.keys.parts().filter_map(|part| Some((part.name.clone(), some.get(&part.name)?.clone())));
    put_attributes(&mut value, &keys.collect());
    let (with_old, with_new) = stream.images();
    for image in [old.filter(|_| with_old), new.filter(|_| with_new)] {
        value.push(u8::from(image.is_some()));
        if let Some(image) = image {
            put_attributes(&mut value, image);
        }
    }
    txn.put(record_row(stream.id, reserved.sequence), value);
    txn.after_commit(move |_| drop(reserved));
    Ok(())
}

/// The records of a stream with numbers from one on and below another, as long as `more` says so; and the number from
/// which on one may go on.
pub fn read(
    reads: &impl Reads,
    stream: u64,
    (from, end): (u64, u64),
    mut more: impl FnMut(&Record, usize) -> bool,
) -> store::Result<(Vec<Record>, u64)> {
    let from = from.max(first_at(reads.now_ms().saturating_sub(KEPT_MS)));
    let (first, last) = (record_row(stream, from), record_row(stream, end));
    let mut scan = reads.scan(Bound::Included(&first), Bound::Excluded(&last));
    scan.first()?;
    let (mut records, mut next) = (Vec::new(), from);
    while scan.valid() {
        let damaged = store::Error::Damaged("a stream's record");
        let sequence = sequence_of(stream, scan.key()).ok_or_else(|| damaged.clone())?;
        let record = parse(sequence, scan.value()).ok_or(damaged)?;
        let size = scan.value().len();
        next = sequence + 1;
        let goes_on = more(&record, size);
        records.push(record);
        if !goes_on {
            break;
        }
        scan.next()?;
    }
    Ok((records, next))
}

fn parse(sequence: u64, mut value: &[u8]) -> Option<Record> {
    let bytes = &mut value;
    if bytes.split_off_first() != Some(&VERSION) {
        return None;
    }
    let event = *Event::ALL.get(usize::from(*bytes.split_off_first()?))?;
    let keys = take_attributes(bytes)?;
    let mut image = || match bytes.split_off_first()? {
        0 => Some(None),
        1 => Some(Some(take_attributes(bytes)?)),
        _ => None,
    };
    let (old, new) = (image()?, image()?);
    bytes.is_empty().then_some(Record { sequence, event, keys, old, new })
}
