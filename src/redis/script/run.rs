//! One run of a script: what it reads and writes, how long it may, and what it leaves behind. And `redis.call`: a script's
//! commands run the way those of EXEC do, in one transaction, each undone alone if it fails.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::acl;
use super::super::args::{Args, Span};
use super::super::command::{Action, Call, Keys, Lookups, NAME_BYTES_MAX};
use super::super::command::{Command, Flags};
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::keyspace::Space;
use super::super::protocol::reply::{Protocol, Reply};
use super::super::session::Session;
use super::super::table::{Entry, table};
use super::super::tracking::OwnReads;
use super::super::{monitor, tracking};
use super::effects::Effects;
use super::random::Drand48;
use super::running::Noted;
use crate::random::Random;
use crate::store::{self, Reads, Tier, Txn};

/// Instructions of Lua between two looks at what time it is.
pub(super) const TICK_INSTRUCTIONS: u32 = 10_000;
/// What a script may use to run beside any others: this part of the memory, since there may be 32 of them, or so much.
const SMALL_PART: u64 = 256;
const SMALL_BYTES_MIN: u64 = 1 << 20;
/// Of what a script leaves behind, no more than this is kept to be used again.
pub(super) const GARBAGE_BYTES_MAX: usize = 4 << 20;
/// How many times as large as on the wire a reply may be in Lua.
const REPLY_TIMES: usize = 4;
/// Ticks that a script may take on an event loop: about a millisecond. What takes longer goes where it may.
const TICKS_MAX: u32 = 10;
/// Commands that a script may call on an event loop.
const CALLS_MAX: u32 = 256;

/// Bytes that a script may use and run beside any others, in a process of so much memory.
pub(super) fn small_bytes(memory: u64) -> usize {
    usize::try_from((memory / SMALL_PART).max(SMALL_BYTES_MIN)).unwrap_or(usize::MAX)
}

/// Why `redis.call` gave no reply.
pub(super) enum Refusal {
    /// The words make no command.
    Words(Cow<'static, str>),
    /// The command was refused, and that was counted. With `-` and a code, if it is not `ERR`.
    Text(Cow<'static, str>),
    /// The run is over.
    Over,
}

/// What the state of the server forbids to a script that has not begun to write. One that has goes on, so that it is not
/// cut in the middle.
#[derive(Clone, Copy, Default)]
pub(super) struct Denied {
    /// More is in use than `maxmemory` permits.
    pub(super) room: bool,
    /// Replicas are missing.
    pub(super) writes: bool,
}

/// A run.
pub(super) struct Run {
    pub(super) txn: Txn,
    /// The script's own: what it selects is its own affair.
    pub(super) session: Session,
    pub(super) instance: Arc<Instance>,
    /// The reply to the command that the script called.
    pub(super) reply: Reply,
    /// Whether commands that write are refused.
    pub(super) read_only: bool,
    /// Why the first that writes, or needs room, is refused.
    pub(super) denied: Denied,
    has_written: bool,
    pub(super) random: Drand48,
    /// Gives each command its seed.
    seeds: Random,
    pub(super) lookups: Lookups,
    pub(super) effects: Effects,
    /// Why the run was ended from outside; what it does from then on is for nothing.
    pub(super) over: Option<Error>,
    /// How others know of it, if it may run long.
    pub(super) running: Option<Noted>,
    /// What it has read, if its client tracks that.
    reads: Option<OwnReads>,
    /// Whether it may need much memory.
    may_be_large: bool,
    /// Whether somebody else may undo all that the script wrote.
    is_part: bool,
    words: Vec<u8>,
    spans: Vec<Span>,
    calls: u32,
    ticks: u32,
}

impl Run {
    /// A run for a client, in the database that it selected.
    pub(super) fn new(session: &Session, txn: Txn, call: &Call<'_>, read_only: bool) -> Result<Self> {
        let Some(instance) = call.instance.shared().upgrade() else {
            return Err(Error::text("ERR the server is shutting down"));
        };
        let mut own = Session::new(session.client.clone(), session.stats.clone(), true);
        own.database = session.database;
        own.unsent = Some(Vec::new());
        let is_part = txn.has_savepoints();
        let mut reply = Reply::default();
        let most = usize::try_from(instance.value_bytes_max()).unwrap_or(usize::MAX);
        reply.limit(most, instance.buffers());
        Ok(Self {
            may_be_large: call.lookups.may_be_large.get(),
            is_part,
            txn,
            session: own,
            instance,
            reply,
            read_only,
            denied: Denied::default(),
            has_written: false,
            random: Drand48::seeded((call.seed >> 32) as i32),
            seeds: call.random(),
            lookups: Lookups::default(),
            effects: Effects::default(),
            over: None,
            running: None,
            reads: tracking::of_script(session),
            words: Vec::new(),
            spans: Vec::new(),
            calls: 0,
            ticks: 0,
        })
    }

    fn tier(&self) -> Tier {
        self.txn.tier()
    }

    /// Begins the words of a command.
    pub(super) fn begin(&mut self) {
        self.words.clear();
        self.spans.clear();
    }

    /// Adds a word.
    pub(super) fn word(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let at = self.words.len();
        put(&mut self.words);
        self.spans.push(Span { at: at as u32, len: (self.words.len() - at) as u32 });
    }

    /// Whether the client's user may run the words; `None` if they name no command.
    pub(super) fn is_allowed(&self) -> Option<bool> {
        let args = Args::new(&self.words, &self.spans);
        let entry = match dispatch::find(args) {
            Ok(entry) => Some(entry),
            Err(Error::Arity(name)) => table().find_full(name.as_bytes()),
            Err(_) => None,
        };
        entry.map(|entry| acl::may(&self.session, entry, args))
    }

    /// Ends the run: the same command is run again, elsewhere or with more locks, or fails.
    pub(super) fn end(&mut self, why: Error) -> Refusal {
        self.over.get_or_insert(why);
        Refusal::Over
    }

    /// A look at what time it is, and how much memory is used, from within Lua. False if the run is over.
    pub(super) fn tick(&mut self, used_bytes: usize, place: impl FnOnce() -> String) -> bool {
        self.ticks += 1;
        if self.over.is_some() {
            return false;
        }
        if self.is_too_large(used_bytes) {
            self.end(Error::Large);
            return false;
        }
        if self.tier() == Tier::Cached && self.ticks > TICKS_MAX {
            self.end(must_wait());
            return false;
        }
        if let Some(running) = &self.running {
            running.look_at_time(&self.instance);
            if running.is_killed() || self.session.client.is_killed() {
                let why = running.killed_text(&place());
                self.end(Error::text(why));
                return false;
            }
        }
        true
    }

    /// Whether so many bytes are more than each of the threads may use at the same time.
    fn is_too_large(&self, bytes: usize) -> bool {
        !self.may_be_large && bytes > small_bytes(self.instance.config().memory)
    }

    /// Runs the command that the words make; what it answers is in `reply`.
    pub(super) fn call(&mut self) -> std::result::Result<(), Refusal> {
        if self.over.is_some() {
            return Err(Refusal::Over);
        }
        self.reply.clear();
        let entry = self.admit()?;
        let command = entry.command;
        self.calls += 1;
        let cached = self.tier() == Tier::Cached;
        if cached && (self.calls > CALLS_MAX || command.flags.has(Flags::SLOW)) {
            return Err(self.end(must_wait()));
        }
        self.check_locks(command)?;
        let errors = self.reply.errors();
        let start_ns = self.instance.clock().monotonic_ns();
        let savepoint = command.writes().then(|| self.txn.savepoint());
        // If it panics, Lua makes an error of that, and what it left half done must not be committed.
        self.over = Some(Error::text("ERR a command that the script called has panicked"));
        let performed = self.perform(command).and_then(|()| self.reply.check());
        self.over = None;
        if performed.is_ok() && self.is_too_large(self.reply.len().saturating_mul(REPLY_TIMES)) {
            return Err(self.end(Error::Large));
        }
        if let Err(error) = performed {
            if error.would_wait() && cached {
                return Err(self.end(error));
            }
            if let Some(savepoint) = savepoint.filter(|_| !error.keeps_staged()) {
                self.txn.undo(savepoint);
            }
            self.reply.clear();
            if let Error::Block(block) = error {
                block.refuse(&mut self.reply);
            } else {
                self.effects.error(&error.wire());
                self.reply.error(&error);
            }
        }
        if savepoint.is_some() {
            self.has_written = true;
            if !self.is_part {
                self.txn.forget_savepoints();
            }
            if self.txn.weight() as u64 > self.instance.value_bytes_max() {
                return Err(
                    self.end(Error::text("ERR the script writes more than the memory budget permits"))
                );
            }
        }
        if self.instance.monitors.is_on() && monitor::is_shown(command) {
            let args = Args::new(&self.words, &self.spans);
            let line = monitor::line(&self.instance, self.session.database, "lua", args);
            self.effects.monitored(line, self.instance.inbox_bytes_max());
        }
        let spent_ns = self.instance.clock().monotonic_ns().saturating_sub(start_ns);
        self.effects.ran(entry.id, spent_ns, self.reply.errors() != errors);
        Ok(())
    }

    /// Whether the command may run at all.
    fn admit(&mut self) -> std::result::Result<&'static Entry, Refusal> {
        let args = Args::new(&self.words, &self.spans);
        if !self.session.account.is_unlimited()
            && let Ok(entry) = dispatch::find(args)
            && !entry.command.flags.has(Flags::NO_SCRIPT)
            && let Err((refused, text)) = acl::check_script(&self.session, entry, args)
        {
            self.effects.refused(entry.id, "ERR", refused);
            return Err(Refusal::Text(text.into()));
        }
        let (entry, refusal) = match dispatch::find(args) {
            Ok(entry) => (Some(entry), self.refuses(entry)),
            Err(Error::Arity(name)) => (
                table().find_full(name.as_bytes()),
                Some("Wrong number of args calling Redis command from script"),
            ),
            Err(_) => (None, Some("Unknown Redis command called from script")),
        };
        let too_long = |entry: &Entry| {
            entry.command.keys.places(&args).any(|place| args.get(place).len() > NAME_BYTES_MAX)
        };
        match (entry, refusal) {
            (Some(entry), None) if !too_long(entry) => Ok(entry),
            (entry, refusal) => {
                let text = refusal.unwrap_or("key is longer than 65536 bytes");
                self.effects.error(text.strip_prefix('-').unwrap_or("ERR"));
                if let Some(entry) = entry {
                    self.effects.rejected(entry.id);
                }
                Err(Refusal::Text(text.into()))
            }
        }
    }

    /// Why a command may not run, if so.
    fn refuses(&self, entry: &Entry) -> Option<&'static str> {
        let command = entry.command;
        if command.flags.has(Flags::NO_SCRIPT) && !self.instance.scripting.denies_nothing.load(Relaxed) {
            return Some("This Redis command is not allowed from script");
        }
        if self.read_only && (command.writes() || command.flags.has(Flags::MAY_REPLICATE)) {
            return Some("Write commands are not allowed from read-only scripts.");
        }
        if self.has_written {
            return None;
        }
        if self.denied.writes && command.writes() {
            return Some("-NOREPLICAS Not enough good replicas to write.");
        }
        (self.denied.room && command.needs_room())
            .then_some("-OOM command not allowed when used memory > 'maxmemory'.")
    }

    /// Whether the transaction holds the locks of a command's keys. If not, the script did not declare them.
    fn check_locks(&mut self, command: &Command) -> std::result::Result<(), Refusal> {
        // What only reads sees one moment in any case; but planes by rank are the locks' affair.
        let is_free = self.read_only && !command.flags.has(Flags::RANKED);
        if is_free || (command.keys == Keys::None && command.locks.is_none()) {
            return Ok(());
        }
        let args = Args::new(&self.words, &self.spans);
        if self.txn.holds(&command.lock_set(self.session.database, &args)) {
            return Ok(());
        }
        if self.instance.parameters.text("undeclared-script-keys") != "refuse" {
            return Err(self.end(Error::Undeclared));
        }
        self.effects.error("ERR");
        Err(Refusal::Text("Script attempted to access a key that it did not declare in KEYS".into()))
    }

    fn perform(&mut self, command: &'static Command) -> Result {
        if asks_to_wait(command, Args::new(&self.words, &self.spans)) {
            let name = command.name;
            return Err(Error::text(format!(
                "ERR {name} command is not allowed with BLOCK option from scripts"
            )));
        }
        let seed = self.seeds.next_u64();
        let Self { txn, session, instance, reply, lookups, words, spans, reads, .. } = self;
        let args = Args::new(words, spans);
        let databases = instance.keyspace().databases();
        let instance: &Instance = instance;
        if let Some(reads) = reads {
            tracking::in_script(instance, session, txn, reads, (command, args));
        }
        match command.action {
            Action::Read(run) => {
                let space = databases.space(txn, session.database)?;
                run(txn, &Call { args, space, command, instance, lookups, seed }, reply)
            }
            Action::Write(run) => {
                let space = databases.space(txn, session.database)?;
                run(txn, &Call { args, space, command, instance, lookups, seed }, reply)
            }
            Action::Session(run) => {
                let space = Space::unresolved(session.database);
                run(session, &Call { args, space, command, instance, lookups, seed }, reply)
            }
            // Its arity demands a subcommand.
            Action::Container => Ok(()),
            Action::Exec | Action::Script { .. } => {
                Err(Error::text("ERR This Redis command is not allowed from script"))
            }
        }
    }

    /// Which protocol the script wants its replies in.
    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.reply.set_protocol(protocol);
    }

    /// What is left once the script has ended: what it read and wrote. The client's session learns what its reply
    /// depends on.
    pub(super) fn into_txn(self, session: &mut Session) -> Txn {
        session.needs = session.needs.max(self.session.needs).max(self.lookups.needs.get());
        tracking::after_script(session, self.reads);
        if let (Some(unsent), Some(own)) = (&mut session.unsent, self.session.unsent) {
            unsent.extend(own);
        }
        session.client.database.store(session.database, Relaxed);
        self.txn
    }
}

/// Whether the words ask for what commands with an option to wait refuse to scripts.
fn asks_to_wait(command: &Command, args: Args<'_>) -> bool {
    matches!(command.name, "xread" | "xreadgroup")
        && (1..args.len()).take_while(|&at| !args.is(at, "streams")).any(|at| args.is(at, "block"))
}

/// The same again, where it may take its time.
pub(super) fn must_wait() -> Error {
    Error::Store(store::Error::WouldWait(None))
}
