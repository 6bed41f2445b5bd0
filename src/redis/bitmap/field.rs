//! BITFIELD: a string as an array of integers of any width.

use super::{bit_offset, field, grow, set_field};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::keyspace::Contents;
use crate::redis::number;
use crate::redis::protocol::reply::Reply;
use crate::redis::string;
use crate::store::{Reads, Txn};

/// What becomes of a number that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Overflow {
    /// Its lowest bits.
    #[default]
    Wrap,
    /// The nearest that fits.
    Saturate,
    /// Nothing is written, and null is the answer.
    Fail,
}

/// `i8`, `u63` …
#[derive(Clone, Copy, Debug)]
struct Width {
    signed: bool,
    bits: u32,
}

impl Width {
    fn parse(word: &[u8]) -> Result<Self> {
        let parsed = word.split_first().and_then(|(sign, width)| {
            let signed = match sign {
                b'i' => true,
                b'u' => false,
                _ => return None,
            };
            let most = if signed { 64 } else { 63 };
            let bits = number::parse_i64(width).filter(|bits| (1..=most).contains(bits))?;
            Some(Self { signed, bits: bits as u32 })
        });
        parsed.ok_or_else(|| {
            Error::text(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )
        })
    }

    /// The number that these bits, the lowest of `raw`, stand for.
    fn read(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { (raw << unused) as i64 >> unused } else { (raw << unused >> unused) as i64 }
    }

    /// A number that fits, for one that may not; `None` if that is refused.
    fn fit(self, n: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = if self.signed {
            (-(1_i128 << (self.bits - 1)), (1_i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1_i128 << self.bits) - 1)
        };
        if (least..=most).contains(&n) {
            return Some(n as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.read(n as u64)),
            Overflow::Saturate => Some(n.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    width: Width,
    offset: u64,
    overflow: Overflow,
}

impl Operation {
    fn last_bit(&self) -> u64 {
        self.offset + u64::from(self.width.bits) - 1
    }

    fn get(&self, reads: &dyn Reads, contents: &Contents<'_>) -> Result<i64> {
        Ok(self.width.read(field(reads, contents, self.offset, self.width.bits)?))
    }

    /// What a number becomes, and the answer; `None` where that is refused.
    fn change(&self, old: i64) -> Option<(i64, i64)> {
        Some(match self.action {
            Action::Get => (old, old),
            // Without a sign, a negative number is one that is too large.
            Action::Set(to) if self.width.signed => (self.width.fit(i128::from(to), self.overflow)?, old),
            Action::Set(to) => (self.width.fit(i128::from(to as u64), self.overflow)?, old),
            Action::Add(by) => {
                let sum = self.width.fit(i128::from(old) + i128::from(by), self.overflow)?;
                (sum, sum)
            }
        })
    }
}

fn parse(call: &Call<'_>) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::default();
    let mut walk = call.walk(2);
    while !walk.is_done() {
        let left = call.len() - walk.at() - 1;
        if left >= 1 && walk.accept("overflow") {
            overflow = match walk.word()? {
                word if word.eq_ignore_ascii_case(b"wrap") => Overflow::Wrap,
                word if word.eq_ignore_ascii_case(b"sat") => Overflow::Saturate,
                word if word.eq_ignore_ascii_case(b"fail") => Overflow::Fail,
                _ => return Err(Error::text("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        let action: fn(i64) -> Action = match () {
            () if left >= 2 && walk.accept("get") => |_| Action::Get,
            () if left >= 3 && walk.accept("set") => Action::Set,
            () if left >= 3 && walk.accept("incrby") => Action::Add,
            () => return Err(Error::Syntax),
        };
        let width = Width::parse(walk.word()?)?;
        let offset = match walk.word()? {
            [b'#', place @ ..] => bit_offset(place, u64::from(width.bits))?,
            place => bit_offset(place, 1)?,
        };
        let is_get = action(0) == Action::Get;
        let action = action(if is_get { 0 } else { walk.int()? });
        operations.push(Operation { action, width, offset, overflow });
    }
    Ok(operations)
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset by] …`
pub(super) fn bitfield(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let operations = parse(call)?;
    let writes = operations.iter().filter(|operation| operation.action != Action::Get);
    let Some(last_bit) = writes.map(Operation::last_bit).max() else {
        return tell(txn, call, &operations, reply);
    };
    let mut contents = string::open_or_new(txn, call, call.get(1))?;
    let mut is_changed = grow(txn, call, &mut contents, last_bit)?;
    reply.array(operations.len());
    for operation in &operations {
        let old = operation.get(txn, &contents)?;
        let Some((new, answer)) = operation.change(old) else {
            reply.null();
            continue;
        };
        if new != old {
            set_field(txn, &mut contents, operation.offset, operation.width.bits, new as u64)?;
            is_changed = true;
        }
        reply.int(answer);
    }
    if is_changed {
        call.notify(txn, Events::STRING, "setbit", call.get(1));
        contents.save(txn)?;
    }
    Ok(())
}

/// `BITFIELD_RO key [GET type offset …]`
pub(super) fn bitfield_ro(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let operations = parse(call)?;
    if operations.iter().any(|operation| operation.action != Action::Get) {
        return Err(Error::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    tell(reads, call, &operations, reply)
}

fn tell(reads: &dyn Reads, call: &Call<'_>, operations: &[Operation], reply: &mut Reply) -> Result {
    let contents = string::open_or_new(reads, call, call.get(1))?;
    reply.array(operations.len());
    for operation in operations {
        reply.int(operation.get(reads, &contents)?);
    }
    Ok(())
}
