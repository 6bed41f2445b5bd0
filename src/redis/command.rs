//! What a command is: one row in its family's table. Everything that Redis tells about commands (COMMAND, arity
//! errors, ACL categories, which keys to lock) follows from the row, and the row cannot lie: what is declared
//! [`read`] is handed a [`Reads`], so that it cannot write.
//!
//! ```ignore
//! pub(crate) const COMMANDS: &[Command] = &[
//!     read("get", 2, Keys::FIRST, get::get).fast().doc("Returns the string value of a key.", "1.0.0", "O(1)"),
//!     write("set", -3, Keys::FIRST, set::set).doc("Sets the string value of a key …", "1.0.0", "O(1)"),
//! ];
//! ```

use std::cell::{Cell, RefCell, RefMut};

use super::args::Args;
use super::error::Result;
use super::instance::Instance;
use super::keyspace::{self, Meta, Space, lock_key};
use super::migrate;
use super::migrate::Ahead;
use super::protocol::reply::Reply;
use super::script::Effects;
use super::session::Session;
use super::tail::Tail;
use crate::random::Random;
use crate::redis::events::Events;
use crate::store::{LockSet, Reads, Seqno, Txn};

/// The longest key, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 64 << 10;

/// One call of a command. Derefs to its words: `call.get(1)`.
pub(crate) struct Call<'a> {
    /// The words.
    pub(crate) args: Args<'a>,
    /// The database that the client selected, as the call's `Reads` or `Txn` sees it.
    pub(crate) space: Space,
    /// The row that was called.
    pub(crate) command: &'static Command,
    /// What all clients share: the other databases, settings, statistics.
    pub(crate) instance: &'a Instance,
    /// The keys it looks up, counted once it is certain that it does not run again.
    pub(crate) lookups: &'a Lookups,
    /// For [`Call::random`].
    pub(crate) seed: u64,
}

/// How often keys were looked for, for INFO, and what else happens once it is certain.
#[derive(Default)]
pub(crate) struct Lookups {
    /// They were there.
    pub(crate) hits: Cell<u64>,
    /// They were not.
    pub(crate) misses: Cell<u64>,
    /// The databases and names of those that were not, where somebody asked to be told.
    pub(crate) missed: RefCell<Vec<(u16, Vec<u8>)>>,
    /// They are gone, but their elements are still to be cleared away.
    pub(crate) freed_later: Cell<u64>,
    /// What scripts did, if one ran.
    pub(crate) effects: RefCell<Option<Box<Effects>>>,
    /// Whether a large reply may leave its tail for later.
    pub(crate) may_leave_tail: Cell<bool>,
    /// Whether a script may need much memory, since it alone may.
    pub(crate) may_be_large: Cell<bool>,
    /// A commit that the reply depends on, beside what was read as a rule.
    pub(crate) needs: Cell<Seqno>,
    /// What MIGRATE has sent already.
    pub(crate) ahead: Cell<Option<Box<Ahead>>>,
    /// The tail that was left.
    pub(crate) tail: Cell<Option<Box<Tail>>>,
}

impl Lookups {
    /// What scripts did, to be added to.
    pub(crate) fn effects(&self) -> RefMut<'_, Effects> {
        RefMut::map(self.effects.borrow_mut(), |effects| &mut **effects.get_or_insert_default())
    }
}

impl Call<'_> {
    /// Chance for this call. It is the same if the call must run again: were it another, what is cached would be
    /// picked more often than what is not.
    pub(crate) fn random(&self) -> Random {
        Random::seeded(self.seed)
    }

    /// A key's meta row. A hit or a miss, unless the command writes.
    pub(crate) fn load(&self, reads: &dyn Reads, name: &[u8]) -> Result<Option<Meta>> {
        let found = keyspace::load(reads, self.space, name)?;
        if !self.command.writes() {
            self.looked_up_key(name, found.is_some());
        }
        Ok(found)
    }

    /// Several keys' meta rows, in the order asked. Each is a hit or a miss, unless the command writes.
    pub(crate) fn load_many(&self, reads: &dyn Reads, names: &[&[u8]]) -> Result<Vec<Option<Meta>>> {
        let found = keyspace::load_many(reads, self.space, names)?;
        if !self.command.writes() {
            for (name, found) in names.iter().zip(&found) {
                self.looked_up_key(name, found.is_some());
            }
        }
        Ok(found)
    }

    /// Tells those who subscribe to events of keys, once this commits: before the key is saved, since a collection that
    /// becomes empty then says `del` by itself.
    pub(crate) fn notify(&self, txn: &mut Txn, class: Events, event: &'static str, name: &[u8]) {
        txn.note(class.bits(), event, self.space.database, name);
    }

    /// The same as [`Call::looked_up`], and tells those who asked for the names of keys that are missed.
    fn looked_up_key(&self, name: &[u8], found: bool) {
        self.looked_up(found);
        if !found && self.instance.store().is_noted(Events::MISSED.bits()) {
            self.lookups.missed.borrow_mut().push((self.space.database, name.to_vec()));
        }
    }

    /// Notes a hit or a miss: also of a command that writes, where what it found is its answer.
    pub(crate) fn looked_up(&self, found: bool) {
        let count = if found { &self.lookups.hits } else { &self.lookups.misses };
        count.set(count.get() + 1);
    }
}

impl<'a> std::ops::Deref for Call<'a> {
    type Target = Args<'a>;

    fn deref(&self) -> &Args<'a> {
        &self.args
    }
}

/// A command that only reads.
pub(crate) type ReadFn = fn(&dyn Reads, &Call<'_>, &mut Reply) -> Result;
/// What a command does ahead of its locks; what comes of it is left with [`Call::lookups`].
pub(crate) type AheadFn = fn(&dyn Reads, &Call<'_>) -> Result;
/// A command that may write.
pub(crate) type WriteFn = fn(&mut Txn, &Call<'_>, &mut Reply) -> Result;
/// A command that runs a script over what it is given, and gives it back.
pub(crate) type ScriptFn = fn(&mut Session, Txn, &Call<'_>, &mut Reply) -> (Option<Txn>, Result);
/// A command about the connection or the server.
pub(crate) type SessionFn = fn(&mut Session, &Call<'_>, &mut Reply) -> Result;

/// What a command does. Reads and writes have no effect but through their transaction, and may be dropped and run
/// again; a session command runs once.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// Looks at keys.
    Read(ReadFn),
    /// Changes keys.
    Write(WriteFn),
    /// Sees and changes the session.
    Session(SessionFn),
    /// Only chooses among its subcommands, by the second word.
    Container,
    /// EXEC: runs what was queued.
    Exec,
    /// Runs a script, which runs commands.
    Script {
        /// What finds and runs it.
        run: ScriptFn,
        /// Whether it may write.
        writes: bool,
    },
}

/// Which words are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// None.
    None,
    /// From word `first` to word `last` (negative: from the end), every `step`-th.
    Range {
        /// The first key's word.
        first: u8,
        /// The last key's word.
        last: i8,
        /// The distance of keys.
        step: u8,
    },
    /// Word `at` says how many keys follow it.
    Counted {
        /// The word with the count.
        at: u8,
    },
    /// Word `at` says how many keys follow it, each with its value.
    CountedPairs {
        /// The word with the count.
        at: u8,
    },
    /// Word 1, which is written, and those that word 2 counts.
    StoreCounted,
    /// Word 1, and the word after STORE or STOREDIST, the last one if there are several.
    FirstAndStore,
    /// The first half of the words that follow STREAMS, among options before it: XREAD.
    Streams,
    /// Word 3, or if that is empty, all words after KEYS: MIGRATE.
    Migrated,
    /// Any key of any database: the command has the store to itself.
    All,
}

impl Keys {
    /// The first word.
    pub(crate) const FIRST: Self = Self::Range { first: 1, last: 1, step: 1 };
    /// The second word: of a subcommand.
    pub(crate) const SECOND: Self = Self::Range { first: 2, last: 2, step: 1 };
    /// The first two words.
    pub(crate) const PAIR: Self = Self::Range { first: 1, last: 2, step: 1 };
    /// All words.
    pub(crate) const REST: Self = Self::Range { first: 1, last: -1, step: 1 };
    /// All words but the last: BLPOP, which ends with a timeout.
    pub(crate) const BEFORE_LAST: Self = Self::Range { first: 1, last: -2, step: 1 };
    /// Every other word: MSET.
    pub(crate) const EVERY_OTHER: Self = Self::Range { first: 1, last: -1, step: 2 };

    /// The keys' places among these words. A count that is no number, or reaches beyond them, gives those there are:
    /// the command itself will complain.
    pub(crate) fn places(self, args: &Args<'_>) -> impl Iterator<Item = usize> + use<> {
        let words = args.len();
        let other = match self {
            Self::StoreCounted => Some(1),
            Self::FirstAndStore => last_store(args),
            _ => None,
        };
        let counted = |at: usize, step: usize| {
            let count = args.int(at).ok().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            (at + 1, (at + 1).saturating_add(count.saturating_mul(step)).min(words), step)
        };
        let (from, to, step) = match self {
            Self::None | Self::All => (0, 0, 1),
            Self::Range { first, last, step } => {
                let to = if last < 0 {
                    words.saturating_sub(usize::from(last.unsigned_abs()) - 1)
                } else {
                    last as usize + 1
                };
                (usize::from(first), to.min(words), usize::from(step))
            }
            Self::Counted { at } => counted(usize::from(at), 1),
            Self::CountedPairs { at } => counted(usize::from(at), 2),
            Self::StoreCounted => counted(2, 1),
            Self::FirstAndStore => (1, words.min(2), 1),
            Self::Migrated if words > 3 && !args.get(3).is_empty() => (3, 4, 1),
            Self::Migrated => (migrate::first_of_many(args).unwrap_or(words), words, 1),
            Self::Streams => {
                let from = first_stream(args);
                (from, from + words.saturating_sub(from) / 2, 1)
            }
        };
        let (before, after) = if self == Self::StoreCounted { (other, None) } else { (None, other) };
        before.into_iter().chain((from..to).step_by(step.max(1))).chain(after)
    }
}

/// The word after the last STORE or STOREDIST that is one, and not what another option is given: of SORT and GEORADIUS.
fn last_store(args: &Args<'_>) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while at < args.len() {
        at += match at {
            at if args.is(at, "store") || args.is(at, "storedist") => {
                found = Some(at + 1);
                2
            }
            at if args.is(at, "limit") => 3,
            at if args.is(at, "get") || args.is(at, "by") || args.is(at, "count") => 2,
            _ => 1,
        };
    }
    found.filter(|&at| at < args.len())
}

/// The word after STREAMS, looked for as XREAD does; where it is not, the one after the last.
fn first_stream(args: &Args<'_>) -> usize {
    let mut at = 1;
    while at < args.len() && !args.is(at, "streams") {
        at += match at {
            at if args.is(at, "block") || args.is(at, "count") => 2,
            at if args.is(at, "group") => 3,
            at if args.is(at, "noack") => 1,
            _ => return args.len(),
        };
    }
    (at + 1).min(args.len())
}

/// Whether a BITFIELD changes nothing.
fn only_gets(args: &Args<'_>) -> bool {
    let mut walk = args.walk(2);
    while !walk.is_done() {
        let words = if walk.accept("get") { 2 } else { usize::from(walk.accept("overflow")) };
        if words == 0 || walk.nth(words - 1).is_none() {
            return false;
        }
    }
    true
}

/// What happens to keys, as Redis words it: COMMAND GETKEYSANDFLAGS.
pub(crate) type KeyFlags = &'static [&'static str];

/// What happens to a command's first key, and to the others, if that is something else.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub(crate) first: KeyFlags,
    pub(crate) others: Option<KeyFlags>,
}

impl Access {
    /// It is no key, but the name of a channel.
    pub(crate) const CHANNEL: Self = Self::all(&["not_key"]);
    /// Something is told of the key, but nothing of what it holds.
    pub(crate) const LOOK: Self = Self::all(&["RO"]);
    /// What it holds is told.
    pub(crate) const READ: Self = Self::all(&["RO", "access"]);
    /// What it holds changes.
    pub(crate) const UPDATE: Self = Self::all(&["RW", "update"]);
    /// What it holds is told, and changes.
    pub(crate) const CHANGE: Self = Self::all(&["RW", "access", "update"]);
    /// What it holds grows.
    pub(crate) const INSERT: Self = Self::all(&["RW", "insert"]);
    /// Whatever it held is replaced.
    pub(crate) const OVERWRITE: Self = Self::all(&["OW", "update"]);
    /// Whatever a script does with it.
    pub(crate) const UNKNOWN: Self = Self::all(&["RW", "access", "update"]);
    /// It comes into being.
    pub(crate) const CREATE: Self = Self::all(&["OW", "insert"]);
    /// It goes, whatever it held.
    pub(crate) const REMOVE: Self = Self::all(&["RM", "delete"]);
    /// A part of what it holds goes.
    pub(crate) const DELETE: Self = Self::all(&["RW", "delete"]);
    /// What it holds is told, and goes.
    pub(crate) const TAKE: Self = Self::all(&["RW", "access", "delete"]);
    /// SET: with GET what it held is told.
    pub(crate) const SET: Self = Self::all(&["RW", "access", "update", "variable_flags"]);
    /// From the first, of which a part goes, into the second.
    pub(crate) const MOVE: Self = Self { others: Self::INSERT.others_too(), ..Self::TAKE };
    /// What the first holds is told, or the second is replaced by it.
    pub(crate) const QUERY: Self = Self { others: Self::OVERWRITE.others_too(), ..Self::READ };
    /// The first is replaced by what is made of the others.
    pub(crate) const STORE: Self = Self { others: Self::READ.others_too(), ..Self::OVERWRITE };
    /// What it holds is told, and may be noted there for the next time.
    pub(crate) const NOTE: Self = Self::all(&["RW", "access"]);
    /// From the first to the second.
    pub(crate) const COPY: Self = Self { others: Self::OVERWRITE.others_too(), ..Self::READ };
    /// From the first, which goes, to the second.
    pub(crate) const RENAME: Self = Self { others: Self::OVERWRITE.others_too(), ..Self::TAKE };
    /// From the first, which goes, to the second, if that is free.
    pub(crate) const RENAME_NEW: Self = Self { others: Self::CREATE.others_too(), ..Self::TAKE };
    /// The first takes in what the others hold.
    pub(crate) const MERGE: Self =
        Self { others: Self::READ.others_too(), ..Self::all(&["RW", "access", "insert"]) };
    /// As [`Access::STORE`], where Redis counts the first as a key that changes.
    pub(crate) const STORE_CHANGE: Self = Self { others: Self::READ.others_too(), ..Self::UPDATE };

    const fn all(flags: KeyFlags) -> Self {
        Self { first: flags, others: None }
    }

    const fn others_too(self) -> Option<KeyFlags> {
        Some(self.first)
    }
}

/// What is told of a command beside its shape.
#[derive(Clone, Copy)]
pub(crate) struct Doc {
    pub(crate) summary: &'static str,
    pub(crate) since: &'static str,
    pub(crate) complexity: &'static str,
}

/// A set of traits; see the constants.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u32);

impl Flags {
    /// Constant time or O(log n).
    pub(crate) const FAST: Self = Self(1);
    /// Of the administrator: also @dangerous.
    pub(crate) const ADMIN: Self = Self(2);
    /// Allowed before authentication.
    pub(crate) const NO_AUTH: Self = Self(4);
    /// Refused within MULTI.
    pub(crate) const NO_MULTI: Self = Self(8);
    /// Not to be called from a script.
    pub(crate) const NO_SCRIPT: Self = Self(16);
    /// May take long whatever is cached: never runs on an event loop.
    pub(crate) const SLOW: Self = Self(32);
    /// Can do great harm: @dangerous.
    pub(crate) const DANGEROUS: Self = Self(64);
    /// Runs at once within MULTI instead of being queued.
    pub(crate) const IMMEDIATE: Self = Self(128);
    /// Gives another answer each time.
    pub(crate) const BLOCKING: Self = Self(256);
    /// Touches all keys of a database: @keyspace.
    pub(crate) const KEYSPACE: Self = Self(512);

    /// Writes, but needs no room to speak of.
    pub(crate) const LEAN: Self = Self(1024);
    /// About the connection, whatever its group: @connection.
    pub(crate) const CONNECTION: Self = Self(2048);
    /// Reads elements by rank: its keys are locked while it does, and it sees what is newest, durable or not.
    pub(crate) const RANKED: Self = Self(4096);
    /// Reads, but for what it notes in the key for the next time: told as a read.
    pub(crate) const NOTES: Self = Self(8192);
    /// Runs also while a script is so slow that others are told BUSY.
    pub(crate) const ALLOW_BUSY: Self = Self(16384);
    /// Writes no key as a rule, and yet is one of what Redis's replicas would be told: held up with what writes, and refused
    /// to scripts that do not write.
    pub(crate) const MAY_REPLICATE: Self = Self(32768);

    /// Whether all of `other` are set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A row of a command table.
pub(crate) struct Command {
    /// Its name, in lower case; a subcommand's with its container's: `config|get`.
    pub(crate) name: &'static str,
    /// How many words, the name included; negative: at least so many.
    pub(crate) arity: i8,
    /// Its traits.
    pub(crate) flags: Flags,
    /// Which words are keys.
    pub(crate) keys: Keys,
    /// What happens to them.
    pub(crate) access: Access,
    /// What it does.
    pub(crate) action: Action,
    /// What is told of it.
    pub(crate) doc: Doc,
    /// Locks beyond its keys in the selected database.
    pub(crate) locks: Option<fn(&Args<'_>, &mut LockSet)>,
    /// What of it, if it writes, takes time that its keys need not be locked for.
    pub(crate) ahead: Option<AheadFn>,
    /// What its second word may choose.
    pub(crate) subcommands: &'static [Self],
}

/// A row; see [`read`], [`write`], [`session`], [`container`].
pub(crate) const fn command(name: &'static str, arity: i8, keys: Keys, action: Action) -> Command {
    let doc = Doc { summary: "", since: "1.0.0", complexity: "O(1)" };
    let access = match action {
        Action::Read(_) => Access::READ,
        Action::Write(_) => Access::UPDATE,
        _ => Access::LOOK,
    };
    Command {
        name,
        arity,
        flags: Flags(0),
        keys,
        access,
        action,
        doc,
        locks: None,
        ahead: None,
        subcommands: &[],
    }
}

/// A command that runs a script.
pub(crate) const fn script(
    name: &'static str,
    arity: i8,
    keys: Keys,
    writes: bool,
    run: ScriptFn,
) -> Command {
    command(name, arity, keys, Action::Script { run, writes }).flag(Flags::NO_SCRIPT)
}

/// A command that looks at keys and changes nothing.
pub(crate) const fn read(name: &'static str, arity: i8, keys: Keys, run: ReadFn) -> Command {
    command(name, arity, keys, Action::Read(run))
}

/// A command that changes keys.
pub(crate) const fn write(name: &'static str, arity: i8, keys: Keys, run: WriteFn) -> Command {
    command(name, arity, keys, Action::Write(run))
}

/// A command about the connection or the server.
pub(crate) const fn session(name: &'static str, arity: i8, run: SessionFn) -> Command {
    command(name, arity, Keys::None, Action::Session(run))
}

/// A command with subcommands, whose rows are named `container|subcommand`, and count and place words from the
/// container's name on.
pub(crate) const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
    command(name, -2, Keys::None, Action::Container).or_subcommands(subcommands)
}

impl Command {
    /// Lets a second word choose among these.
    pub(crate) const fn or_subcommands(mut self, subcommands: &'static [Self]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Says which words are keys: of a session command.
    pub(crate) const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Adds traits.
    pub(crate) const fn flag(mut self, flags: Flags) -> Self {
        self.flags = self.flags.with(flags);
        self
    }

    /// Says what happens to the keys, where a read or a write does something else than reading or changing.
    pub(crate) const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Constant time or O(log n).
    pub(crate) const fn fast(self) -> Self {
        self.flag(Flags::FAST)
    }

    /// Never runs on an event loop, since it may take long whatever is cached.
    pub(crate) const fn slow(self) -> Self {
        self.flag(Flags::SLOW)
    }

    /// Reads elements by rank.
    pub(crate) const fn ranked(self) -> Self {
        self.flag(Flags::RANKED)
    }

    /// What COMMAND DOCS tells.
    pub(crate) const fn doc(
        mut self,
        summary: &'static str,
        since: &'static str,
        complexity: &'static str,
    ) -> Self {
        self.doc = Doc { summary, since, complexity };
        self
    }

    /// Locks also what this function adds: keys in other databases. Called with the command's words.
    pub(crate) const fn locks(mut self, locks: fn(&Args<'_>, &mut LockSet)) -> Self {
        self.locks = Some(locks);
        self
    }

    /// What it does before its keys are locked.
    pub(crate) const fn ahead(mut self, ahead: AheadFn) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// What happens to the `i`-th of a call's keys, as far as the call's words tell.
    pub(crate) fn key_flags(&self, args: &Args<'_>, i: usize) -> KeyFlags {
        match self.name {
            // What it held is of interest to SET only if that is to be told.
            "set" if !args.from(3).any(|word| word.eq_ignore_ascii_case(b"get")) => Access::OVERWRITE.first,
            "bitfield" if only_gets(args) => Access::READ.first,
            _ => self.access.others.filter(|_| i > 0).unwrap_or(self.access.first),
        }
    }

    /// Whether so many words may be a call of it.
    pub(crate) fn takes(&self, words: usize) -> bool {
        let least = usize::from(self.arity.unsigned_abs());
        if self.arity >= 0 { words == least } else { words >= least }
    }

    /// Whether it changes keys.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.action, Action::Write(_) | Action::Script { writes: true, .. })
    }

    /// Whether Redis counts it among those that read.
    pub(crate) fn is_told_as_read(&self) -> bool {
        matches!(self.action, Action::Read(_)) || self.flags.has(Flags::NOTES)
    }

    /// Whether it writes, and what it writes takes room. A script is asked command by command.
    pub(crate) fn needs_room(&self) -> bool {
        matches!(self.action, Action::Write(_)) && !self.flags.has(Flags::LEAN)
    }

    /// The locks of a call.
    pub(crate) fn lock_set(&self, database: u16, args: &Args<'_>) -> LockSet {
        if self.locks.is_none() && self.keys == Keys::FIRST {
            return LockSet::one(lock_key(database, args.get(1)));
        }
        let mut set = if self.keys == Keys::All { LockSet::all() } else { LockSet::new() };
        for place in self.keys.places(args) {
            let key = lock_key(database, args.get(place));
            if self.writes() { set.exclusive(key) } else { set.shared(key) }
        }
        if let Some(more) = self.locks {
            more(args, &mut set);
        }
        set
    }

    /// The last part of its name: `get` of `config|get`.
    pub(crate) fn last_name(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }
}

/// A folder's commands, and the group under which Redis documents them.
pub(crate) struct Family {
    /// As in COMMAND DOCS: `string`, `generic`, `connection`, `server` …
    pub(crate) group: &'static str,
    /// The rows.
    pub(crate) commands: &'static [Command],
}
