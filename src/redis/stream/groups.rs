//! Consumer groups: who reads, how far each group has come, and what was delivered but not acknowledged.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::entries::{Stream, id_of};
use super::head::take_id;
use super::id::{ID_BYTES, Id};
use super::{CONSUMERS, GROUPS, HELD, PENDING};
use crate::codec::varint;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::store::{self, Reads, Txn, after_prefix, put_ordered};

/// How much a consumer holds is read at a time.
const STEP: usize = 256;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// What the rows of its consumers and of what is pending begin with. Never used again.
    pub(crate) number: u64,
    /// The last id that was delivered.
    pub(crate) last: Id,
    /// How many entries were delivered, in the order of all that were ever added; unknown once there are holes.
    pub(crate) read: Option<u64>,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// What the rows of what it holds begin with, after the group's number.
    number: u64,
    /// When it last asked, in Unix milliseconds.
    pub(crate) seen_ms: u64,
    /// When it last got something, in Unix milliseconds.
    pub(crate) active_ms: Option<u64>,
    /// How much is pending at it.
    pub(crate) pending: u64,
}

/// A delivery that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// When, in Unix milliseconds.
    pub(crate) at_ms: u64,
    /// How often.
    pub(crate) count: u64,
    /// To whom.
    pub(crate) consumer: Bytes,
}

fn damaged() -> Error {
    Error::Store(store::Error::Damaged("a stream's group"))
}

fn put_option(out: &mut Vec<u8>, n: Option<u64>) {
    varint::put_u64(out, n.map_or(0, |n| n.saturating_add(1)));
}

impl Group {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put_u64(&mut out, self.number);
        varint::put_u64(&mut out, self.last.ms);
        varint::put_u64(&mut out, self.last.seq);
        put_option(&mut out, self.read);
        out
    }

    fn decode(mut value: &[u8]) -> Result<Self> {
        let take = |bytes: &mut &[u8]| {
            let (number, last) = (varint::take_u64(bytes)?, take_id(bytes)?);
            Some(Self { number, last, read: varint::take_u64(bytes)?.checked_sub(1) })
        };
        take(&mut value).ok_or_else(damaged)
    }

    fn prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(9 + ID_BYTES);
        put_ordered(&mut prefix, self.number);
        prefix
    }

    fn consumer_key(&self, name: &[u8]) -> Vec<u8> {
        [&self.prefix()[..], name].concat()
    }

    fn pending_key(&self, id: Id) -> Vec<u8> {
        [&self.prefix()[..], &id.bytes()].concat()
    }

    fn held_prefix(&self, consumer: &Consumer) -> Vec<u8> {
        let mut prefix = self.prefix();
        put_ordered(&mut prefix, consumer.number);
        prefix
    }

    fn held_key(&self, consumer: &Consumer, id: Id) -> Vec<u8> {
        [&self.held_prefix(consumer)[..], &id.bytes()].concat()
    }
}

impl Consumer {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put_u64(&mut out, self.number);
        varint::put_u64(&mut out, self.seen_ms);
        put_option(&mut out, self.active_ms);
        varint::put_u64(&mut out, self.pending);
        out
    }

    fn decode(mut value: &[u8]) -> Result<Self> {
        let take = |bytes: &mut &[u8]| {
            let (number, seen_ms) = (varint::take_u64(bytes)?, varint::take_u64(bytes)?);
            let active_ms = varint::take_u64(bytes)?.checked_sub(1);
            Some(Self { number, seen_ms, active_ms, pending: varint::take_u64(bytes)? })
        };
        take(&mut value).ok_or_else(damaged)
    }
}

impl Delivery {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.consumer.len());
        varint::put_u64(&mut out, self.at_ms);
        varint::put_u64(&mut out, self.count);
        out.extend_from_slice(&self.consumer);
        out
    }

    fn decode(value: &Bytes) -> Result<Self> {
        let mut rest = &value[..];
        let mut take = || Some((varint::take_u64(&mut rest)?, varint::take_u64(&mut rest)?));
        let (at_ms, count) = take().ok_or_else(damaged)?;
        Ok(Self { at_ms, count, consumer: value.slice_ref(rest) })
    }

    /// How long ago it was, in milliseconds.
    pub(super) fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.at_ms)
    }
}

impl Stream {
    /// A group.
    pub(super) fn group(&self, reads: &dyn Reads, name: &[u8]) -> Result<Option<Group>> {
        let found = self.rows.get(reads, GROUPS, name)?;
        found.map(|found| Group::decode(&found.value)).transpose()
    }

    /// Creates or changes a group.
    pub(crate) fn put_group(&mut self, txn: &mut Txn, name: &[u8], group: &Group) -> Result {
        self.rows.put(txn, GROUPS, name, &group.encode(), None)?;
        Ok(())
    }

    /// A number for a group or consumer.
    pub(crate) fn number(&mut self) -> u64 {
        self.head.next_number += 1;
        self.head.next_number
    }

    /// Removes a group with all that belongs to it.
    pub(super) fn remove_group(&mut self, txn: &mut Txn, name: &[u8], group: &Group) -> Result {
        self.rows.remove(txn, GROUPS, name)?;
        for plane in [CONSUMERS, PENDING, HELD] {
            self.rows.remove_for_good(txn, plane, &group.prefix())?;
        }
        Ok(())
    }

    /// All groups, in the order of their names.
    pub(crate) fn groups(&self, reads: &dyn Reads) -> Result<Vec<(Bytes, Group)>> {
        let mut found = Vec::new();
        self.each(reads, GROUPS, (Bound::Unbounded, Bound::Unbounded), false, &mut |name, element| {
            found.push((Bytes::copy_from_slice(name), element.value.clone()));
            ControlFlow::Continue(())
        })?;
        found.into_iter().map(|(name, value)| Ok((name, Group::decode(&value)?))).collect()
    }

    /// A consumer.
    pub(super) fn consumer(&self, reads: &dyn Reads, group: &Group, name: &[u8]) -> Result<Option<Consumer>> {
        let found = self.rows.get(reads, CONSUMERS, &group.consumer_key(name))?;
        found.map(|found| Consumer::decode(&found.value)).transpose()
    }

    /// All consumers of a group, in the order of their names.
    pub(crate) fn consumers(&self, reads: &dyn Reads, group: &Group) -> Result<Vec<(Bytes, Consumer)>> {
        let prefix = group.prefix();
        let end = after_prefix(&prefix);
        let bounds = (
            Bound::Included(&prefix[..]),
            end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..])),
        );
        let mut found = Vec::new();
        self.each(reads, CONSUMERS, bounds, false, &mut |key, element| {
            found.push((Bytes::copy_from_slice(key).slice(prefix.len()..), element.value.clone()));
            ControlFlow::Continue(())
        })?;
        found.into_iter().map(|(name, value)| Ok((name, Consumer::decode(&value)?))).collect()
    }

    /// What is pending of an entry.
    pub(super) fn pending(&self, reads: &dyn Reads, group: &Group, id: Id) -> Result<Option<Delivery>> {
        let found = self.rows.get(reads, PENDING, &group.pending_key(id))?;
        found.map(|found| Delivery::decode(&found.value)).transpose()
    }

    /// Visits what is pending in a group between two ids, which belong to the range, until told to stop.
    pub(crate) fn each_pending(
        &self,
        reads: &dyn Reads,
        group: &Group,
        (from, to): (Id, Id),
        descending: bool,
        visit: &mut dyn FnMut(Id, Delivery) -> ControlFlow<()>,
    ) -> Result {
        if from > to {
            return Ok(());
        }
        let (from, to) = (group.pending_key(from), group.pending_key(to));
        let bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        let mut damage = None;
        self.each(reads, PENDING, bounds, descending, &mut |key, element| match id_of(key)
            .and_then(|id| Ok((id, Delivery::decode(&element.value)?)))
        {
            Ok((id, delivery)) => visit(id, delivery),
            Err(error) => {
                damage = Some(error);
                ControlFlow::Break(())
            }
        })?;
        damage.map_or(Ok(()), Err)
    }

    /// What one consumer holds between two ids, which belong to the range; at most so many.
    pub(crate) fn held(
        &self,
        reads: &dyn Reads,
        group: &Group,
        consumer: &Consumer,
        (from, to): (Id, Id),
        max: usize,
    ) -> Result<Vec<(Id, Delivery)>> {
        let mut ids = Vec::new();
        if from > to || max == 0 {
            return Ok(Vec::new());
        }
        let (from, to) = (group.held_key(consumer, from), group.held_key(consumer, to));
        let bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        self.each(reads, HELD, bounds, false, &mut |key, _| {
            ids.push(id_of(key));
            if ids.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let ids = ids.into_iter().collect::<Result<Vec<Id>>>()?;
        let keys: Vec<Vec<u8>> = ids.iter().map(|&id| group.pending_key(id)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let found = self.rows.get_many(reads, PENDING, &keys)?;
        ids.into_iter()
            .zip(found)
            .map(|(id, found)| Ok((id, Delivery::decode(&found.ok_or_else(damaged)?.value)?)))
            .collect()
    }
}

/// A group at work. Those of its consumers that are met are kept, and saved together.
pub(crate) struct Team {
    pub(super) group: Group,
    name: Vec<u8>,
    before: Group,
    met: BTreeMap<Bytes, Consumer>,
}

impl Team {
    /// The group of this name.
    pub(crate) fn of(name: &[u8], group: Group) -> Self {
        Self { name: name.to_vec(), before: group.clone(), group, met: BTreeMap::new() }
    }

    /// A consumer.
    pub(crate) fn find(
        &mut self,
        stream: &Stream,
        reads: &dyn Reads,
        name: &[u8],
    ) -> Result<Option<&mut Consumer>> {
        if !self.met.contains_key(name) {
            let Some(found) = stream.consumer(reads, &self.group, name)? else { return Ok(None) };
            self.met.insert(Bytes::copy_from_slice(name), found);
        }
        Ok(self.met.get_mut(name))
    }

    /// Adds a consumer; whether it is new.
    pub(crate) fn join(&mut self, stream: &mut Stream, reads: &dyn Reads, name: &[u8]) -> Result<bool> {
        if self.find(stream, reads, name)?.is_some() {
            return Ok(false);
        }
        let new = Consumer { number: stream.number(), seen_ms: reads.now_ms(), active_ms: None, pending: 0 };
        self.met.insert(Bytes::copy_from_slice(name), new);
        Ok(true)
    }

    /// Notes that a consumer asked for something of the stream `key`, which makes it one, and returns it.
    pub(super) fn see(
        &mut self,
        stream: &mut Stream,
        txn: &mut Txn,
        call: &Call<'_>,
        (key, name): (&[u8], &[u8]),
    ) -> Result<Consumer> {
        if self.join(stream, txn, name)? {
            call.notify(txn, Events::STREAM, "xgroup-createconsumer", key);
        }
        let Some(consumer) = self.met.get_mut(name) else { return Err(damaged()) };
        consumer.seen_ms = txn.now_ms();
        Ok(consumer.clone())
    }

    /// Notes that a consumer got something.
    pub(super) fn activate(&mut self, name: &[u8], now_ms: u64) {
        if let Some(consumer) = self.met.get_mut(name) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Makes an entry pending at a consumer that was met, whomever it was pending at.
    pub(crate) fn deliver(
        &mut self,
        stream: &mut Stream,
        txn: &mut Txn,
        id: Id,
        before: Option<&Delivery>,
        delivery: &Delivery,
    ) -> Result {
        let is_moved = before.is_none_or(|before| before.consumer != delivery.consumer);
        if is_moved {
            if let Some(before) = before {
                self.let_go(stream, txn, id, before)?;
            }
            if let Some(consumer) = self.met.get_mut(&delivery.consumer) {
                consumer.pending += 1;
                stream.rows.put_new(txn, HELD, &self.group.held_key(consumer, id), b"")?;
            }
        }
        let key = self.group.pending_key(id);
        if before.is_none() {
            stream.rows.put_new(txn, PENDING, &key, &delivery.encode())?;
        } else {
            stream.rows.put(txn, PENDING, &key, &delivery.encode(), None)?;
        }
        Ok(())
    }

    /// Makes an entry not pending any more.
    pub(super) fn settle(&mut self, stream: &mut Stream, txn: &mut Txn, id: Id, before: &Delivery) -> Result {
        self.let_go(stream, txn, id, before)?;
        stream.rows.remove(txn, PENDING, &self.group.pending_key(id))?;
        Ok(())
    }

    fn let_go(&mut self, stream: &mut Stream, txn: &mut Txn, id: Id, before: &Delivery) -> Result {
        self.find(stream, txn, &before.consumer)?;
        if let Some(consumer) = self.met.get_mut(&before.consumer) {
            consumer.pending = consumer.pending.saturating_sub(1);
            stream.rows.remove(txn, HELD, &self.group.held_key(consumer, id))?;
        }
        Ok(())
    }

    /// Removes a consumer with all that is pending at it: how much that was; `None` if there is none.
    pub(super) fn dismiss(&mut self, stream: &mut Stream, txn: &mut Txn, name: &[u8]) -> Result<Option<u64>> {
        let Some(consumer) = self.find(stream, txn, name)?.cloned() else { return Ok(None) };
        let mut from = Some(Id::MIN);
        while let Some(first) = from {
            let held = stream.held(txn, &self.group, &consumer, (first, Id::MAX), STEP)?;
            from = held.last().filter(|_| held.len() == STEP).and_then(|(id, _)| id.next());
            for (id, _) in held {
                stream.rows.remove(txn, PENDING, &self.group.pending_key(id))?;
            }
            txn.check_weight()?;
        }
        stream.rows.remove_for_good(txn, HELD, &self.group.held_prefix(&consumer))?;
        stream.rows.remove(txn, CONSUMERS, &self.group.consumer_key(name))?;
        self.met.remove(name);
        Ok(Some(consumer.pending))
    }

    /// Stages what changed of the group and of the consumers that were met.
    pub(crate) fn save(self, stream: &mut Stream, txn: &mut Txn) -> Result {
        if self.group != self.before {
            stream.put_group(txn, &self.name, &self.group)?;
        }
        for (name, consumer) in &self.met {
            stream.rows.put(txn, CONSUMERS, &self.group.consumer_key(name), &consumer.encode(), None)?;
        }
        Ok(())
    }
}
