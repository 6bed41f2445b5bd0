//! From one version to the next, durably.

use std::sync::Arc;

use super::Version;
use super::edit::Edit;
use super::manifest::{Manifest, ManifestError};
use crate::engine::error::{Error, Result};
use crate::engine::event::Event;
use crate::engine::flush;
use crate::engine::memtable::Memtable;
use crate::engine::shared::{Shared, SuperVersion};
use crate::engine::table::Table;

/// What no version to come needs.
struct Gone {
    tables: Vec<Arc<Table>>,
    logs: Vec<u64>,
    memtables: Vec<Arc<Memtable>>,
}

impl Shared {
    /// Makes an edit: durable in the manifest, then visible, then what it no longer needs is removed. On an error
    /// nothing has changed, unless the error is that nobody knows, which poisons.
    pub(crate) fn apply(self: &Arc<Self>, mut edit: Edit) -> Result<()> {
        let mut guard = self.manifest.lock();
        let Some(manifest) = guard.as_mut() else {
            return Err(Error::invalid("the database was opened for reading only"));
        };
        self.progress.check_poison()?;
        let opened = self.open_added(&edit)?;
        let version = {
            let versions = self.versions.lock();
            versions.state.check(&edit).map_err(|what| Error::corrupt(manifest.path(), 0, what))?;
            Arc::new(versions.current.edited(&edit, &opened))
        };
        edit.durable = Some(self.progress.durable().max(edit.seqno.unwrap_or(0)));
        edit.next_file = Some(self.files.next_number());
        manifest.append(&edit).map_err(|failed| self.manifest_failed(failed))?;
        // Before tables are shown that have of some keys only what is newest: nobody reads what was there before.
        if let Some(seqno) = edit.seqno {
            self.progress.advance_durable(seqno);
        }

        let Gone { tables, logs, memtables } = self.install(&edit, version);
        flush::let_go(self, memtables);
        for table in tables {
            table.mark_obsolete();
        }
        if let Some(first) = edit.log {
            self.forget_logs_before(first);
        }
        for log in logs {
            // What stays behind is an orphan, removed at the next opening.
            let _ = self.env.vfs.remove(&self.files.log(log));
        }
        let rolled =
            if manifest.is_long(self.limits.manifest) { self.roll_manifest(&mut guard) } else { Ok(()) };
        drop(guard);
        // The edit is made, even if the manifest could not be written anew.
        if let Err(error) = rolled {
            self.env.listener.event(&Event::BackgroundError { what: error.to_string() });
        }
        Ok(())
    }

    /// Opens the tables of an edit that are not open yet.
    fn open_added(&self, edit: &Edit) -> Result<Vec<Arc<Table>>> {
        let moves = |id| edit.removed.iter().any(|&(_, removed)| removed == id);
        let added = edit.added.iter().map(|(_, meta)| meta).filter(|meta| !moves(meta.id));
        added
            .map(|meta| {
                Table::open(&self.env.vfs, &self.files.table(meta.id), meta.clone(), self.cache.clone())
            })
            .collect()
    }

    /// Shows the new version to readers; returns what no version to come needs.
    fn install(&self, edit: &Edit, version: Arc<Version>) -> Gone {
        let mut versions = self.versions.lock();
        let mut logs: Vec<u64> = versions.state.logs.keys().copied().collect();
        versions.state.change(edit);
        logs.retain(|log| !versions.state.logs.contains_key(log));
        let before = std::mem::replace(&mut versions.current, version.clone());
        let now = self.current.load();
        let needed = versions.state.log;
        let (sealed, mut kept): (Vec<_>, Vec<_>) =
            now.sealed.iter().cloned().partition(|memtable| memtable.log() >= needed);
        kept.extend(now.kept.iter().cloned());
        let mut next = SuperVersion {
            memtable: now.memtable.clone(),
            sealed,
            kept,
            version,
            marks: versions.state.marks.clone().into(),
            counters: if edit.counters.is_empty() {
                now.counters.clone()
            } else {
                Arc::new(versions.state.counters.clone())
            },
        };
        let memtables = next.keep_what_fits(&self.limits);
        self.current.store(Arc::new(next));
        let stays = |id| edit.added.iter().any(|(_, meta)| meta.id == id);
        let gone = |table: &&Arc<Table>| {
            let id = table.meta().id;
            !stays(id) && edit.removed.iter().any(|&(_, removed)| removed == id)
        };
        Gone {
            tables: before.tables().map(|(_, table)| table).filter(gone).cloned().collect(),
            logs,
            memtables,
        }
    }

    /// Writes the manifest anew.
    fn roll_manifest(self: &Arc<Self>, guard: &mut Option<Manifest>) -> Result<()> {
        let state = self.versions.lock().state.clone();
        let vfs = &*self.env.vfs;
        let next = Manifest::create(vfs, &self.files, self.salt, &state)
            .map_err(|error| self.note_disk_error(error))?;
        if let Err(failed) = next.current().write(vfs, &self.files) {
            if matches!(failed, ManifestError::Undone(_)) {
                let _ = vfs.remove(next.path());
            }
            return Err(self.manifest_failed(failed));
        }
        let number = next.current().manifest;
        if let Some(old) = guard.replace(next) {
            let _ = vfs.remove(old.path());
        }
        self.env.listener.event(&Event::ManifestRolled { number });
        Ok(())
    }

    fn manifest_failed(self: &Arc<Self>, failed: ManifestError) -> Error {
        match failed {
            ManifestError::Undone(error) => self.note_disk_error(error),
            ManifestError::Unknown(error) => {
                self.poison(format_args!("{error}: what the manifest says is not known"))
            }
        }
    }
}
