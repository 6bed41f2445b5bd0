//! The stream itself: its entries, in order, and the nodes they are said to lie in.

use std::cell::Cell;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::head::{Back, Head, Node};
use super::id::Id;
use super::{ENTRIES, NODES};
use crate::codec::varint;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::{Collection, Element, Plane, Space, Type};
use crate::redis::protocol::reply::Reply;
use crate::store::{self, Reads, Tier, Txn};

/// How much a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeLimits {
    /// Redis's `stream-node-max-entries`; 0 is no limit.
    entries: u64,
    /// Redis's `stream-node-max-bytes`; 0 is no limit.
    bytes: u64,
}

/// Redis's own bounds for a node.
pub(crate) const NODE_ENTRIES_MAX: u64 = 100;
pub(crate) const NODE_BYTES_MAX: u64 = 4096;

impl Default for NodeLimits {
    fn default() -> Self {
        Self { entries: NODE_ENTRIES_MAX, bytes: NODE_BYTES_MAX }
    }
}

impl NodeLimits {
    /// Those in force.
    pub(super) fn of(call: &Call<'_>) -> Self {
        let limit = |name| call.instance.parameters.int(name).max(0) as u64;
        Self { entries: limit("stream-node-max-entries"), bytes: limit("stream-node-max-bytes") }
    }

    fn has_room(self, back: &Back, packed: &[u8]) -> bool {
        (self.entries == 0 || back.entries < self.entries)
            && (self.bytes == 0 || back.bytes + value_bytes(packed, true) < self.bytes)
    }

    /// How many entries a trimming with `~` takes away at most, unless it is told.
    pub(super) fn trimmed_max(self) -> u64 {
        match self.entries.saturating_mul(100) {
            0 => 10_000,
            entries => entries.min(1_000_000),
        }
    }
}

/// What an entry, and a field or value, take in a node beside their bytes; about.
const ENTRY_BYTES: u64 = 9;
const TEXT_BYTES: u64 = 2;

/// What walks over more elements goes on where it may take its time.
const STEPS_INLINE_MAX: usize = 512;

/// A stream. Its changes take effect with [`Stream::save`].
pub(crate) struct Stream {
    pub(super) rows: Collection,
    pub(crate) head: Head,
    /// How many elements were walked over.
    steps: Cell<usize>,
}

/// An entry: its id, and its packed fields.
pub(super) type Entry = (Id, Bytes);

/// Reads what ends a row key as an id.
pub(super) fn id_of(subkey: &[u8]) -> Result<Id> {
    Id::from_bytes(subkey).ok_or(Error::Store(store::Error::Damaged("an entry's id")))
}

/// The fields and values of an entry, in turn.
pub(crate) fn texts(mut packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    // How many, which only a reply needs beforehand.
    let _ = varint::take_u64(&mut packed);
    std::iter::from_fn(move || varint::take_bytes(&mut packed))
}

/// Packs an entry's fields and values.
pub(crate) fn pack<'a>(texts: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    // A length takes two bytes as a rule.
    let bytes: usize = texts.clone().map(|text| text.len() + 2).sum();
    let mut packed = Vec::with_capacity(bytes + 2);
    varint::put_u64(&mut packed, texts.len() as u64);
    for text in texts {
        varint::put_bytes(&mut packed, text);
    }
    packed
}

/// Tells an entry.
pub(super) fn tell((id, packed): (Id, &[u8]), reply: &mut Reply) {
    reply.array(2);
    id.tell(reply);
    let count = varint::take_u64(&mut &packed[..]).and_then(|n| usize::try_from(n).ok());
    reply.array(count.unwrap_or_default());
    for text in texts(packed) {
        reply.bulk(text);
    }
}

impl Stream {
    /// An empty stream, for a key that does not exist.
    pub(crate) fn new(space: Space, name: &[u8]) -> Self {
        let rows = Collection::new(space, name, Type::Stream);
        Self { rows, head: Head::default(), steps: Cell::new(0) }
    }

    /// The stream in a collection.
    pub(crate) fn open(rows: Collection) -> Result<Self> {
        let head = Head::decode(rows.head()).ok_or(Error::Store(store::Error::Damaged("a stream's head")))?;
        Ok(Self { rows, head, steps: Cell::new(0) })
    }

    /// Stages the changes.
    pub(crate) fn save(mut self, txn: &mut Txn) -> Result {
        self.save_head();
        Ok(self.rows.save(txn)?)
    }

    /// Stages changes of groups and the head, which are no news to who watches the stream or waits for it: else each
    /// acknowledgement would wake all consumers that wait.
    pub(super) fn save_groups(mut self, txn: &mut Txn) -> Result {
        self.save_head();
        Ok(self.rows.save_quietly(txn)?)
    }

    fn save_head(&mut self) {
        let head = self.head.encode();
        if self.rows.head()[..] != head[..] {
            self.rows.set_head(head.into());
        }
    }

    /// How many entries it has.
    pub(crate) fn len(&self, reads: &dyn Reads) -> Result<u64> {
        Ok(self.rows.len(reads)?)
    }

    /// Several entries' packed fields, in the order asked.
    pub(super) fn entries(&self, reads: &dyn Reads, ids: &[Id]) -> Result<Vec<Option<Bytes>>> {
        let keys: Vec<_> = ids.iter().map(|id| id.bytes()).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let found = self.rows.get_many(reads, ENTRIES, &keys)?;
        Ok(found.into_iter().map(|found| found.map(|found| found.value)).collect())
    }

    /// Visits elements between two bounds until told to stop. On the event loop only so many: then the command must
    /// run elsewhere.
    pub(super) fn each(
        &self,
        reads: &dyn Reads,
        plane: Plane,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        descending: bool,
        visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
    ) -> Result {
        let is_bounded = reads.tier() == Tier::Cached && !self.rows.is_inline();
        let steps_max = if is_bounded { STEPS_INLINE_MAX } else { usize::MAX };
        let mut is_too_far = false;
        self.rows.each(reads, plane, bounds.0, bounds.1, descending, &mut |subkey, element| {
            self.steps.set(self.steps.get() + 1);
            if self.steps.get() > steps_max {
                is_too_far = true;
                return ControlFlow::Break(());
            }
            visit(subkey, element)
        })?;
        if is_too_far { Err(Error::from(store::Error::WouldWait(None))) } else { Ok(()) }
    }

    /// Visits the entries of a range, whose ends belong to it, at most `max`; how many there were.
    pub(crate) fn range(
        &self,
        reads: &dyn Reads,
        (from, to): (Id, Id),
        descending: bool,
        max: u64,
        visit: &mut dyn FnMut(Id, &Bytes),
    ) -> Result<u64> {
        let mut told = 0;
        if max == 0 {
            return Ok(0);
        }
        let mut damage = None;
        self.visit_range(reads, (from, to), None, descending, &mut |subkey, element| {
            match id_of(subkey) {
                Ok(id) => visit(id, &element.value),
                Err(error) => {
                    damage = Some(error);
                    return ControlFlow::Break(());
                }
            }
            told += 1;
            if told < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        damage.map_or(Ok(told), Err)
    }

    /// Visits the entries of a range, whose ends belong to it, or those beyond one of them, until told to stop.
    pub(super) fn visit_range(
        &self,
        reads: &dyn Reads,
        (from, to): (Id, Id),
        beyond: Option<&[u8]>,
        descending: bool,
        visit: &mut dyn FnMut(&[u8], &Element) -> ControlFlow<()>,
    ) -> Result {
        // What lies before the first entry was trimmed away, and need not be walked over.
        let (from, to) = (from.max(self.head.first).bytes(), to.bytes());
        if from > to {
            return Ok(());
        }
        let mut bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        if let Some(beyond) = beyond {
            *if descending { &mut bounds.1 } else { &mut bounds.0 } = Bound::Excluded(beyond);
        }
        self.each(reads, ENTRIES, bounds, descending, visit)
    }

    /// Tells the entries of a range as an array.
    pub(super) fn tell_range(
        &self,
        reads: &dyn Reads,
        range: (Id, Id),
        descending: bool,
        max: u64,
        reply: &mut Reply,
    ) -> Result {
        let open = reply.open_array();
        let told = self.range(reads, range, descending, max, &mut |id, packed| tell((id, packed), reply))?;
        reply.end(open, usize::try_from(told).unwrap_or(usize::MAX));
        Ok(())
    }

    /// The first or the last entry.
    pub(super) fn edge(&self, reads: &dyn Reads, last: bool) -> Result<Option<Entry>> {
        let mut found = None;
        self.range(reads, (Id::MIN, Id::MAX), last, 1, &mut |id, packed| found = Some((id, packed.clone())))?;
        Ok(found)
    }

    /// Adds an entry, whose id is greater than any before.
    pub(crate) fn append(&mut self, txn: &mut Txn, id: Id, packed: &[u8], limits: NodeLimits) -> Result {
        let len = self.len(txn)?;
        if self.head.back.as_ref().is_some_and(|back| !limits.has_room(back, packed)) {
            self.close_back(txn)?;
        }
        self.rows.put_new(txn, ENTRIES, &id.bytes(), packed)?;
        self.head.added = self.head.added.saturating_add(1);
        self.head.last = id;
        if len == 0 {
            self.head.first = id;
        }
        let mut back = self.head.back.take().unwrap_or_default();
        if back.entries == 0 {
            back.node.first = id;
        }
        back.bytes += value_bytes(packed, back.entries == 0);
        back.entries += 1;
        back.node.last = id;
        back.node.live += 1;
        self.head.back = Some(back);
        Ok(())
    }

    /// Makes way for another last node.
    fn close_back(&mut self, txn: &mut Txn) -> Result {
        let Some(Back { node, .. }) = self.head.back.take() else { return Ok(()) };
        if self.head.front.is_none() {
            self.head.front = Some(node);
        } else {
            self.rows.put_new(txn, NODES, &node.first.bytes(), &node.encode())?;
            self.head.closed += 1;
        }
        Ok(())
    }

    /// Removes an entry; whether it was there.
    pub(super) fn delete(&mut self, txn: &mut Txn, id: Id) -> Result<bool> {
        if self.rows.remove(txn, ENTRIES, &id.bytes())?.is_none() {
            return Ok(false);
        }
        self.head.deleted = self.head.deleted.max(id);
        self.leave_node(txn, id)?;
        if id == self.head.first {
            self.find_first(txn, id)?;
        }
        Ok(true)
    }

    /// Counts an entry out of its node.
    fn leave_node(&mut self, txn: &mut Txn, id: Id) -> Result {
        if let Some(front) = &mut self.head.front
            && id <= front.last
        {
            front.live = front.live.saturating_sub(1);
            if front.live == 0 {
                self.drop_front(txn)?;
            }
            return Ok(());
        }
        if let Some(back) = &mut self.head.back
            && id >= back.node.first
        {
            back.node.live = back.node.live.saturating_sub(1);
            if back.node.live == 0 {
                self.head.back = None;
            }
            return Ok(());
        }
        let Some(mut node) = self.node_row(txn, Bound::Unbounded, Bound::Included(id), true)? else {
            return Ok(());
        };
        node.live = node.live.saturating_sub(1);
        if node.live == 0 {
            self.rows.remove(txn, NODES, &node.first.bytes())?;
            self.head.closed = self.head.closed.saturating_sub(1);
        } else {
            self.rows.put(txn, NODES, &node.first.bytes(), &node.encode(), None)?;
        }
        Ok(())
    }

    /// The first node.
    pub(super) fn front(&self) -> Option<Node> {
        self.head.front.or(self.head.back.map(|back| back.node))
    }

    /// Sets how many entries the first node has left; with none it goes.
    pub(super) fn set_front_live(&mut self, txn: &mut Txn, live: u64) -> Result {
        if let Some(front) = &mut self.head.front {
            front.live = live;
            if live == 0 {
                self.drop_front(txn)?;
            }
        } else if live == 0 {
            self.head.back = None;
        } else if let Some(back) = &mut self.head.back {
            back.node.live = live;
        }
        Ok(())
    }

    /// Removes the first so many nodes, but not their entries.
    pub(super) fn remove_nodes(&mut self, txn: &mut Txn, mut count: u64) -> Result {
        if count > 0
            && let Some(front) = self.head.front.take()
        {
            let first = front.first.bytes();
            let closed =
                self.rows.remove_first(txn, NODES, Bound::Excluded(&first), Bound::Unbounded, count - 1)?;
            count -= 1 + closed;
            self.head.closed = self.head.closed.saturating_sub(closed);
            self.take_front(txn, front.last)?;
        }
        if count > 0 {
            self.head.back = None;
        }
        Ok(())
    }

    /// Puts the next node, if there is one beside the last, in the first one's place, which is vacant.
    fn drop_front(&mut self, txn: &mut Txn) -> Result {
        let Some(gone) = self.head.front.take() else { return Ok(()) };
        self.take_front(txn, gone.last)
    }

    fn take_front(&mut self, txn: &mut Txn, after: Id) -> Result {
        if self.head.closed > 0 {
            self.head.front = self.node_row(txn, Bound::Excluded(after), Bound::Unbounded, false)?;
        }
        if let Some(front) = self.head.front {
            self.rows.remove(txn, NODES, &front.first.bytes())?;
            self.head.closed -= 1;
        }
        Ok(())
    }

    /// Visits all nodes in order until told to stop.
    pub(super) fn each_node(
        &self,
        reads: &dyn Reads,
        visit: &mut dyn FnMut(Node) -> ControlFlow<()>,
    ) -> Result {
        let mut goes_on = self.head.front.is_none_or(|front| visit(front).is_continue());
        if goes_on
            && self.head.closed > 0
            && let Some(front) = self.head.front
        {
            let after = front.last.bytes();
            self.each(
                reads,
                NODES,
                (Bound::Excluded(&after), Bound::Unbounded),
                false,
                &mut |_, element| {
                    let flow = Node::decode(&element.value).map_or(ControlFlow::Break(()), &mut *visit);
                    goes_on = flow.is_continue();
                    flow
                },
            )?;
        }
        if goes_on && let Some(back) = self.head.back {
            let _ = visit(back.node);
        }
        Ok(())
    }

    fn node_row(
        &self,
        reads: &dyn Reads,
        from: Bound<Id>,
        to: Bound<Id>,
        last: bool,
    ) -> Result<Option<Node>> {
        let mut found = None;
        let (from, to) = (from.map(Id::bytes), to.map(Id::bytes));
        let bounds = (from.as_ref().map(|from| &from[..]), to.as_ref().map(|to| &to[..]));
        self.each(reads, NODES, bounds, last, &mut |_, element| {
            found = Node::decode(&element.value);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Finds out which entry is the first, now that those up to an id are gone.
    pub(super) fn find_first(&mut self, reads: &dyn Reads, gone: Id) -> Result {
        self.head.first = Id::MIN;
        if self.len(reads)? > 0
            && let Some(from) = gone.next()
        {
            let mut first = Id::MIN;
            self.range(reads, (from, Id::MAX), false, 1, &mut |id, _| first = id)?;
            self.head.first = first;
        }
        Ok(())
    }
}

/// About how many bytes an entry takes in a node; its fields only if it says them itself.
fn value_bytes(packed: &[u8], fields: bool) -> u64 {
    let said = texts(packed).enumerate().filter(|(at, _)| fields || at % 2 == 1);
    said.map(|(_, text)| text.len() as u64 + TEXT_BYTES).sum::<u64>() + ENTRY_BYTES
}
