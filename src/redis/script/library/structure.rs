//! `struct`: values as C lays them out (Roberto Ierusalimschy's library, with Redis's bounds).

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::super::raise::{Given, bad_argument, error};
use super::define;

/// The largest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// The strictest alignment of this machine's types.
const ALIGN_MAX: usize = 8;

/// The table.
pub(in super::super) fn open(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    define(lua, &table, "pack", |given| {
        // Once it has a format it keeps a nil behind its arguments, which is what one that is missing is said to be.
        let mut values = given.values.clone();
        if !values.is_empty() {
            values.push_back(Value::Nil);
        }
        pack(&Given::new(given.lua, values))
    })?;
    define(lua, &table, "unpack", unpack)?;
    define(lua, &table, "size", size)?;
    Ok(table)
}

/// A walk over a format.
struct Format<'a> {
    given: &'a Given<'a>,
    text: Vec<u8>,
    at: usize,
    little: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(given: &'a Given<'a>) -> mlua::Result<Self> {
        let text = given.string(1)?.as_bytes().to_vec();
        Ok(Self { given, text, at: 0, little: cfg!(target_endian = "little"), align: 1 })
    }

    /// The next option and its size.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        let Some(&option) = self.text.get(self.at).filter(|&&c| c != 0) else { return Ok(None) };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.count(1)?,
            b'i' | b'I' => {
                let size = self.count(4)?;
                if size > INTEGER_BYTES_MAX {
                    return Err(error(
                        self.given.lua,
                        format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}"),
                    ));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn count(&mut self, default: usize) -> mlua::Result<usize> {
        if !self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut n: i32 = 0;
        while let Some(digit) = self.text.get(self.at).filter(|c| c.is_ascii_digit()) {
            n = n
                .checked_mul(10)
                .and_then(|n| n.checked_add(i32::from(digit - b'0')))
                .ok_or_else(|| error(self.given.lua, "integral size overflow"))?;
            self.at += 1;
        }
        Ok(n as usize)
    }

    /// Bytes that align what comes at `position`.
    fn padding(&self, position: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        (size.wrapping_sub(position & size.wrapping_sub(1))) & size.wrapping_sub(1)
    }

    /// An option that says how, not what.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.little = false,
            b'<' => self.little = true,
            b'!' => {
                let align = self.count(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(error(self.given.lua, format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => {
                let why = format!("invalid format option '{}'", other as char);
                return Err(bad_argument(self.given.lua, 1, &why));
            }
        }
        Ok(())
    }
}

fn pack(given: &Given<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(given)?;
    let mut out = Vec::new();
    let mut argument = 2;
    while let Some((option, size)) = format.next()? {
        out.resize(out.len() + format.padding(out.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                put_integer(&mut out, given.number(argument)?, size, format.little);
                argument += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                put_ordered(&mut out, (given.number(argument)? as f32).to_le_bytes(), format.little);
                argument += 1;
            }
            b'd' => {
                put_ordered(&mut out, given.number(argument)?.to_le_bytes(), format.little);
                argument += 1;
            }
            b'c' | b's' => {
                let text = given.string(argument)?;
                let text = text.as_bytes();
                argument += 1;
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return Err(bad_argument(given.lua, argument, "string too short"));
                };
                out.extend_from_slice(text);
                if option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    given.lua.create_string(out)?.into_lua_multi(given.lua)
}

fn put_ordered<const N: usize>(out: &mut Vec<u8>, mut bytes: [u8; N], little: bool) {
    if !little {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

fn put_integer(out: &mut Vec<u8>, n: f64, size: usize, little: bool) {
    let value = if n < 0.0 { n as i64 as u64 } else { n as u64 };
    let mut bytes = [0; INTEGER_BYTES_MAX];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    let bytes = &mut bytes[..size];
    if !little {
        bytes.reverse();
    }
    out.extend_from_slice(bytes);
}

fn integer(bytes: &[u8], signed: bool, little: bool) -> f64 {
    let push = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
    let n = if little { bytes.iter().rev().fold(0, push) } else { bytes.iter().fold(0, push) };
    if !signed {
        return n as f64;
    }
    let mask = u64::MAX.wrapping_shl((bytes.len() * 8).wrapping_sub(1) as u32);
    (if n & mask == 0 { n } else { n | mask }) as i64 as f64
}

fn unpack(given: &Given<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(given)?;
    let data = given.string(2)?;
    let data = data.as_bytes();
    let Some(mut at) = usize::try_from(given.integer_or(3, 1)?).ok().and_then(|at| at.checked_sub(1)) else {
        return Err(bad_argument(given.lua, 3, "offset must be 1 or greater"));
    };
    let short = || bad_argument(given.lua, 2, "data string too short");
    let mut out: Vec<Value> = Vec::new();
    while let Some((option, mut size)) = format.next()? {
        at = at.saturating_add(format.padding(at, option, size));
        let item = at.checked_add(size).and_then(|end| data.get(at..end)).ok_or_else(short)?;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                out.push(Value::Number(integer(item, option.is_ascii_lowercase(), format.little)));
            }
            b'x' => {}
            b'f' => {
                let mut bytes: [u8; 4] = item.try_into().map_err(|_| short())?;
                if !format.little {
                    bytes.reverse();
                }
                out.push(Value::Number(f64::from(f32::from_le_bytes(bytes))));
            }
            b'd' => {
                let mut bytes: [u8; 8] = item.try_into().map_err(|_| short())?;
                if !format.little {
                    bytes.reverse();
                }
                out.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                if size == 0 {
                    let last = out.pop().map(|last| given.lua.coerce_number(last)).transpose()?.flatten();
                    let Some(last) = last else {
                        return Err(error(given.lua, "format 'c0' needs a previous size"));
                    };
                    if last < 0.0 {
                        return Err(short());
                    }
                    size = last as usize;
                }
                let text = at.checked_add(size).and_then(|end| data.get(at..end)).ok_or_else(short)?;
                out.push(Value::String(given.lua.create_string(text)?));
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(end) = rest.iter().position(|&c| c == 0) else {
                    return Err(error(given.lua, "unfinished string in data"));
                };
                size = end + 1;
                out.push(Value::String(given.lua.create_string(&rest[..end])?));
            }
            other => format.control(other)?,
        }
        at += size;
    }
    out.push(Value::Integer(at as i64 + 1));
    Ok(MultiValue::from_vec(out))
}

fn size(given: &Given<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(given)?;
    let mut at: usize = 0;
    while let Some((option, size)) = format.next()? {
        at += format.padding(at, option, size);
        if option == b's' {
            return Err(bad_argument(given.lua, 1, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(bad_argument(given.lua, 1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(option)?;
        }
        at = at.saturating_add(size);
    }
    (at as i64).into_lua_multi(given.lua)
}
