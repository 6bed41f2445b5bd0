//! Redis's data types and commands, over [`crate::store`].
//!
//! **A command** is one function and one row in its folder's `COMMANDS` ([`command`]):
//!
//! ```ignore
//! // string/mod.rs
//! pub(crate) const COMMANDS: &[Command] = &[
//!     read("get", 2, Keys::FIRST, get).fast().doc("Returns the string value of a key.", "1.0.0", "O(1)"),
//!     write("append", 3, Keys::FIRST, append).fast().doc(…),
//! ];
//!
//! fn get(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
//!     let meta = call.load(reads, call.get(1))?;   // words count from the name, as in COMMAND
//!     …
//!     reply.bulk(contents);                                         // exactly one reply, or an error
//!     Ok(())
//! }
//! ```
//!
//! `write` is handed a `Txn`, which [`dispatch`] commits if the function succeeds, and forgets if it fails: an error
//! (`return Err(Error::Syntax)`; all texts in [`error`]) undoes what was staged and written so far. Any function may
//! meet [`crate::store::Error::WouldWait`] from a read: let it go up with `?`; dispatch runs the command again, from
//! its start, where it may wait. So a function has no effect but through its `Txn` and its reply.
//! Options: `let mut options = call.walk(3); while let Some(word) = options.next() …` or `options.accept("NX")`.
//! Other databases: `call.instance.keyspace().databases().space(reads, n)`, with their keys locked by
//! `.locks(fn(&Args, &mut LockSet))` on the row. A command that may run long whatever is cached (KEYS) is `.slow()`.
//! A command that may wait for a key (BLPOP) is `.flag(Flags::BLOCKING)`, and where it finds nothing it ends with
//! `return Err(Block::on(Type::List, parse_timeout(word, txn.now_ms())?).into())` ([`blocking`]): it is run again, whole,
//! whenever one of its keys (or of `.keys([source])`) was touched and holds that type, in the order in which clients came;
//! when the time is over the answer is a null array. Inside MULTI it is answered at once (`.or_null()`: with null);
//! a script that meets `Error::Block(block)` answers `block.refuse(reply)`. XREADGROUP: `.any_change()`; XREAD:
//! `.again_as(words)`, with `$` replaced. Nothing else is needed: whatever is saved through a `Txn` wakes who waits, and is
//! told to who caches it ([`tracking`]).
//! **Events** for those who subscribe to them: `call.notify(txn, Events::LIST, "lpush", name)`, said before the key is saved
//! ([`notify`]); `new`, `expired` and the `del` of what became empty come by themselves.
//! **Users** may be allowed less than everything ([`acl`]), by what a row says of its keys: `.access(Access::OVERWRITE)`.
//! A subcommand is a row named `object|encoding` in a [`command::container`]; its words still count from `OBJECT`.
//!
//! **A data type** is one folder, and one line in [`FAMILIES`].

#![allow(clippy::unnecessary_wraps, reason = "a command table's functions have one signature")]

pub(crate) mod acl;
pub(crate) mod admin;
pub(crate) mod args;
pub(crate) mod bitmap;
pub(crate) mod blocking;
pub(crate) mod budget;
pub(crate) mod clients;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod cursors;
pub(crate) mod dispatch;
pub(crate) mod dump;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod expiry;
pub(crate) mod gathered;
pub(crate) mod geo;
pub(crate) mod glob;
pub(crate) mod hash;
pub(crate) mod hyperloglog;
pub(crate) mod instance;
pub(crate) mod keys;
pub mod keyspace;
pub(crate) mod list;
pub(crate) mod migrate;
pub(crate) mod monitor;
pub(crate) mod notify;
pub(crate) mod number;
pub mod parameters;
pub(crate) mod pipeline;
pub(crate) mod portions;
pub(crate) mod process;
pub(crate) mod protocol;
pub(crate) mod pubsub;
pub(crate) mod recency;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod script;
pub(crate) mod session;
pub(crate) mod set;
pub(crate) mod slow;
pub(crate) mod sort;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod string;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod tracking;
pub(crate) mod transaction;
pub(crate) mod waiters;
pub(crate) mod zset;

#[cfg(test)]
mod tests;

use command::Family;

/// Every folder of commands, with the group under which Redis documents it.
pub(crate) const FAMILIES: &[Family] = &[
    Family { group: "string", commands: string::COMMANDS },
    Family { group: "hash", commands: hash::COMMANDS },
    Family { group: "list", commands: list::COMMANDS },
    Family { group: "sorted-set", commands: zset::COMMANDS },
    Family { group: "geo", commands: geo::COMMANDS },
    Family { group: "stream", commands: stream::COMMANDS },
    Family { group: "set", commands: set::COMMANDS },
    Family { group: "bitmap", commands: bitmap::COMMANDS },
    Family { group: "hyperloglog", commands: hyperloglog::COMMANDS },
    Family { group: "generic", commands: keys::COMMANDS },
    Family { group: "generic", commands: sort::COMMANDS },
    Family { group: "generic", commands: dump::COMMANDS },
    Family { group: "generic", commands: migrate::COMMANDS },
    Family { group: "connection", commands: connection::COMMANDS },
    Family { group: "pubsub", commands: pubsub::COMMANDS },
    Family { group: "server", commands: admin::COMMANDS },
    Family { group: "server", commands: acl::COMMANDS },
    Family { group: "server", commands: monitor::COMMANDS },
    Family { group: "transactions", commands: transaction::COMMANDS },
    Family { group: "scripting", commands: script::COMMANDS },
    #[cfg(test)]
    Family { group: "generic", commands: blocking::tests::COMMANDS },
];
