//! The functions of `redis`, and those few that stand in for Lua's own.

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::connection::REDIS_VERSION;
use super::super::protocol::reply::Protocol;
use super::convert;
use super::effects::Level;
use super::flags::ScriptFlags;
use super::interpreter::{LoadSlot, Slot};
use super::library::{bit, cjson, cmsgpack, define, structure};
use super::raise::{Given, Raised, bad_argument, error_table, handle, lift, with_code};
use super::random::{Drand48, RANGE};
use super::run::{Refusal, Run};
use super::sha1;
use super::text::put_general;

/// A function that a library registered.
pub(super) struct Registered {
    pub(super) name: Vec<u8>,
    pub(super) description: Option<Vec<u8>>,
    pub(super) flags: ScriptFlags,
    pub(super) callback: Function,
}

/// A library that is being loaded.
pub(super) struct Loading {
    pub(super) functions: Vec<Registered>,
    pub(super) said: Vec<(Level, String)>,
    is_late: Box<dyn Fn() -> bool>,
}

impl Loading {
    /// One that may take until `is_late` says so.
    pub(super) fn new(is_late: impl Fn() -> bool + 'static) -> Self {
        Self { functions: Vec::new(), said: Vec::new(), is_late: Box::new(is_late) }
    }

    /// Whether it takes too long.
    pub(super) fn is_late(&self) -> bool {
        (self.is_late)()
    }
}

/// Everything that the prelude builds with.
pub(super) fn native(
    lua: &Lua,
    slot: &Slot,
    loading: &LoadSlot,
    config: &cjson::Shared,
) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.raw_set("bit", bit::open(lua)?)?;
    native.raw_set("cjson", cjson::open(lua, config)?)?;
    native.raw_set("cmsgpack", cmsgpack::open(lua)?)?;
    native.raw_set("struct", structure::open(lua)?)?;
    native.raw_set("redis", redis(lua, slot, loading)?)?;
    errors(lua, &native)?;
    numbers(lua, &native, slot)?;
    let registering = loading.clone();
    define(lua, &native, "register_function", move |given| {
        super::function::register(given, &registering)?;
        Ok(MultiValue::new())
    })?;
    Ok(native)
}

/// What pcall, xpcall and the end of a run do with errors.
fn errors(lua: &Lua, native: &Table) -> mlua::Result<()> {
    native.raw_set("lift", lua.create_function(lift)?)?;
    // As the pcall of Redis 7, which gives the text alone, for scripts older than its tables.
    let caught = |lua: &Lua, error: Value| {
        let error = lift(lua, error)?;
        if let Value::Table(table) = &error
            && let text @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) = table.raw_get("err")?
        {
            return Ok(text);
        }
        Ok(error)
    };
    native.raw_set("caught", lua.create_function(caught)?)?;
    let tostring: Function = lua.globals().raw_get("tostring")?;
    let handle = lua.create_function(move |lua, error: Value| handle(lua, error, &tostring))?;
    native.raw_set("handle", handle)
}

/// `math.random` and its seed, of the run's own generator, and the clock.
fn numbers(lua: &Lua, native: &Table, slot: &Slot) -> mlua::Result<()> {
    let drawing = slot.clone();
    define(lua, native, "random", move |given| {
        let drawn = with(&drawing, "math.random", |run| run.random.next())?;
        let fraction = f64::from(drawn % RANGE) / f64::from(RANGE);
        let (least, most) = match given.len() {
            0 => return fraction.into_lua_multi(given.lua),
            1 => (1, given.integer(1)? as i32),
            2 => (given.integer(1)? as i32, given.integer(2)? as i32),
            _ => return Err(super::raise::error(given.lua, "wrong number of arguments")),
        };
        if least > most {
            return Err(bad_argument(given.lua, given.len(), "interval is empty"));
        }
        let span = f64::from(most.wrapping_sub(least).wrapping_add(1));
        ((fraction * span).floor() + f64::from(least)).into_lua_multi(given.lua)
    })?;
    let seeding = slot.clone();
    define(lua, native, "randomseed", move |given| {
        let seed = given.integer(1)? as i32;
        with(&seeding, "math.randomseed", |run| run.random = Drand48::seeded(seed))?;
        Ok(MultiValue::new())
    })?;
    let clock = slot.clone();
    define(lua, native, "clock", move |given| {
        let ns = with(&clock, "os.clock", |run| run.instance.clock().monotonic_ns())?;
        (ns as f64 / 1e9).into_lua_multi(given.lua)
    })
}

/// Something done with the run, if one is on.
fn with<T>(slot: &Slot, name: &str, then: impl FnOnce(&mut Run) -> T) -> mlua::Result<T> {
    match slot.try_borrow_mut().ok().as_mut().and_then(|slot| slot.as_mut()) {
        Some(run) => Ok(then(run)),
        None => Err(Raised::reply(format!("{name} can only be called inside a script invocation"))),
    }
}

fn redis(lua: &Lua, slot: &Slot, loading: &LoadSlot) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        table.raw_set(name, value)?;
    }
    let version = REDIS_VERSION.split('.').fold(0, |n, part| n << 8 | part.parse::<i64>().unwrap_or(0));
    table.raw_set("REDIS_VERSION_NUM", version)?;
    table.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    for (name, raising) in [("call", true), ("pcall", false)] {
        let slot = slot.clone();
        // One value: that of several is asked for more places than a function of C has beside 8,000 arguments.
        let call = move |lua: &Lua, values| call(&Given::new(lua, values), &slot, raising);
        table.raw_set(name, lua.create_function(call)?)?;
    }
    let (saying, loading) = (slot.clone(), loading.clone());
    define(lua, &table, "log", move |given| log(given, &saying, &loading))?;
    define(lua, &table, "sha1hex", |given| {
        if given.len() != 1 {
            return Err(Raised::reply("wrong number of arguments"));
        }
        let text = given.string(1).ok();
        let text = text.as_ref().map(mlua::LuaString::as_bytes);
        sha1::hex(text.as_deref().unwrap_or_default()).into_lua_multi(given.lua)
    })?;
    replies(lua, &table)?;
    settings(lua, &table, slot)?;
    Ok(table)
}

/// What a reply of the wrong kind becomes.
const WRONG: &[u8] = b"ERR wrong number or type of arguments";

/// The tables that a script returns as an error or a status.
fn replies(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let one_string = |given: &Given<'_>| match given.get(1) {
        Some(Value::String(text)) if given.len() == 1 => Some(text.clone()),
        _ => None,
    };
    define(lua, table, "error_reply", move |given| {
        let text = one_string(given).map_or_else(
            || WRONG.to_vec(),
            |text| {
                let text = text.as_bytes();
                let bare = text.strip_prefix(b"-").unwrap_or(&text);
                with_code(&[b"-", bare].concat())
            },
        );
        error_table(given.lua, &text, false)?.into_lua_multi(given.lua)
    })?;
    define(lua, table, "status_reply", move |given| {
        let Some(text) = one_string(given) else {
            return error_table(given.lua, WRONG, false)?.into_lua_multi(given.lua);
        };
        let table = given.lua.create_table()?;
        table.raw_set("ok", text)?;
        table.into_lua_multi(given.lua)
    })
}

fn settings(lua: &Lua, table: &Table, slot: &Slot) -> mlua::Result<()> {
    let speaking = slot.clone();
    define(lua, table, "setresp", move |given| {
        with(&speaking, "redis.setresp", |_| ())?;
        if given.len() != 1 {
            return Err(Raised::reply("redis.setresp() requires one argument."));
        }
        let protocol = match given.maybe_number(1)?.map(|n| n as i64) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            _ => return Err(Raised::reply("RESP version must be 2 or 3.")),
        };
        with(&speaking, "redis.setresp", |run| run.set_protocol(protocol))?;
        Ok(MultiValue::new())
    })?;
    let replicating = slot.clone();
    define(lua, table, "set_repl", move |given| {
        with(&replicating, "redis.set_repl", |_| ())?;
        if given.len() != 1 {
            return Err(Raised::reply("redis.set_repl() requires two arguments."));
        }
        if given.maybe_number(1)?.is_some_and(|flags| flags as i64 & !3 != 0) {
            return Err(Raised::reply(
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            ));
        }
        Ok(MultiValue::new())
    })?;
    let asking = slot.clone();
    define(lua, table, "acl_check_cmd", move |given| {
        let allowed =
            with(&asking, "redis.acl_check_cmd", |run| words(given, run).map(|()| run.is_allowed()))?;
        match allowed {
            Ok(Some(allowed)) => allowed.into_lua_multi(given.lua),
            Ok(None) => Err(Raised::reply("Invalid command passed to redis.acl_check_cmd()")),
            Err(why) => Err(Raised::reply(why)),
        }
    })
}

/// Takes the arguments as a command's words.
fn words(given: &Given<'_>, run: &mut Run) -> Result<(), &'static str> {
    run.begin();
    if given.len() == 0 {
        return Err("Please specify at least one argument for this redis lib call");
    }
    for value in &given.values {
        match value {
            Value::String(text) => run.word(|out| out.extend_from_slice(&text.as_bytes())),
            Value::Integer(n) => run.word(|out| put_general(out, *n as f64, 17)),
            Value::Number(n) => run.word(|out| put_general(out, *n, 17)),
            _ => return Err("Lua redis lib command arguments must be strings or integers"),
        }
    }
    Ok(())
}

/// `redis.call`, which raises errors, and `redis.pcall`, which returns them.
fn call(given: &Given<'_>, slot: &Slot, raising: bool) -> mlua::Result<Value> {
    let called = with(slot, "redis.call/pcall", |run| {
        words(given, run).map_err(|why| Refusal::Words(why.into())).and_then(|()| run.call()).map(|()| {
            let protocol = run.reply.protocol();
            (std::mem::take(&mut run.reply), protocol)
        })
    })?;
    let (mut reply, protocol) = match called {
        Ok(reply) => reply,
        Err(Refusal::Over) => return Err(Raised::Over.error()),
        Err(ref refusal @ (Refusal::Text(ref text) | Refusal::Words(ref text))) => {
            let text = with_code(text.as_bytes());
            let counted = matches!(refusal, Refusal::Text(_));
            if raising {
                return Err(Raised::Reply { text, counted }.error());
            }
            return error_table(given.lua, &text, counted).map(Value::Table);
        }
    };
    let value = match reply.bytes().split_first() {
        Some((b'-', rest)) if raising => {
            let text = with_code(&[b"-", rest].concat());
            Err(Raised::Reply { text, counted: true }.error())
        }
        _ => convert::to_lua(given.lua, reply.bytes()),
    };
    reply.clear();
    reply.set_protocol(protocol);
    // Its buffer serves the next call.
    with(slot, "redis.call/pcall", |run| run.reply = reply)?;
    value
}

/// `redis.log`: said once it is certain that the script does not run again.
fn log(given: &Given<'_>, slot: &Slot, loading: &LoadSlot) -> mlua::Result<MultiValue> {
    if given.len() < 2 {
        return Err(Raised::reply("redis.log() requires two arguments or more."));
    }
    let Some(level) = given.maybe_number(1)? else {
        return Err(Raised::reply("First argument must be a number (log level)."));
    };
    let level = match level as i64 {
        0 | 1 => Level::Debug,
        2 => Level::Info,
        3 => Level::Warning,
        _ => return Err(Raised::reply("Invalid debug level.")),
    };
    let mut line = Vec::new();
    for number in 2..=given.len() {
        if let Ok(text) = given.string(number) {
            if number > 2 {
                line.push(b' ');
            }
            line.extend_from_slice(&text.as_bytes());
        }
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    if let Some(loading) = loading.borrow_mut().as_mut() {
        loading.said.push((level, line));
    } else {
        with(slot, "redis.log", |run| run.effects.say(level, line))?;
    }
    Ok(MultiValue::new())
}
