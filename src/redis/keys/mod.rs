//! Keys of any type: whether they exist, when they expire, what they are called.

mod expire;
mod object;
mod rename;
mod scan;

pub(crate) use object::{encoding, idle_s, refcount, set_use};
pub(crate) use scan::{cursor, part_of};

use super::command::{Access, Call, Command, Flags, Keys, container, read, write};
use super::error::Result;
use super::keyspace;
use super::protocol::reply::Reply;
use crate::redis::events::Events;
use crate::store::{Reads, Txn};

const N_KEYS: &str = "O(N) where N is the number of keys";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    write("copy", -3, Keys::PAIR, rename::copy).access(Access::COPY).locks(rename::copy_locks).doc(
        "Copies the value of a key to a new key.",
        "6.2.0",
        "O(N) worst case for collections, where N is the number of nested items",
    ),
    write("del", -2, Keys::REST, del).access(Access::REMOVE).flag(Flags::LEAN).doc(
        "Deletes one or more keys.",
        "1.0.0",
        N_KEYS,
    ),
    read("exists", -2, Keys::REST, exists).access(Access::LOOK).fast().doc(
        "Determines whether one or more keys exist.",
        "1.0.0",
        N_KEYS,
    ),
    write("expire", -3, Keys::FIRST, expire::expire).flag(Flags::LEAN).fast().doc(
        "Sets the expiration time of a key in seconds.",
        "1.0.0",
        "O(1)",
    ),
    write("expireat", -3, Keys::FIRST, expire::expireat).flag(Flags::LEAN).fast().doc(
        "Sets the expiration time of a key to a Unix timestamp.",
        "1.2.0",
        "O(1)",
    ),
    read("expiretime", 2, Keys::FIRST, expire::expiretime).fast().doc(
        "Returns the expiration time of a key as a Unix timestamp.",
        "7.0.0",
        "O(1)",
    ),
    read("keys", 2, Keys::None, scan::keys).slow().flag(Flags::DANGEROUS).flag(Flags::KEYSPACE).doc(
        "Returns all key names that match a pattern.",
        "1.0.0",
        "O(N) where N is the number of keys that begin as the pattern does",
    ),
    write("move", 3, Keys::FIRST, rename::move_key)
        .access(Access::CHANGE)
        .flag(Flags::LEAN)
        .locks(rename::move_locks)
        .fast()
        .doc("Moves a key to another database.", "1.0.0", "O(1)"),
    container("object", object::COMMANDS).doc(
        "A container for object introspection commands.",
        "2.2.3",
        "Depends on subcommand.",
    ),
    write("persist", 2, Keys::FIRST, expire::persist).flag(Flags::LEAN).fast().doc(
        "Removes the expiration time of a key.",
        "2.2.0",
        "O(1)",
    ),
    write("pexpire", -3, Keys::FIRST, expire::pexpire).flag(Flags::LEAN).fast().doc(
        "Sets the expiration time of a key in milliseconds.",
        "2.6.0",
        "O(1)",
    ),
    write("pexpireat", -3, Keys::FIRST, expire::pexpireat).flag(Flags::LEAN).fast().doc(
        "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        "2.6.0",
        "O(1)",
    ),
    read("pexpiretime", 2, Keys::FIRST, expire::pexpiretime).fast().doc(
        "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        "7.0.0",
        "O(1)",
    ),
    read("pttl", 2, Keys::FIRST, expire::pttl).fast().doc(
        "Returns the expiration time in milliseconds of a key.",
        "2.6.0",
        "O(1)",
    ),
    read("randomkey", 1, Keys::None, scan::randomkey).flag(Flags::KEYSPACE).doc(
        "Returns a random key name from the database.",
        "1.0.0",
        "O(1)",
    ),
    write("rename", 3, Keys::PAIR, rename::rename).access(Access::RENAME).flag(Flags::LEAN).doc(
        "Renames a key and overwrites the destination.",
        "1.0.0",
        "O(1)",
    ),
    write("renamenx", 3, Keys::PAIR, rename::renamenx)
        .access(Access::RENAME_NEW)
        .flag(Flags::LEAN)
        .fast()
        .doc("Renames a key only when the target key name doesn't exist.", "1.0.0", "O(1)"),
    read("scan", -2, Keys::None, scan::scan).flag(Flags::KEYSPACE).doc(
        "Iterates over the key names in the database.",
        "2.8.0",
        "O(1) for every call",
    ),
    read("touch", -2, Keys::REST, exists).access(Access::LOOK).fast().doc(
        "Returns the number of existing keys out of those specified.",
        "3.2.1",
        N_KEYS,
    ),
    read("ttl", 2, Keys::FIRST, expire::ttl).fast().doc(
        "Returns the expiration time in seconds of a key.",
        "1.0.0",
        "O(1)",
    ),
    read("type", 2, Keys::FIRST, type_of).access(Access::LOOK).fast().doc(
        "Determines the type of value stored at a key.",
        "1.0.0",
        "O(1)",
    ),
    write("unlink", -2, Keys::REST, del).access(Access::REMOVE).flag(Flags::LEAN).fast().doc(
        "Deletes one or more keys.",
        "4.0.0",
        N_KEYS,
    ),
];

/// `DEL key [key ...]`, `UNLINK key [key ...]`: both cost a row or two a key, whatever its size.
fn del(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut deleted = 0;
    for name in call.from(1) {
        let Some(meta) = keyspace::load(txn, call.space, name)? else { continue };
        keyspace::remove(txn, call.space, name, &meta);
        call.notify(txn, Events::GENERIC, "del", name);
        deleted += 1;
        if meta.owner().is_some() && call.command.name == "unlink" {
            call.lookups.freed_later.set(call.lookups.freed_later.get() + 1);
        }
    }
    reply.int(deleted);
    Ok(())
}

/// `EXISTS key [key ...]`, `TOUCH key [key ...]`: a key named twice counts twice.
fn exists(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    reply.count(call.load_many(reads, &names)?.iter().flatten().count());
    Ok(())
}

/// `TYPE key`
fn type_of(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.simple(call.load(reads, call.get(1))?.map_or("none", |meta| meta.kind.name()));
    Ok(())
}
