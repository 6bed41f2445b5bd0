//! `cjson`: JSON, with the choices of Redis's library: numbers are doubles of 14 digits, null is a light userdata, an
//! empty table is an object, a table whose keys are whole numbers an array unless it is all too sparse.

mod decode;
mod encode;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::raise::{Given, bad_argument};
use super::define;

/// What a script may set.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Config {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth_max: i64,
    decode_depth_max: i64,
    /// 0 refused, 1 written, 2 null.
    encode_invalid: i64,
    decode_invalid: bool,
    precision: i64,
    keep_buffer: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            encode_invalid: 0,
            decode_invalid: true,
            precision: 14,
            keep_buffer: true,
        }
    }
}

/// Settings that the functions of one table share.
pub(in super::super) type Shared = Rc<Cell<Config>>;

/// The table.
pub(in super::super) fn open(lua: &Lua, config: &Shared) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let buffer: Rc<RefCell<Vec<u8>>> = Rc::default();
    let shared = config.clone();
    define(lua, &table, "encode", move |given| {
        one_argument(given)?;
        encode::encode(given, &shared.get(), &mut buffer.borrow_mut())
    })?;
    let shared = config.clone();
    define(lua, &table, "decode", move |given| {
        one_argument(given)?;
        decode::decode(given, &shared.get())
    })?;
    settings(lua, &table, config)?;
    define(lua, &table, "new", |given| open(given.lua, &Shared::default())?.into_lua_multi(given.lua))?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn one_argument(given: &Given<'_>) -> mlua::Result<()> {
    if given.len() == 1 { Ok(()) } else { Err(bad_argument(given.lua, 1, "expected 1 argument")) }
}

/// The functions that set, and tell, a setting.
fn settings(lua: &Lua, table: &Table, config: &Shared) -> mlua::Result<()> {
    type Set = fn(&Given<'_>, &mut Config) -> mlua::Result<MultiValue>;
    let all: [(&str, usize, Set); 7] = [
        ("encode_sparse_array", 3, |given, config| {
            let convert = on_off(given, &mut config.sparse_convert)?;
            let ratio = integer(given, 2, &mut config.sparse_ratio, 0, i64::from(i32::MAX))?;
            let safe = integer(given, 3, &mut config.sparse_safe, 0, i64::from(i32::MAX))?;
            (convert, ratio, safe).into_lua_multi(given.lua)
        }),
        ("encode_max_depth", 1, |given, config| {
            integer(given, 1, &mut config.encode_depth_max, 1, i64::from(i32::MAX))?.into_lua_multi(given.lua)
        }),
        ("decode_max_depth", 1, |given, config| {
            integer(given, 1, &mut config.decode_depth_max, 1, i64::from(i32::MAX))?.into_lua_multi(given.lua)
        }),
        ("encode_number_precision", 1, |given, config| {
            integer(given, 1, &mut config.precision, 1, 14)?.into_lua_multi(given.lua)
        }),
        ("encode_keep_buffer", 1, |given, config| {
            on_off(given, &mut config.keep_buffer)?.into_lua_multi(given.lua)
        }),
        ("encode_invalid_numbers", 1, |given, config| {
            choice(given, &mut config.encode_invalid, &["off", "on", "null"])?.into_lua_multi(given.lua)
        }),
        ("decode_invalid_numbers", 1, |given, config| {
            on_off(given, &mut config.decode_invalid)?.into_lua_multi(given.lua)
        }),
    ];
    for (name, most, set) in all {
        let shared = config.clone();
        define(lua, table, name, move |given| {
            if given.len() > most {
                return Err(bad_argument(given.lua, most + 1, "found too many arguments"));
            }
            let mut config = shared.get();
            let told = set(given, &mut config);
            shared.set(config);
            told
        })?;
    }
    Ok(())
}

fn integer(
    given: &Given<'_>,
    number: usize,
    setting: &mut i64,
    least: i64,
    most: i64,
) -> mlua::Result<Value> {
    if !given.is_nil(number) {
        let value = given.integer(number)?;
        if !(least..=most).contains(&value) {
            let why = format!("expected integer between {least} and {most}");
            return Err(bad_argument(given.lua, 1, &why));
        }
        *setting = value;
    }
    Ok(Value::Integer(*setting))
}

fn on_off(given: &Given<'_>, setting: &mut bool) -> mlua::Result<Value> {
    let mut number = i64::from(*setting);
    let told = choice(given, &mut number, &["off", "on"])?;
    *setting = number != 0;
    Ok(told)
}

fn choice(given: &Given<'_>, setting: &mut i64, options: &[&str]) -> mlua::Result<Value> {
    match given.get(1) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(on)) => *setting = i64::from(*on),
        Some(_) => {
            let word = given.string(1)?;
            let found = options.iter().position(|option| *option.as_bytes() == *word.as_bytes());
            *setting = found.map(|at| at as i64).ok_or_else(|| {
                bad_argument(given.lua, 1, &format!("invalid option '{}'", word.to_string_lossy()))
            })?;
        }
    }
    match *setting {
        0 | 1 => Ok(Value::Boolean(*setting == 1)),
        other => options.get(other as usize).copied().unwrap_or_default().into_lua(given.lua),
    }
}
