//! Hashes: maps from fields to values, each field with a deadline of its own if wanted.

mod count;
mod expiry;
mod read;
mod scan;
mod write;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace::{Collection, Plane, Type};
use crate::store::{Reads, Txn};

/// The fields.
pub(super) const FIELDS: Plane = 0;

const N_FIELDS: &str = "O(N) where N is the number of fields";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("hdel", -3, Keys::FIRST, write::hdel).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.", "2.0.0", N_FIELDS),
        read("hexists", 3, Keys::FIRST, read::hexists).access(Access::LOOK)
            .fast()
            .doc("Determines whether a field exists in a hash.", "2.0.0", "O(1)"),
        write("hexpire", -6, Keys::FIRST, expiry::hexpire)
            .fast()
            .doc("Sets the expiration of hash fields, in seconds.", "7.4.0", N_FIELDS),
        write("hexpireat", -6, Keys::FIRST, expiry::hexpireat)
            .fast()
            .doc("Sets the expiration of hash fields to a Unix time, in seconds.", "7.4.0", N_FIELDS),
        read("hexpiretime", -5, Keys::FIRST, expiry::hexpiretime)
            .fast()
            .doc("Returns the Unix time at which hash fields expire, in seconds.", "7.4.0", N_FIELDS),
        read("hget", 3, Keys::FIRST, read::hget)
            .fast()
            .doc("Returns the value of a field in a hash.", "2.0.0", "O(1)"),
        read("hgetall", 2, Keys::FIRST, read::hgetall)
            .doc("Returns all fields and values in a hash.", "2.0.0", "O(N) where N is the size of the hash"),
        write("hgetdel", -5, Keys::FIRST, write::hgetdel).access(Access::TAKE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the values of hash fields and deletes them.", "8.0.0", N_FIELDS),
        write("hgetex", -5, Keys::FIRST, expiry::hgetex).access(Access::CHANGE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the values of hash fields and sets their expiration.", "8.0.0", N_FIELDS),
        write("hincrby", 4, Keys::FIRST, count::hincrby).access(Access::CHANGE)
            .fast()
            .doc("Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.", "2.0.0", "O(1)"),
        write("hincrbyfloat", 4, Keys::FIRST, count::hincrbyfloat).access(Access::CHANGE)
            .fast()
            .doc("Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.", "2.6.0", "O(1)"),
        read("hkeys", 2, Keys::FIRST, read::hkeys)
            .doc("Returns all fields in a hash.", "2.0.0", "O(N) where N is the size of the hash"),
        read("hlen", 2, Keys::FIRST, read::hlen).access(Access::LOOK)
            .fast()
            .doc("Returns the number of fields in a hash.", "2.0.0", "O(1)"),
        read("hmget", -3, Keys::FIRST, read::hmget)
            .fast()
            .doc("Returns the values of all given fields in a hash.", "2.0.0", N_FIELDS),
        write("hmset", -4, Keys::FIRST, write::hmset)
            .fast()
            .doc("Sets the values of multiple fields.", "2.0.0", N_FIELDS),
        write("hpersist", -5, Keys::FIRST, expiry::hpersist).flag(Flags::LEAN)
            .fast()
            .doc("Removes the expiration of hash fields.", "7.4.0", N_FIELDS),
        write("hpexpire", -6, Keys::FIRST, expiry::hpexpire)
            .fast()
            .doc("Sets the expiration of hash fields, in milliseconds.", "7.4.0", N_FIELDS),
        write("hpexpireat", -6, Keys::FIRST, expiry::hpexpireat)
            .fast()
            .doc("Sets the expiration of hash fields to a Unix time, in milliseconds.", "7.4.0", N_FIELDS),
        read("hpexpiretime", -5, Keys::FIRST, expiry::hpexpiretime)
            .fast()
            .doc("Returns the Unix time at which hash fields expire, in milliseconds.", "7.4.0", N_FIELDS),
        read("hpttl", -5, Keys::FIRST, expiry::hpttl)
            .fast()
            .doc("Returns the time that hash fields have left, in milliseconds.", "7.4.0", N_FIELDS),
        read("hrandfield", -2, Keys::FIRST, scan::hrandfield)
            .doc("Returns one or more random fields from a hash.", "6.2.0", "O(N) where N is the number of fields returned"),
        read("hscan", -3, Keys::FIRST, scan::hscan)
            .doc("Iterates over fields and values of a hash.", "2.8.0", "O(1) for every call"),
        write("hset", -4, Keys::FIRST, write::hset)
            .fast()
            .doc("Creates or modifies the value of a field in a hash.", "2.0.0", N_FIELDS),
        write("hsetex", -6, Keys::FIRST, expiry::hsetex)
            .fast()
            .doc("Sets the values of hash fields and their expiration.", "8.0.0", N_FIELDS),
        write("hsetnx", 4, Keys::FIRST, write::hsetnx).access(Access::INSERT)
            .fast()
            .doc("Sets the value of a field in a hash only when the field doesn't exist.", "2.0.0", "O(1)"),
        read("hstrlen", 3, Keys::FIRST, read::hstrlen).access(Access::LOOK)
            .fast()
            .doc("Returns the length of the value of a field.", "3.2.0", "O(1)"),
        read("httl", -5, Keys::FIRST, expiry::httl)
            .fast()
            .doc("Returns the time that hash fields have left, in seconds.", "7.4.0", N_FIELDS),
        read("hvals", 2, Keys::FIRST, read::hvals)
            .doc("Returns all values in a hash.", "2.0.0", "O(N) where N is the size of the hash"),
];

/// The hash at the call's key; `None` if there is no such key.
fn load(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<Collection>> {
    let Some(meta) = call.load(reads, call.get(1))? else { return Ok(None) };
    if meta.kind != Type::Hash {
        return Err(Error::WrongType);
    }
    Ok(Some(Collection::from_meta(call.space, call.get(1), meta)?))
}

/// The hash at the call's key, or an empty one.
fn load_or_new(txn: &mut Txn, call: &Call<'_>) -> Result<Collection> {
    Ok(Collection::load_or_new(txn, call.space, call.get(1), Type::Hash)?)
}
