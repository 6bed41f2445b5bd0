//! A thread's Lua: one state, built once, in which every script of the thread runs. Scripts can change nothing of it that
//! the next one would see.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, Value, VmState};

use super::super::args::Args;
use super::super::error::{Error, Result};
use super::api::{self, Loading};
use super::cache::{Cache, Script};
use super::convert::Names;
use super::library::cjson;
use super::raise::{Raised, struck};
use super::run::{GARBAGE_BYTES_MAX, Run, TICK_INSTRUCTIONS, small_bytes};

/// Scripts that a thread keeps compiled.
const COMPILED_MAX: usize = 500;
/// The least memory that a state has.
const MEMORY_MIN: usize = 12 << 20;

/// The run that the functions of `redis` belong to.
pub(super) type Slot = Rc<RefCell<Option<Run>>>;
/// The library that registers functions.
pub(super) type LoadSlot = Rc<RefCell<Option<Loading>>>;

/// A library's functions in this thread, by name.
pub(super) type Functions = HashMap<Vec<u8>, Function>;

/// A script, ready to run in this thread.
pub(super) struct Compiled {
    pub(super) script: Arc<Script>,
    function: Function,
}

/// What ended a run.
pub(super) enum Outcome {
    /// The script, with a value.
    Value(Value),
    /// An error: a table with `err`, or whatever Lua had left.
    Error(Value),
    /// An error that Lua could not even make a value of.
    Broken(mlua::Error),
}

/// Ends the run also when a command panics in it.
struct Leave<'a>(&'a Slot);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

#[derive(Default)]
struct Kept {
    epoch: u64,
    by_body: HashMap<Box<[u8]>, Rc<Compiled>, foldhash::fast::RandomState>,
    by_sha: HashMap<String, Rc<Compiled>, foldhash::fast::RandomState>,
}

/// The state, and what is needed of it.
pub(super) struct Interpreter {
    lua: Lua,
    eval_globals: Table,
    eval_base: Table,
    function_globals: Table,
    run: Function,
    call: Function,
    load: Function,
    /// What tables say that they are.
    pub(super) names: Names,
    slot: Slot,
    loading: LoadSlot,
    cjson: cjson::Shared,
    kept: RefCell<Kept>,
    /// The functions of libraries, by the libraries' ids.
    libraries: RefCell<HashMap<u64, Rc<Functions>>>,
    memory_max: Cell<usize>,
    /// Above this many bytes what a script left behind is collected at once.
    garbage_max: Cell<usize>,
}

thread_local! {
    static INTERPRETER: RefCell<Option<Rc<Interpreter>>> = const { RefCell::new(None) };
}

/// This thread's. It may use an eighth of the memory.
pub(super) fn interpreter(memory: u64) -> Result<Rc<Interpreter>> {
    INTERPRETER.with_borrow_mut(|interpreter| {
        let interpreter = if let Some(interpreter) = interpreter {
            interpreter.clone()
        } else {
            let new = Interpreter::new().map(Rc::new);
            interpreter.insert(new.map_err(|error| broken(&error))?).clone()
        };
        interpreter.limit(usize::try_from(memory / 8).unwrap_or(usize::MAX).max(MEMORY_MIN));
        interpreter.garbage_max.set(small_bytes(memory).min(GARBAGE_BYTES_MAX));
        Ok(interpreter)
    })
}

/// What Lua itself could not do.
pub(super) fn broken(error: &mlua::Error) -> Error {
    Error::text(format!("ERR Lua: {}", error.to_string().lines().next().unwrap_or_default()))
}

impl Interpreter {
    fn new() -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::new())?;
        let (slot, loading): (Slot, LoadSlot) = Default::default();
        let cjson: cjson::Shared = Rc::default();
        let native = api::native(&lua, &slot, &loading, &cjson)?;
        let prelude =
            lua.load(include_str!("prelude.lua")).set_name(super::raise::PRELUDE).set_mode(ChunkMode::Text);
        let built: Table = prelude.call(native)?;
        let (ticked, loaded) = (slot.clone(), loading.clone());
        lua.set_global_hook(
            HookTriggers::new().every_nth_instruction(TICK_INSTRUCTIONS),
            move |lua, debug| {
                if let Ok(mut slot) = ticked.try_borrow_mut()
                    && let Some(run) = slot.as_mut()
                    && !run.tick(lua.used_memory(), || struck(debug))
                {
                    return Err(Raised::Over.error());
                }
                if loaded.try_borrow().is_ok_and(|slot| slot.as_ref().is_some_and(Loading::is_late)) {
                    return Err(Raised::reply("FUNCTION LOAD timeout"));
                }
                Ok(VmState::Continue)
            },
        )?;
        Ok(Self {
            eval_globals: built.raw_get("eval_globals")?,
            eval_base: built.raw_get("eval_base")?,
            function_globals: built.raw_get("function_globals")?,
            run: built.raw_get("run")?,
            call: built.raw_get("call")?,
            load: built.raw_get("load")?,
            names: Names::new(&lua)?,
            lua,
            slot,
            loading,
            cjson,
            kept: RefCell::default(),
            libraries: RefCell::default(),
            memory_max: Cell::new(0),
            garbage_max: Cell::new(GARBAGE_BYTES_MAX),
        })
    }

    fn limit(&self, bytes: usize) {
        if self.memory_max.replace(bytes) != bytes {
            // It cannot fail: the state is ours.
            let _ = self.lua.set_memory_limit(bytes);
        }
    }

    fn refresh(&self, cache: &Cache) {
        let mut kept = self.kept.borrow_mut();
        if kept.epoch != cache.epoch() || kept.by_sha.len() > COMPILED_MAX {
            *kept = Kept { epoch: cache.epoch(), ..Kept::default() };
        }
    }

    /// The script with this text, if it ran here before.
    pub(super) fn by_body(&self, cache: &Cache, body: &[u8]) -> Option<Rc<Compiled>> {
        self.refresh(cache);
        self.kept.borrow().by_body.get(body).cloned()
    }

    /// The script of this name, if it is known anywhere.
    pub(super) fn by_sha(&self, cache: &Cache, sha: &str) -> Option<Result<Rc<Compiled>>> {
        self.refresh(cache);
        if let Some(compiled) = self.kept.borrow().by_sha.get(sha) {
            return Some(Ok(compiled.clone()));
        }
        let script = cache.get(sha)?;
        Some(self.compile(&script.body, script.shebang.len).map(|function| self.keep(script, function)))
    }

    /// Remembers a script.
    pub(super) fn keep(&self, script: Arc<Script>, function: Function) -> Rc<Compiled> {
        let compiled = Rc::new(Compiled { script, function });
        let mut kept = self.kept.borrow_mut();
        kept.by_sha.insert(compiled.script.sha.clone(), compiled.clone());
        kept.by_body.insert(compiled.script.body.clone(), compiled.clone());
        compiled
    }

    /// Compiles a script's text, without its first so many bytes.
    pub(super) fn compile(&self, body: &[u8], skip: usize) -> Result<Function> {
        let text = body.get(skip..).unwrap_or_default();
        self.source(text, "@user_script", &self.eval_globals)
            .map_err(|why| Error::text(format!("ERR Error compiling script (new function): {why}")))
    }

    fn source(&self, text: &[u8], name: &str, globals: &Table) -> std::result::Result<Function, String> {
        let chunk = self.lua.load(text).set_name(name).set_mode(ChunkMode::Text);
        // The parser does not hold on to the chunk's name: nothing may be collected while it works.
        self.lua.gc_stop();
        let function = chunk.set_environment(globals.clone()).into_function();
        self.lua.gc_restart();
        function.map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => message,
            other => other.to_string(),
        })
    }

    /// Runs a script, with its keys and arguments as globals.
    pub(super) fn eval(
        &self,
        run: Run,
        compiled: &Compiled,
        args: Args<'_>,
        keys: usize,
        settle: impl FnOnce(&mut Run, Outcome),
    ) -> Result<Run> {
        self.enter(run, settle, || {
            let (keys, arguments) = self.arguments(args, keys)?;
            self.eval_base.raw_set("KEYS", keys)?;
            self.eval_base.raw_set("ARGV", arguments)?;
            self.run.call(&compiled.function)
        })
    }

    /// Runs a function, with its keys and arguments as such.
    pub(super) fn call(
        &self,
        run: Run,
        function: &Function,
        args: Args<'_>,
        keys: usize,
        settle: impl FnOnce(&mut Run, Outcome),
    ) -> Result<Run> {
        self.enter(run, settle, || {
            let (keys, arguments) = self.arguments(args, keys)?;
            self.call.call((function, keys, arguments))
        })
    }

    /// From word 3 on: so many keys, then arguments.
    fn arguments(&self, args: Args<'_>, keys: usize) -> mlua::Result<(Table, Table)> {
        let table = |from: usize, len: usize| {
            let table = self.lua.create_table_with_capacity(len, 0)?;
            for (i, word) in args.from(from).take(len).enumerate() {
                table.raw_set(i + 1, self.lua.create_string(word)?)?;
            }
            mlua::Result::Ok(table)
        };
        Ok((table(3, keys)?, table(3 + keys, args.len().saturating_sub(3 + keys))?))
    }

    fn enter(
        &self,
        run: Run,
        settle: impl FnOnce(&mut Run, Outcome),
        start: impl FnOnce() -> mlua::Result<(bool, Value)>,
    ) -> Result<Run> {
        // Settings of the last script are no affair of this one.
        self.cjson.set(cjson::Config::default());
        self.slot.replace(Some(run));
        let _leave = Leave(&self.slot);
        let outcome = match start() {
            Ok((true, value)) => Outcome::Value(value),
            Ok((false, error)) => Outcome::Error(error),
            Err(error) => Outcome::Broken(error),
        };
        let run = self.slot.take();
        let mut run = run.ok_or_else(|| Error::text("ERR the script's run is lost"))?;
        settle(&mut run, outcome);
        if self.lua.used_memory() > self.garbage_max.get() {
            for _ in 0..2 {
                // What is finalized in the first round goes in the second.
                let _ = self.lua.gc_collect();
            }
        }
        Ok(run)
    }

    /// Runs a library's text, which registers its functions. Says what went wrong in it.
    pub(super) fn load(&self, text: &[u8], loading: Loading) -> std::result::Result<Loading, String> {
        let library = self
            .source(text, "@user_function", &self.function_globals)
            .map_err(|why| format!("Error compiling function: {why}"))?;
        self.loading.replace(Some(loading));
        let ran = self.load.call::<(bool, Value)>(library);
        let loading = self.loading.take();
        let why = match ran {
            Ok((true, _)) => return loading.ok_or_else(|| "the library is lost".to_owned()),
            Ok((false, why)) => super::raise::lift(&self.lua, why).map_or_else(
                |error| error.to_string(),
                |why| match why {
                    Value::Table(table) => match table.raw_get("err") {
                        Ok(Value::String(text)) => text.to_string_lossy(),
                        _ => String::new(),
                    },
                    Value::String(text) => format!("ERR {}", text.to_string_lossy()),
                    _ => String::new(),
                },
            ),
            Err(error) => broken(&error).wire().into_owned(),
        };
        Err(format!("Error registering functions: {why}"))
    }

    /// The functions of a library that was loaded here before.
    pub(super) fn library(&self, id: u64) -> Option<Rc<Functions>> {
        self.libraries.borrow().get(&id).cloned()
    }

    /// Remembers a library's functions, and forgets those of libraries that are no more.
    pub(super) fn keep_library(
        &self,
        id: u64,
        functions: Functions,
        is_alive: impl Fn(u64) -> bool,
    ) -> Rc<Functions> {
        let functions = Rc::new(functions);
        let mut libraries = self.libraries.borrow_mut();
        libraries.retain(|id, _| is_alive(*id));
        libraries.insert(id, functions.clone());
        functions
    }
}
