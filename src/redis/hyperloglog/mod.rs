//! HyperLogLogs: how many different elements were met, to within 0.81 %, in at most 12 KiB; strings that Redis can read.

mod debug;
mod estimate;
mod hash;
mod sketch;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::keyspace;
use super::protocol::reply::Reply;
use super::string::{self, Found};
use crate::store::{Reads, Txn};
use sketch::{REGISTERS, Sketch};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
        write("pfadd", -2, Keys::FIRST, pfadd).access(Access::INSERT)
            .fast()
            .doc("Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.", "2.8.9", "O(1) to add every element."),
        write("pfcount", -2, Keys::REST, pfcount).access(Access::NOTE).flag(Flags::NOTES).flag(Flags::MAY_REPLICATE)
            .doc("Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).", "2.8.9", "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys."),
        write("pfdebug", 3, Keys::SECOND, debug::pfdebug).access(Access::NOTE).flag(Flags::ADMIN)
            .doc("Internal commands for debugging HyperLogLog values.", "2.8.9", "N/A"),
        write("pfmerge", -2, Keys::REST, pfmerge).access(Access::MERGE)
            .doc("Merges one or more HyperLogLog values into a single key.", "2.8.9", "O(N) to merge N HyperLogLogs, but with high constant times."),
        read("pfselftest", 1, Keys::None, debug::pfselftest).flag(Flags::ADMIN)
            .slow()
            .doc("An internal command for testing HyperLogLog values.", "2.8.9", "N/A"),
];

/// The sketch in a string.
fn sketch(found: &Found) -> Result<Sketch<'_>> {
    Sketch::read(&found.contents)
        .ok_or_else(|| Error::text("WRONGTYPE Key is not a valid HyperLogLog string value."))
}

/// Stages a changed sketch as the contents of a key.
fn save(txn: &mut Txn, call: &Call<'_>, name: &[u8], found: Option<&Found>, contents: Vec<u8>) -> Result {
    let meta = string::with_contents(found, contents);
    Ok(keyspace::replace(txn, call.space, name, found.map(|found| &found.meta), meta)?)
}

/// `PFADD key [element ...]`
fn pfadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(1);
    let found = string::load(txn, call, name)?;
    let mut sketch = found.as_ref().map_or_else(|| Ok(Sketch::new()), sketch)?;
    for element in call.from(2) {
        sketch.add(element)?;
    }
    let is_changed = sketch.is_changed();
    if is_changed {
        sketch.set_stale();
        let contents = sketch.into_bytes();
        save(txn, call, name, found.as_ref(), contents)?;
    }
    reply.int(is_changed.into());
    Ok(())
}

/// `PFCOUNT key [key ...]`: of all of them together. What was worked out for a single one is noted in it.
fn pfcount(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    let found = load_all(txn, call, &names)?;
    for found in &found {
        call.looked_up(found.is_some());
    }
    let n = match &found[..] {
        [None] => 0,
        [Some(found)] => count_one(txn, call, found)?,
        many => {
            let mut registers = Box::new([0; REGISTERS]);
            for found in many.iter().flatten() {
                sketch(found)?.merge_into(&mut registers)?;
            }
            sketch::cardinality_of(&registers)
        }
    };
    reply.int(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(())
}

fn count_one(txn: &mut Txn, call: &Call<'_>, found: &Found) -> Result<u64> {
    let mut sketch = sketch(found)?;
    if let Some(known) = sketch.known_cardinality() {
        return Ok(known);
    }
    let n = sketch.cardinality()?;
    sketch.set_cardinality(n);
    let contents = sketch.into_bytes();
    save(txn, call, call.get(1), Some(found), contents)?;
    Ok(n)
}

/// `PFMERGE destination [source ...]`
fn pfmerge(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    let mut found = load_all(txn, call, &names)?;
    let mut registers = Box::new([0; REGISTERS]);
    let mut is_dense = false;
    for found in found.iter().flatten() {
        let sketch = sketch(found)?;
        is_dense |= sketch.is_dense();
        sketch.merge_into(&mut registers)?;
    }
    let destination = found.swap_remove(0);
    let mut merged = destination.as_ref().map_or_else(|| Ok(Sketch::new()), sketch)?;
    if is_dense {
        merged.make_dense()?;
    }
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        merged.raise(index, value)?;
    }
    merged.set_stale();
    let contents = merged.into_bytes();
    save(txn, call, call.get(1), destination.as_ref(), contents)?;
    reply.ok();
    Ok(())
}

/// Several strings, in the order asked.
fn load_all(reads: &dyn Reads, call: &Call<'_>, names: &[&[u8]]) -> Result<Vec<Option<Found>>> {
    call.load_many(reads, names)?.into_iter().map(|meta| meta.map(string::check).transpose()).collect()
}
