//! Commands that wait: BLPOP and its kin, XREAD … BLOCK, WAIT.
//!
//! A command that finds nothing and may wait answers with a [`Block`] in place of an error. What it had staged is
//! forgotten, unless it says otherwise; its connection reads no further, and the command is run again, from its start,
//! whenever one of the keys has been touched and it is its turn ([`super::waiters`]), until it finds something, or the
//! time is over. Inside MULTI and in scripts it is answered at once, as if the time were over.

use super::args::{Args, Words};
use super::error::{Error, Result};
use super::instance::Instance;
use super::keyspace::{self, Space, Type};
use super::number;
use super::protocol::reply::Reply;
use super::session::Session;
use super::table::Entry;
use super::waiters::{Held, Place, Wanted};
use crate::store::{Reads, Tier};

#[cfg(test)]
pub(crate) mod tests;

/// What is answered when nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nothing {
    NullArray,
    Null,
    Zero,
}

impl Nothing {
    fn write(self, reply: &mut Reply) {
        match self {
            Self::NullArray => reply.null_array(),
            Self::Null => reply.null(),
            Self::Zero => reply.int(0),
        }
    }
}

/// That a command waits, for what and for how long. `return Err(Block::on(Type::List, timeout_ms).into())`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    timeout_ms: Option<u64>,
    kind: Option<Type>,
    names: Option<Vec<Vec<u8>>>,
    any_change: bool,
    keeps: bool,
    words: Option<Vec<Vec<u8>>>,
    late: Nothing,
    refused: Nothing,
}

impl Block {
    /// Until one of the call's keys holds something of this type, for at most so many milliseconds; `None`: for ever.
    /// When nothing comes, the answer is a null array.
    pub(crate) fn on(kind: Type, timeout_ms: Option<u64>) -> Self {
        Self {
            timeout_ms,
            kind: Some(kind),
            names: None,
            any_change: false,
            keeps: false,
            words: None,
            late: Nothing::NullArray,
            refused: Nothing::NullArray,
        }
    }

    /// Until so many milliseconds have passed; `None`: for ever. Then, the answer is 0.
    pub(crate) fn for_time(timeout_ms: Option<u64>) -> Self {
        Self {
            timeout_ms,
            kind: None,
            names: Some(Vec::new()),
            any_change: false,
            keeps: false,
            words: None,
            late: Nothing::Zero,
            refused: Nothing::Zero,
        }
    }

    /// Not the call's keys, but these: BLMOVE waits for its source only.
    pub(crate) fn keys<'a>(mut self, names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.names = Some(names.into_iter().map(<[u8]>::to_vec).collect());
        self
    }

    /// Any change of a key is of interest, also that it goes or becomes of another type: XREADGROUP, whose group goes with
    /// it.
    pub(crate) fn any_change(mut self) -> Self {
        self.any_change = true;
        self
    }

    /// What it staged when it began to wait stays: XREADGROUP's consumer, who has been seen.
    pub(crate) fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Whether it was built so.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// What is run when it is its turn, instead of the words that came: XREAD's `$` stands for what was last when it began
    /// to wait.
    pub(crate) fn again_as(mut self, words: Vec<Vec<u8>>) -> Self {
        self.words = Some(words);
        self
    }

    /// Where it must not wait, the answer is null and no null array: BLMOVE, whose answer is one element.
    pub(crate) fn or_null(mut self) -> Self {
        self.refused = Nothing::Null;
        self
    }

    /// Answers where a command must not wait: inside MULTI, in a script.
    pub(crate) fn refuse(&self, reply: &mut Reply) {
        self.refused.write(reply);
    }
}

impl From<Block> for Error {
    fn from(block: Block) -> Self {
        Self::Block(Box::new(block))
    }
}

/// Reads a timeout in seconds, which may have decimals, as milliseconds; `None` (0): for ever.
pub(crate) fn parse_timeout(word: &[u8], now_ms: u64) -> Result<Option<u64>> {
    let seconds =
        number::parse_f64(word).ok_or_else(|| Error::text("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms >= i64::MAX as f64 {
        return Err(Error::text("ERR timeout is out of range"));
    }
    fitting(ms as i64, now_ms)
}

/// Reads a timeout in milliseconds; `None` (0): for ever.
pub(crate) fn parse_timeout_ms(word: &[u8], now_ms: u64) -> Result<Option<u64>> {
    let ms = number::parse_i64(word)
        .ok_or_else(|| Error::text("ERR timeout is not an integer or out of range"))?;
    fitting(ms, now_ms)
}

fn fitting(ms: i64, now_ms: u64) -> Result<Option<u64>> {
    let ms = u64::try_from(ms).map_err(|_| Error::text("ERR timeout is negative"))?;
    // The moment must be one that can be told.
    if ms.saturating_add(now_ms) > i64::MAX as u64 {
        return Err(Error::text("ERR timeout is out of range"));
    }
    Ok((ms > 0).then_some(ms))
}

/// A command that waits.
pub(crate) struct Blocked {
    pub(crate) entry: &'static Entry,
    pub(crate) words: Words,
    pub(crate) place: Place,
    /// It has the turn and is being run, or about to be again.
    pub(crate) trying: bool,
    late: Nothing,
    /// When its time is over, on the steady clock.
    late_ns: Option<u64>,
}

impl Blocked {
    /// Lets a client wait. `look`: see [`super::waiters::Waiters::enter`].
    pub(crate) fn begin(
        instance: &Instance,
        session: &Session,
        entry: &'static Entry,
        args: Args<'_>,
        block: &Block,
        look: bool,
    ) -> Self {
        let names = block.names.clone().unwrap_or_else(|| {
            entry.command.keys.places(&args).map(|place| args.get(place).to_vec()).collect()
        });
        let wanted =
            Wanted { database: session.database, names, kind: block.kind, any_change: block.any_change };
        let words = match &block.words {
            Some(words) => Words::new(words.iter().map(Vec::as_slice)),
            None => Words::new(args.from(0)),
        };
        let now_ns = instance.clock().monotonic_ns();
        Self {
            entry,
            words,
            place: instance.waiters.enter(&session.client, wanted, look),
            trying: false,
            late: block.late,
            late_ns: block.timeout_ms.map(|ms| now_ns.saturating_add(ms.saturating_mul(1_000_000))),
        }
    }

    /// How long it still waits, in nanoseconds; `None`: for ever.
    pub(crate) fn left_ns(&self, now_ns: u64) -> Option<u64> {
        self.late_ns.map(|late_ns| late_ns.saturating_sub(now_ns))
    }

    /// Answers that nothing came.
    pub(crate) fn answer_late(&self, reply: &mut Reply) {
        self.late.write(reply);
    }

    /// Whether one of the keys is such that the command is worth running.
    pub(crate) fn is_ready(&self, reads: &dyn Reads, space: Space) -> Result<bool> {
        let wanted = self.place.wanted();
        let Some(kind) = wanted.kind.filter(|_| !wanted.any_change) else { return Ok(true) };
        for name in &wanted.names {
            if keyspace::load(reads, space, name)?.is_some_and(|meta| meta.kind == kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// That a command waits on, with what it has waited for so far.
pub(crate) fn still() -> Error {
    Block::for_time(None).into()
}

/// What a key holds now, as far as memory can tell.
pub(crate) fn held(instance: &Instance, database: u16, name: &[u8]) -> Held {
    let view = instance.store().view_newest(Tier::Cached);
    let space = instance.keyspace().databases().space(&view, database);
    match space.and_then(|space| keyspace::load(&view, space, name)) {
        Ok(None) => Held::Nothing,
        Ok(Some(meta)) => Held::Some(meta.kind),
        Err(_) => Held::Unknown,
    }
}
