//! A disk in memory that knows synced from unsynced, and can lose power.
//!
//! What a process sees is the *live* state: every write and rename at once. What a power loss is sure to leave is
//! the *durable* state: file contents as of their last successful [`File::sync`], names as of the last
//! [`Vfs::sync_dir`] of their directory. [`MemoryVfs::crash_clone`] makes a new disk as it may be found after the
//! power loss: the durable state and, chosen by a seed, any subset of what was not synced, in 512-byte sectors and
//! single directory operations, so that no order between two of them can be relied upon. [`MemoryVfs::kill_clone`]
//! is the disk after `kill -9`: everything live, nothing more durable than it was.
//!
//! A file's sync says nothing about its name, as in POSIX. Everything is deterministic: the same operations give
//! the same [`MemoryVfs::trace_hash`], the same seed the same image. Contents are shared between clones until
//! written, so that an image of a small store takes microseconds.
//!
//! Paths are looked up from one root; `/a`, `a` and `./a` are the same.

mod content;
mod crash;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::content::FileNode;
use self::tree::{Dir, Disk, Node, NodeId, ROOT, apply, names};
use super::{DirLock, File, Vfs};

/// A disk in memory. Clones are handles to the same disk.
#[derive(Clone, Default)]
pub struct MemoryVfs {
    disk: Arc<Mutex<Disk>>,
}

/// What a failing sync does with the dirty pages (both are seen in the wild, see fsyncgate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncFailure {
    /// They stay dirty: a later sync may succeed in earnest.
    PagesKept,
    /// They are marked clean, though the disk never got them: a later sync succeeds and means nothing.
    PagesDropped,
}

impl MemoryVfs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as it may be found after a power loss at this moment: one of the many ways, chosen by `seed`.
    #[must_use]
    pub fn crash_clone(&self, seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(crash::image(&self.disk.lock(), seed))) }
    }

    /// The disk as another process finds it after this one was killed: all that was written, synced or not.
    #[must_use]
    pub fn kill_clone(&self) -> Self {
        let mut disk = self.disk.lock().clone();
        disk.locked.clear();
        disk.sync_failure = None;
        let ids: Vec<_> = disk.nodes.keys().copied().collect();
        for id in ids {
            if let Some(Node::File(file)) = disk.nodes.get_mut(&id) {
                file.handles = 0;
            }
            disk.charge(id);
        }
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// From now on, files together may take this many bytes; beyond, writes fail with `StorageFull` once they have
    /// written what fits. `None`: no bound.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.disk.lock().quota = bytes;
    }

    /// Bytes that files take, those without a name but still open included.
    pub fn used(&self) -> u64 {
        self.disk.lock().used
    }

    /// From now on every file sync fails; `None`: they succeed again.
    pub fn fail_syncs(&self, failure: Option<SyncFailure>) {
        self.disk.lock().sync_failure = failure;
    }

    /// Flips one bit of a file, behind everybody's back.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let id = disk.find(path)?;
        disk.file_mut(id)?.flip_bit(bit).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// Empties the page cache: until read again, no byte can be had by [`File::read_cached_at`].
    pub fn drop_page_cache(&self) {
        for node in self.disk.lock().nodes.values_mut() {
            if let Node::File(file) = node {
                file.warm = Some(BTreeSet::new());
            }
        }
    }

    /// A hash over every operation that changed the disk so far, with its data.
    pub fn trace_hash(&self) -> u64 {
        self.disk.lock().trace
    }

    /// Every file with its live contents.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.disk.lock();
        let mut files = BTreeMap::new();
        let mut dirs = vec![(PathBuf::new(), ROOT)];
        while let Some((path, id)) = dirs.pop() {
            match disk.nodes.get(&id) {
                Some(Node::Dir(dir)) => dirs.extend(dir.live.iter().map(|(n, id)| (path.join(n), *id))),
                Some(Node::File(file)) => drop(files.insert(path, file.bytes())),
                None => {}
            }
        }
        files
    }

    fn handle(&self, disk: &mut Disk, id: NodeId, writable: bool) -> io::Result<Arc<dyn File>> {
        disk.file_mut(id)?.handles += 1;
        Ok(Arc::new(MemoryFile { disk: self.disk.clone(), id, writable }))
    }
}

impl Vfs for MemoryVfs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = &mut *self.disk.lock();
        let (dir, name) = disk.find_parent(path)?;
        if disk.dir(dir)?.live.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        disk.note_path("create", path);
        let id = disk.add(dir, name, Node::File(FileNode::named()))?;
        self.handle(disk, id, true)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = &mut *self.disk.lock();
        let id = disk.find(path)?;
        self.handle(disk, id, false)
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = &mut *self.disk.lock();
        let id = disk.find(path)?;
        self.handle(disk, id, true)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        let id = disk.find(path)?;
        disk.file(id)?;
        disk.note_path("remove", path);
        let (dir, name) = disk.find_parent(path)?;
        disk.dir_mut(dir)?.change(vec![(name.to_owned(), None)]);
        disk.link(id, -1);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        let id = disk.find(from)?;
        let (from_dir, from_name) = disk.find_parent(from)?;
        let (to_dir, to_name) = disk.find_parent(to)?;
        disk.note_path("rename", from);
        disk.note_path("to", to);
        let replaced = disk.dir(to_dir)?.live.get(to_name).copied();
        if replaced == Some(id) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            match &disk.nodes[&replaced] {
                Node::Dir(dir) if !dir.live.is_empty() => return Err(ErrorKind::DirectoryNotEmpty.into()),
                _ => disk.link(replaced, -1),
            }
        }
        let gone = (from_name.to_owned(), None);
        let here = (to_name.to_owned(), Some(id));
        if from_dir == to_dir {
            disk.dir_mut(from_dir)?.change(vec![gone, here]);
        } else {
            disk.dir_mut(to_dir)?.change(vec![here]);
            disk.dir_mut(from_dir)?.change(vec![gone]);
        }
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        let id = disk.find(from)?;
        disk.file(id)?;
        let (dir, name) = disk.find_parent(to)?;
        if disk.dir(dir)?.live.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        disk.note_path("link", to);
        disk.dir_mut(dir)?.change(vec![(name.to_owned(), Some(id))]);
        disk.link(id, 1);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let disk = self.disk.lock();
        Ok(disk.dir(disk.find(dir)?)?.live.keys().map(PathBuf::from).collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        let mut at = ROOT;
        for name in names(path) {
            let name = name?;
            at = if let Some(&id) = disk.dir(at)?.live.get(name) {
                id
            } else {
                disk.note_path("create_dir", path);
                disk.add(at, name, Node::Dir(Dir::default()))?
            };
        }
        disk.dir(at).map(drop)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        if !disk.dir(disk.find(path)?)?.live.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        disk.note_path("remove_dir", path);
        let (dir, name) = disk.find_parent(path)?;
        disk.dir_mut(dir)?.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        disk.note_path("sync_dir", path);
        let id = disk.find(path)?;
        let dir = disk.dir_mut(id)?;
        for op in std::mem::take(&mut dir.pending) {
            apply(&mut dir.durable, &op);
        }
        disk.collect();
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.disk.lock().find(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            found => Ok(found.is_ok()),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let disk = &mut *self.disk.lock();
        let id = if let Ok(id) = disk.find(path) {
            id
        } else {
            let (dir, name) = disk.find_parent(path)?;
            disk.note_path("create", path);
            disk.add(dir, name, Node::File(FileNode::named()))?
        };
        if !disk.locked.insert(id) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock { disk: self.disk.clone(), id }))
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        let disk = self.disk.lock();
        Ok(disk.quota.map_or(1 << 40, |quota| quota.saturating_sub(disk.used)))
    }
}

struct MemoryLock {
    disk: Arc<Mutex<Disk>>,
    id: NodeId,
}

impl DirLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.lock().locked.remove(&self.id);
    }
}

struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    id: NodeId,
    writable: bool,
}

impl MemoryFile {
    /// Changes the file as `change` does, which is told how far it may grow.
    fn change(
        &self,
        what: &str,
        at: u64,
        data: &[u8],
        change: impl FnOnce(&mut FileNode, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let disk = &mut *self.disk.lock();
        disk.note(what, &self.id.to_le_bytes(), at, data);
        let limit = disk.limit(disk.file(self.id)?);
        let done = change(disk.file_mut(self.id)?, limit);
        disk.charge(self.id);
        done
    }
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        let file = disk.file_mut(self.id)?;
        file.warm_up(offset, buf.len() as u64);
        Ok(file.read(buf, offset))
    }

    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.disk.lock();
        let file = disk.file(self.id)?;
        if file.is_warm(offset, buf.len() as u64) {
            Ok(file.read(buf, offset))
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.change("write", offset, buf, |file, limit| {
            let fits = (limit.saturating_sub(offset) as usize).min(buf.len());
            file.write(&buf[..fits], offset);
            if fits < buf.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn sync(&self) -> io::Result<()> {
        let disk = &mut *self.disk.lock();
        disk.note("sync", &self.id.to_le_bytes(), 0, &[]);
        let failure = disk.sync_failure;
        let file = disk.file_mut(self.id)?;
        match failure {
            None => {
                file.sync();
                Ok(())
            }
            Some(failure) => {
                if failure == SyncFailure::PagesDropped {
                    file.drop_dirty();
                }
                Err(io::Error::other("the disk failed to sync"))
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change("set_len", len, &[], |file, limit| {
            if len > file.len() && len > limit {
                return Err(ErrorKind::StorageFull.into());
            }
            file.set_len(len);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().file(self.id)?.len())
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.change("reserve", len, &[], |file, limit| {
            if len > limit {
                return Err(ErrorKind::StorageFull.into());
            }
            file.reserved = file.reserved.max(len);
            Ok(())
        })
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

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let disk = &mut *self.disk.lock();
        if let Ok(file) = disk.file_mut(self.id) {
            file.handles -= 1;
        }
        disk.charge(self.id);
    }
}
