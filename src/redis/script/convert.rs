//! Between Redis's replies and Lua's values, in both directions.
//!
//! ```text
//! reply      Lua                                      Lua                        reply
//! +OK        {ok = "OK"}                              number                     integer, cut
//! -ERR …     {err = "ERR …"}                          string                     bulk
//! :1         1                                        true, false                RESP2: 1, null; RESP3: boolean
//! $, =       string, {verbatim_string = {…}}          nil, function …            null
//! null       RESP2: false; RESP3: nil                 {err}, {ok}, {double} …    as they came
//! *, ~, %    array, {set = {…}}, {map = {…}}          any other table            array up to the first nil
//! ```

use mlua::{Lua, LuaString, Table, Value};

use super::super::protocol::reply::{Protocol, Reply};
use super::raise::{error_table, with_code};

/// How deep a table may lie in others to be a reply: as deep as the stack of a thread carries.
const DEPTH_MAX: usize = 1000;

/// A reply of ours, as a script sees it.
pub(super) fn to_lua(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: reply }.value()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> (u8, &'a [u8]) {
        let end = self.rest.iter().position(|&c| c == b'\r').unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line.split_first().map_or((b'_', &[][..]), |(marker, rest)| (*marker, rest))
    }

    /// What a line gave as its length.
    fn body(&mut self, len: i64) -> &'a [u8] {
        let len = len.max(0) as usize;
        let body = self.rest.get(..len).unwrap_or_default();
        self.rest = self.rest.get(len + 2..).unwrap_or_default();
        body
    }

    fn table(&self, name: &str, value: impl mlua::IntoLua) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let (marker, line) = self.line();
        let number = || std::str::from_utf8(line).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        match marker {
            b'+' => self.table("ok", self.lua.create_string(line)?),
            b'-' => {
                let text = with_code(&[b"-", line].concat());
                Ok(Value::Table(error_table(self.lua, &text, true)?))
            }
            b':' => Ok(Value::Integer(number())),
            b'$' | b'*' if number() < 0 => Ok(Value::Boolean(false)),
            b'$' => {
                let body = self.body(number());
                Ok(Value::String(self.lua.create_string(body)?))
            }
            b'#' => Ok(Value::Boolean(line == b"t")),
            b',' => {
                let text = std::str::from_utf8(line).unwrap_or_default();
                self.table("double", text.parse::<f64>().unwrap_or(f64::NAN))
            }
            b'(' => self.table("big_number", self.lua.create_string(line)?),
            b'=' => {
                let body = self.body(number());
                let (format, text) = body.split_at_checked(4).unwrap_or_default();
                let verbatim = self.lua.create_table()?;
                verbatim.raw_set("string", self.lua.create_string(text)?)?;
                verbatim.raw_set("format", self.lua.create_string(format.get(..3).unwrap_or_default())?)?;
                self.table("verbatim_string", verbatim)
            }
            b'*' | b'>' => {
                let len = number();
                let table = self.lua.create_table_with_capacity(usize::try_from(len).unwrap_or(0), 0)?;
                for i in 1..=len {
                    let value = self.value()?;
                    table.raw_set(i, value)?;
                }
                Ok(Value::Table(table))
            }
            b'~' => {
                let set = self.lua.create_table()?;
                for _ in 0..number() {
                    let member = self.value()?;
                    set.raw_set(member, true)?;
                }
                self.table("set", set)
            }
            b'%' => {
                let map = self.lua.create_table()?;
                for _ in 0..number() {
                    let key = self.value()?;
                    let value = self.value()?;
                    map.raw_set(key, value)?;
                }
                self.table("map", map)
            }
            b'|' => {
                // What is told beside the reply is not for scripts.
                for _ in 0..2 * number() {
                    self.value()?;
                }
                self.value()
            }
            _ => Ok(Value::Nil),
        }
    }
}

/// The names of what tables say that they are, made once.
pub(super) struct Names {
    err: LuaString,
    counted: LuaString,
    ok: LuaString,
    double: LuaString,
    big_number: LuaString,
    verbatim: LuaString,
    map: LuaString,
    set: LuaString,
}

impl Names {
    /// For a state.
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        Ok(Self {
            err: lua.create_string("err")?,
            counted: lua.create_string("ignore_error_stats_update")?,
            ok: lua.create_string("ok")?,
            double: lua.create_string("double")?,
            big_number: lua.create_string("big_number")?,
            verbatim: lua.create_string("verbatim_string")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
        })
    }
}

/// Writes what a script returned. `spoken` is the protocol that the script chose, which decides what its booleans are.
/// Tells of each error that was not counted yet.
pub(super) fn to_reply(
    names: &Names,
    value: &Value,
    spoken: Protocol,
    reply: &mut Reply,
    new_error: &mut dyn FnMut(&str),
) -> mlua::Result<()> {
    Writer { names, spoken, reply, new_error }.value(value, 0)
}

struct Writer<'a> {
    names: &'a Names,
    spoken: Protocol,
    reply: &'a mut Reply,
    new_error: &'a mut dyn FnMut(&str),
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        // A table may lie in another many times over: what is refused in the end is not told to its end.
        if self.reply.is_over() {
            return Ok(());
        }
        match value {
            _ if depth > DEPTH_MAX => {
                (self.new_error)("ERR reached lua stack limit");
                self.reply.error_text("ERR reached lua stack limit");
            }
            Value::String(text) => self.reply.bulk(&text.as_bytes()),
            Value::Integer(n) => self.reply.int(*n),
            Value::Number(n) => self.reply.int(as_c_casts(*n)),
            Value::Boolean(yes) => match (self.spoken, yes) {
                (Protocol::Resp3, _) => self.reply.boolean(*yes),
                (Protocol::Resp2, true) => self.reply.int(1),
                (Protocol::Resp2, false) => self.reply.null(),
            },
            Value::Table(table) => return self.table(table, depth),
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if let Some(text) = text_of(table.raw_get(&self.names.err)?) {
            let counted = table.raw_get::<Value>(&self.names.counted)?;
            self.error(&text, matches!(counted, Value::Boolean(true)));
            return Ok(());
        }
        if let Value::String(text) = table.raw_get(&self.names.ok)? {
            self.reply.simple_bytes(&text.as_bytes());
            return Ok(());
        }
        match table.raw_get(&self.names.double)? {
            Value::Number(n) => {
                self.reply.double(n);
                return Ok(());
            }
            Value::Integer(n) => {
                self.reply.double(n as f64);
                return Ok(());
            }
            _ => {}
        }
        if let Value::String(digits) = table.raw_get(&self.names.big_number)? {
            self.reply.big_number(&digits.as_bytes());
            return Ok(());
        }
        if let Value::Table(verbatim) = table.raw_get(&self.names.verbatim)?
            && let Value::String(format) = verbatim.raw_get("format")?
            && let Value::String(text) = verbatim.raw_get("string")?
        {
            self.reply.verbatim_as(&format.as_bytes(), &text.as_bytes());
            return Ok(());
        }
        if let Value::Table(map) = table.raw_get(&self.names.map)? {
            let open = self.reply.open_map();
            let mut n = 0;
            for pair in map.pairs::<Value, Value>() {
                let (key, value) = pair?;
                self.value(&key, depth + 1)?;
                self.value(&value, depth + 1)?;
                n += 1;
            }
            self.reply.end(open, n);
            return Ok(());
        }
        if let Value::Table(set) = table.raw_get(&self.names.set)? {
            let open = self.reply.open_set();
            let mut n = 0;
            for pair in set.pairs::<Value, Value>() {
                self.value(&pair?.0, depth + 1)?;
                n += 1;
            }
            self.reply.end(open, n);
            return Ok(());
        }
        self.array(table, depth)
    }

    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let open = self.reply.open_array();
        let mut n = 0;
        loop {
            let value: Value = table.raw_get(n + 1)?;
            if value.is_nil() {
                break;
            }
            self.value(&value, depth + 1)?;
            n += 1;
        }
        self.reply.end(open, n);
        Ok(())
    }

    fn error(&mut self, text: &str, counted: bool) {
        if !counted {
            (self.new_error)(text);
        }
        self.reply.error_text(text);
    }
}

/// A number cut to an integer as x86-64 does it: what does not fit is the least one.
fn as_c_casts(n: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&n) { n as i64 } else { i64::MIN }
}

/// A string's text, for an error.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        _ => None,
    }
}
