//! Reading the logs back, and telling a torn tail from corruption.
//!
//! A crash may lose any part of what was not synced, and leave any mixture of it. So the first record that does
//! not validate is either the torn tail, which was never promised to anybody, or damage to something that was.
//! Every record says how far the logs were on disk when it was written: if any record behind the damage, in this
//! log or a later one, says that the damaged place was on disk, then it is corruption, and opening fails. Otherwise
//! it is the torn tail: it and everything behind it never happened.
//!
//! Sequence numbers are consecutive through all logs, so a missing record cannot go unnoticed either. A log whose
//! length the manifest knows was synced up to there before the manifest said so: it must be whole.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use super::record::{Claim, HEAD, Kind, Place};
use super::writer::Opening;
use crate::engine::error::{Error, Result};
use crate::engine::files::Files;
use crate::engine::key::Seqno;
use crate::vfs::Vfs;

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
    /// The newest commit.
    pub(crate) seqno: Seqno,
    pub(crate) records: u64,
    /// Bytes of torn tail.
    pub(crate) torn_bytes: u64,
}

/// One log's walk: how far it is valid.
struct Walk {
    end: usize,
    opening: Option<Opening>,
}

impl Replay<'_> {
    /// Visits every commit in order: log, commit, payload. The payload shares the memory of the whole log.
    pub(crate) fn run(&self, visit: &mut dyn FnMut(u64, Seqno, Bytes) -> Result<()>) -> Result<Replayed> {
        let mut found = Replayed { seqno: self.flushed, ..Replayed::default() };
        let mut torn = false;
        let mut before: Option<Claim> = None;
        for (&log, &known_len) in self.logs {
            if torn {
                found.dropped.push(log);
                continue;
            }
            let path = self.files.log(log);
            let bytes = self.load(log)?;
            let limit = known_len.map_or(bytes.len(), |len| len as usize);
            let Some(valid) = bytes.get(..limit) else {
                return Err(Error::corrupt(
                    &path,
                    bytes.len() as u64,
                    format_args!("cut short: it was {limit} bytes long"),
                ));
            };
            let follows = self.follows(log, valid, before)?;
            let walk = if follows {
                self.walk(log, &bytes.slice(..limit), &mut found, visit)?
            } else {
                Walk { end: 0, opening: None }
            };
            let end = walk.end as u64;
            if end < limit as u64 && known_len.is_some() {
                return Err(Error::corrupt(&path, end, "a record that was on disk does not validate"));
            }
            if !follows {
                // The log before is shorter than it was; or this is the beginning of one that was not written out.
                let at = before.unwrap_or_default();
                self.refuse_if_synced(at, log, 0)?;
                torn = true;
            } else if walk.end < limit {
                self.refuse_if_synced(Claim { file: log, offset: end }, log, walk.end + 1)?;
                found.torn_bytes +=
                    bytes[walk.end..].iter().rposition(|&b| b != 0).map_or(0, |last| last as u64 + 1);
                torn = true;
            }
            if walk.opening.is_some() {
                before = Some(Claim { file: log, offset: end });
                found.ended.push((log, end));
            } else {
                found.dropped.push(log);
            }
        }
        if found.seqno < self.durable {
            let path = self.logs.keys().next_back().map_or(self.files.current(), |&log| self.files.log(log));
            return Err(Error::corrupt(
                &path,
                before.map_or(0, |b| b.offset),
                format_args!(
                    "the logs end with commit {}, but commit {} was on disk",
                    found.seqno, self.durable
                ),
            ));
        }
        Ok(found)
    }

    fn load(&self, log: u64) -> Result<Bytes> {
        let path = self.files.log(log);
        match read_whole(self.vfs, &path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::corrupt(&path, 0, "missing, but the manifest names it"))
            }
            other => other,
        }
    }

    /// Whether a log goes on where the one before ends, as far as it says.
    fn follows(&self, log: u64, bytes: &[u8], before: Option<Claim>) -> Result<bool> {
        let place = Place { salt: self.salt, file: log };
        let Some((head, payload)) = place.read(bytes, 0).filter(|(head, _)| head.kind == Kind::Open) else {
            return Ok(true);
        };
        debug_assert!(head.kind == Kind::Open);
        let opening = Opening::decode(payload).map_err(|format| unknown(&self.files.log(log), format))?;
        // The first log may follow one that is done with.
        Ok(before.is_none_or(|before| opening.before == before))
    }

    fn walk(
        &self,
        log: u64,
        bytes: &Bytes,
        found: &mut Replayed,
        visit: &mut dyn FnMut(u64, Seqno, Bytes) -> Result<()>,
    ) -> Result<Walk> {
        let path = self.files.log(log);
        let place = Place { salt: self.salt, file: log };
        let mut walk = Walk { end: 0, opening: None };
        while let Some((head, payload)) = place.read(bytes, walk.end) {
            let wrong = |what: &dyn std::fmt::Display| Err(Error::corrupt(&path, walk.end as u64, what));
            match (head.kind, walk.opening) {
                (Kind::Open, None) => {
                    let opening = Opening::decode(payload).map_err(|format| unknown(&path, format))?;
                    walk.opening = Some(opening);
                }
                (Kind::Batch, Some(_)) if head.seqno == found.seqno + 1 => {
                    found.seqno = head.seqno;
                    found.records += 1;
                    visit(log, head.seqno, bytes.slice_ref(payload))?;
                }
                (Kind::Batch, Some(_)) => {
                    return wrong(&format_args!("commit {} follows commit {}", head.seqno, found.seqno));
                }
                (Kind::Mark, Some(_)) => {}
                _ => return wrong(&"a record that does not belong here"),
            }
            walk.end += HEAD + head.len;
        }
        Ok(walk)
    }

    /// Fails if any record from `offset` of `log` on says that `damage` was on disk.
    fn refuse_if_synced(&self, damage: Claim, log: u64, offset: usize) -> Result<()> {
        for &later in self.logs.range(log..).map(|(later, _)| later) {
            let bytes = self.load(later)?;
            let from = if later == log { offset } else { 0 };
            let claim = Place { salt: self.salt, file: later }.furthest_claim(&bytes, from);
            if claim > damage {
                let what = "a record that was on disk does not validate";
                return Err(Error::corrupt(&self.files.log(damage.file), damage.offset, what));
            }
        }
        Ok(())
    }
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
