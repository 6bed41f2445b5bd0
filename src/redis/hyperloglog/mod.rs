//! HyperLogLogs: how many different elements were met, to within 0.81 %, in at most 12 KiB; strings that Redis can read.

mod debug;
mod estimate;
mod hash;
mod sketch;

use super::command::{Access, Call, Command, Flags, Keys, read, write};
use super::error::{Error, Result};
use super::events::Events;
use super::keyspace::{Contents, Meta};
use super::protocol::reply::Reply;
use super::string;
use crate::store::{Reads, Txn};
use bytes::Bytes;
use sketch::{REGISTERS, Register, Sketch};

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

/// From this many elements on, PFADD has all registers in memory.
const ELEMENTS_IN_PLACE_MAX: usize = 64;

/// The bytes by which a string is known to be a sketch.
fn head(reads: &dyn Reads, contents: &Contents<'_>) -> Result<Bytes> {
    let head = contents.read(reads, sketch::HEAD)?;
    if sketch::is_head(&head, contents.len()) { Ok(head) } else { Err(not_a_sketch()) }
}

/// All bytes of a sketch.
fn all(reads: &dyn Reads, call: &Call<'_>, contents: &Contents<'_>) -> Result<Bytes> {
    head(reads, contents)?;
    string::read_part(reads, call, contents, 0..contents.len())
}

/// The sketch in a string.
fn sketch(contents: &[u8]) -> Result<Sketch<'_>> {
    Sketch::read(contents).ok_or_else(not_a_sketch)
}

fn not_a_sketch() -> Error {
    Error::text("WRONGTYPE Key is not a valid HyperLogLog string value.")
}

/// Stages a changed sketch in place of these bytes, which are all that the contents are.
fn save(txn: &mut Txn, mut contents: Contents<'_>, old: &[u8], new: Vec<u8>) -> Result {
    /// So many bytes are compared, to write only what has changed.
    const PIECE: usize = 256;
    if old.len() == new.len() {
        for (n, (old, new)) in old.chunks(PIECE).zip(new.chunks(PIECE)).enumerate() {
            if old != new {
                contents.write(txn, (n * PIECE) as u64, new)?;
            }
        }
    } else {
        contents.replace(new);
    }
    Ok(contents.save(txn)?)
}

/// `PFADD key [element ...]`
fn pfadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let contents = string::open_or_new(txn, call, call.get(1))?;
    let is_few = call.len() <= 2 + ELEMENTS_IN_PLACE_MAX;
    if is_few && !contents.is_new() && sketch::is_dense(&head(txn, &contents)?) {
        return add_in_place(txn, call, contents, reply);
    }
    let old = if contents.is_new() { Bytes::new() } else { all(txn, call, &contents)? };
    let mut sketch = if contents.is_new() { Sketch::new() } else { sketch(&old)? };
    for element in call.from(2) {
        sketch.add(element)?;
    }
    let is_changed = sketch.is_changed();
    if is_changed {
        sketch.set_stale();
        call.notify(txn, Events::STRING, "pfadd", call.get(1));
        save(txn, contents, &old, sketch.into_bytes())?;
    }
    reply.int(is_changed.into());
    Ok(())
}

/// PFADD where every register has its place, so that no others are read or written.
fn add_in_place(txn: &mut Txn, call: &Call<'_>, mut contents: Contents<'_>, reply: &mut Reply) -> Result {
    let mut is_changed = false;
    for element in call.from(2) {
        let register = Register::of(element);
        let bytes = contents.read(txn, register.bytes())?;
        if let Some(new) = register.raise(&bytes) {
            contents.write(txn, register.bytes().start, new.get(..bytes.len()).unwrap_or_default())?;
            is_changed = true;
        }
    }
    if is_changed {
        if let Some((at, byte)) = sketch::stale(&head(txn, &contents)?) {
            contents.write(txn, at, &[byte])?;
        }
        call.notify(txn, Events::STRING, "pfadd", call.get(1));
        contents.save(txn)?;
    }
    reply.int(is_changed.into());
    Ok(())
}

/// `PFCOUNT key [key ...]`: of all of them together. What was worked out for a single one is noted in it.
fn pfcount(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    let mut found = open_all(txn, call, &names)?;
    for contents in &found {
        call.looked_up(!contents.is_new());
    }
    let n = match found.pop() {
        Some(single) if found.is_empty() => count_one(txn, call, single)?,
        last => {
            let mut registers = Box::new([0; REGISTERS]);
            for contents in found.iter().chain(&last).filter(|contents| !contents.is_new()) {
                sketch(&all(txn, call, contents)?)?.merge_into(&mut registers)?;
            }
            sketch::cardinality_of(&registers)
        }
    };
    reply.int(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(())
}

fn count_one(txn: &mut Txn, call: &Call<'_>, contents: Contents<'_>) -> Result<u64> {
    if contents.is_new() {
        return Ok(0);
    }
    if let Some(known) = sketch::known_cardinality(&head(txn, &contents)?) {
        return Ok(known);
    }
    let old = all(txn, call, &contents)?;
    let mut sketch = sketch(&old)?;
    let n = sketch.cardinality()?;
    sketch.set_cardinality(n);
    save(txn, contents, &old, sketch.into_bytes())?;
    Ok(n)
}

/// `PFMERGE destination [source ...]`
fn pfmerge(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let names: Vec<&[u8]> = call.from(1).collect();
    let mut found = open_all(txn, call, &names)?;
    let mut registers = Box::new([0; REGISTERS]);
    let mut is_dense = false;
    for contents in found.iter().filter(|contents| !contents.is_new()) {
        let bytes = all(txn, call, contents)?;
        let sketch = sketch(&bytes)?;
        is_dense |= sketch.is_dense();
        sketch.merge_into(&mut registers)?;
    }
    let destination = found.swap_remove(0);
    let old = if destination.is_new() { Bytes::new() } else { all(txn, call, &destination)? };
    let mut merged = if destination.is_new() { Sketch::new() } else { sketch(&old)? };
    if is_dense {
        merged.make_dense()?;
    }
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        merged.raise(index, value)?;
    }
    merged.set_stale();
    // What is merged is added.
    call.notify(txn, Events::STRING, "pfadd", call.get(1));
    save(txn, destination, &old, merged.into_bytes())?;
    reply.ok();
    Ok(())
}

/// Several sketches, in the order asked; those that are not there are new ones. The first that is none is complained of.
fn open_all<'a>(reads: &dyn Reads, call: &Call<'_>, names: &[&'a [u8]]) -> Result<Vec<Contents<'a>>> {
    let open = |(meta, &name): (Option<Meta>, &&'a [u8])| {
        let Some(meta) = meta else { return Ok(Contents::new(call.space, name)) };
        let contents = Contents::from_meta(call.space, name, meta)?;
        head(reads, &contents)?;
        Ok(contents)
    };
    call.load_many(reads, names)?.into_iter().zip(names).map(open).collect()
}
