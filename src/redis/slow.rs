//! Commands that took long: remembered in the slow log and as latency events, without the secrets in them.

use super::args::Args;
use super::command::{Command, Flags};
use super::instance::Instance;
use super::session::Session;
use super::stats::Slow;

/// How much of a slow command is kept.
const WORDS_MAX: usize = 32;
const WORD_BYTES_MAX: usize = 128;

/// Takes note of a command that ran, if it took long enough.
pub(crate) fn note(instance: &Instance, session: &Session, command: &Command, args: Args<'_>, spent_ns: u64) {
    remember(instance, session, command, spent_ns, || words(args));
}

/// Takes note of the commit that so many commands on one key shared, if it took long enough: as the last one's.
pub(crate) fn note_commit(
    instance: &Instance,
    session: &Session,
    command: &Command,
    name: &[u8],
    commands: usize,
    spent_ns: u64,
) {
    remember(instance, session, command, spent_ns, || {
        let shared = format!("... (commit of {commands} commands)").into_bytes();
        vec![command.name.as_bytes().to_vec(), shortened(name), shared]
    });
}

fn remember(
    instance: &Instance,
    session: &Session,
    command: &Command,
    spent_ns: u64,
    words: impl FnOnce() -> Vec<Vec<u8>>,
) {
    if instance.parameters.latency_threshold_ms().is_some_and(|ms| spent_ns >= ms.saturating_mul(1_000_000)) {
        let event = if command.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        instance.stats.latency_event(event, instance.clock().now_ms() / 1000, spent_ns / 1_000_000);
    }
    // EXEC's commands are noted each by itself.
    if command.name == "exec" || instance.parameters.slow_ns().is_none_or(|limit| spent_ns < limit) {
        return;
    }
    let slow = Slow {
        id: 0,
        at_ms: instance.clock().now_ms(),
        spent_us: spent_ns / 1000,
        words: words(),
        client: session.client.address.clone(),
        name: session.client.names.lock().name.clone(),
    };
    let most = usize::try_from(instance.parameters.int("slowlog-max-len")).unwrap_or(usize::MAX);
    instance.stats.remember_slow(slow, most);
}

fn words(args: Args<'_>) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for (i, word) in args.from(0).enumerate() {
        if i + 1 == WORDS_MAX && args.len() > WORDS_MAX {
            words.push(format!("... ({} more arguments)", args.len() - WORDS_MAX + 1).into_bytes());
            break;
        }
        words.push(if is_secret(&args, i) { b"(redacted)".to_vec() } else { shortened(word) });
    }
    words
}

fn shortened(word: &[u8]) -> Vec<u8> {
    match word.split_at_checked(WORD_BYTES_MAX) {
        Some((shown, more)) if !more.is_empty() => {
            [shown, format!("... ({} more bytes)", more.len()).as_bytes()].concat()
        }
        _ => word.to_vec(),
    }
}

/// Whether this word must not be shown to anybody: passwords, and who has which rights.
pub(crate) fn is_secret(args: &Args<'_>, i: usize) -> bool {
    let after = |name: &str, distance: usize| i > distance && args.is(i - distance, name);
    if args.is(0, "auth") {
        i > 0
    } else if args.is(0, "hello") {
        after("auth", 1) || after("auth", 2)
    } else if args.is(0, "migrate") {
        i > 6 && (after("auth", 1) || after("auth2", 1) || after("auth2", 2))
    } else if args.is(0, "acl") {
        i > 1 && args.is(1, "setuser")
    } else if args.is(0, "config") && args.is(1, "set") {
        i > 2
            && i % 2 == 1
            && ["requirepass", "masterauth", "masteruser"].iter().any(|name| args.is(i - 1, name))
    } else {
        false
    }
}
