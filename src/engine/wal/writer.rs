//! Writing a log: records are appended in memory, and whoever needs them with the system writes them out.
//!
//! The two halves run apart. [`LogWriter`] belongs to whoever holds the writer lock; it only touches memory, except
//! for setting disk space aside now and then. What it has gathered is taken off as a [`Chunk`] and written without
//! that lock.
//!
//! A batch is copied once, into a slab of records, from where it is written to the log *and* in which the memtable's
//! rows lie: no allocation a commit, and neighbours in time are neighbours in memory. A large batch comes with an
//! allocation of its own and is not copied at all.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::record::{Claim, HEAD_FILLED, HEAD_MAX, Kind, OFFSET_MAX, PAYLOAD_MAX, Place};
use super::slabs::Slabs;
use crate::codec::varint::{put_u64, take_u64};
use crate::engine::error::{Error, Result};
use crate::engine::key::{SEQNO_MAX, Seqno};
use crate::vfs::{File, Vfs};

/// The format of logs and manifests.
pub(crate) const FORMAT: u64 = 1;
/// Payloads from this size on stay where they are.
pub(crate) const LARGE: usize = 32 << 10;
/// Disk space is set aside in steps, from the smaller to the larger.
const RESERVE_MIN: u64 = 256 << 10;
const RESERVE_MAX: u64 = 8 << 20;

/// A log's file.
pub(crate) struct LogFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    file: Arc<dyn File>,
    /// Disk space is set aside up to here.
    reserved: AtomicU64,
}

impl LogFile {
    /// Creates the file; its name is durable once the directory is synced.
    pub(crate) fn create(vfs: &dyn Vfs, path: PathBuf, number: u64) -> Result<Arc<Self>> {
        let file = vfs.create(&path).map_err(|e| Error::io("creating the log", &path, e))?;
        Ok(Arc::new(Self { number, path, file, reserved: AtomicU64::new(0) }))
    }

    /// No file at all, for a database that is only read.
    pub(crate) fn nowhere() -> Arc<Self> {
        let reserved = AtomicU64::new(0);
        Arc::new(Self { number: u64::MAX, path: PathBuf::new(), file: Arc::new(Nowhere), reserved })
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|e| Error::io("syncing the log", &self.path, e))
    }

    /// Sets disk space aside up to here.
    pub(crate) fn reserve(&self, upto: u64) -> Result<()> {
        self.file.reserve(upto).map_err(|e| Error::io("setting space aside for the log", &self.path, e))?;
        self.reserved.fetch_max(upto, Ordering::Relaxed);
        Ok(())
    }

    /// Where the space that is set aside ends.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Fills a range that nothing was written to yet with zeros, and has them on their way to the disk.
    pub(crate) fn zero(&self, range: Range<u64>) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut at = range.start;
        while at < range.end {
            let n = (range.end - at).min(ZEROS.len() as u64);
            self.file.write_all_at(&ZEROS[..n as usize], at)?;
            at += n;
        }
        self.file.start_writeback(range.start, range.end - range.start)
    }

    /// Cuts off what lies behind `len`, and with it the space that was set aside there: the next append asks for it
    /// again, and is refused where there is none.
    pub(crate) fn cut(&self, len: u64) -> Result<()> {
        self.reserved.fetch_min(len, Ordering::Relaxed);
        self.file.set_len(len).map_err(|e| Error::io("cutting the log", &self.path, e))
    }
}

/// A file that can do nothing.
struct Nowhere;

impl File for Nowhere {
    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn read_cached_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_all_at(&self, _buf: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn reserve(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn read_ahead(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn forget(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Consecutive records of one log, on their way to the file.
pub(crate) struct Chunk {
    pub(crate) log: Arc<LogFile>,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    parts: Vec<Bytes>,
    len: u64,
    /// The newest commit in it.
    pub(crate) seqno: Seqno,
}

impl Chunk {
    fn new(log: Arc<LogFile>, offset: u64, parts: Vec<Bytes>, seqno: Seqno) -> Self {
        Self { log, offset, parts, len: 0, seqno }
    }

    fn push(&mut self, part: Bytes) {
        self.len += part.len() as u64;
        self.parts.push(part);
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where in the file it ends.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// Hands it to the system, by one write but for large payloads; `joined` is a buffer to use. May be repeated
    /// after a failure: it writes the same bytes to the same place.
    pub(crate) fn write(&self, joined: &mut Vec<u8>) -> Result<()> {
        if let [part] = &self.parts[..] {
            return self.write_at(part, self.offset);
        }
        let mut at = self.offset;
        joined.clear();
        for part in &self.parts {
            if part.len() < LARGE {
                joined.extend_from_slice(part);
                continue;
            }
            self.write_at(joined, at)?;
            at += joined.len() as u64;
            joined.clear();
            self.write_at(part, at)?;
            at += part.len() as u64;
        }
        self.write_at(joined, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.log.file.write_all_at(bytes, at).map_err(|e| Error::io("writing the log", &self.log.path, e))
    }

    /// The list, to be used again.
    pub(crate) fn into_parts(mut self) -> Vec<Bytes> {
        self.parts.clear();
        self.parts
    }
}

/// The end of the log that is being written.
pub(crate) struct LogWriter {
    place: Place,
    chunk: Chunk,
    /// Where records go; those that went are split off.
    slab: BytesMut,
    /// Those that come after it.
    slabs: Slabs,
    /// What is known to be on disk, for the next record to say.
    claim: Claim,
    /// The last record says that all before it is on disk: a mark would say nothing new.
    says_all: bool,
}

impl LogWriter {
    /// Begins a log that follows another one, whose end is `before`, and goes on from commit `seqno` in these slabs.
    pub(crate) fn new(
        log: Arc<LogFile>,
        salt: u64,
        before: Claim,
        claim: Claim,
        seqno: Seqno,
        slabs: Slabs,
    ) -> Self {
        let place = Place::new(salt, log.number);
        let chunk = Chunk::new(log, 0, Vec::new(), seqno);
        let slab = BytesMut::new();
        let mut writer = Self { place, chunk, slab, slabs, claim, says_all: false };
        let open = Opening { before, seqno }.encode();
        writer.push(Kind::Open, seqno, &open, crc32fast::hash(&open));
        writer.says_all = claim == before && claim != Claim::default();
        writer
    }

    pub(crate) fn number(&self) -> u64 {
        self.place.file
    }

    /// Where the next record begins.
    pub(crate) fn end(&self) -> u64 {
        self.chunk.end()
    }

    /// The end, as the next log will tell it.
    pub(crate) fn position(&self) -> Claim {
        Claim { file: self.number(), offset: self.end() }
    }

    /// What is known to be on disk.
    pub(crate) fn claim(&self) -> Claim {
        self.claim
    }

    /// Bytes not yet taken off.
    pub(crate) fn buffered(&self) -> u64 {
        self.chunk.len()
    }

    /// Makes sure that there is disk space for a payload: to be called before each append, since the append itself
    /// cannot fail.
    pub(crate) fn make_room(&mut self, payload: usize) -> Result<()> {
        let need = self.end() + (HEAD_MAX + payload) as u64;
        if payload > PAYLOAD_MAX || need > OFFSET_MAX {
            return Err(Error::invalid("a batch is too large for the log"));
        }
        let log = &self.chunk.log;
        let reserved = log.reserved();
        if need <= reserved {
            return Ok(());
        }
        // Where there is no space for a whole step there may be for this one record.
        let step = (reserved / 2).clamp(RESERVE_MIN, RESERVE_MAX);
        log.reserve(need + step).or_else(|_| log.reserve(need))
    }

    /// How far space is to be set aside by somebody else, so that no append ever waits for it; `None` while there is enough.
    pub(crate) fn room_wanted(&self) -> Option<u64> {
        let ahead = self.end().clamp(RESERVE_MIN, RESERVE_MAX);
        (self.end() + ahead > self.chunk.log.reserved()).then(|| self.end() + 2 * ahead)
    }

    /// How many slabs are to be made by somebody else, so that no append pays for touching its memory first.
    pub(crate) fn slabs_wanted(&self, memtable: u64) -> Option<usize> {
        self.slabs.wanted(memtable)
    }

    /// Has slabs to go on with.
    pub(crate) fn add_slabs(&mut self, slabs: Slabs) {
        self.slabs.add(slabs);
    }

    /// Gives its slabs to the next log.
    pub(crate) fn take_slabs(&mut self) -> Slabs {
        std::mem::take(&mut self.slabs)
    }

    /// The file.
    pub(crate) fn file(&self) -> &Arc<LogFile> {
        &self.chunk.log
    }

    /// Appends a batch, the next commit; `body_crc` is the payload's checksum. Returns the payload in its place, for
    /// the memtable.
    pub(crate) fn append(&mut self, seqno: Seqno, payload: &[u8], body_crc: u32) -> Bytes {
        debug_assert_eq!(seqno, self.chunk.seqno + 1, "whoever reads it back counts");
        let record = self.push(Kind::Batch, seqno, payload, body_crc);
        record.slice(record.len() - payload.len()..)
    }

    /// Appends a large batch from where it is.
    pub(crate) fn append_large(&mut self, seqno: Seqno, payload: Bytes, body_crc: u32) {
        debug_assert_eq!(seqno, self.chunk.seqno + 1, "whoever reads it back counts");
        self.push_head(Kind::Batch, seqno, payload.len(), body_crc);
        let head = self.slab.split().freeze();
        self.chunk.push(head);
        self.chunk.push(payload);
    }

    /// Takes note of what is now on disk: the next record says it. Returns whether nothing has followed yet that could.
    pub(crate) fn synced(&mut self, claim: Claim) -> bool {
        self.claim = self.claim.max(claim);
        self.is_unsaid()
    }

    /// All of the log is on disk, and nothing says so.
    fn is_unsaid(&self) -> bool {
        !self.says_all && self.claim == self.position()
    }

    /// Sees to it that the last record says that everything before it is on disk, if it is: appends a mark unless there
    /// is such a record. Returns where that record ends, up to where the log has yet to be synced.
    pub(crate) fn mark(&mut self) -> Option<Claim> {
        if self.is_unsaid() {
            return self.say();
        }
        self.says_all.then(|| self.position())
    }

    /// As [`LogWriter::mark`], whatever else has followed: a record says what is known to be on disk, if anything is.
    pub(crate) fn say(&mut self) -> Option<Claim> {
        if self.claim == Claim::default() {
            return None;
        }
        if !self.says_all {
            let all = self.claim == self.position();
            self.push(Kind::Mark, self.chunk.seqno, &[], 0);
            self.says_all = all;
        }
        Some(self.position())
    }

    fn push(&mut self, kind: Kind, seqno: Seqno, payload: &[u8], body_crc: u32) -> Bytes {
        self.push_head(kind, seqno, payload.len(), body_crc);
        self.slab.extend_from_slice(payload);
        let record = self.slab.split().freeze();
        self.chunk.push(record.clone());
        record
    }

    fn push_head(&mut self, kind: Kind, seqno: Seqno, payload: usize, body_crc: u32) {
        let head = self.place.head(self.end(), kind, self.claim, payload, body_crc);
        self.says_all = false;
        self.chunk.seqno = seqno;
        let need = HEAD_FILLED + if payload < LARGE { payload } else { 0 };
        if self.slab.capacity() < need {
            self.slab = self.slabs.take();
        }
        let end = self.slab.len() + head.len();
        self.slab.extend_from_slice(head.filled());
        self.slab.truncate(end);
    }

    /// Takes off what was gathered, leaving `spare` to gather in; `None` if there is nothing.
    pub(crate) fn take(&mut self, spare: Vec<Bytes>) -> Option<Chunk> {
        if self.chunk.parts.is_empty() {
            return None;
        }
        let next = Chunk::new(self.chunk.log.clone(), self.end(), spare, self.chunk.seqno);
        Some(std::mem::replace(&mut self.chunk, next))
    }
}

/// The payload of a file's first record: the format, the file before with its length, and the newest commit in all files
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) before: Claim,
    pub(crate) seqno: Seqno,
}

impl Opening {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, FORMAT);
        put_u64(&mut out, self.before.file);
        put_u64(&mut out, self.before.offset);
        put_u64(&mut out, self.seqno);
        out
    }

    /// The error is the format that we do not know, or 0 where it is not an opening at all.
    pub(crate) fn decode(mut bytes: &[u8]) -> std::result::Result<Self, u64> {
        let rest = &mut bytes;
        let format = take_u64(rest).ok_or(0_u64)?;
        if format != FORMAT {
            return Err(format);
        }
        let (file, offset) = (take_u64(rest).ok_or(0_u64)?, take_u64(rest).ok_or(0_u64)?);
        let seqno = take_u64(rest).filter(|&seqno| seqno <= SEQNO_MAX).ok_or(0_u64)?;
        if rest.is_empty() { Ok(Self { before: Claim { file, offset }, seqno }) } else { Err(0) }
    }
}
