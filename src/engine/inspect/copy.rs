//! A copy of a database, made of its files alone: nobody needs to stop, and nothing is shared with the copy.
//!
//! What is copied is what one manifest names: its tables, which never change, and its logs, as far as they go when they
//! are measured; the zeros behind that stay zeros, whatever is written there meanwhile. A log may say of an earlier one how
//! far that is on disk, so the newest is measured first. The copy's manifest is written anew. CURRENT comes last: a copy
//! that was cut short has none, and nobody opens it by mistake.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Inspection, steadily};
use crate::engine::error::{Error, Result};
use crate::engine::files::Files;
use crate::engine::open::create_dir;
use crate::engine::version::{Manifest, ManifestError, State};
use crate::engine::wal::content_end;
use crate::vfs::{File, Vfs};

/// What is copied at once.
const COPY_BYTES: usize = 1 << 20;

impl Inspection {
    /// Copies the database in `from` to `to`, which is missing or empty. `progress` is told the bytes done and their
    /// total. `beside` copies what else belongs there, and tells its bytes, before the copy passes for one. Returns the
    /// bytes copied; all of them are on disk.
    pub fn copy(
        vfs: &Arc<dyn Vfs>,
        from: &Path,
        to: &Path,
        progress: &mut dyn FnMut(u64, u64),
        beside: impl FnOnce() -> io::Result<u64>,
    ) -> Result<u64> {
        let failed = |e| Error::io("creating", to, e);
        if vfs.exists(to).map_err(failed)? && !vfs.list(to).map_err(failed)?.is_empty() {
            return Err(Error::invalid(format_args!("{} is not empty", to.display())));
        }
        // Once they are open nobody can take them away.
        let (salt, state, sources) = steadily(vfs, from, |files, current, state| {
            Ok((current.salt, state.clone(), open_all(&**vfs, files, state)?))
        })?;
        create_dir(&**vfs, to)?;
        let mut measured = Vec::with_capacity(sources.len());
        for (name, file) in sources.into_iter().rev() {
            let failed = |e| Error::io("measuring", &from.join(&name), e);
            let len = file.len().map_err(failed)?;
            let content = content_end(&*file, len).map_err(failed)?;
            measured.push((to.join(&name), file, content..len));
        }
        let total = measured.iter().map(|(_, _, ends)| ends.start).sum();
        let mut done = 0;
        for (path, file, ends) in measured {
            copy_file(&**vfs, &*file, ends, &path, &mut |bytes| {
                done += bytes;
                progress(done, total);
            })
            .map_err(|e| Error::io("copying to", &path, e))?;
        }
        let files = Files::new(to, state.next_file);
        let manifest = Manifest::create(&**vfs, &files, salt, &state)?;
        done += beside().map_err(|e| Error::io("copying what lies beside the tables to", to, e))?;
        vfs.sync_dir(to).map_err(|e| Error::io("syncing", to, e))?;
        manifest.current().write(&**vfs, &files).map_err(ManifestError::into_error)?;
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            vfs.sync_dir(parent).map_err(|e| Error::io("syncing", parent, e))?;
        }
        Ok(done)
    }
}

type Source = (std::path::PathBuf, Arc<dyn File>);

/// Oldest first.
fn open_all(vfs: &dyn Vfs, files: &Files, state: &State) -> Result<Vec<Source>> {
    let tables = state.tables.keys().map(|&number| files.table(number));
    let logs = state.logs.keys().map(|&number| files.log(number));
    tables
        .chain(logs)
        .map(|path| {
            let file = vfs.open(&path).map_err(|e| Error::io("opening", &path, e))?;
            Ok((path.file_name().unwrap_or_default().into(), file))
        })
        .collect()
}

/// Copies the first bytes of a file, up to the first end, and makes it as long as the second says.
fn copy_file(
    vfs: &dyn Vfs,
    source: &dyn File,
    Range { start: content, end: len }: Range<u64>,
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let copy = vfs.create(to)?;
    let mut buffer = vec![0; COPY_BYTES.min(content as usize)];
    let mut at = 0;
    while at < content {
        let n = buffer.len().min((content - at) as usize);
        source.read_exact_at(&mut buffer[..n], at)?;
        copy.write_all_at(&buffer[..n], at)?;
        at += n as u64;
        progress(n as u64);
    }
    copy.set_len(len)?;
    copy.sync()
}
