//! Lua's values as JSON.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::super::raise::{Given, error, type_name};
use super::super::super::text::put_general;
use super::super::DEPTH_MAX;
use super::Config;

/// What a buffer that is kept may hold on to.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// `cjson.encode`.
pub(super) fn encode(given: &Given<'_>, config: &Config, out: &mut Vec<u8>) -> mlua::Result<MultiValue> {
    out.clear();
    let value = given.get(1).cloned().unwrap_or(Value::Nil);
    Encoder { lua: given.lua, config }.value(out, &value, 0)?;
    let text = given.lua.create_string(&*out)?;
    out.shrink_to(BUFFER_BYTES_KEPT);
    text.into_lua_multi(given.lua)
}

struct Encoder<'a> {
    lua: &'a Lua,
    config: &'a Config,
}

impl Encoder<'_> {
    fn refuse(&self, value: &Value, why: &str) -> mlua::Error {
        error(self.lua, format!("Cannot serialise {}: {why}", type_name(value)))
    }

    fn value(&self, out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => put_string(out, &text.as_bytes()),
            Value::Integer(n) => self.number(out, *n as f64, value)?,
            Value::Number(n) => self.number(out, *n, value)?,
            Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Value::Table(table) => return self.table(out, table, depth + 1),
            Value::Nil => out.extend_from_slice(b"null"),
            Value::LightUserData(data) if data.0.is_null() => out.extend_from_slice(b"null"),
            _ => return Err(self.refuse(value, "type not supported")),
        }
        Ok(())
    }

    fn number(&self, out: &mut Vec<u8>, n: f64, value: &Value) -> mlua::Result<()> {
        if !n.is_finite() {
            match self.config.encode_invalid {
                0 => return Err(self.refuse(value, "must not be NaN or Inf")),
                1 if n.is_nan() => out.extend_from_slice(b"nan"),
                1 => put_general(out, n, 14),
                _ => out.extend_from_slice(b"null"),
            }
            return Ok(());
        }
        put_general(out, n, self.config.precision as usize);
        Ok(())
    }

    fn table(&self, out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
        if depth as i64 > self.config.encode_depth_max || depth > DEPTH_MAX {
            return Err(error(self.lua, format!("Cannot serialise, excessive nesting ({depth})")));
        }
        let len = self.array_length(table)?;
        if len > 0 {
            out.push(b'[');
            for i in 1..=len {
                if i > 1 {
                    out.push(b',');
                }
                self.value(out, &table.raw_get(i)?, depth)?;
            }
            out.push(b']');
            return Ok(());
        }
        out.push(b'{');
        let mut first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            match &key {
                Value::Integer(_) | Value::Number(_) => {
                    out.push(b'"');
                    self.value(out, &key, depth)?;
                    out.push(b'"');
                }
                Value::String(text) => put_string(out, &text.as_bytes()),
                _ => return Err(self.refuse(&key, "table key must be a number or string")),
            }
            out.push(b':');
            self.value(out, &value, depth)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// How long an array it is; 0 for an object.
    fn array_length(&self, table: &Table) -> mlua::Result<i64> {
        let (mut most, mut items) = (0_i64, 0_i64);
        for pair in table.pairs::<Value, Value>() {
            let key = match pair?.0 {
                Value::Integer(key) if key >= 1 => key,
                Value::Number(key) if key >= 1.0 && key.floor().to_bits() == key.to_bits() => i64::MAX,
                _ => return Ok(0),
            };
            if key > most {
                // As C casts it: what is more than it can count is less than nothing, and no array.
                most = i32::try_from(key).unwrap_or(i32::MIN).into();
            }
            items += 1;
        }
        let sparse = self.config.sparse_ratio > 0
            && most > items * self.config.sparse_ratio
            && most > self.config.sparse_safe;
        match (sparse, self.config.sparse_convert) {
            (false, _) => Ok(most),
            (true, true) => Ok(0),
            (true, false) => Err(self.refuse(&Value::Table(table.clone()), "excessively sparse array")),
        }
    }
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &c in text {
        match c {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..0x20 | 0x7F => out.extend_from_slice(format!("\\u{c:04x}").as_bytes()),
            _ => out.push(c),
        }
    }
    out.push(b'"');
}
