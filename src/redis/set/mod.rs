//! Sets of members, which lie in the order of their bytes.

mod algebra;
mod random;
mod read;
mod store;
mod write;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{Collection, Meta, Plane, Type};
use crate::store::{Reads, Txn};

/// The members, whose elements hold nothing.
const MEMBERS: Plane = 0;

/// So many members are asked for together.
const PORTION: usize = 256;

const N_MEMBERS: &str = "O(N) where N is the number of members";
const N_ALL: &str = "O(N) where N is the total number of elements in all given sets.";
const N_SMALLEST: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";

/// Keys that a word counts, from the second word on.
const COUNTED_KEYS: Keys = Keys::Counted { at: 1 };

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("sadd", -3, Keys::FIRST, write::sadd).access(Access::INSERT)
            .fast()
            .doc("Adds one or more members to a set. Creates the key if it doesn't exist.", "1.0.0", "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."),
        read("scard", 2, Keys::FIRST, read::scard).access(Access::LOOK)
            .fast()
            .doc("Returns the number of members in a set.", "1.0.0", "O(1)"),
        read("sdiff", -2, Keys::REST, algebra::sdiff)
            .doc("Returns the difference of multiple sets.", "1.0.0", N_ALL),
        read("sdiffcard", -3, COUNTED_KEYS, algebra::sdiffcard)
            .doc("Returns the number of members of the difference between the first set and all successive sets.", "8.10.0", N_ALL),
        write("sdiffstore", -3, Keys::REST, store::sdiffstore).access(Access::STORE)
            .doc("Stores the difference of multiple sets in a key.", "1.0.0", N_ALL),
        read("sinter", -2, Keys::REST, algebra::sinter)
            .doc("Returns the intersect of multiple sets.", "1.0.0", N_SMALLEST),
        read("sintercard", -3, COUNTED_KEYS, algebra::sintercard)
            .doc("Returns the number of members of the intersect of multiple sets.", "7.0.0", N_SMALLEST),
        write("sinterstore", -3, Keys::REST, store::sinterstore).access(Access::STORE_CHANGE)
            .doc("Stores the intersect of multiple sets in a key.", "1.0.0", N_SMALLEST),
        read("sismember", 3, Keys::FIRST, read::sismember).access(Access::LOOK)
            .fast()
            .doc("Determines whether a member belongs to a set.", "1.0.0", "O(1)"),
        read("smembers", 2, Keys::FIRST, read::smembers)
            .doc("Returns all members of a set.", "1.0.0", "O(N) where N is the set cardinality."),
        read("smismember", -3, Keys::FIRST, read::smismember)
            .fast()
            .doc("Determines whether multiple members belong to a set.", "6.2.0", "O(N) where N is the number of elements being checked for membership"),
        write("smove", 4, Keys::PAIR, write::smove).access(Access::MOVE).flag(Flags::LEAN)
            .fast()
            .doc("Moves a member from one set to another.", "1.0.0", "O(1)"),
        write("spop", -2, Keys::FIRST, random::spop).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.", "1.0.0", "Without the count argument O(1), otherwise O(N) where N is the value of the passed count."),
        read("srandmember", -2, Keys::FIRST, random::srandmember)
            .doc("Get one or multiple random members from a set", "1.0.0", "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count."),
        write("srem", -3, Keys::FIRST, write::srem).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Removes one or more members from a set. Deletes the set if the last member was removed.", "1.0.0", N_MEMBERS),
        read("sscan", -3, Keys::FIRST, read::sscan)
            .doc("Iterates over members of a set.", "2.8.0", "O(1) for every call"),
        read("sunion", -2, Keys::REST, algebra::sunion)
            .doc("Returns the union of multiple sets.", "1.0.0", N_ALL),
        read("sunioncard", -3, COUNTED_KEYS, algebra::sunioncard)
            .doc("Returns the number of members of the union of multiple sets.", "8.10.0", N_ALL),
        write("sunionstore", -3, Keys::REST, store::sunionstore).access(Access::STORE)
            .doc("Stores the union of multiple sets in a key.", "1.0.0", N_ALL),
];

/// A loaded key as a set.
fn open(call: &Call<'_>, name: &[u8], meta: Meta) -> Result<Collection> {
    if meta.kind != Type::Set {
        return Err(Error::WrongType);
    }
    Ok(Collection::from_meta(call.space, name, meta)?)
}

/// The set at the call's key; `None` if there is no such key.
fn load(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<Collection>> {
    call.load(reads, call.get(1))?.map(|meta| open(call, call.get(1), meta)).transpose()
}

/// The set at a key, or an empty one.
fn load_or_new(txn: &mut Txn, call: &Call<'_>, name: &[u8]) -> Result<Collection> {
    Ok(Collection::load_or_new(txn, call.space, name, Type::Set)?)
}
