//! Streams: entries in the order of their ids, and groups of consumers that share them out.
//!
//! A stream is a collection that may be empty and still exist. Its head ([`head`]) says which ids there were and how the
//! entries lie in nodes. A number stands for a group or a consumer and is never given out again within the stream, so
//! that what belonged to one that is gone can be left to a certificate of its death.
//!
//! ```text
//! plane 0  entries    id → varint texts ‖ (bytes field ‖ bytes value)*                 counted: the length
//! plane 1  nodes      first id → node                                                  neither the first nor the last
//! plane 2  groups     name → varint group ‖ last delivered id ‖ option entries read
//! plane 3  consumers  group ‖ name → varint consumer ‖ varint seen ‖ option active ‖ varint pending
//! plane 4  pending    group ‖ id → varint delivered ‖ varint deliveries ‖ name of the consumer
//! plane 5  held       group ‖ consumer ‖ id → empty                                    the same, by consumer
//!
//! group, consumer := ordered number          id in keys := 16 bytes, big-endian     times := Unix milliseconds
//! bytes := varint length ‖ bytes             id in values := varint ms ‖ varint seq
//! option := varint 0 for none, else n + 1    node := see the head
//! ```

mod add;
mod claim;
mod delete;
mod entries;
mod group;
mod groups;
mod head;
mod id;
mod info;
mod pending;
mod range;
mod read;
mod trim;

pub(crate) use entries::{NODE_BYTES_MAX, NODE_ENTRIES_MAX, NodeLimits, Stream, pack, texts};
pub(crate) use groups::{Delivery, Group, Team};
pub(crate) use id::{ID_BYTES, Id};

use super::command::{Access, Call, Command, Flags, Keys, container, read, session, write};
use super::error::{Error, Result};
use super::keyspace::{COUNTED, Collection, Plane, Type};
use super::protocol::reply::Reply;
use crate::store::Reads;

const ENTRIES: Plane = COUNTED;
const NODES: Plane = 1;
const GROUPS: Plane = 2;
const CONSUMERS: Plane = 3;
const PENDING: Plane = 4;
const HELD: Plane = 5;

const EACH_ID: &str = "O(1) for each message ID processed.";

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("xack", -4, Keys::FIRST, group::xack).flag(Flags::LEAN)
            .fast()
            .doc("Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.", "5.0.0", EACH_ID),
        write("xackdel", -6, Keys::FIRST, delete::xackdel).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Acknowledges and deletes one or multiple messages for a stream consumer group.", "8.2.0", EACH_ID),
        write("xadd", -5, Keys::FIRST, add::xadd)
            .fast()
            .doc("Appends a new message to a stream. Creates the key if it doesn't exist.", "5.0.0", "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted."),
        write("xautoclaim", -6, Keys::FIRST, claim::xautoclaim).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.", "6.2.0", "O(1) if COUNT is small."),
        write("xclaim", -6, Keys::FIRST, claim::xclaim).flag(Flags::LEAN)
            .fast()
            .doc("Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.", "5.0.0", "O(log N) with N being the number of messages in the PEL of the consumer group."),
        write("xdel", -3, Keys::FIRST, add::xdel).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Returns the number of messages after removing them from a stream.", "5.0.0", "O(1) for each single item to delete in the stream, regardless of the stream size."),
        write("xdelex", -5, Keys::FIRST, delete::xdelex).access(Access::DELETE).flag(Flags::LEAN)
            .fast()
            .doc("Deletes one or multiple entries from the stream.", "8.2.0", "O(1) for each single item to delete in the stream, regardless of the stream size."),
        container("xgroup", XGROUP)
            .doc("A container for consumer groups commands.", "5.0.0", "Depends on subcommand."),
        container("xinfo", XINFO)
            .doc("A container for stream introspection commands.", "5.0.0", "Depends on subcommand."),
        read("xlen", 2, Keys::FIRST, range::xlen).access(Access::LOOK)
            .fast()
            .doc("Return the number of messages in a stream.", "5.0.0", "O(1)"),
        read("xpending", -3, Keys::FIRST, pending::xpending)
            .doc("Returns the information and entries from a stream consumer group's pending entries list.", "5.0.0", "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer."),
        read("xrange", -4, Keys::FIRST, range::xrange)
            .doc("Returns the messages from a stream within a range of IDs.", "5.0.0", "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1)."),
        read("xread", -4, Keys::Streams, read::xread).flag(Flags::BLOCKING)
            .doc("Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is available otherwise.", "5.0.0", "O(N) with N being the number of messages returned for each stream."),
        write("xreadgroup", -7, Keys::Streams, read::xreadgroup).access(Access::READ).flag(Flags::LEAN).flag(Flags::BLOCKING)
            .doc("Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available otherwise.", "5.0.0", "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data."),
        read("xrevrange", -4, Keys::FIRST, range::xrevrange)
            .doc("Returns the messages from a stream within a range of IDs in reverse order.", "5.0.0", "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1)."),
        write("xsetid", -3, Keys::FIRST, add::xsetid)
            .fast()
            .doc("An internal command for replicating stream values.", "5.0.0", "O(1)"),
        write("xtrim", -4, Keys::FIRST, trim::xtrim).access(Access::DELETE).flag(Flags::LEAN)
            .doc("Deletes messages from the beginning of a stream.", "5.0.0", "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation."),
];

const XGROUP: &[Command] = &[
    write("xgroup|create", -5, Keys::SECOND, group::create).access(Access::INSERT).doc(
        "Creates a consumer group.",
        "5.0.0",
        "O(1)",
    ),
    write("xgroup|createconsumer", 5, Keys::SECOND, group::createconsumer).access(Access::INSERT).doc(
        "Creates a consumer in a consumer group.",
        "6.2.0",
        "O(1)",
    ),
    write("xgroup|delconsumer", 5, Keys::SECOND, group::delconsumer)
        .access(Access::DELETE)
        .flag(Flags::LEAN)
        .doc("Deletes a consumer from a consumer group.", "5.0.0", "O(1)"),
    write("xgroup|destroy", 4, Keys::SECOND, group::destroy).access(Access::DELETE).flag(Flags::LEAN).doc(
        "Destroys a consumer group.",
        "5.0.0",
        "O(N) where N is the number of entries in the group's pending entries list (PEL).",
    ),
    session("xgroup|help", 2, group::help).doc(
        "Returns helpful text about the different subcommands.",
        "5.0.0",
        "O(1)",
    ),
    write("xgroup|setid", -5, Keys::SECOND, group::setid).flag(Flags::LEAN).doc(
        "Sets the last-delivered ID of a consumer group.",
        "5.0.0",
        "O(1)",
    ),
];

const XINFO: &[Command] = &[
    read("xinfo|consumers", 4, Keys::SECOND, info::consumers).doc(
        "Returns a list of the consumers in a consumer group.",
        "5.0.0",
        "O(1)",
    ),
    read("xinfo|groups", 3, Keys::SECOND, info::groups).doc(
        "Returns a list of the consumer groups of a stream.",
        "5.0.0",
        "O(1)",
    ),
    session("xinfo|help", 2, info::help).doc(
        "Returns helpful text about the different subcommands.",
        "5.0.0",
        "O(1)",
    ),
    read("xinfo|stream", -3, Keys::SECOND, info::stream).doc(
        "Returns information about a stream.",
        "5.0.0",
        "O(1)",
    ),
];

/// The stream of a key; `None` if there is no such key.
fn load(reads: &dyn Reads, call: &Call<'_>, name: &[u8]) -> Result<Option<Stream>> {
    let Some(meta) = call.load(reads, name)? else { return Ok(None) };
    if meta.kind != Type::Stream {
        return Err(Error::WrongType);
    }
    Stream::open(Collection::from_meta(call.space, name, meta)?).map(Some)
}

/// The stream of the first word, and the group of the second.
fn find(reads: &dyn Reads, call: &Call<'_>) -> Result<Option<(Stream, Team)>> {
    let Some(stream) = load(reads, call, call.get(1))? else { return Ok(None) };
    let group = stream.group(reads, call.get(2))?;
    Ok(group.map(|group| (stream, Team::of(call.get(2), group))))
}

fn no_such_group(call: &Call<'_>) -> Error {
    Error::text(format!("NOGROUP No such key '{}' or consumer group '{}'", call.text(1), call.text(2)))
}

fn tell_count(n: u64, reply: &mut Reply) {
    reply.int(i64::try_from(n).unwrap_or(i64::MAX));
}
