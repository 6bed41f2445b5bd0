//! `cmsgpack`: MessagePack, with the choices of Redis's library: a table whose keys are 1 to n is an array, a number that
//! is a whole one is an integer, a table more than 16 deep is nil.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::raise::{Given, bad_argument, error};
use super::{DEPTH_MAX, define};

const NESTING_MAX: usize = 16;

/// The table.
pub(in super::super) fn open(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    define(lua, &table, "pack", |given| {
        if given.len() == 0 {
            return Err(bad_argument(given.lua, 0, "MessagePack pack needs input."));
        }
        let mut out = Vec::new();
        for value in &given.values {
            encode(&mut out, value, 0)?;
        }
        given.lua.create_string(out)?.into_lua_multi(given.lua)
    })?;
    define(lua, &table, "unpack", |given| unpack(given, 0, 0))?;
    define(lua, &table, "unpack_one", |given| unpack(given, 1, given.integer_or(2, 0)?))?;
    define(lua, &table, "unpack_limit", |given| {
        let limit = given.integer(2)?;
        unpack(given, limit, given.integer_or(3, 0)?)
    })?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn encode(out: &mut Vec<u8>, value: &Value, level: usize) -> mlua::Result<()> {
    match value {
        Value::Boolean(yes) => out.push(if *yes { 0xC3 } else { 0xC2 }),
        Value::Integer(n) => put_integer(out, *n),
        Value::Number(n) if n.is_finite() && *n as i64 as f64 - *n == 0.0 => put_integer(out, *n as i64),
        Value::Number(n) => put_float(out, *n),
        Value::String(text) => put_text(out, &text.as_bytes()),
        Value::Table(table) if level < NESTING_MAX => return put_table(out, table, level + 1),
        _ => out.push(0xC0),
    }
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        len @ 0..32 => out.push(0xA0 | len as u8),
        len @ 32..0x100 => out.extend_from_slice(&[0xD9, len as u8]),
        len => put_length(out, [0xDA, 0xDB], len),
    }
    out.extend_from_slice(text);
}

/// A length in 16 or 32 bits.
fn put_length(out: &mut Vec<u8>, [short, long]: [u8; 2], len: usize) {
    if let Ok(len) = u16::try_from(len) {
        out.push(short);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(long);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    }
}

fn put_float(out: &mut Vec<u8>, n: f64) {
    let short = n as f32;
    if f64::from(short).partial_cmp(&n) == Some(std::cmp::Ordering::Equal) {
        out.push(0xCA);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xCB);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

fn put_integer(out: &mut Vec<u8>, n: i64) {
    let bytes = n.to_be_bytes();
    let mut put = |marker: u8, width: usize| {
        out.push(marker);
        out.extend_from_slice(&bytes[8 - width..]);
    };
    match n {
        -32..=127 => out.push(n as u8),
        128..=0xFF => put(0xCC, 1),
        0x100..=0xFFFF => put(0xCD, 2),
        0x1_0000..=0xFFFF_FFFF => put(0xCE, 4),
        0x1_0000_0000.. => put(0xCF, 8),
        -0x80..-32 => put(0xD0, 1),
        -0x8000..-0x80 => put(0xD1, 2),
        -0x8000_0000..-0x8000 => put(0xD2, 4),
        _ => put(0xD3, 8),
    }
}

fn put_table(out: &mut Vec<u8>, table: &Table, level: usize) -> mlua::Result<()> {
    let Some(pairs) = count_unless_array(table)? else {
        let len = table.raw_len();
        if len <= 15 {
            out.push(0x90 | len as u8);
        } else {
            put_length(out, [0xDC, 0xDD], len);
        }
        for i in 1..=len {
            encode(out, &table.raw_get(i)?, level)?;
        }
        return Ok(());
    };
    if pairs <= 15 {
        out.push(0x80 | pairs as u8);
    } else {
        put_length(out, [0xDE, 0xDF], pairs);
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        encode(out, &key, level)?;
        encode(out, &value, level)?;
    }
    Ok(())
}

/// How many pairs a table has, unless its keys are 1 to n.
fn count_unless_array(table: &Table) -> mlua::Result<Option<usize>> {
    let (mut pairs, mut most, mut array) = (0, 0, true);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(n) if (1..=i64::from(i32::MAX)).contains(&n) => most = most.max(n),
            _ => array = false,
        }
        pairs += 1;
    }
    Ok((!array || most != pairs as i64).then_some(pairs))
}

/// Why nothing could be read.
enum Broken {
    Short,
    Format,
    Deep,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Broken {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

struct Decoder<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Broken::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of so many bytes, the highest first.
    fn unsigned(&mut self, width: usize) -> Result<u64, Broken> {
        Ok(self.take(width)?.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    fn length(&mut self, width: usize) -> Result<usize, Broken> {
        Ok(self.unsigned(width)? as usize)
    }

    fn text(&mut self, len: usize) -> Result<Value, Broken> {
        Ok(Value::String(self.lua.create_string(self.take(len)?)?))
    }

    fn value(&mut self) -> Result<Value, Broken> {
        let marker = self.unsigned(1)? as u8;
        Ok(match marker {
            0x00..=0x7F | 0xE0..=0xFF => Value::Integer(i64::from(marker as i8)),
            0x80..=0x8F => self.map(usize::from(marker & 15))?,
            0x90..=0x9F => self.array(usize::from(marker & 15))?,
            0xA0..=0xBF => self.text(usize::from(marker & 31))?,
            0xC0 => Value::Nil,
            0xC2 | 0xC3 => Value::Boolean(marker == 0xC3),
            0xCA => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xCB => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xCC..=0xCF => Value::Number(self.unsigned(1 << (marker - 0xCC))? as i64 as f64),
            0xD0 => Value::Integer(i64::from(self.unsigned(1)? as i8)),
            0xD1 => Value::Integer(i64::from(self.unsigned(2)? as i16)),
            0xD2 => Value::Integer(i64::from(self.unsigned(4)? as i32)),
            0xD3 => Value::Number(self.unsigned(8)? as i64 as f64),
            0xD9..=0xDB => {
                let len = self.length(1 << (marker - 0xD9))?;
                self.text(len)?
            }
            0xDC | 0xDD => {
                let len = self.length(2 << (marker - 0xDC))?;
                self.array(len)?
            }
            0xDE | 0xDF => {
                let len = self.length(2 << (marker - 0xDE))?;
                self.map(len)?
            }
            _ => return Err(Broken::Format),
        })
    }

    fn array(&mut self, len: usize) -> Result<Value, Broken> {
        self.descend()?;
        let table = self.lua.create_table()?;
        for i in 1..=len {
            let value = self.value()?;
            table.raw_set(i, value)?;
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize) -> Result<Value, Broken> {
        self.descend()?;
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value()?;
            let value = self.value()?;
            table.raw_set(key, value)?;
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn descend(&mut self) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Broken::Deep) } else { Ok(()) }
    }
}

fn unpack(given: &Given<'_>, limit: i64, offset: i64) -> mlua::Result<MultiValue> {
    let lua = given.lua;
    let text = given.string(1)?;
    let text = text.as_bytes();
    let all = limit == 0 && offset == 0;
    if offset < 0 || limit < 0 {
        let len = text.len();
        return Err(error(
            lua,
            format!("Invalid request to unpack with offset of {offset} and limit of {len}."),
        ));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| text.get(offset..)) else {
        let len = text.len();
        return Err(error(lua, format!("Start offset {offset} greater than input length {len}.")));
    };
    let limit = if all { i64::from(i32::MAX) } else { limit };
    let mut decoder = Decoder { lua, rest, depth: 0 };
    let mut out = Vec::new();
    while !decoder.rest.is_empty() && (out.len() as i64) < limit {
        out.push(decoder.value().map_err(|broken| match broken {
            Broken::Short => error(lua, "Missing bytes in input."),
            Broken::Format => error(lua, "Bad data format in input."),
            Broken::Deep => error(lua, "stack overflow (in function mp_decode_to_lua_array)"),
            Broken::Lua(error) => error,
        })?);
    }
    if !all {
        let next = if decoder.rest.is_empty() { -1 } else { (text.len() - decoder.rest.len()) as i64 };
        out.insert(0, Value::Integer(next));
    }
    Ok(MultiValue::from_vec(out))
}
