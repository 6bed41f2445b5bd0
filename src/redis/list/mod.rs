//! Lists: elements in order of insertion at either end, each found by its index in O(log n).
//!
//! ```text
//! head  := varint first ‖ varint last                  zigzag; no element's number lies outside of them
//! plane 0, ranked: place → element                     place.rs
//! ```

mod change;
mod place;
mod pop;
mod read;

use bytes::Bytes;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{Collection, Space, Type};
use super::sample::wait_if_many;
use crate::codec::varint;
use crate::store::{self, Reads, Txn};

const N_FROM_END: &str = "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("blmove", 6, Keys::PAIR, pop::blmove).access(Access::MOVE).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .doc("Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was moved.", "6.2.0", "O(1)"),
        write("blmpop", -5, Keys::Counted { at: 2 }, pop::blmpop).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING)
            .doc("Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the list if the last element was popped.", "7.0.0", "O(N+M) where N is the number of provided keys and M is the number of elements returned."),
        write("blpop", -3, Keys::BEFORE_LAST, pop::blpop).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .doc("Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.", "2.0.0", "O(N) where N is the number of provided keys."),
        write("brpop", -3, Keys::BEFORE_LAST, pop::brpop).access(Access::TAKE).flag(Flags::LEAN).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .doc("Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.", "2.0.0", "O(N) where N is the number of provided keys."),
        write("brpoplpush", 4, Keys::PAIR, pop::brpoplpush).access(Access::MOVE).flag(Flags::BLOCKING).flag(Flags::NO_SCRIPT)
            .doc("Pops an element from a list, pushes it to another list and returns it. Block until an element is available otherwise. Deletes the list if the last element was popped.", "2.2.0", "O(1)"),
        read("lindex", 3, Keys::FIRST, read::lindex).ranked()
            .doc("Returns an element from a list by its index.", "1.0.0", "O(log N)"),
        write("linsert", 5, Keys::FIRST, change::linsert).access(Access::INSERT)
            .doc("Inserts an element before or after another element in a list.", "2.2.0", "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N)."),
        read("llen", 2, Keys::FIRST, read::llen).access(Access::LOOK)
            .fast()
            .doc("Returns the length of a list.", "1.0.0", "O(1)"),
        write("lmove", 5, Keys::PAIR, pop::lmove).access(Access::MOVE)
            .doc("Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.", "6.2.0", "O(1)"),
        write("lmpop", -4, Keys::Counted { at: 1 }, pop::lmpop).access(Access::TAKE).flag(Flags::LEAN)
            .doc("Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.", "7.0.0", "O(N+M) where N is the number of provided keys and M is the number of elements returned."),
        write("lpop", -2, Keys::FIRST, pop::lpop).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the first elements in a list after removing it. Deletes the list if the last element was popped.", "1.0.0", "O(N) where N is the number of elements returned"),
        read("lpos", -3, Keys::FIRST, read::lpos).ranked()
            .doc("Returns the index of matching elements in a list.", "6.0.6", "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time."),
        write("lpush", -3, Keys::FIRST, change::lpush).access(Access::INSERT)
            .fast()
            .doc("Prepends one or more elements to a list. Creates the key if it doesn't exist.", "1.0.0", "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."),
        write("lpushx", -3, Keys::FIRST, change::lpushx).access(Access::INSERT)
            .fast()
            .doc("Prepends one or more elements to a list only when the list exists.", "2.2.0", "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."),
        read("lrange", 4, Keys::FIRST, read::lrange).ranked()
            .doc("Returns a range of elements from a list.", "1.0.0", "O(log S + N) where S is the length of the list and N is the number of elements in the specified range."),
        write("lrem", 4, Keys::FIRST, change::lrem).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Removes elements from a list. Deletes the list if the last element was removed.", "1.0.0", "O(N+M) where N is the length of the list and M is the number of elements removed."),
        write("lset", 4, Keys::FIRST, change::lset)
            .doc("Sets the value of an element in a list by its index.", "1.0.0", N_FROM_END),
        write("ltrim", 4, Keys::FIRST, change::ltrim).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Removes elements from both ends a list. Deletes the list if all elements were trimmed.", "1.0.0", "O(N) where N is the number of elements to be removed by the operation."),
        write("rpop", -2, Keys::FIRST, pop::rpop).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns and removes the last elements of a list. Deletes the list if the last element was popped.", "1.0.0", "O(N) where N is the number of elements returned"),
        write("rpoplpush", 3, Keys::PAIR, pop::rpoplpush).access(Access::MOVE)
            .doc("Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.", "1.2.0", "O(1)"),
        write("rpush", -3, Keys::FIRST, change::rpush).access(Access::INSERT)
            .fast()
            .doc("Appends one or more elements to a list. Creates the key if it doesn't exist.", "1.0.0", "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."),
        write("rpushx", -3, Keys::FIRST, change::rpushx).access(Access::INSERT)
            .fast()
            .doc("Appends an element to a list only when the list exists.", "2.2.0", "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."),
];

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

impl End {
    /// What a push to it is called in events, and what a pop from it.
    fn push_event(self) -> &'static str {
        if self == Self::Left { "lpush" } else { "rpush" }
    }

    fn pop_event(self) -> &'static str {
        if self == Self::Left { "lpop" } else { "rpop" }
    }

    /// `LEFT` or `RIGHT`.
    fn parse(word: &[u8]) -> Result<Self> {
        if word.eq_ignore_ascii_case(b"left") {
            Ok(Self::Left)
        } else if word.eq_ignore_ascii_case(b"right") {
            Ok(Self::Right)
        } else {
            Err(Error::Syntax)
        }
    }
}

/// A list.
pub(super) struct List {
    elements: Collection,
    /// The numbers of the first and the last element, or beyond; the last below the first while there were none.
    first: i64,
    last: i64,
}

impl List {
    fn from(elements: Collection) -> Result<Self> {
        let mut head = &elements.head()[..];
        if head.is_empty() {
            return Ok(Self { elements, first: 0, last: -1 });
        }
        let mut number = || varint::take_u64(&mut head).map(|n| (n >> 1) as i64 ^ -((n & 1) as i64));
        let (Some(first), Some(last)) = (number(), number()) else {
            return Err(store::Error::Damaged("a list's head").into());
        };
        Ok(Self { elements, first, last })
    }

    /// The list of a key; `None` if there is no such key.
    fn load(reads: &dyn Reads, space: Space, name: &[u8]) -> Result<Option<Self>> {
        Collection::load(reads, space, name, Type::List)?.map(Self::from).transpose()
    }

    /// The list of a key, or an empty one.
    pub(super) fn load_or_new(reads: &dyn Reads, space: Space, name: &[u8]) -> Result<Self> {
        Self::from(Collection::load_or_new(reads, space, name, Type::List)?)
    }

    fn len(&self, reads: &dyn Reads) -> Result<u64> {
        Ok(self.elements.len(reads)?)
    }

    /// Adds an element at an end.
    pub(super) fn push(&mut self, txn: &mut Txn, end: End, value: &[u8]) -> Result<()> {
        let number = match end {
            End::Left => {
                self.first -= 1;
                self.first
            }
            End::Right => {
                self.last += 1;
                self.last
            }
        };
        Ok(self.elements.insert_at(txn, &place::number(number), value)?)
    }

    /// The elements of an index and the one after it, with their places; indexes count from 0.
    fn at(&self, reads: &dyn Reads, index: u64) -> Result<Option<(Bytes, Bytes)>> {
        Ok(self.elements.ordered(reads)?.at(reads, index)?)
    }

    /// Stages it; an emptied list's key is removed.
    pub(super) fn save(mut self, txn: &mut Txn) -> Result<()> {
        let mut head = Vec::with_capacity(4);
        for n in [self.first, self.last] {
            varint::put_u64(&mut head, (n << 1 ^ n >> 63) as u64);
        }
        if self.elements.head()[..] != head {
            self.elements.set_head(head.into());
        }
        Ok(self.elements.save(txn)?)
    }
}

/// Makes a list of these elements, if there are any, of a key that there is not.
pub(crate) fn store(
    txn: &mut Txn,
    space: Space,
    name: &[u8],
    elements: impl Iterator<Item = Bytes>,
) -> Result {
    let mut list = List::from(Collection::new(space, name, Type::List))?;
    for element in elements {
        list.push(txn, End::Right, &element)?;
    }
    if list.len(txn)? > 0 { list.save(txn) } else { Ok(()) }
}

/// The list at a call's key, for a command that only looks; `None` if there is no such key.
fn load(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<List>> {
    let Some(meta) = call.load(reads, call.get(1))? else { return Ok(None) };
    if meta.kind != Type::List {
        return Err(Error::WrongType);
    }
    List::from(Collection::from_meta(call.space, call.get(1), meta)?).map(Some)
}

/// An index that may count from the end, as one from the start; below zero if it lies before it.
fn from_start(index: i64, len: u64) -> i64 {
    if index < 0 { index.saturating_add_unsigned(len) } else { index }
}

/// The indexes from `start` to `stop`, both of which may count from the end, as a half-open range.
fn span(start: i64, stop: i64, len: u64) -> Option<(u64, u64)> {
    let from = from_start(start, len).max(0) as u64;
    let to = u64::try_from(from_start(stop, len)).ok()?.saturating_add(1).min(len);
    (from < to).then_some((from, to))
}
