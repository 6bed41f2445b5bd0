//! Lists.
//!
//! ```text
//!  1 := count ‖ element*                                    strings
//! 10 := ziplist, as a string
//! 14 := count ‖ (ziplist, as a string)*
//! 18 := count ‖ (1 ‖ element | 2 ‖ listpack, as a string)*
//! ```

use std::ops::ControlFlow;

use super::super::error::Result;
use super::super::keyspace::{Collection, Type};
use super::super::list::{End, List};
use super::super::sample::wait_if_many;
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target, bad, listpack, ziplist};
use crate::store::{Reads, Txn};

const LIST: u8 = 1;
const ZIPLIST: u8 = 10;
const QUICKLIST: u8 = 14;
const QUICKLIST_2: u8 = 18;
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// Redis's own bound for a listpack within a list, in bytes.
const PACKED_BYTES_MAX: usize = 8 << 10;

pub(super) const FORMAT: Format = Format {
    kind: Type::List,
    reads: &[LIST, ZIPLIST, QUICKLIST, QUICKLIST_2],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |kind, reader| each(kind, reader, 1 << 20, &mut |_| Ok(())),
};

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let list = Collection::from_meta(source.space, source.name, source.meta.clone())?;
    wait_if_many(reads, list.len(reads)?)?;
    writer.byte(QUICKLIST_2);
    let mark = writer.len();
    let (mut nodes, mut packed) = (0, listpack::Builder::new());
    list.ordered(reads)?.range(reads, 0, &mut |_, element| {
        let plain = element.len() > PACKED_BYTES_MAX;
        if plain || packed.len() + element.len() > PACKED_BYTES_MAX {
            nodes += node(writer, &mut packed);
        }
        if plain {
            nodes += 1;
            writer.length(PLAIN);
            writer.length(element.len() as u64);
            writer.bytes(element);
        } else {
            packed.push(element);
        }
        if writer.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    nodes += node(writer, &mut packed);
    writer.insert_length(mark, nodes);
    Ok(())
}

/// Writes what has been packed; how many nodes that is.
fn node(writer: &mut Writer, packed: &mut listpack::Builder) -> u64 {
    if packed.is_empty() {
        return 0;
    }
    let packed = std::mem::replace(packed, listpack::Builder::new()).finish();
    writer.length(PACKED);
    writer.length(packed.len() as u64);
    writer.bytes(&packed);
    1
}

/// Visits the elements; at least one.
fn each(kind: u8, reader: &mut Reader<'_>, most: u64, visit: &mut dyn FnMut(&[u8]) -> Result) -> Result {
    let nodes = if kind == ZIPLIST { 1 } else { reader.length()? };
    let mut seen = false;
    for _ in 0..nodes {
        let plain = match kind {
            LIST => true,
            QUICKLIST_2 => match reader.length()? {
                PLAIN => true,
                PACKED => false,
                _ => return Err(bad()),
            },
            _ => false,
        };
        let node = if plain { reader.string(most)? } else { reader.packed(most)? };
        if plain {
            seen = true;
            visit(&node)?;
            continue;
        }
        let entries = if kind == QUICKLIST_2 { listpack::entries(&node)? } else { ziplist::entries(&node)? };
        for entry in entries {
            seen = true;
            visit(&entry)?;
        }
    }
    if seen { Ok(()) } else { Err(bad()) }
}

fn read(kind: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let mut list = List::load_or_new(txn, target.space, target.name)?;
    each(kind, reader, target.value_bytes_max, &mut |element| list.push(txn, End::Right, element))?;
    list.save(txn)
}
