//! Reading the logs back, and telling a torn tail from corruption.
//!
//! A crash may lose any part of what was not synced, and leave any mixture of it. So the first record that does
//! not validate is either the torn tail, which was never promised to anybody, or damage to something that was.
//! Every record says how far the logs were on disk when it was written: if any record behind the damage, in this
//! log or a later one, says that the damaged place was on disk, then it is corruption, and opening fails. Otherwise
//! it is the torn tail: it and everything behind it never happened.
//!
//! Sequence numbers are consecutive through all logs, and each log says which one it goes on from, so nothing can be
//! missing in between unnoticed: within a log, every record is bound to its offset, where the one before it ends. A log
//! whose length the manifest knows was synced up to there before the manifest said so: it must be whole.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::record::{Claim, Kind, Place};
use super::writer::Opening;
use crate::engine::error::{Error, Result};
use crate::engine::files::Files;
use crate::engine::key::{SEQNO_MAX, Seqno};
use crate::vfs::{File, Vfs};

/// What is looked at at once on the way back over zeros.
const STEP_BACK: usize = 64 << 10;

/// Where the logs are, and what the manifest knows of them.
pub(crate) struct Replay<'a> {
    pub(crate) vfs: &'a dyn Vfs,
    pub(crate) files: &'a Files,
    pub(crate) salt: u64,
    /// The logs, and the lengths of those that have ended.
    pub(crate) logs: &'a BTreeMap<u64, Option<u64>>,
    /// The newest commit in tables: the logs go on from there.
    pub(crate) flushed: Seqno,
    /// At least these commits must be found.
    pub(crate) durable: Seqno,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// The logs with commits in them, and the lengths of their valid parts.
    pub(crate) ended: Vec<(u64, u64)>,
    /// The logs without, or behind the torn tail.
    pub(crate) dropped: Vec<u64>,
    /// The end of the last log with commits: the next log will say that it follows it.
    pub(crate) end: Claim,
    /// The newest commit.
    pub(crate) seqno: Seqno,
    pub(crate) records: u64,
    /// Bytes of torn tail.
    pub(crate) torn_bytes: u64,
    /// How far the logs are known to have been on disk.
    pub(crate) synced: Claim,
}

impl Replayed {
    /// The part of a log's valid bytes of which that is not known.
    pub(crate) fn unsynced(&self, log: u64, len: u64) -> Range<u64> {
        let known = match log.cmp(&self.synced.file) {
            Ordering::Less => len,
            Ordering::Equal => self.synced.offset.min(len),
            Ordering::Greater => 0,
        };
        known..len
    }
}

impl Replay<'_> {
    /// Visits every commit in order: log, commit, payload. The payload shares the memory of the whole log.
    pub(crate) fn run(&self, visit: &mut dyn FnMut(u64, Seqno, Bytes) -> Result<()>) -> Result<Replayed> {
        let mut found = Replayed { seqno: self.flushed, ..Replayed::default() };
        let mut torn = false;
        let mut ends = BTreeMap::new();
        let all = self.load_all()?;
        for (&log, &known_len) in self.logs {
            if torn {
                found.dropped.push(log);
                continue;
            }
            let path = self.files.log(log);
            let Some(bytes) = all.get(&log) else { continue };
            let seqno_before = found.seqno;
            let limit = known_len.map_or(bytes.len(), |len| len as usize);
            let Some(valid) = bytes.get(..limit) else {
                return Err(Error::corrupt(
                    &path,
                    bytes.len() as u64,
                    format_args!("cut short: it was {limit} bytes long"),
                ));
            };
            let missing = self.missing_before(log, valid, &ends)?;
            let walked = match missing {
                None => self.walk(log, &bytes.slice(..limit), &mut found, visit)?,
                Some(_) => 0,
            };
            let end = walked as u64;
            if walked < limit && known_len.is_some() {
                return Err(Error::corrupt(&path, end, "a record that was on disk does not validate"));
            }
            if let Some(damage) = missing {
                self.refuse_if_synced(damage, &all, log, 0)?;
                torn = true;
            } else if walked < limit && !self.goes_on(&all, log, end) {
                self.refuse_if_synced(Claim { file: log, offset: end }, &all, log, walked + 1)?;
                found.torn_bytes += content(&bytes[walked..]);
                torn = true;
            }
            ends.insert(log, end);
            if found.seqno > seqno_before {
                found.end = Claim { file: log, offset: end };
                found.ended.push((log, end));
            } else {
                found.dropped.push(log);
            }
        }
        if found.seqno < self.durable {
            let path = self.logs.keys().next_back().map_or(self.files.current(), |&log| self.files.log(log));
            return Err(Error::corrupt(
                &path,
                found.end.offset,
                format_args!(
                    "the logs end with commit {}, but commit {} was on disk",
                    found.seqno, self.durable
                ),
            ));
        }
        Ok(found)
    }

    /// The first record of a log, if it is one.
    fn opening<'b>(&self, log: u64, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (head, payload) = Place::new(self.salt, log).read(bytes, 0)?;
        (head.kind == Kind::Open).then_some(payload)
    }

    /// Whether a later log says that this one ended at `end`: what lies behind is nothing.
    fn goes_on(&self, all: &BTreeMap<u64, Bytes>, log: u64, end: u64) -> bool {
        let next = all.range(log + 1..).find_map(|(&later, bytes)| self.opening(later, bytes));
        let opening = next.and_then(|payload| Opening::decode(payload).ok());
        opening.is_some_and(|opening| opening.before == Claim { file: log, offset: end })
    }

    /// All logs, each read once. Somebody may be writing to them: what one says of others that are older, or of its own
    /// beginning, is there when that is read, since the newest is read first.
    fn load_all(&self) -> Result<BTreeMap<u64, Bytes>> {
        self.logs.keys().rev().map(|&log| Ok((log, self.load(log)?))).collect()
    }

    fn load(&self, log: u64) -> Result<Bytes> {
        let path = self.files.log(log);
        match read_log(self.vfs, &path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::corrupt(&path, 0, "missing, but the manifest names it"))
            }
            other => other,
        }
    }

    /// Where the log before is shorter than it was when this one was begun, if so. A log that was created ahead and
    /// never used lies between the two.
    fn missing_before(&self, log: u64, bytes: &[u8], ends: &BTreeMap<u64, u64>) -> Result<Option<Claim>> {
        let Some(payload) = self.opening(log, bytes) else { return Ok(None) };
        let opening = Opening::decode(payload).map_err(|format| unknown(&self.files.log(log), format))?;
        let Claim { file, offset } = opening.before;
        // One that is not among the logs is done with.
        Ok(ends.get(&file).filter(|&&end| end != offset).map(|&end| Claim { file, offset: end }))
    }

    /// Visits the valid records; returns where they end.
    fn walk(
        &self,
        log: u64,
        bytes: &Bytes,
        found: &mut Replayed,
        visit: &mut dyn FnMut(u64, Seqno, Bytes) -> Result<()>,
    ) -> Result<usize> {
        let path = self.files.log(log);
        let place = Place::new(self.salt, log);
        let mut end = 0;
        while let Some((head, payload)) = place.read(bytes, end) {
            found.synced = found.synced.max(head.claim);
            let wrong = |what: &dyn std::fmt::Display| Err(Error::corrupt(&path, end as u64, what));
            match head.kind {
                Kind::Open if end == 0 => {
                    let from = Opening::decode(payload).map_err(|format| unknown(&path, format))?.seqno;
                    if from != found.seqno {
                        return wrong(&format_args!("commit {} follows commit {}", from + 1, found.seqno));
                    }
                }
                Kind::Batch if end > 0 && found.seqno < SEQNO_MAX => {
                    found.seqno += 1;
                    found.records += 1;
                    visit(log, found.seqno, bytes.slice_ref(payload))?;
                }
                Kind::Mark if end > 0 => {}
                _ => return wrong(&"a record that does not belong here"),
            }
            end += head.record_len();
        }
        Ok(end)
    }

    /// Fails if any record from `offset` of `log` on says that `damage` was on disk.
    fn refuse_if_synced(
        &self,
        damage: Claim,
        all: &BTreeMap<u64, Bytes>,
        log: u64,
        offset: usize,
    ) -> Result<()> {
        let is_said = all.range(log..).any(|(&later, bytes)| {
            let from = if later == log { offset } else { 0 };
            Place::new(self.salt, later).furthest_claim(bytes, from) > damage
        });
        if !is_said {
            return Ok(());
        }
        let at = self.next_damage(damage, all);
        let what = "a record that was on disk does not validate";
        Err(Error::corrupt(&self.files.log(at.file), at.offset, what))
    }

    /// Where the first record is that does not validate, from the end of the valid ones of a log on: in a later log, if nothing
    /// but zeros follows them there.
    fn next_damage(&self, end: Claim, all: &BTreeMap<u64, Bytes>) -> Claim {
        let rest = all.get(&end.file).and_then(|bytes| bytes.get(end.offset as usize..));
        if rest.is_some_and(|rest| content(rest) > 0) {
            return end;
        }
        let later = all.range(end.file + 1..).find(|(_, bytes)| content(bytes) > 0);
        let damaged = later.filter(|&(&log, bytes)| self.opening(log, bytes).is_none());
        damaged.map_or(end, |(&file, _)| Claim { file, offset: 0 })
    }
}

/// How many bytes there are but for zeros at the end.
fn content(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1)
}

/// All of a log. Somebody may be writing to it: what was nothing but zeros at its end when this began stays zeros, so that
/// no record says of others that they are on disk which were read before they were written.
pub(crate) fn read_log(vfs: &dyn Vfs, path: &Path) -> Result<Bytes> {
    let failed = |e| Error::io("reading", path, e);
    let file = vfs.open(path).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let written = content_end(&*file, len).map_err(failed)?;
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes[..written as usize], 0).map_err(failed)?;
    Ok(bytes.into())
}

/// Where the zeros begin that end the first `len` bytes of a file.
pub(crate) fn content_end(file: &dyn File, len: u64) -> std::io::Result<u64> {
    let mut buffer = vec![0; STEP_BACK.min(len as usize)];
    let mut end = len;
    while end > 0 {
        let n = buffer.len().min(end as usize);
        file.read_exact_at(&mut buffer[..n], end - n as u64)?;
        end -= n as u64;
        if let Some(last) = buffer[..n].iter().rposition(|&byte| byte != 0) {
            return Ok(end + last as u64 + 1);
        }
    }
    Ok(0)
}

/// All of a file. Its memory is bounded by the file's true length.
pub(crate) fn read_whole(vfs: &dyn Vfs, path: &Path) -> Result<Bytes> {
    let failed = |e| Error::io("reading", path, e);
    let file = vfs.open(path).map_err(failed)?;
    let mut bytes = vec![0; file.len().map_err(failed)? as usize];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    Ok(bytes.into())
}

fn unknown(path: &Path, format: u64) -> Error {
    if format == 0 {
        Error::corrupt(path, 0, "its first record is malformed")
    } else {
        Error::invalid(format_args!(
            "{} has format {format}, which this version does not know",
            path.display()
        ))
    }
}
