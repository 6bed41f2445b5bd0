//! A copy of the database in another directory, by hard links.
//!
//! Everything committed so far is flushed first, so that a checkpoint is tables and one manifest, without logs. Its
//! CURRENT is written last: a copy that was cut short has tables and no CURRENT, which nobody opens by mistake.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::{Error, Result};
use super::files::Files;
use super::open::create_dir;
use super::shared::Shared;
use super::version::{Manifest, ManifestError};
use crate::vfs::{File, Vfs};

/// What is copied at once where the disk has no hard links.
const COPY_BYTES: usize = 1 << 20;

impl Shared {
    /// Makes a copy that holds every commit made before the call. `to` must not exist, or be empty. `beside` is called
    /// before the copy passes for one, to put there what belongs to it and is not ours.
    pub(crate) fn checkpoint(
        self: &Arc<Self>,
        to: &Path,
        beside: impl FnOnce() -> io::Result<()>,
    ) -> Result<()> {
        let vfs = &*self.env.vfs;
        let failed = |e| Error::io("creating", to, e);
        if vfs.exists(to).map_err(failed)? && !vfs.list(to).map_err(failed)?.is_empty() {
            return Err(Error::invalid(format_args!("{} is not empty", to.display())));
        }
        self.flush()?;
        // Tables of this version stay as long as it is held; later edits do not matter.
        let (version, mut state) = {
            let versions = self.versions.lock();
            (versions.current.clone(), versions.state.clone())
        };
        let dir = to;
        create_dir(vfs, dir)?;
        let files = Files::new(dir, self.files.next_number());
        for (_, table) in version.tables() {
            let id = table.meta().id;
            link_or_copy(vfs, &self.files.table(id), &files.table(id))?;
        }
        // The newer commits, which lie in logs, are not part of it.
        state.logs.clear();
        state.log = files.take_number();
        state.durable = state.seqno;
        let manifest = Manifest::create(vfs, &files, self.salt, &state)?;
        beside().map_err(|e| Error::io("copying what lies beside the tables to", to, e))?;
        vfs.sync_dir(dir).map_err(|e| Error::io("syncing", dir, e))?;
        manifest.current().write(vfs, &files).map_err(ManifestError::into_error)
    }
}

/// Gives a table a second name, or copies it where the disk cannot.
fn link_or_copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> Result<()> {
    match vfs.hard_link(from, to) {
        Err(e) if matches!(e.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported) => {
            copy(vfs, from, to).map_err(|e| Error::io("copying to", to, e))
        }
        other => other.map_err(|e| Error::io("linking to", to, e)),
    }
}

fn copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> io::Result<()> {
    let (from, to): (Arc<dyn File>, Arc<dyn File>) = (vfs.open(from)?, vfs.create(to)?);
    let len = from.len()?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < len {
        let part = &mut buffer[..COPY_BYTES.min((len - at) as usize)];
        from.read_exact_at(part, at)?;
        to.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    to.sync()
}
