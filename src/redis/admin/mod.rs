//! Commands about the server and about whole databases.

mod cluster;
pub(crate) mod command;
mod config;
mod databases;
mod debug;
mod info;
mod latency;
mod lolwut;
mod memory;
mod persist;
mod slowlog;

pub(crate) use config::replace;

use super::command::{Call, Command, Flags, Keys, container, read, session, write};
use super::error::Result;
use super::protocol::reply::Reply;
use super::session::Session;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    session("info", -1, info::info).flag(Flags::DANGEROUS).doc(
        "Returns information and statistics about the server.",
        "1.0.0",
        "O(1)",
    ),
    container("config", config::COMMANDS).doc(
        "A container for server configuration commands.",
        "2.0.0",
        "Depends on subcommand.",
    ),
    container("cluster", cluster::COMMANDS).doc(
        "A container for Redis Cluster commands.",
        "3.0.0",
        "Depends on subcommand.",
    ),
    session("asking", 1, cluster::disabled).fast().flag(Flags::CONNECTION).doc(
        "Signals that a cluster client is following an -ASK redirect.",
        "3.0.0",
        "O(1)",
    ),
    session("readonly", 1, cluster::disabled).fast().flag(Flags::CONNECTION).doc(
        "Enables read-only queries for a connection to a Redis Cluster replica node.",
        "3.0.0",
        "O(1)",
    ),
    session("readwrite", 1, cluster::disabled).fast().flag(Flags::CONNECTION).doc(
        "Enables read-write queries for a connection to a Redis Cluster replica node.",
        "3.0.0",
        "O(1)",
    ),
    session("command", -1, command::all).flag(Flags::CONNECTION).or_subcommands(command::COMMANDS).doc(
        "Returns detailed information about all commands.",
        "2.8.13",
        "O(N) where N is the total number of Redis commands",
    ),
    read("dbsize", 1, Keys::None, databases::dbsize).fast().flag(Flags::KEYSPACE).doc(
        "Returns the number of keys in the database.",
        "1.0.0",
        "O(1)",
    ),
    write("flushdb", -1, Keys::All, databases::flushdb)
        .flag(Flags::LEAN)
        .flag(Flags::KEYSPACE)
        .flag(Flags::DANGEROUS)
        .doc("Removes all keys from the current database.", "1.0.0", "O(1)"),
    write("flushall", -1, Keys::All, databases::flushall)
        .flag(Flags::LEAN)
        .flag(Flags::KEYSPACE)
        .flag(Flags::DANGEROUS)
        .doc("Removes all keys from all databases.", "1.0.0", "O(1)"),
    write("swapdb", 3, Keys::All, databases::swapdb)
        .flag(Flags::LEAN)
        .fast()
        .flag(Flags::KEYSPACE)
        .flag(Flags::DANGEROUS)
        .doc("Swaps two Redis databases.", "4.0.0", "O(1)"),
    session("time", 1, time).fast().doc("Returns the server time.", "2.6.0", "O(1)"),
    session("lastsave", 1, persist::lastsave).fast().flag(Flags::ADMIN).doc(
        "Returns the Unix timestamp of the last successful save to disk.",
        "1.0.0",
        "O(1)",
    ),
    session("save", 1, persist::save)
        .slow()
        .flag(Flags::ADMIN)
        .flag(Flags::NO_MULTI)
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Synchronously saves a checkpoint of the database.",
            "1.0.0",
            "O(N) where N is the number of files",
        ),
    session("bgsave", -1, persist::bgsave).flag(Flags::ADMIN).flag(Flags::NO_SCRIPT).doc(
        "Asynchronously saves a checkpoint of the database.",
        "1.0.0",
        "O(1)",
    ),
    session("bgrewriteaof", 1, persist::bgrewriteaof).flag(Flags::ADMIN).flag(Flags::NO_SCRIPT).doc(
        "Does nothing: the log needs no rewriting.",
        "1.0.0",
        "O(1)",
    ),
    session("shutdown", -1, persist::shutdown)
        .flag(Flags::ALLOW_BUSY)
        .flag(Flags::ADMIN)
        .flag(Flags::NO_MULTI)
        .flag(Flags::NO_SCRIPT)
        .doc("Shuts down the server in order.", "1.0.0", "O(1)"),
    session("wait", 3, persist::wait)
        .flag(Flags::NO_SCRIPT)
        .flag(Flags::BLOCKING)
        .flag(Flags::CONNECTION)
        .doc("Answers 0: there are no replicas.", "3.0.0", "O(1)"),
    session("waitaof", 4, persist::waitaof)
        .slow()
        .flag(Flags::BLOCKING)
        .flag(Flags::CONNECTION)
        .flag(Flags::NO_SCRIPT)
        .doc("Waits until all writes so far are on disk.", "7.2.0", "O(1)"),
    container("memory", memory::COMMANDS).doc(
        "A container for memory diagnostics commands.",
        "4.0.0",
        "Depends on subcommand.",
    ),
    container("slowlog", slowlog::COMMANDS).doc(
        "A container for slow log commands.",
        "2.2.12",
        "Depends on subcommand.",
    ),
    container("latency", latency::COMMANDS).doc(
        "A container for latency diagnostics commands.",
        "2.8.13",
        "Depends on subcommand.",
    ),
    container("debug", debug::COMMANDS).doc(
        "A container for debugging commands.",
        "1.0.0",
        "Depends on subcommand.",
    ),
    session("lolwut", -1, lolwut::lolwut).fast().doc(
        "Displays computer art and the version.",
        "5.0.0",
        "O(1)",
    ),
    session("role", 1, role).fast().flag(Flags::ADMIN).flag(Flags::NO_SCRIPT).doc(
        "Returns the replication role.",
        "2.8.12",
        "O(1)",
    ),
];

fn time(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let us = call.instance.now_us();
    reply.array(2);
    reply.bulk_int((us / 1_000_000) as i64);
    reply.bulk_int((us % 1_000_000) as i64);
    Ok(())
}

fn role(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.array(3);
    reply.bulk(b"master");
    reply.int(0);
    reply.array(0);
    Ok(())
}
