//! EVAL, EVALSHA and their read-only forms; and what scripts and functions have in common once they are found.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use mlua::Value;

use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::cache::{Habits, Script};
use super::convert;
use super::flags::{ScriptFlags, shebang};
use super::interpreter::{Compiled, Interpreter, Outcome, interpreter};
use super::run::{Denied, Run, must_wait};
use super::running::Noted;
use super::sha1;
use crate::store::{LockSet, Reads, Tier, Txn};

/// What a script gives back: its transaction, unless that is lost, and how it went.
pub(crate) type Ran = (Option<Txn>, Result);

/// What is refused in a script that may write, where it may not.
const WRITES: &str = "ERR Can not execute a script with write flag using *_ro command.";
/// EVALSHA of a script that nobody knows.
const UNKNOWN: &str = "NOSCRIPT No matching script. Please use EVAL.";

/// EVAL and EVAL_RO.
pub(super) fn eval(session: &mut Session, txn: Txn, call: &Call<'_>, reply: &mut Reply) -> Ran {
    start(session, txn, call, reply, |interpreter| compiled(interpreter, call, call.get(1)))
}

/// EVALSHA and EVALSHA_RO.
pub(super) fn evalsha(session: &mut Session, txn: Txn, call: &Call<'_>, reply: &mut Reply) -> Ran {
    start(session, txn, call, reply, |interpreter| {
        let unknown = || Error::text(UNKNOWN);
        let sha = std::str::from_utf8(call.get(1)).map_err(|_| unknown())?.to_ascii_lowercase();
        interpreter.by_sha(&call.instance.scripting.cache, &sha).ok_or_else(unknown)?
    })
}

/// The script with this text, compiled, and from now on known by its name.
pub(super) fn compiled(interpreter: &Interpreter, call: &Call<'_>, body: &[u8]) -> Result<Rc<Compiled>> {
    let cache = &call.instance.scripting.cache;
    if let Some(compiled) = interpreter.by_body(cache, body) {
        return Ok(compiled);
    }
    let sha = sha1::hex(body);
    if let Some(known) = interpreter.by_sha(cache, &sha) {
        return known;
    }
    let shebang = shebang(body)?;
    let function = interpreter.compile(body, shebang.len)?;
    let script = Script { sha, body: body.into(), shebang, habits: Habits::default() };
    let bytes_max = usize::try_from(call.instance.config().memory / 32).unwrap_or(usize::MAX);
    Ok(interpreter.keep(cache.add(script, bytes_max), function))
}

/// How many keys follow the count.
fn count_keys(call: &Call<'_>, wrong: fn() -> Error) -> Result<usize> {
    let keys = call.int(2).map_err(|_| wrong())?;
    let Ok(keys) = usize::try_from(keys) else {
        return Err(Error::text("ERR Number of keys can't be negative"));
    };
    if keys > call.len() - 3 {
        return Err(Error::text("ERR Number of keys can't be greater than number of args"));
    }
    Ok(keys)
}

fn start(
    session: &mut Session,
    txn: Txn,
    call: &Call<'_>,
    reply: &mut Reply,
    find: impl FnOnce(&Interpreter) -> Result<Rc<Compiled>>,
) -> Ran {
    let prepare = || {
        let keys = count_keys(call, || Error::NotAnInteger)?;
        let interpreter = interpreter(call.instance.config().memory)?;
        let compiled = find(&interpreter)?;
        Ok((keys, interpreter, compiled))
    };
    let (keys, interpreter, compiled) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return (Some(txn), Err(error)),
    };
    let script = &compiled.script;
    let what = What { name: &script.sha, flags: script.shebang.flags, habits: &script.habits, is_eval: true };
    what.run(session, &interpreter, txn, call, reply, |run, settle| {
        interpreter.eval(run, &compiled, call.args, keys, settle)
    })
}

/// How many keys a function is called with.
pub(super) fn count_function_keys(call: &Call<'_>) -> Result<usize> {
    count_keys(call, || Error::text("ERR Bad number of keys provided"))
}

/// What is about to run.
pub(super) struct What<'a> {
    /// A function's name, or a script's digest.
    pub(super) name: &'a str,
    /// What it says of itself, if anything.
    pub(super) flags: Option<ScriptFlags>,
    pub(super) habits: &'a Habits,
    pub(super) is_eval: bool,
}

impl What<'_> {
    /// Runs it, by what `enter` does, and answers.
    pub(super) fn run(
        &self,
        session: &mut Session,
        interpreter: &Interpreter,
        txn: Txn,
        call: &Call<'_>,
        reply: &mut Reply,
        enter: impl FnOnce(Run, &mut dyn FnMut(&mut Run, Outcome)) -> Result<Run>,
    ) -> Ran {
        let (read_only, denied) = match self.admit(&txn, call) {
            Ok(admitted) => admitted,
            Err(error) => return (Some(txn), Err(error)),
        };
        let cached = txn.tier() == Tier::Cached;
        let mut run = match Run::new(session, txn, call, read_only) {
            Ok(run) => run,
            Err(error) => return (None, Err(error)),
        };
        run.denied = denied;
        if !cached {
            let words = if self.is_eval { Vec::new() } else { call.from(0).map(<[u8]>::to_vec).collect() };
            run.running = Some(Noted::new(&run.instance, self.name, self.is_eval, words));
        }
        let ended = enter(run, &mut |run, outcome| self.settle(interpreter, run, outcome, reply));
        let mut run = match ended {
            Ok(run) => run,
            Err(error) => return (None, Err(error)),
        };
        run.running = None;
        if let Some(error) = run.over.take() {
            self.learn(&error, cached);
            run.session.unsent = None;
            return (Some(run.into_txn(session)), Err(error));
        }
        for (count, more) in
            [(&call.lookups.hits, &run.lookups.hits), (&call.lookups.misses, &run.lookups.misses)]
        {
            count.set(count.get() + more.get());
        }
        call.lookups.effects().join(std::mem::take(&mut run.effects));
        (Some(run.into_txn(session)), Ok(()))
    }

    /// Whether it may run here and now; and if so, whether it may only read, and what else it may not.
    fn admit(&self, txn: &Txn, call: &Call<'_>) -> Result<(bool, Denied)> {
        let may_write = call.command.writes();
        let says = |flag| self.flags.is_some_and(|flags| flags.has(flag));
        let says_no_writes = says(ScriptFlags::NO_WRITES);
        if !may_write && self.flags.is_some() && !says_no_writes {
            return Err(Error::text(WRITES));
        }
        let denied = Denied {
            room: !says(ScriptFlags::ALLOW_OOM) && call.instance.is_over_maxmemory(),
            writes: call.instance.parameters.wants_replicas(),
        };
        // A script that says what it does is refused whole.
        if self.flags.is_some() && !says_no_writes {
            if denied.writes {
                return Err(Error::NoReplicas);
            }
            if denied.room {
                return Err(Error::OverMaxmemory);
            }
        }
        if self.habits.lingers.load(Relaxed) && txn.tier() == Tier::Cached {
            return Err(must_wait());
        }
        if self.habits.roams.load(Relaxed) && !txn.holds(&LockSet::all()) {
            return Err(Error::Undeclared);
        }
        if self.habits.sprawls.load(Relaxed) && !call.lookups.may_be_large.get() {
            return Err(Error::Large);
        }
        Ok((!may_write || says_no_writes, denied))
    }

    /// What its end tells of what it will do next time.
    fn learn(&self, error: &Error, cached: bool) {
        if matches!(error, Error::Undeclared) {
            self.habits.roams.store(true, Relaxed);
        }
        if matches!(error, Error::Large) {
            self.habits.sprawls.store(true, Relaxed);
        }
        // Where a block was missing, it will be there the next time.
        if cached && error.would_wait() && error.clone().lack().is_none() {
            self.habits.lingers.store(true, Relaxed);
        }
    }

    /// Answers.
    fn settle(&self, interpreter: &Interpreter, run: &mut Run, outcome: Outcome, reply: &mut Reply) {
        if run.over.is_some() {
            return;
        }
        let mark = reply.len();
        let spoken = run.reply.protocol();
        let failed = match outcome {
            Outcome::Value(value) => {
                let mut new_error = |text: &str| run.effects.error(text);
                let written = convert::to_reply(&interpreter.names, &value, spoken, reply, &mut new_error);
                match written {
                    Ok(()) => reply.check().err().map(|error| error.wire().into_owned()),
                    Err(error) => Some(self.plain_failure(&error.to_string())),
                }
            }
            Outcome::Error(Value::Table(error)) => {
                let text = self.failure(&error);
                if !matches!(error.raw_get("ignore_error_stats_update"), Ok(Value::Boolean(true))) {
                    run.effects.error(&text);
                }
                reply.error_text(&text);
                None
            }
            Outcome::Error(Value::String(text)) => Some(self.plain_failure(&text.to_string_lossy())),
            Outcome::Error(_) => Some(self.plain_failure("execution failure")),
            Outcome::Broken(error) => Some(self.plain_failure(&error.to_string())),
        };
        if let Some(text) = failed {
            reply.truncate(mark);
            run.effects.error(&text);
            reply.error_text(&text);
        }
    }

    /// An error that the handler gave a place.
    fn failure(&self, error: &mlua::Table) -> String {
        let text = |name: &str| match error.raw_get(name) {
            Ok(Value::String(text)) => Some(text.to_string_lossy()),
            Ok(Value::Integer(n)) => Some(n.to_string()),
            _ => None,
        };
        let what = text("err").unwrap_or_default();
        match (text("source"), text("line")) {
            (Some(source), Some(line)) => {
                format!("{what} script: {}, on {source}:{line}.", self.name)
            }
            _ => what,
        }
    }

    /// An error without.
    fn plain_failure(&self, what: &str) -> String {
        let short: String = what.lines().next().unwrap_or_default().chars().take(100).collect();
        format!("ERR Error running script {}, {short}", self.name)
    }
}
