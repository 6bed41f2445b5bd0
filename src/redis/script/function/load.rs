//! FUNCTION LOAD: runs a library's text, so that it registers its functions; once where it is loaded, and once more in
//! each thread that calls one of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Table, Value};

use super::super::super::command::Call;
use super::super::super::error::{Error, Result};
use super::super::super::instance::Instance;
use super::super::super::protocol::reply::Reply;
use super::super::api::{Loading, Registered};
use super::super::cache::Habits;
use super::super::effects::Effects;
use super::super::flags::ScriptFlags;
use super::super::interpreter::{Functions, Interpreter, LoadSlot, interpreter};
use super::super::raise::{Given, Raised};
use super::libraries::Set;
use super::library::{BAD_NAME, Function, Library, is_name, metadata};
use crate::store::Txn;

/// How long a library may take to load.
const LOAD_MS_MAX: u64 = 500;

/// FUNCTION LOAD.
pub(super) fn load(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let last = call.len() - 1;
    let mut replace = false;
    for at in 2..last {
        if !call.is(at, "replace") {
            return Err(Error::text(format!("ERR Unknown option given: {}", call.text(at))));
        }
        replace = true;
    }
    let libraries = &call.instance.scripting.libraries;
    let mut set = Set::clone(&*libraries.seen(txn)?);
    let code = call.get(last);
    let (name, skip) = metadata(code)?;
    if set.get(&name).is_some() && !replace {
        let name = String::from_utf8_lossy(&name);
        return Err(Error::text(format!("ERR Library '{name}' already exists")));
    }
    set.remove(&name);
    let library = new_library(call, name, code, skip, Some(LOAD_MS_MAX))?;
    let name = library.name.clone();
    set.add(Arc::new(library))?;
    libraries.stage(txn, set)?;
    reply.bulk(&name);
    Ok(())
}

/// A library made of its text, by running that.
pub(super) fn new_library(
    call: &Call<'_>,
    name: Vec<u8>,
    code: &[u8],
    skip: usize,
    ms_max: Option<u64>,
) -> Result<Library> {
    let interpreter = interpreter(call.instance.config().memory)?;
    let loading = run(&interpreter, call.instance, code, skip, ms_max)?;
    if loading.functions.is_empty() {
        return Err(Error::text("ERR No functions registered"));
    }
    let mut effects = Effects::default();
    for (level, line) in loading.said {
        effects.say(level, line);
    }
    call.lookups.effects().join(effects);
    let functions = loading.functions.into_iter().map(|registered| Function {
        name: registered.name,
        description: registered.description,
        flags: registered.flags,
        habits: Habits::default(),
    });
    let functions = functions.collect();
    Ok(Library::new(name, code.to_vec(), functions))
}

fn run(
    interpreter: &Interpreter,
    instance: &Instance,
    code: &[u8],
    skip: usize,
    ms_max: Option<u64>,
) -> Result<Loading> {
    let weak = instance.shared();
    let begin_ns = instance.clock().monotonic_ns();
    let is_late = move || {
        let now_ns = weak.upgrade().map(|instance| instance.clock().monotonic_ns());
        let spent_ms = now_ns.unwrap_or(u64::MAX).saturating_sub(begin_ns) / 1_000_000;
        ms_max.is_some_and(|most| spent_ms > most)
    };
    let text = code.get(skip..).unwrap_or_default();
    interpreter.load(text, Loading::new(is_late)).map_err(|why| Error::text(format!("ERR {why}")))
}

/// A library's functions in this thread.
pub(super) fn loaded(
    interpreter: &Interpreter,
    instance: &Instance,
    library: &Library,
    set: &Set,
) -> Result<Rc<Functions>> {
    if let Some(functions) = interpreter.library(library.id) {
        return Ok(functions);
    }
    let skip = library.code.iter().position(|&c| c == b'\n').unwrap_or(0);
    let loading = run(interpreter, instance, &library.code, skip, None)?;
    let functions = loading.functions.into_iter().map(|one| (one.name, one.callback)).collect();
    Ok(interpreter.keep_library(library.id, functions, |id| set.has(id)))
}

/// `redis.register_function`.
pub(in super::super) fn register(given: &Given<'_>, loading: &LoadSlot) -> mlua::Result<()> {
    let loading: &RefCell<Option<Loading>> = loading;
    let mut loading = loading.borrow_mut();
    let Some(loading) = loading.as_mut() else {
        return Err(Raised::reply("redis.register_function can only be called on FUNCTION LOAD command"));
    };
    let registered = match given.len() {
        1 => named(given),
        2 => positional(given),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let registered = registered.map_err(Raised::reply)?;
    if !is_name(&registered.name) {
        return Err(Raised::reply(BAD_NAME));
    }
    if loading.functions.iter().any(|known| known.name == registered.name) {
        return Err(Raised::reply("Function already exists in the library"));
    }
    loading.functions.push(registered);
    Ok(())
}

/// A string, or a number as one.
fn text(given: &Given<'_>, value: &Value) -> Option<Vec<u8>> {
    let text = match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => given.lua.coerce_string(value.clone()),
        _ => return None,
    };
    text.ok().flatten().map(|text| text.as_bytes().to_vec())
}

type Read = std::result::Result<Registered, &'static str>;

fn positional(given: &Given<'_>) -> Read {
    let name = given.get(1).and_then(|name| text(given, name));
    let name = name.ok_or("first argument to redis.register_function must be a string")?;
    let Some(Value::Function(callback)) = given.get(2) else {
        return Err("second argument to redis.register_function must be a function");
    };
    let flags = ScriptFlags::default();
    Ok(Registered { name, description: None, flags, callback: callback.clone() })
}

fn named(given: &Given<'_>) -> Read {
    let Some(Value::Table(table)) = given.get(1) else {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        );
    };
    let (mut name, mut description, mut flags, mut callback) = (None, None, ScriptFlags::default(), None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|_| "unknown argument given to redis.register_function")?;
        let key = text(given, &key)
            .ok_or("named argument key given to redis.register_function is not a string")?
            .to_ascii_lowercase();
        match &key[..] {
            b"function_name" => {
                let given = text(given, &value);
                name = Some(
                    given
                        .ok_or("function_name argument given to redis.register_function must be a string")?,
                );
            }
            b"description" => {
                let given = text(given, &value);
                description = Some(
                    given.ok_or("description argument given to redis.register_function must be a string")?,
                );
            }
            b"callback" => {
                let Value::Function(function) = value else {
                    return Err("callback argument given to redis.register_function must be a function");
                };
                callback = Some(function);
            }
            b"flags" => {
                let Value::Table(list) = value else {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                };
                flags = read_flags(given, &list)?;
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    Ok(Registered { name, description, flags, callback })
}

fn read_flags(given: &Given<'_>, list: &Table) -> std::result::Result<ScriptFlags, &'static str> {
    let mut flags = ScriptFlags::default();
    for i in 1_i64.. {
        let flag: Value = list.raw_get(i).map_err(|_| "unknown flag given")?;
        if flag.is_nil() {
            break;
        }
        let name = text(given, &flag).ok_or("unknown flag given")?;
        flags = flags.with(ScriptFlags::named(&name, true).ok_or("unknown flag given")?);
    }
    Ok(flags)
}
