//! SLOWLOG.

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::number;
use super::super::protocol::reply::Reply;
use super::super::session::Session;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("slowlog|get", -2, get).flag(Flags::ADMIN).doc(
        "Returns the slow log's entries.",
        "2.2.12",
        "O(N) where N is the number of entries returned",
    ),
    session("slowlog|len", 2, len).flag(Flags::ADMIN).doc(
        "Returns the number of entries in the slow log.",
        "2.2.12",
        "O(1)",
    ),
    session("slowlog|reset", 2, reset).flag(Flags::ADMIN).doc(
        "Clears all entries from the slow log.",
        "2.2.12",
        "O(N) where N is the number of entries in the slowlog",
    ),
];

fn get(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let count = match call.len() {
        2 => 10,
        3 => match number::parse_i64(call.get(2)) {
            Some(-1) => usize::MAX,
            n => n
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| Error::text("ERR count should be greater than or equal to -1"))?,
        },
        _ => {
            let name = call.text(1);
            return Err(Error::text(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try SLOWLOG HELP."
            )));
        }
    };
    let slow = call.instance.stats.slow();
    reply.array(slow.len().min(count));
    for entry in slow.iter().take(count) {
        reply.array(6);
        reply.int(entry.id as i64);
        reply.int((entry.at_ms / 1000) as i64);
        reply.int(entry.spent_us as i64);
        reply.array(entry.words.len());
        for word in &entry.words {
            reply.bulk(word);
        }
        reply.bulk(entry.client.as_bytes());
        reply.bulk(entry.name.as_bytes());
    }
    Ok(())
}

fn len(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.count(call.instance.stats.slow().len());
    Ok(())
}

fn reset(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.stats.forget_slow();
    reply.ok();
    Ok(())
}
