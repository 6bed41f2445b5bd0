//! Scripts: EVAL and its kin, SCRIPT, and functions (FUNCTION, FCALL), in Lua 5.1 as Redis has it.
//!
//! A script is one [`Txn`](crate::store::Txn): the keys that it declares are locked before it begins, its commands run in
//! that transaction ([`run`]), and all that they wrote is one commit. A script is a pure function over its transaction,
//! as every command is, so it may be dropped and run again from its start: where it may wait for the disk, or with every
//! lock held once it has touched a key that it did not declare. What it does beside its transaction, such as lines for
//! the log, waits until it is certain that it does not run again ([`effects`]).
//!
//! Scripts run in a state of their thread ([`interpreter`]): on an event loop as long as that takes no more than a
//! millisecond or so, and else on the blocking pool, where SCRIPT KILL may end them ([`running`]).

mod api;
mod cache;
mod convert;
mod effects;
mod eval;
mod flags;
mod function;
mod interpreter;
mod library;
mod perform;
mod raise;
mod random;
mod run;
mod running;
mod scripts;
mod sha1;
mod text;

pub(crate) use effects::Effects;
pub(crate) use function::Libraries;
pub(crate) use perform::{large_turn, perform, within};
pub(crate) use text::split_words;

use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::args::Args;
use super::command::{Access, Command, Keys, container, script};
use super::error::Error;
use super::instance::Instance;

/// Keys after their count, which is the third word.
const KEYS: Keys = Keys::Counted { at: 2 };

const OF_SCRIPT: &str = "Depends on the script that is executed.";
const OF_FUNCTION: &str = "Depends on the function that is executed.";

/// The rows of scripts and functions.
pub(crate) const COMMANDS: &[Command] = &[
    script("eval", -3, KEYS, true, eval::eval).access(Access::UNKNOWN).doc(
        "Executes a server-side Lua script.",
        "2.6.0",
        OF_SCRIPT,
    ),
    script("evalsha", -3, KEYS, true, eval::evalsha).access(Access::UNKNOWN).doc(
        "Executes a server-side Lua script by SHA1 digest.",
        "2.6.0",
        OF_SCRIPT,
    ),
    script("eval_ro", -3, KEYS, false, eval::eval).access(Access::READ).doc(
        "Executes a read-only server-side Lua script.",
        "7.0.0",
        OF_SCRIPT,
    ),
    script("evalsha_ro", -3, KEYS, false, eval::evalsha).access(Access::READ).doc(
        "Executes a read-only server-side Lua script by SHA1 digest.",
        "7.0.0",
        OF_SCRIPT,
    ),
    script("fcall", -3, KEYS, true, function::fcall).access(Access::UNKNOWN).doc(
        "Invokes a function.",
        "7.0.0",
        OF_FUNCTION,
    ),
    script("fcall_ro", -3, KEYS, false, function::fcall).access(Access::READ).doc(
        "Invokes a read-only function.",
        "7.0.0",
        OF_FUNCTION,
    ),
    container("script", scripts::COMMANDS).doc(
        "A container for Lua scripts management commands.",
        "2.6.0",
        "Depends on subcommand.",
    ),
    container("function", function::COMMANDS).doc(
        "A container for function commands.",
        "7.0.0",
        "Depends on subcommand.",
    ),
];

/// Whether a script or function may write, as far as it says; one that nobody knows may.
pub(crate) fn may_write(instance: &Instance, command: &Command, args: Args<'_>) -> bool {
    let scripting = &instance.scripting;
    let flags = match command.name {
        "eval" => flags::shebang(args.get(1)).ok().and_then(|shebang| shebang.flags),
        "evalsha" => {
            let sha = String::from_utf8_lossy(args.get(1)).to_ascii_lowercase();
            scripting.cache.get(&sha).and_then(|script| script.shebang.flags)
        }
        "fcall" => scripting.libraries.flags(args.get(1)),
        _ => return command.writes(),
    };
    !flags.is_some_and(|flags| flags.has(flags::ScriptFlags::NO_WRITES))
}

/// What all connections share of scripts and functions.
#[derive(Default)]
pub(crate) struct Scripting {
    cache: cache::Cache,
    running: running::AllRunning,
    pub(crate) libraries: Libraries,
    /// Whether scripts may also call what is refused to them: DEBUG SET-DISABLE-DENY-SCRIPTS.
    pub(crate) denies_nothing: AtomicBool,
    /// Held by the one script that may need much memory: each thread has a state of its own, and there are many.
    large: Mutex<()>,
}

impl Scripting {
    /// Whether a script has run so long that others are told BUSY.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.is_busy()
    }

    /// What they are told.
    pub(crate) fn busy_error(&self) -> Error {
        self.running.busy_error()
    }

    /// How many scripts are cached, and their bytes.
    pub(crate) fn cached(&self) -> (usize, usize) {
        self.cache.size()
    }
}
