//! Looking into a HyperLogLog, and trying out how they count.

use std::fmt::Write as _;

use super::sketch::{REGISTERS, Sketch};
use super::{all, save, sketch};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::redis::string;
use crate::store::{Reads, Txn};

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
pub(super) fn pfdebug(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let found = string::open(txn, call, call.get(2))?;
    let contents = found.ok_or_else(|| Error::text("ERR The specified key does not exist"))?;
    let old = all(txn, call, &contents)?;
    let mut sketch = sketch(&old)?;
    match () {
        () if call.is(1, "getreg") => {
            sketch.make_dense()?;
            let mut registers = Box::new([0; REGISTERS]);
            sketch.merge_into(&mut registers)?;
            reply.array(REGISTERS);
            registers.iter().for_each(|register| reply.int((*register).into()));
        }
        () if call.is(1, "decode") => {
            if sketch.is_dense() {
                return Err(Error::text("ERR HLL encoding is not sparse"));
            }
            reply.bulk(decode(&sketch).as_bytes());
        }
        () if call.is(1, "encoding") => reply.simple(if sketch.is_dense() { "dense" } else { "sparse" }),
        () if call.is(1, "todense") => {
            reply.int((!sketch.is_dense()).into());
            sketch.make_dense()?;
        }
        () => return Err(Error::text(format!("ERR Unknown PFDEBUG subcommand '{}'", call.text(1)))),
    }
    if sketch.is_changed() {
        save(txn, contents, &old, sketch.into_bytes())?;
    }
    Ok(())
}

fn decode(sketch: &Sketch<'_>) -> String {
    let mut text = String::new();
    for run in sketch.runs() {
        // Writing to a String cannot fail.
        let _ = match run.value {
            0 if run.is_long() => write!(text, "Z:{} ", run.len),
            0 => write!(text, "z:{} ", run.len),
            value => write!(text, "v:{value},{} ", run.len),
        };
    }
    text.truncate(text.trim_end().len());
    text
}

/// Different elements that PFSELFTEST meets.
const MET: u64 = 1_000_000;

/// `PFSELFTEST`: both encodings count the same, and hardly ever wrong by more than six times the standard error.
pub(super) fn pfselftest(_: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (mut dense, mut sparse) = (Sketch::new(), Sketch::new());
    dense.make_dense()?;
    let seed = call.random().next_u64();
    let mut checkpoint = 1;
    for n in 1..=MET {
        let element = (n ^ seed).to_le_bytes();
        dense.add(&element)?;
        sparse.add(&element)?;
        if n != checkpoint {
            continue;
        }
        if n <= 1000 && sparse.is_dense() {
            return Err(Error::text("ERR TESTFAILED sparse encoding not used"));
        }
        let counted = dense.cardinality()?;
        if counted != sparse.cardinality()? {
            return Err(Error::text("ERR TESTFAILED dense/sparse disagree"));
        }
        let error = counted.abs_diff(n);
        let error_max = (1.04 / (REGISTERS as f64).sqrt() * 6.0 * n as f64).ceil() as u64;
        if error > error_max {
            return Err(Error::text(format!("ERR TESTFAILED Too big error. card:{n} abserr:{error}")));
        }
        checkpoint *= 10;
    }
    reply.ok();
    Ok(())
}
