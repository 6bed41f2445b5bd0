//! What lies between the log's buffer and its file.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::wal::{Chunk, Claim, LogFile};

/// Zeros are written ahead of the log's end in steps of this part of a memtable, or of this size.
const ZEROED_PART: u64 = 64;
const ZEROED_MAX: u64 = 256 << 10;

/// What the output lock guards: what was taken off the writer and where it has come.
#[derive(Default)]
pub(crate) struct Output {
    /// Not yet written, in order. More than what is being written only after the disk was full.
    pub(super) queue: VecDeque<Chunk>,
    /// Used again: an empty list of records, and what joins several into one write.
    pub(super) spare: Vec<Bytes>,
    pub(super) joined: Vec<u8>,
    /// The logs with bytes that are written and not synced, oldest first.
    pub(super) unsynced: Vec<Arc<LogFile>>,
    /// The end of what is written.
    pub(super) written: Claim,
    /// The end of what was synced last.
    pub(super) synced: Claim,
    /// The end of the zeros behind what is written, if it is the same log's.
    pub(super) zeroed: Claim,
}

impl Output {
    /// Sees to it that the next records find zeros in their place that are on disk: then a sync writes their bytes and
    /// nothing else, while a file that grows costs it a second write, of its new length, and two thirds more time.
    ///
    /// Where so much is written at a time that it would soon be through, that is not worth writing everything twice.
    pub(super) fn zero_ahead(&mut self, log: &LogFile, memtable: u64) {
        let step = (memtable / ZEROED_PART).min(ZEROED_MAX);
        let Claim { file, offset: end } = self.written;
        if file != log.number {
            return;
        }
        let from = if self.zeroed.file == file { self.zeroed.offset.max(end) } else { end };
        let synced = if self.synced.file == file { end.saturating_sub(self.synced.offset) } else { end };
        if from - end > step / 2 || synced > step / 2 {
            return;
        }
        // Without them all is as safe, but somewhat slower: after a failure it is left at that.
        let done = log.zero(from..from + step).is_ok();
        self.zeroed = Claim { file, offset: if done { from + step } else { u64::MAX } };
    }
}
