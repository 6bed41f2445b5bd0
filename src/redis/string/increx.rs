//! INCREX: a counter with bounds and a deadline.

use rustc_apfloat::Float;

use super::{Found, load_number, with_contents};
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::expiry::{Form, positive_ms};
use crate::redis::keyspace::{self, Meta};
use crate::redis::number::{Extended, format_extended, parse_extended, parse_i64};
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// The options, unread.
#[derive(Default)]
struct Options<'a> {
    by_int: Option<&'a [u8]>,
    by_float: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    time: Option<(Form, &'a [u8])>,
    persist: bool,
    only_without: bool,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>) -> Result<Self> {
        let mut options = Self::default();
        let mut walk = call.walk(2);
        while !walk.is_done() {
            if walk.accept("byint") {
                once(&mut options.by_int, walk.word()?)?;
            } else if walk.accept("byfloat") {
                once(&mut options.by_float, walk.word()?)?;
            } else if walk.accept("lbound") {
                once(&mut options.lower, walk.word()?)?;
            } else if walk.accept("ubound") {
                once(&mut options.upper, walk.word()?)?;
            } else if let Some(form) = take_form(&mut walk) {
                once(&mut options.time, (form, walk.word()?))?;
            } else {
                let flags = [
                    ("saturate", &mut options.saturate),
                    ("persist", &mut options.persist),
                    ("enx", &mut options.only_without),
                ];
                let flag = flags.into_iter().find(|(word, _)| walk.accept(word));
                let (_, flag) = flag.filter(|(_, flag)| !**flag).ok_or(Error::Syntax)?;
                *flag = true;
            }
        }
        let is_split = options.by_int.is_some() && options.by_float.is_some();
        if is_split || options.persist && (options.time.is_some() || options.only_without) {
            return Err(Error::Syntax);
        }
        if options.only_without && options.time.is_none() {
            return Err(Error::text("ERR ENX flag requires an expiration"));
        }
        Ok(options)
    }

    /// The deadline of a key that has this one.
    fn deadline(&self, old: Option<u64>, now_ms: u64) -> Result<Option<u64>> {
        let asked = self.time.map(|(form, time)| {
            let time = parse_i64(time).ok_or(Error::NotAnInteger)?;
            positive_ms(time, form, now_ms, "increx")
        });
        Ok(match asked.transpose()? {
            Some(_) if self.only_without && old.is_some() => old,
            Some(asked) => Some(asked),
            None if self.persist => None,
            None => old,
        })
    }
}

fn once<T>(option: &mut Option<T>, to: T) -> Result {
    if option.replace(to).is_some() { Err(Error::Syntax) } else { Ok(()) }
}

fn take_form(walk: &mut Walk<'_>) -> Option<Form> {
    let forms = [("ex", Form::EX), ("px", Form::PX), ("exat", Form::EXAT), ("pxat", Form::PXAT)];
    forms.into_iter().find(|(word, _)| walk.accept(word)).map(|(_, form)| form)
}

/// `INCREX key [BYINT n | BYFLOAT n] [LBOUND n] [UBOUND n] [SATURATE] [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]`:
/// what is there then, and what was added. Out of bounds nothing is done, or with SATURATE no more than the bounds allow.
pub(super) fn increx(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call)?;
    if options.by_float.is_some() {
        by_float(txn, call, &options, reply)
    } else {
        by_int(txn, call, &options, reply)
    }
}

fn by_int(txn: &mut Txn, call: &Call<'_>, options: &Options<'_>, reply: &mut Reply) -> Result {
    let read = |word: Option<&[u8]>, unsaid: i64, what: &str| match word {
        None => Ok(unsaid),
        Some(word) => parse_i64(word)
            .ok_or_else(|| Error::text(format!("ERR {what} is not an integer or out of range"))),
    };
    let by = read(options.by_int, 1, "Increment")?;
    let lower = read(options.lower, i64::MIN, "LBOUND")?;
    let upper = read(options.upper, i64::MAX, "UBOUND")?;
    if lower > upper {
        return Err(crossed());
    }
    // An invalid time is one whether it is needed or not.
    options.deadline(None, txn.now_ms())?;
    let found = load_number(txn, call, call.get(1))?;
    let old = found.as_ref().map_or(Ok(0), |found| parse_i64(&found.contents).ok_or(Error::NotAnInteger))?;
    let sum = i128::from(old) + i128::from(by);
    let bounded = sum.min(upper.into()).max(lower.into());
    reply.array(2);
    if bounded != sum && !options.saturate {
        reply.int(old);
        reply.int(0);
        return Ok(());
    }
    let added = i64::try_from(bounded - i128::from(old))
        .map_err(|_| Error::text("ERR applied increment would overflow"))?;
    save(txn, call, options, found.as_ref(), bounded.to_string())?;
    reply.int(bounded as i64);
    reply.int(added);
    Ok(())
}

fn by_float(txn: &mut Txn, call: &Call<'_>, options: &Options<'_>, reply: &mut Reply) -> Result {
    let read = |word: Option<&[u8]>, unsaid: Extended, what: &str| match word {
        None => Ok(unsaid),
        Some(word) => {
            parse_extended(word).ok_or_else(|| Error::text(format!("ERR {what} is not a valid float")))
        }
    };
    let by = read(options.by_float, Extended::ZERO, "Increment")?;
    if by.is_infinite() {
        return Err(Error::text("ERR BYFLOAT increment cannot be Infinity"));
    }
    let lower = read(options.lower, -Extended::largest(), "LBOUND")?;
    let upper = read(options.upper, Extended::largest(), "UBOUND")?;
    if lower > upper {
        return Err(crossed());
    }
    options.deadline(None, txn.now_ms())?;
    let found = load_number(txn, call, call.get(1))?;
    let old = found
        .as_ref()
        .map_or(Ok(Extended::ZERO), |found| parse_extended(&found.contents).ok_or(Error::NotAFloat))?;
    if old.is_infinite() {
        return Err(Error::text("ERR value cannot be Infinity"));
    }
    let sum = (old + by).value;
    let bounded = match () {
        () if sum > upper => upper,
        () if sum < lower => lower,
        () => sum,
    };
    reply.array(2);
    if bounded != sum && !options.saturate {
        reply.double_text(&format_extended(old));
        reply.double_text("0");
        return Ok(());
    }
    let added = if bounded == sum { by } else { (bounded - old).value };
    if !bounded.is_finite() || !added.is_finite() {
        return Err(Error::text("ERR increment would produce NaN or Infinity"));
    }
    let text = format_extended(bounded);
    save(txn, call, options, found.as_ref(), text.clone())?;
    reply.double_text(&text);
    reply.double_text(&format_extended(added));
    Ok(())
}

fn crossed() -> Error {
    Error::text("ERR LBOUND can't be greater than UBOUND")
}

/// Stages the new number; with a deadline that has passed, that there is none.
fn save(
    txn: &mut Txn,
    call: &Call<'_>,
    options: &Options<'_>,
    found: Option<&Found>,
    contents: String,
) -> Result {
    let name = call.get(1);
    let old = found.map(|found| &found.meta);
    let deadline_ms = options.deadline(old.and_then(|meta| meta.deadline_ms), txn.now_ms())?;
    if deadline_ms.is_some_and(|deadline| deadline <= txn.now_ms()) {
        keyspace::delete(txn, call.space, name)?;
        return Ok(());
    }
    let new = Meta { deadline_ms, ..with_contents(found, contents) };
    Ok(keyspace::replace(txn, call.space, name, old, new)?)
}
