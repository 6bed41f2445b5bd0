//! Errors on their way through Lua. What a function of ours raises travels as an object that no script may see: it is
//! turned into what Redis would have raised (a string, or a table with `err`) wherever a script can catch it
//! ([`lift`]), and where the run ends. One kind cannot be caught: the end of the run itself.

use std::fmt;

use mlua::{Lua, LuaString, MultiValue, Table, Value};

/// The name of the chunk that wraps Lua's own functions: no line of it is ever told to anybody.
pub(super) const PRELUDE: &str = "@redis";

/// What a function of ours raises.
#[derive(Clone, Debug)]
pub(super) enum Raised {
    /// A message, as `luaL_error` makes it.
    Text(Vec<u8>),
    /// A table with this text in `err`, as `redis.call` raises it, and whether it was counted as an error already.
    Reply { text: Vec<u8>, counted: bool },
    /// The run is over, whatever the script thinks of it.
    Over,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Reply { text, .. } => f.write_str(&String::from_utf8_lossy(text)),
            Self::Over => f.write_str("the script was ended"),
        }
    }
}

impl std::error::Error for Raised {}

impl Raised {
    /// To be raised.
    pub(super) fn error(self) -> mlua::Error {
        mlua::Error::external(self)
    }

    /// An error of Redis's, of which only the table is told.
    pub(super) fn reply(text: impl Into<Vec<u8>>) -> mlua::Error {
        Self::Reply { text: with_code(&text.into()), counted: false }.error()
    }
}

/// An error's text as `err` holds it: `-CODE text` without the dash, and with a code in any case.
pub(super) fn with_code(text: &[u8]) -> Vec<u8> {
    let (code, text) = match text.strip_prefix(b"-") {
        None => (&b"ERR"[..], text),
        Some(text) => match text.iter().position(|&c| c == b' ') {
            None => (&b"ERR"[..], text),
            Some(space) => (&text[..space], &text[space + 1..]),
        },
    };
    let is_end = |c: &u8| *c == b'\r' || *c == b'\n';
    let from = text.iter().position(|c| !is_end(c)).unwrap_or(text.len());
    let to = text.iter().rposition(|c| !is_end(c)).map_or(from, |last| last + 1);
    [code, b" ", &text[from..to]].concat()
}

/// What a script sees of an error: itself, unless it is one of ours.
pub(super) fn lift(lua: &Lua, error: Value) -> mlua::Result<Value> {
    let Value::Error(error) = error else { return Ok(error) };
    match error.downcast_ref::<Raised>() {
        Some(Raised::Text(text)) => Ok(Value::String(lua.create_string(text)?)),
        Some(Raised::Reply { text, counted }) => Ok(Value::Table(error_table(lua, text, *counted)?)),
        Some(Raised::Over) => Err(Raised::Over.error()),
        None if is_out_of_memory(&error) => Ok(Value::String(lua.create_string("not enough memory")?)),
        None => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Ok(Value::String(lua.create_string(first.trim_start_matches("runtime error: "))?))
        }
    }
}

fn is_out_of_memory(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. } => is_out_of_memory(cause),
        _ => false,
    }
}

/// `{err = …}`.
pub(super) fn error_table(lua: &Lua, text: &[u8], counted: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    if counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(table)
}

/// `chunk:line: ` of the function `level` calls up; nothing where that is no Lua function.
fn position(lua: &Lua, level: usize) -> Vec<u8> {
    let place = lua.inspect_stack(level, |debug| {
        let source = debug.source();
        debug.current_line().map(|line| format!("{}:{line}: ", source.short_src.unwrap_or_default()))
    });
    place.flatten().unwrap_or_default().into_bytes()
}

/// What `luaL_error` raises from a function of ours: the message, and where it was called.
pub(super) fn error(lua: &Lua, message: impl AsRef<[u8]>) -> mlua::Error {
    Raised::Text([&position(lua, 1)[..], message.as_ref()].concat()).error()
}

/// What `luaL_argerror` raises.
pub(super) fn bad_argument(lua: &Lua, number: usize, why: &str) -> mlua::Error {
    let names = lua.inspect_stack(0, |debug| {
        let names = debug.names();
        (names.name.map(std::borrow::Cow::into_owned), names.name_what == Some("method"))
    });
    let (name, is_method) = names.unwrap_or_default();
    let name = name.unwrap_or_else(|| "?".to_owned());
    if is_method && number == 1 {
        return error(lua, format!("calling '{name}' on bad self ({why})"));
    }
    error(lua, format!("bad argument #{} to '{name}' ({why})", number - usize::from(is_method)))
}

/// What xpcall's handler adds to an error that ends a run: where it happened. As `__redis__err__handler`.
pub(super) fn handle(lua: &Lua, error: Value, tostring: &mlua::Function) -> mlua::Result<Value> {
    let table = match lift(lua, error)? {
        Value::Table(table) => table,
        other => {
            let text: LuaString = tostring.call(other)?;
            error_table(lua, &[b"ERR ", &text.as_bytes()[..]].concat(), false)?
        }
    };
    for level in 1.. {
        let place = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let name = source.source.unwrap_or_default().into_owned();
            let line = debug.current_line().map_or(-1, |line| line as i64);
            (source.what == "C" || name == PRELUDE, name, line)
        });
        match place {
            None => break,
            Some((true, ..)) => {}
            Some((false, source, line)) => {
                table.raw_set("source", source)?;
                table.raw_set("line", line)?;
                break;
            }
        }
    }
    Ok(Value::Table(table))
}

/// Where the hook struck: `source:line`.
pub(super) fn struck(debug: &mlua::debug::Debug<'_>) -> String {
    let line = debug.current_line().map_or(-1, |line| line as i64);
    format!("{}:{line}", debug.source().source.unwrap_or_default())
}

/// The arguments of a call, and Lua's rules about them.
pub(super) struct Given<'a> {
    pub(super) lua: &'a Lua,
    pub(super) values: MultiValue,
}

impl<'a> Given<'a> {
    pub(super) fn new(lua: &'a Lua, values: MultiValue) -> Self {
        Self { lua, values }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Argument `number`, counted from 1.
    pub(super) fn get(&self, number: usize) -> Option<&Value> {
        self.values.get(number.wrapping_sub(1))
    }

    /// Whether argument `number` is missing or nil.
    pub(super) fn is_nil(&self, number: usize) -> bool {
        self.get(number).is_none_or(Value::is_nil)
    }

    fn wrong(&self, number: usize, wanted: &str) -> mlua::Error {
        let got = self.get(number).map_or("no value", type_name);
        bad_argument(self.lua, number, &format!("{wanted} expected, got {got}"))
    }

    /// A number, or a string that is one.
    pub(super) fn number(&self, number: usize) -> mlua::Result<f64> {
        self.maybe_number(number)?.ok_or_else(|| self.wrong(number, "number"))
    }

    /// A number, or a string that is one; `None` if it is neither.
    pub(super) fn maybe_number(&self, number: usize) -> mlua::Result<Option<f64>> {
        match self.get(number) {
            Some(Value::Integer(n)) => Ok(Some(*n as f64)),
            Some(Value::Number(n)) => Ok(Some(*n)),
            Some(text @ Value::String(_)) => self.lua.coerce_number(text.clone()),
            _ => Ok(None),
        }
    }

    /// An integer: what a number is cut to.
    pub(super) fn integer(&self, number: usize) -> mlua::Result<i64> {
        Ok(self.number(number)? as i64)
    }

    /// An integer, if it is there.
    pub(super) fn integer_or(&self, number: usize, default: i64) -> mlua::Result<i64> {
        if self.is_nil(number) { Ok(default) } else { self.integer(number) }
    }

    /// A string, or a number as one.
    pub(super) fn string(&self, number: usize) -> mlua::Result<LuaString> {
        match self.get(number) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(n @ (Value::Integer(_) | Value::Number(_))) => {
                self.lua.coerce_string(n.clone())?.ok_or_else(|| self.wrong(number, "string"))
            }
            _ => Err(self.wrong(number, "string")),
        }
    }
}

/// A value's type, as Lua 5.1 calls it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}
