//! The log: what was committed and is not in tables yet.
//!
//! [`record`] is the framing, which the manifest shares; [`writer`] appends, [`replay`] reads back.

mod record;
mod replay;
mod slabs;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::record::{Claim, HEAD_MAX, Kind, Place};
pub(crate) use self::replay::{Replay, Replayed, content_end, read_log, read_whole};
pub(crate) use self::slabs::Slabs;
pub(crate) use self::writer::{Chunk, LARGE, LogFile, LogWriter, Opening};
