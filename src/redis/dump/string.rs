//! Strings: one string, kind 0.

use super::super::error::Result;
use super::super::keyspace::{self, Contents, Type};
use super::bytes::{Reader, Writer};
use super::{Format, Source, Target};
use crate::store::{Reads, Txn};

const STRING: u8 = 0;

pub(super) const FORMAT: Format = Format {
    kind: Type::String,
    reads: &[STRING],
    write,
    read,
    #[cfg(feature = "fuzzing")]
    check: |_, reader| reader.string(1 << 20).map(drop),
};

fn write(reads: &dyn Reads, source: &Source<'_>, writer: &mut Writer) -> Result {
    let contents = Contents::from_meta(source.space, source.name, source.meta.clone())?;
    writer.check_room(contents.len())?;
    writer.byte(STRING);
    writer.string(&contents.read(reads, 0..contents.len())?);
    Ok(())
}

fn read(_: u8, reader: &mut Reader<'_>, txn: &mut Txn, target: &Target<'_>) -> Result {
    let contents = reader.string(target.value_bytes_max)?;
    Ok(keyspace::overwrite(txn, target.space, target.name, &contents, None)?)
}
