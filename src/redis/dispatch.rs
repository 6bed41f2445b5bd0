//! From words to a reply: finds the row, checks what must be checked, opens the [`View`] or [`Txn`] that the row asks
//! for, runs it, commits, and notes what the reply depends on.

use std::sync::atomic::Ordering::Relaxed;

use super::acl;
use super::args::Args;
use super::blocking::{self, Blocked};
use super::command::{Action, Call, Command, Flags, Keys, Lookups, NAME_BYTES_MAX};
use super::error::{Error, Result};
use super::instance::Instance;
use super::protocol::reply::Reply;
use super::session::{ReplyMode, Session};
use super::table::{Entry, table};
use super::transaction::Queue;
use super::waiters::News;
use super::{keyspace, monitor, notify, pubsub, recency, run, script, slow, tracking, transaction};
use crate::store::{self, Lack, LockSet, Tier, Txn};

/// What became of a command.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    /// It ran, or was refused; the reply is written.
    Done,
    /// A run ended before it, and nothing else happened: run it again, once whoever waited for that has had his turn.
    Again,
    /// It would have to wait for the disk or a lock: nothing happened; run it again once there is what it lacks, or in
    /// [`Tier::Disk`].
    Wait(Option<Lack>),
    /// CLIENT PAUSE holds it up, or another script has the memory that it needs: nothing happened; run it again later.
    Paused,
    /// It waits for a key: nothing happened; [`resume`] when there is news.
    Block,
}

/// Runs one command.
pub(crate) fn run(
    instance: &Instance,
    session: &mut Session,
    args: Args<'_>,
    reply: &mut Reply,
    tier: Tier,
    start_ns: &mut u64,
) -> Flow {
    let found = find(args);
    let key = found.as_ref().ok().and_then(|entry| run::key(instance, session, entry.command, args, tier));
    if !session.runs.goes_on(key) && session.runs.is_open() {
        run::end(instance, session, reply);
        *start_ns = instance.clock().monotonic_ns();
        return Flow::Again;
    }
    let mark = reply.len();
    if session.reply_mode == ReplyMode::SkipNext {
        session.reply_mode = ReplyMode::Skip;
    }
    let entry = match found {
        Ok(entry) => entry,
        Err(error) => {
            // What names no command or subcommand is nobody's call.
            if let Error::Arity(name) = error
                && let Some(entry) = table().find_full(name.as_bytes())
            {
                session.stats.commands[entry.id].rejected.increment();
            }
            refuse(instance, session, &error, reply);
            return Flow::Done;
        }
    };
    let command = entry.command;
    let immediate = command.flags.has(Flags::IMMEDIATE);
    match admit(session, instance, entry, args, reply) {
        Ok(()) => {}
        Err(mut error) => {
            session.stats.commands[entry.id].rejected.increment();
            if matches!(command.action, Action::Exec) && session.queue.is_some() {
                session.discard();
                error = transaction::aborted(&error);
            }
            refuse(instance, session, &error, reply);
            return Flow::Done;
        }
    }
    session.client.runs(entry);
    if session.queue.is_some() && !immediate {
        if let Err(error) = transaction::queue(instance, session, entry, args) {
            refuse(instance, session, &error, reply);
        } else if session.reply_mode != ReplyMode::Off {
            reply.simple("QUEUED");
        }
        return Flow::Done;
    }
    if instance.has_pause() && is_held_up(instance, session, command, args) {
        return Flow::Paused;
    }
    if command.flags.has(Flags::SLOW) && tier == Tier::Cached {
        return Flow::Wait(None);
    }
    let before = Before { mark, errors: reply.errors(), tier, is_shown: false };
    let lookups = Lookups::default();
    let result = match command.action {
        Action::Exec => transaction::exec(instance, session, reply, tier, &lookups),
        _ => acl::may_sort(session, entry, args)
            .and_then(|()| perform(instance, session, entry, args, reply, tier, &lookups, None)),
    };
    if let Err(error) = &result {
        if error.would_wait() && tier == Tier::Cached {
            reply.truncate(mark);
            // A transaction would be run from its start for each of its blocks.
            let may_repeat =
                |lack: &Lack| matches!(lack, Lack::Lock(_)) || !matches!(command.action, Action::Exec);
            return Flow::Wait(error.clone().lack().filter(may_repeat));
        }
        if matches!(error, Error::Large) {
            reply.truncate(mark);
            return Flow::Paused;
        }
        if session.blocked.is_some() {
            reply.truncate(mark);
            monitor::after(instance, session, command, args, &lookups);
            if let Some(effects) = lookups.effects.take() {
                effects.happen(instance, session);
            }
            *start_ns = instance.clock().monotonic_ns();
            return Flow::Block;
        }
    }
    conclude(instance, session, entry, args, reply, &before, result, &lookups, start_ns);
    Flow::Done
}

/// Whether CLIENT PAUSE holds up a command, or what MULTI queued.
fn is_held_up(instance: &Instance, session: &Session, command: &Command, args: Args<'_>) -> bool {
    let changes = |command: &Command, args: Args<'_>| match command.action {
        Action::Script { writes: true, .. } => script::may_write(instance, command, args),
        _ => command.writes() || command.flags.has(Flags::MAY_REPLICATE),
    };
    let (mut keys, mut writes) = (command.keys != Keys::None, changes(command, args));
    for (entry, args) in session.queue.iter().flat_map(Queue::iter) {
        keys |= entry.command.keys != Keys::None;
        writes |= changes(entry.command, args);
    }
    (keys || writes) && instance.is_paused(writes)
}

/// What the output was before a command ran.
struct Before {
    mark: usize,
    errors: u64,
    tier: Tier,
    /// Those who monitor have seen it.
    is_shown: bool,
}

/// What is left to do when a command has run: its error is written, and it is counted.
#[expect(clippy::too_many_arguments, reason = "the end of a function that has them all")]
fn conclude(
    instance: &Instance,
    session: &mut Session,
    entry: &Entry,
    args: Args<'_>,
    reply: &mut Reply,
    before: &Before,
    result: Result,
    lookups: &Lookups,
    start_ns: &mut u64,
) {
    let mark = before.mark;
    session.tail = lookups.tail.take();
    session.heard(lookups.needs.get());
    if let Err(error) = result {
        session.tail = None;
        reply.truncate(mark);
        instance.stats.error(&error.wire());
        reply.error(&error);
    }
    session.random.next_u64();
    let now_ns = instance.clock().monotonic_ns();
    let spent_ns = now_ns.saturating_sub(*start_ns);
    *start_ns = now_ns;
    session.stats.commands[entry.id].ran(spent_ns, reply.errors() != before.errors);
    session.stats.looked_up(lookups);
    for (database, name) in lookups.missed.take() {
        notify::publish_one(instance, database, "keymiss", &name, session.needs);
    }
    if !before.is_shown {
        monitor::after(instance, session, entry.command, args, lookups);
    }
    if let Some(effects) = lookups.effects.take() {
        effects.happen(instance, session);
    }
    slow::note(instance, session, entry.command, args, spent_ns);
    if entry.uses_keys {
        note_use(instance, session, entry.command, args, now_ns);
        if instance.keyspace().expires_lazily() {
            expire_lazily(instance, session, entry.command, args, before.tier);
        }
    }
    session.end_tracking(entry.command.name);
    match session.reply_mode {
        ReplyMode::On | ReplyMode::SkipNext => {}
        // Confirmations are no replies.
        ReplyMode::Off | ReplyMode::Skip if entry.command.name.ends_with("subscribe") => {}
        ReplyMode::Off => reply.truncate(mark),
        ReplyMode::Skip => {
            reply.truncate(mark);
            session.reply_mode = ReplyMode::On;
        }
    }
}

/// Goes on with a command that waits: runs it again if it has the turn, and ends it if its time is over.
pub(crate) fn resume(
    instance: &Instance,
    session: &mut Session,
    reply: &mut Reply,
    tier: Tier,
    start_ns: &mut u64,
) -> Flow {
    let Some(mut blocked) = session.blocked.take() else { return Flow::Done };
    let before = Before { mark: reply.len(), errors: reply.errors(), tier, is_shown: true };
    let lookups = Lookups::default();
    let news = if blocked.trying { Some(News::Turn) } else { blocked.place.news() };
    let mut refused = false;
    let result = match news {
        Some(News::Turn) => {
            blocked.trying = true;
            let args = blocked.words.args();
            // What its user may do may have changed since it began to wait.
            let allowed = acl::admit(instance, session, blocked.entry, args);
            refused = allowed.is_err();
            allowed.and_then(|()| {
                perform(instance, session, blocked.entry, args, reply, tier, &lookups, Some(&blocked))
            })
        }
        Some(News::Refused) => Err(Error::text("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
        Some(News::Late) => {
            blocked.answer_late(reply);
            Ok(())
        }
        None if blocked.left_ns(*start_ns) == Some(0) => {
            blocked.answer_late(reply);
            Ok(())
        }
        None => {
            session.blocked = Some(blocked);
            return Flow::Block;
        }
    };
    let database = blocked.place.wanted().database;
    let held = |name: &[u8]| blocking::held(instance, database, name);
    match result {
        Err(error) if error.would_wait() && tier == Tier::Cached => {
            reply.truncate(before.mark);
            session.blocked = Some(blocked);
            return Flow::Wait(error.lack());
        }
        Err(Error::Block(_)) => {
            reply.truncate(before.mark);
            blocked.trying = false;
            blocked.place.keep(&held);
            session.blocked = Some(blocked);
            return Flow::Block;
        }
        result => {
            let Blocked { entry, words, place, .. } = *blocked;
            place.leave(&held);
            if let (true, Err(error)) = (refused, &result) {
                session.stats.commands[entry.id].rejected.increment();
                refuse(instance, session, error, reply);
                return Flow::Done;
            }
            conclude(instance, session, entry, words.args(), reply, &before, result, &lookups, start_ns);
        }
    }
    Flow::Done
}

/// The row that these words call.
pub(crate) fn find(args: Args<'_>) -> Result<&'static Entry> {
    let Some(entry) = table().find(args.get(0)) else { return Err(unknown(args)) };
    if !entry.subcommands.is_empty() && args.len() > 1 {
        return find_sub(entry, args);
    }
    if entry.command.takes(args.len()) { Ok(entry) } else { Err(Error::Arity(entry.command.name)) }
}

fn find_sub(entry: &'static Entry, args: Args<'_>) -> Result<&'static Entry> {
    match entry.find(args.get(1)) {
        Some(sub) if sub.command.takes(args.len()) => Ok(sub),
        Some(sub) => Err(Error::Arity(sub.command.name)),
        None => {
            let text = String::from_utf8_lossy(&args.get(1)[..args.get(1).len().min(128)]).into_owned();
            let name = entry.command.name.to_ascii_uppercase();
            Err(Error::text(format!("ERR unknown subcommand '{text}'. Try {name} HELP.")))
        }
    }
}

/// Redis's words for a name that is no command's, with what follows it, cut short.
fn unknown(args: Args<'_>) -> Error {
    const SHOWN: usize = 128;
    let show = |word: &[u8], len: usize| String::from_utf8_lossy(&word[..word.len().min(len)]).into_owned();
    let mut shown = String::new();
    for word in args.from(1) {
        if shown.len() >= SHOWN {
            break;
        }
        let word = show(word, SHOWN - shown.len());
        shown.extend(["'", word.as_str(), "' "]);
    }
    Error::text(format!(
        "ERR unknown command '{}', with args beginning with: {shown}",
        show(args.get(0), SHOWN)
    ))
}

/// Whether the client may run this now.
fn admit(session: &Session, instance: &Instance, entry: &Entry, args: Args<'_>, reply: &Reply) -> Result {
    let command = entry.command;
    if !session.authenticated && !command.flags.has(Flags::NO_AUTH) && instance.needs_password() {
        return Err(Error::text("NOAUTH Authentication required."));
    }
    if session.queue.is_some() && command.flags.has(Flags::NO_MULTI) {
        return Err(Error::text("ERR Command not allowed inside a transaction"));
    }
    acl::admit(instance, session, entry, args)?;
    if instance.is_over_maxmemory() && command.needs_room() {
        return Err(Error::OverMaxmemory);
    }
    if instance.parameters.wants_replicas() && matches!(command.action, Action::Write(_)) {
        return Err(Error::NoReplicas);
    }
    pubsub::may_run(session, command, reply)?;
    monitor::may_run(session, command)?;
    if instance.scripting.is_busy() && !command.flags.has(Flags::ALLOW_BUSY) {
        return Err(instance.scripting.busy_error());
    }
    for place in command.keys.places(&args) {
        if args.get(place).len() > NAME_BYTES_MAX {
            return Err(Error::text("ERR key is longer than 65536 bytes"));
        }
    }
    Ok(())
}

/// Notes that the keys of a call were used, for OBJECT IDLETIME.
pub(crate) fn note_use(
    instance: &Instance,
    session: &Session,
    command: &Command,
    args: Args<'_>,
    now_ns: u64,
) {
    if session.client.no_touch.load(Relaxed) && command.name != "touch" {
        return;
    }
    let at_s = recency::second(now_ns);
    for place in command.keys.places(&args) {
        let chance = instance.parameters.counts_uses().then(|| instance.random_u64());
        instance.recency.touch(keyspace::lock_key(session.database, args.get(place)), at_s, chance);
    }
}

/// Removes those keys of a call that are due, where they are not removed by themselves. What cannot be read at once
/// stays as it is.
fn expire_lazily(instance: &Instance, session: &mut Session, command: &Command, args: Args<'_>, tier: Tier) {
    let remove = |session: &Session, name: &[u8]| -> Result<Option<Txn>> {
        let lock = LockSet::one(keyspace::lock_key(session.database, name));
        let mut txn = instance.store().txn(lock, tier)?;
        let space = instance.keyspace().databases().space(&txn, session.database)?;
        Ok(keyspace::remove_due(&mut txn, space, name)?.then_some(txn))
    };
    for place in command.keys.places(&args) {
        let removal = remove(session, args.get(place));
        if let Ok(Some(txn)) = removal {
            // What fails now is tried again by whoever asks next.
            let _ = commit_expiry(instance, session, txn);
        }
    }
}

/// Answers that a command does not run at all; within MULTI, EXEC will refuse too.
fn refuse(instance: &Instance, session: &mut Session, error: &Error, reply: &mut Reply) {
    run::end(instance, session, reply);
    if let Some(queue) = &mut session.queue {
        queue.spoil();
    }
    session.end_tracking("");
    instance.stats.error(&error.wire());
    if !matches!(session.reply_mode, ReplyMode::Off | ReplyMode::Skip) {
        reply.error(error);
    }
    if session.reply_mode == ReplyMode::Skip {
        session.reply_mode = ReplyMode::On;
    }
}

/// Runs a command in a view or transaction of its own. One that wants to wait does so when this returns; `again` if it
/// has waited already, and has the turn.
#[expect(clippy::too_many_arguments, reason = "what a command is run with")]
fn perform(
    instance: &Instance,
    session: &mut Session,
    entry: &'static Entry,
    args: Args<'_>,
    reply: &mut Reply,
    tier: Tier,
    lookups: &Lookups,
    again: Option<&Blocked>,
) -> Result {
    let databases = instance.keyspace().databases();
    let command = entry.command;
    let seed = session.random.clone().next_u64();
    tracking::before_read(instance, session, command, args);
    lookups.may_leave_tail.set(session.reply_mode == ReplyMode::On);
    match command.action {
        Action::Read(run) if command.flags.has(Flags::RANKED) => {
            let txn = instance.store().reading(command.lock_set(session.database, &args), tier)?;
            session.needs = session.needs.max(store::Reads::seqno(&txn));
            // What it reads after this is no older.
            session.floor = session.floor.max(store::Reads::seqno(&txn));
            session.view = None;
            let space = databases.space(&txn, session.database)?;
            run(&txn, &Call { args, space, command, instance, lookups, seed }, reply)?;
            reply.check()
        }
        Action::Read(run) => {
            let view = view_to_read(instance, session, tier, again.is_some());
            let space = databases.space(&view, session.database)?;
            if let Some(blocked) = again
                && !blocked.is_ready(&view, space)?
            {
                return Err(blocking::still());
            }
            let result = run(&view, &Call { args, space, command, instance, lookups, seed }, reply);
            let result = result.and_then(|()| reply.check());
            session.view = Some(view);
            wait_if_asked(instance, session, entry, args, result, again, true)
        }
        Action::Write(run) => {
            let mark = reply.len();
            if let Some(open) = session.runs.take() {
                return run::go_on(session, open, entry, |session, txn| {
                    let space = databases.space(txn, session.database)?;
                    run(txn, &Call { args, space, command, instance, lookups, seed }, reply)?;
                    reply.check()
                });
            }
            if let Some(ahead) = command.ahead {
                let view = instance.store().view_newest(tier);
                let space = databases.space(&view, session.database)?;
                ahead(&view, &Call { args, space, command, instance, lookups, seed })?;
            }
            let locks = command.lock_set(session.database, &args);
            let mut txn = instance.store().txn(locks, tier)?;
            // Whatever is answered, an error too, may tell of commits that are visible but not durable yet.
            session.needs = session.needs.max(store::Reads::seqno(&txn));
            let space = databases.space(&txn, session.database)?;
            if let Some(blocked) = again
                && !blocked.is_ready(&txn, space)?
            {
                return Err(blocking::still());
            }
            let result = run(&mut txn, &Call { args, space, command, instance, lookups, seed }, reply);
            let result = result.and_then(|()| reply.check());
            // The locks are held still.
            let result = wait_if_asked(instance, session, entry, args, result, again, false);
            match &result {
                Ok(()) if again.is_none() && session.runs.may_begin() => {
                    session.runs.begin(txn, args.get(1), mark, entry);
                    Ok(())
                }
                Ok(()) => commit(instance, session, txn, again),
                Err(error) if error.keeps_staged() && again.is_none() => {
                    // Whoever cannot do that does not wait.
                    commit(instance, session, txn, None).inspect_err(|_| session.blocked = None)?;
                    result
                }
                Err(_) => result,
            }
        }
        Action::Session(run) => {
            let space = keyspace::Space::unresolved(session.database);
            let result = run(session, &Call { args, space, command, instance, lookups, seed }, reply);
            let result = result.and_then(|()| reply.check());
            wait_if_asked(instance, session, entry, args, result, again, false)
        }
        Action::Script { .. } => {
            script::perform(instance, session, command, args, reply, tier, (lookups, seed))
        }
        // Its arity demands a subcommand.
        Action::Container | Action::Exec => Ok(()),
    }
}

/// The moment that a command reads, on which its reply depends.
fn view_to_read(instance: &Instance, session: &mut Session, tier: Tier, is_woken: bool) -> store::View {
    let view = match session.view.take() {
        Some(view) if store::Reads::tier(&view) == tier && !is_woken => view,
        // What it was woken for may not be durable yet; its reply waits for that.
        _ if is_woken => {
            let view = instance.store().view_newest(tier);
            session.floor = session.floor.max(store::Reads::seqno(&view));
            view
        }
        _ => instance.store().view(session.floor, tier),
    };
    session.needs = session.needs.max(store::Reads::seqno(&view));
    view
}

/// Lets a command that asked for it wait, unless it does so already.
fn wait_if_asked(
    instance: &Instance,
    session: &mut Session,
    entry: &'static Entry,
    args: Args<'_>,
    result: Result,
    again: Option<&Blocked>,
    look: bool,
) -> Result {
    if let Err(Error::Block(block)) = &result
        && again.is_none()
    {
        let blocked = Blocked::begin(instance, session, entry, args, block, look);
        session.blocked = Some(Box::new(blocked));
    }
    result
}

/// Commits, notes that the reply waits for it, and gives those their turn who waited for what it changed. `by` is the
/// command's own place among them, if it has waited.
pub(crate) fn commit(instance: &Instance, session: &mut Session, txn: Txn, by: Option<&Blocked>) -> Result {
    let committed = txn.commit_and_tell(|committed| {
        note_commit(session, committed);
        tracking::changed(instance, session, committed);
        notify::publish(instance, &committed.notes, session.needs);
    })?;
    session.wave = instance.waiters.touched(&committed, &session.client, by.map(|blocked| &blocked.place));
    Ok(())
}

/// The same for the removal of what is due, which is nobody's doing.
fn commit_expiry(instance: &Instance, session: &mut Session, txn: Txn) -> Result {
    let committed = txn.commit_and_tell(|committed| {
        note_commit(session, committed);
        tracking::expired(instance, committed);
        notify::publish(instance, &committed.notes, session.needs);
    })?;
    session.wave = instance.waiters.touched(&committed, &session.client, None);
    Ok(())
}

fn note_commit(session: &mut Session, committed: &store::Committed) {
    session.needs = session.needs.max(committed.seqno);
    session.floor = session.floor.max(committed.seqno);
    session.view = None;
}
