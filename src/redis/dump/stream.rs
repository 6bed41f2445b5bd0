//! Streams.
//!
//! ```text
//! 15 := nodes ‖ length ‖ id last ‖ groups
//! 19 := nodes ‖ length ‖ id last ‖ id first ‖ id deleted ‖ added ‖ groups                             Redis 7.0
//! 21 := the same, with `active` at each consumer                                                      Redis 7.2
//!
//! nodes    := count ‖ (string: the master's id, 16 bytes, BE ‖ string: listpack)*
//! groups   := count ‖ (name ‖ id last ‖ [read, 2^64 - 1 if unknown] ‖ pending ‖ consumers)*           read: not in 15
//! pending  := count ‖ (id, 16 bytes, BE ‖ delivered, 8 bytes, LE ‖ deliveries)*
//! consumers := count ‖ (name ‖ seen, 8 bytes, LE ‖ [active, 8 bytes, LE] ‖ count ‖ (id, 16 bytes, BE)*)*
//! id       := ms ‖ seq, as lengths                                                  times in Unix milliseconds
//!
//! listpack := entries ‖ deleted ‖ fields ‖ field* ‖ 0 ‖ entry*                      the master: whose fields others share
//! entry    := flags ‖ ms and seq beyond the master's ‖ (value* | fields ‖ (field ‖ value)*) ‖ how many elements before this
//! flags    := 1 deleted | 2 has the master's fields
//! ```
//!
//! What is written is 19, which 7.0 reads: when a consumer last got something is not in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::super::error::Result;
use super::super::keyspace::{Collection, Type};
use super::super::number;
use super::super::sample::wait_if_many;
use super::super::stream::{
    Delivery, Group, ID_BYTES, Id, NODE_BYTES_MAX, NODE_ENTRIES_MAX, NodeLimits, Stream, Team, pack, texts,
};
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target, bad, listpack};
use crate::store::{Reads, Txn};

const FIRST: u8 = 15;
const SECOND: u8 = 19;
const THIRD: u8 = 21;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

pub(super) const FORMAT: Format = Format {
    kind: Type::Stream,
    reads: &[FIRST, SECOND, THIRD],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |kind, reader| parse(kind, reader, 1 << 20, &mut |_, _| Ok(())).map(drop),
};

fn put_id(writer: &mut Writer, id: Id) {
    writer.length(id.ms);
    writer.length(id.seq);
}

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let stream = Stream::open(Collection::from_meta(source.space, source.name, source.meta.clone())?)?;
    let len = stream.len(reads)?;
    wait_if_many(reads, len)?;
    writer.byte(SECOND);
    write_nodes(reads, &stream, writer)?;
    let head = &stream.head;
    writer.length(len);
    for id in [head.last, if len == 0 { Id::MIN } else { head.first }, head.deleted] {
        put_id(writer, id);
    }
    writer.length(head.added);
    let groups = stream.groups(reads)?;
    writer.length(groups.len() as u64);
    for (name, group) in &groups {
        if writer.is_full() {
            break;
        }
        writer.string(name);
        put_id(writer, group.last);
        writer.length(group.read.unwrap_or(u64::MAX));
        write_group(reads, &stream, group, writer)?;
    }
    Ok(())
}

fn write_nodes(reads: &dyn Reads, stream: &Stream, writer: &mut Writer) -> Result {
    let (at, mut nodes) = (writer.len(), 0);
    let mut node: Option<Node> = None;
    let mut from = Some(Id::MIN);
    // Some at a time, so that what is too large is not read to its end.
    while let Some(first) = from.filter(|_| !writer.is_full()) {
        from = None;
        stream.range(reads, (first, Id::MAX), false, NODE_ENTRIES_MAX, &mut |id, packed| {
            if let Some(full) = node.take_if(|node| node.is_full()) {
                full.write(writer);
                nodes += 1;
            }
            node.get_or_insert_with(|| Node::new(id, packed)).push(id, packed);
            from = id.next();
        })?;
    }
    if let Some(last) = node {
        last.write(writer);
        nodes += 1;
    }
    writer.insert_length(at, nodes);
    Ok(())
}

/// A node that is being packed.
struct Node {
    master: Id,
    fields: Vec<Vec<u8>>,
    entries: usize,
    /// Without the two counts that it begins with.
    elements: Vec<Vec<u8>>,
    bytes: usize,
}

impl Node {
    fn new(master: Id, packed: &[u8]) -> Self {
        let fields: Vec<Vec<u8>> = texts(packed).step_by(2).map(<[u8]>::to_vec).collect();
        let mut node = Self { master, fields, entries: 0, elements: Vec::new(), bytes: 0 };
        node.number(node.fields.len() as u64);
        for field in node.fields.clone() {
            node.element(&field);
        }
        node.number(0);
        node
    }

    fn is_full(&self) -> bool {
        self.entries as u64 >= NODE_ENTRIES_MAX || self.bytes as u64 >= NODE_BYTES_MAX
    }

    fn element(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.elements.push(bytes.to_vec());
    }

    fn number(&mut self, n: u64) {
        self.element(n.to_string().as_bytes());
    }

    fn push(&mut self, id: Id, packed: &[u8]) {
        self.entries += 1;
        let is_same = texts(packed).step_by(2).eq(self.fields.iter().map(Vec::as_slice));
        let from = self.elements.len();
        self.number(if is_same { SAME_FIELDS as u64 } else { 0 });
        self.number(id.ms.wrapping_sub(self.master.ms));
        // As signed: of a later millisecond it may be less.
        self.element((id.seq.wrapping_sub(self.master.seq) as i64).to_string().as_bytes());
        if is_same {
            texts(packed).skip(1).step_by(2).for_each(|value| self.element(value));
        } else {
            self.number((texts(packed).count() / 2) as u64);
            texts(packed).for_each(|text| self.element(text));
        }
        self.number((self.elements.len() - from) as u64);
    }

    fn write(&self, writer: &mut Writer) {
        let mut builder = listpack::Builder::new();
        builder.push(self.entries.to_string().as_bytes());
        builder.push(b"0");
        self.elements.iter().for_each(|element| builder.push(element));
        let packed = builder.finish();
        for string in [&self.master.bytes()[..], &packed] {
            writer.length(string.len() as u64);
            writer.bytes(string);
        }
    }
}

fn write_group(reads: &dyn Reads, stream: &Stream, group: &Group, writer: &mut Writer) -> Result {
    let (at, mut pending) = (writer.len(), 0);
    stream.each_pending(reads, group, (Id::MIN, Id::MAX), false, &mut |id, delivery| {
        writer.bytes(&id.bytes());
        writer.bytes(&delivery.at_ms.to_le_bytes());
        writer.length(delivery.count);
        pending += 1;
        if writer.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    writer.insert_length(at, pending);
    let consumers = stream.consumers(reads, group)?;
    writer.length(consumers.len() as u64);
    for (name, consumer) in &consumers {
        if writer.is_full() {
            break;
        }
        writer.string(name);
        writer.bytes(&consumer.seen_ms.to_le_bytes());
        writer.length(consumer.pending);
        for (id, _) in stream.held(reads, group, consumer, (Id::MIN, Id::MAX), usize::MAX)? {
            writer.bytes(&id.bytes());
        }
    }
    Ok(())
}

/// What follows the entries.
struct Rest {
    len: u64,
    last: Id,
    deleted: Id,
    /// What 15 does not say.
    added: Option<u64>,
    groups: BTreeMap<Vec<u8>, GroupImage>,
}

struct GroupImage {
    last: Id,
    /// What 15 does not say.
    read: Option<u64>,
    consumers: BTreeMap<Vec<u8>, ConsumerImage>,
}

struct ConsumerImage {
    seen_ms: u64,
    active_ms: Option<u64>,
    /// Ids, when each was delivered, and how often.
    pending: Vec<(Id, u64, u64)>,
}

fn take_id(reader: &mut Reader<'_>) -> Result<Id> {
    Ok(Id { ms: reader.length()?, seq: reader.length()? })
}

fn raw_id(reader: &mut Reader<'_>) -> Result<Id> {
    Id::from_bytes(&reader.chunk::<ID_BYTES>()?).ok_or_else(bad)
}

fn time(reader: &mut Reader<'_>) -> Result<u64> {
    Ok(u64::from_le_bytes(reader.chunk()?))
}

/// Visits the entries, with fields and values in turn, and reads what follows.
fn parse(
    kind: u8,
    reader: &mut Reader<'_>,
    most: u64,
    visit: &mut dyn FnMut(Id, &[&[u8]]) -> Result,
) -> Result<Rest> {
    let (mut told, mut newest) = (0, None);
    for _ in 0..reader.length()? {
        let master = reader.string(most)?;
        let master = Id::from_bytes(&master).filter(|_| master.len() == ID_BYTES).ok_or_else(bad)?;
        let packed = reader.packed(most)?;
        each_entry(master, &listpack::entries(&packed)?, &mut |id, texts| {
            if newest.is_some_and(|newest| id <= newest) || id == Id::MIN {
                return Err(bad());
            }
            newest = Some(id);
            told += 1;
            visit(id, texts)
        })?;
    }
    let len = reader.length()?;
    let last = take_id(reader)?;
    if len != told || newest.is_some_and(|newest| last < newest) {
        return Err(bad());
    }
    let (mut deleted, mut added) = (Id::MIN, None);
    if kind != FIRST {
        // Which entry is the first is seen.
        take_id(reader)?;
        deleted = take_id(reader)?;
        added = Some(reader.length()?);
    }
    let mut groups = BTreeMap::new();
    for _ in 0..reader.length()? {
        let name = reader.string(most)?.into_owned();
        if groups.insert(name, group(kind, reader, most)?).is_some() {
            return Err(bad());
        }
    }
    Ok(Rest { len, last, deleted, added, groups })
}

/// Visits the entries of a node that are not deleted.
fn each_entry(
    master: Id,
    elements: &[Cow<'_, [u8]>],
    visit: &mut dyn FnMut(Id, &[&[u8]]) -> Result,
) -> Result {
    let mut rest = elements.iter().map(|element| &element[..]);
    let mut next = || rest.next().ok_or_else(bad);
    let number = |bytes: &[u8]| number::parse_i64(bytes).ok_or_else(bad);
    let (live, deleted) = (number(next()?)?, number(next()?)?);
    let mut count = || -> Result<usize> {
        // No more than there are elements.
        usize::try_from(number(next()?)?).ok().filter(|&n| n <= elements.len()).ok_or_else(bad)
    };
    let fields = count()?;
    let fields: Vec<&[u8]> = (0..fields).map(|_| rest.next().ok_or_else(bad)).collect::<Result<_>>()?;
    if rest.next() != Some(b"0") {
        return Err(bad());
    }
    let (mut lived, mut died) = (0, 0);
    while let Some(flags) = rest.next() {
        let flags = number(flags)?;
        let mut next = || rest.next().ok_or_else(bad);
        let (ms, seq) = (number(next()?)?, number(next()?)?);
        let id = Id { ms: master.ms.wrapping_add(ms as u64), seq: master.seq.wrapping_add(seq as u64) };
        let mut texts: Vec<&[u8]> = Vec::new();
        let elements_before = if flags & SAME_FIELDS != 0 {
            for field in &fields {
                texts.extend([field, next()?]);
            }
            3 + fields.len()
        } else {
            let own =
                usize::try_from(number(next()?)?).ok().filter(|&n| n <= elements.len()).ok_or_else(bad)?;
            for _ in 0..own * 2 {
                texts.push(next()?);
            }
            4 + own * 2
        };
        if number(next()?)? != elements_before as i64 || texts.is_empty() {
            return Err(bad());
        }
        if flags & DELETED == 0 {
            lived += 1;
            visit(id, &texts)?;
        } else {
            died += 1;
        }
    }
    if (lived, died) == (live, deleted) { Ok(()) } else { Err(bad()) }
}

fn group(kind: u8, reader: &mut Reader<'_>, most: u64) -> Result<GroupImage> {
    let last = take_id(reader)?;
    let read = if kind == FIRST { None } else { Some(reader.length()?) };
    let mut pending = BTreeMap::new();
    for _ in 0..reader.length()? {
        let delivery = (raw_id(reader)?, (time(reader)?, reader.length()?));
        if pending.insert(delivery.0, delivery.1).is_some() {
            return Err(bad());
        }
    }
    let mut consumers = BTreeMap::new();
    for _ in 0..reader.length()? {
        let name = reader.string(most)?.into_owned();
        let seen_ms = time(reader)?;
        let active_ms = Some(if kind == THIRD { time(reader)? } else { seen_ms });
        let active_ms = active_ms.filter(|&ms| ms != u64::MAX);
        let mut held = Vec::new();
        for _ in 0..reader.length()? {
            let id = raw_id(reader)?;
            // Each is held by one.
            let (at_ms, count) = pending.remove(&id).ok_or_else(bad)?;
            held.push((id, at_ms, count));
        }
        if consumers.insert(name, ConsumerImage { seen_ms, active_ms, pending: held }).is_some() {
            return Err(bad());
        }
    }
    if pending.is_empty() { Ok(GroupImage { last, read, consumers }) } else { Err(bad()) }
}

fn read(kind: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let mut stream = Stream::new(target.space, target.name);
    let rest = parse(kind, reader, target.value_bytes_max, &mut |id, texts| {
        stream.append(txn, id, &pack(texts.iter().copied()), NodeLimits::default())
    })?;
    let head = &mut stream.head;
    (head.last, head.deleted, head.added) = (rest.last, rest.deleted, rest.added.unwrap_or(rest.len));
    for (name, image) in rest.groups {
        let read = match image.read {
            Some(read) => Some(read).filter(|&read| read != u64::MAX),
            None => stream.head.added_until(image.last, rest.len),
        };
        let group = Group { number: stream.number(), last: image.last, read };
        stream.put_group(txn, &name, &group)?;
        let mut team = Team::of(&name, group);
        for (name, image) in image.consumers {
            team.join(&mut stream, txn, &name)?;
            if let Some(consumer) = team.find(&stream, txn, &name)? {
                (consumer.seen_ms, consumer.active_ms) = (image.seen_ms, image.active_ms);
            }
            for (id, at_ms, count) in image.pending {
                let delivery = Delivery { at_ms, count, consumer: name.clone().into() };
                team.deliver(&mut stream, txn, id, None, &delivery)?;
            }
        }
        team.save(&mut stream, txn)?;
    }
    stream.save(txn)
}
