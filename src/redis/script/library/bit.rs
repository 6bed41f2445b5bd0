//! `bit`: operations on 32 bits, as LuaBitOp (Mike Pall) has them.

use mlua::{IntoLuaMulti, Lua, MultiValue, Table};

use super::super::raise::{Given, bad_argument, type_name};
use super::define;

/// The table.
pub(in super::super) fn open(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    define(lua, &table, "tobit", |given| give(given, bits(given, 1)?))?;
    define(lua, &table, "bnot", |given| give(given, !bits(given, 1)?))?;
    for (name, operation) in
        [("band", (|a, b| a & b) as fn(u32, u32) -> u32), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)]
    {
        define(lua, &table, name, move |given| {
            let first = bits(given, 1)?;
            let mut others = (2..=given.len()).rev();
            let all = others.try_fold(first, |a, i| bits(given, i).map(|b| operation(a, b)))?;
            give(given, all)
        })?;
    }
    for (name, shift) in [
        ("lshift", (|b, n| b << n) as fn(u32, u32) -> u32),
        ("rshift", |b, n| b >> n),
        ("arshift", |b, n| (b as i32 >> n) as u32),
        ("rol", u32::rotate_left),
        ("ror", u32::rotate_right),
    ] {
        define(lua, &table, name, move |given| give(given, shift(bits(given, 1)?, bits(given, 2)? & 31)))?;
    }
    define(lua, &table, "bswap", |given| give(given, bits(given, 1)?.swap_bytes()))?;
    define(lua, &table, "tohex", tohex)?;
    Ok(table)
}

/// The low 32 bits of a number, rounded as adding 2^52 + 2^51 rounds it.
fn bits(given: &Given<'_>, number: usize) -> mlua::Result<u32> {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    if let Some(n) = given.maybe_number(number)? {
        return Ok((n + MAGIC).to_bits() as u32);
    }
    let got = given.get(number).map_or("no value", type_name);
    Err(bad_argument(given.lua, number, &format!("number expected, got {got}")))
}

fn give(given: &Given<'_>, bits: u32) -> mlua::Result<MultiValue> {
    i64::from(bits as i32).into_lua_multi(given.lua)
}

fn tohex(given: &Given<'_>) -> mlua::Result<MultiValue> {
    let mut bits_left = bits(given, 1)?;
    let wanted = if given.len() < 2 { 8 } else { bits(given, 2)? as i32 };
    let digits = wanted.unsigned_abs().min(8) as usize;
    let mut out = [0; 8];
    for place in out[..digits].iter_mut().rev() {
        let digit = char::from_digit(bits_left & 15, 16).unwrap_or('0');
        *place = if wanted < 0 { digit.to_ascii_uppercase() } else { digit } as u8;
        bits_left >>= 4;
    }
    given.lua.create_string(&out[..digits])?.into_lua_multi(given.lua)
}
