//! The manifest: all edits in order, in the framing of the log; and CURRENT, which says which manifest counts.
//!
//! ```text
//! manifest := open edit*          every record is synced before the next is written, and says so
//! CURRENT  := "siltstone database 1\nmanifest " number "\nsalt " 16 hex "\ncrc32 " 8 hex "\n"
//! ```
//!
//! The first edit makes the whole state out of nothing. After each edit's sync a mark is appended and synced too,
//! so that no damage to an edit that was made can pass for a torn tail. A manifest that has grown is rolled: the
//! next one is written whole, and CURRENT is switched by a rename.

use std::path::Path;
use std::sync::Arc;

use super::edit::{Edit, State};
use crate::engine::error::{Error, Result};
use crate::engine::files::Files;
use crate::engine::wal::{Claim, HEAD_MAX, Kind, Opening, Place, read_whole};
use crate::vfs::{File, Vfs};

/// Disk space is set aside this far ahead.
const RESERVE: u64 = 64 << 10;

/// What CURRENT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) manifest: u64,
    /// Goes into every checksum of logs and manifests: users do not know it.
    pub(crate) salt: u64,
}

impl Current {
    fn text(self) -> String {
        let body = format!("siltstone database 1\nmanifest {}\nsalt {:016x}\n", self.manifest, self.salt);
        format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let manifest = lines.next()?.strip_prefix("manifest ")?.parse().ok()?;
        let salt = u64::from_str_radix(lines.next()?.strip_prefix("salt ")?, 16).ok()?;
        let current = Self { manifest, salt };
        // There is one way only to write it.
        (current.text() == text).then_some(current)
    }

    /// What the directory's CURRENT says; `None` if there is none.
    pub(crate) fn read(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        let bytes = match read_whole(vfs, path) {
            Ok(bytes) => bytes,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let text = std::str::from_utf8(&bytes).ok();
        if let Some(current) = text.and_then(Self::parse) {
            return Ok(Some(current));
        }
        if let Some(newer) = text.and_then(newer_format) {
            return Err(Error::invalid(format_args!(
                "{} is of format {newer}, which this version does not know",
                path.display()
            )));
        }
        Err(Error::corrupt(path, 0, "it does not say which manifest counts"))
    }

    /// Makes this the one that counts: old or new after a crash, never neither.
    pub(crate) fn write(self, vfs: &dyn Vfs, files: &Files) -> std::result::Result<(), ManifestError> {
        let new = files.current_new();
        let undone = |e| ManifestError::Undone(Error::io("writing", &new, e));
        match vfs.remove(&new) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(undone(e)),
            _ => {}
        }
        let file = vfs.create(&new).map_err(undone)?;
        file.write_all_at(self.text().as_bytes(), 0).map_err(undone)?;
        file.sync().map_err(undone)?;
        // The manifest's own name must not come after the one that leads to it.
        vfs.sync_dir(files.dir()).map_err(undone)?;
        let current = files.current();
        let unknown = |e| ManifestError::Unknown(Error::io("switching to", &current, e));
        vfs.rename(&new, &current).map_err(unknown)?;
        vfs.sync_dir(files.dir()).map_err(unknown)
    }
}

/// The format of a CURRENT that is whole, but not of our format: its checksum tells it from damage.
fn newer_format(text: &str) -> Option<u64> {
    let (body, crc) = text.split_at(text.rfind("crc32 ")?);
    let crc = u32::from_str_radix(crc.strip_prefix("crc32 ")?.trim_end(), 16).ok()?;
    let format = text.lines().next()?.strip_prefix("siltstone database ")?.parse().ok()?;
    (crc == crc32fast::hash(body.as_bytes()) && format != 1).then_some(format)
}

/// The manifest that edits are appended to.
pub(crate) struct Manifest {
    path: std::path::PathBuf,
    file: Arc<dyn File>,
    place: Place,
    end: u64,
    /// The end of the first edit.
    first: u64,
    reserved: u64,
}

impl Manifest {
    /// Writes a manifest that begins with `state`, durable but for its name. [`Current::write`] makes it count.
    pub(crate) fn create(vfs: &dyn Vfs, files: &Files, salt: u64, state: &State) -> Result<Self> {
        let number = files.take_number();
        let path = files.manifest(number);
        let file = vfs.create(&path).map_err(|e| Error::io("creating", &path, e))?;
        let place = Place::new(salt, number);
        let mut manifest = Self { path, file, place, end: 0, first: 0, reserved: 0 };
        let mut state = state.clone();
        state.next_file = files.next_number();
        let mut bytes = Vec::new();
        let open = Opening { before: Claim::default(), seqno: 0 };
        manifest.record(&mut bytes, Kind::Open, &open.encode());
        manifest.record(&mut bytes, Kind::Edit, &state.to_edit().encode());
        let written = manifest.write(&bytes).map_err(ManifestError::into_error);
        if let Err(error) = written {
            // Nobody knows of it: what remains is an orphan.
            let _ = vfs.remove(&manifest.path);
            return Err(error);
        }
        manifest.first = manifest.end;
        Ok(manifest)
    }

    pub(crate) fn current(&self) -> Current {
        Current { manifest: self.place.file, salt: self.place.salt }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has grown enough to be written anew: to `size` and to four times what it began with.
    pub(crate) fn is_long(&self, size: u64) -> bool {
        self.end >= size && self.end / 4 >= self.first
    }

    /// Appends an edit: when this returns it is durable.
    pub(crate) fn append(&mut self, edit: &Edit) -> std::result::Result<(), ManifestError> {
        let mut bytes = Vec::new();
        self.record(&mut bytes, Kind::Edit, &edit.encode());
        self.write(&bytes)
    }

    fn record(&self, out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
        let claim = Claim { file: self.place.file, offset: self.end };
        let at = self.end + out.len() as u64;
        let head = self.place.head(at, kind, claim, payload.len(), crc32fast::hash(payload));
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
    }

    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), ManifestError> {
        let failed = |e| Error::io("writing", &self.path, e);
        let need = self.end + (bytes.len() + HEAD_MAX) as u64;
        if need > self.reserved {
            self.file.reserve(need + RESERVE).map_err(|e| ManifestError::Undone(failed(e)))?;
            self.reserved = need + RESERVE;
        }
        if let Err(e) = self.file.write_all_at(bytes, self.end) {
            let error = failed(e);
            // Cut back, it never happened.
            return match self.file.set_len(self.end) {
                Ok(()) if error.is_no_space() => Err(ManifestError::Undone(error)),
                _ => Err(ManifestError::Unknown(error)),
            };
        }
        let sync = |file: &Arc<dyn File>| {
            file.sync().map_err(|e| ManifestError::Unknown(Error::io("syncing", &self.path, e)))
        };
        sync(&self.file)?;
        self.end += bytes.len() as u64;
        let mut mark = Vec::new();
        self.record(&mut mark, Kind::Mark, &[]);
        // The edit is made whatever becomes of its mark; but a disk that fails here is not written to again.
        self.file.write_all_at(&mark, self.end).map_err(|e| ManifestError::Unknown(failed(e)))?;
        sync(&self.file)?;
        self.end += mark.len() as u64;
        Ok(())
    }
}

/// How an edit failed.
#[derive(Debug)]
pub(crate) enum ManifestError {
    /// It never happened.
    Undone(Error),
    /// Nobody knows whether it happened: nothing must be written any more.
    Unknown(Error),
}

impl ManifestError {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Undone(error) | Self::Unknown(error) => error,
        }
    }
}

/// Reads a manifest: visits each edit with its offset, and returns the bytes of torn tail.
pub(crate) fn read_edits(
    path: &Path,
    place: Place,
    bytes: &[u8],
    visit: &mut dyn FnMut(u64, Edit) -> Result<()>,
) -> Result<u64> {
    let mut at = 0;
    while let Some((head, payload)) = place.read(bytes, at) {
        let wrong = |what: &str| Error::corrupt(path, at as u64, what);
        match head.kind {
            Kind::Open if at == 0 => match Opening::decode(payload) {
                Ok(_) => {}
                Err(0) => return Err(wrong("its first record is malformed")),
                Err(format) => {
                    let path = path.display();
                    return Err(Error::invalid(format_args!(
                        "{path} has format {format}, which this version does not know"
                    )));
                }
            },
            Kind::Edit if at > 0 => {
                visit(at as u64, Edit::decode(payload).ok_or_else(|| wrong("a malformed edit"))?)?;
            }
            Kind::Mark if at > 0 => {}
            _ => return Err(wrong("a record that does not belong here")),
        }
        at += head.record_len();
    }
    let claim = place.furthest_claim(bytes, at + 1);
    if at == 0 || claim > (Claim { file: place.file, offset: at as u64 }) {
        return Err(Error::corrupt(path, at as u64, "a record that was on disk does not validate"));
    }
    Ok((bytes.len() - at) as u64)
}

/// The sum of a manifest's edits.
pub(crate) fn read_state(vfs: &dyn Vfs, files: &Files, current: Current) -> Result<State> {
    let path = files.manifest(current.manifest);
    let bytes = match read_whole(vfs, &path) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::corrupt(&path, 0, "missing, but CURRENT names it"));
        }
        other => other?,
    };
    let place = Place::new(current.salt, current.manifest);
    let mut state = State::default();
    let mut edits = 0_u64;
    read_edits(&path, place, &bytes, &mut |offset, edit| {
        edits += 1;
        state.add(&edit).map_err(|what| Error::corrupt(&path, offset, what))
    })?;
    // CURRENT names a manifest only once its first edit is on disk.
    if edits == 0 { Err(Error::corrupt(&path, 0, "its first edit is missing")) } else { Ok(state) }
}

#[cfg(test)]
mod tests;
