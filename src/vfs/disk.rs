//! The real disk.
//!
//! Reads are `pread`; reads from the page cache alone are `preadv2(RWF_NOWAIT)`, and where the system does not
//! know that, the answer is "would wait". Files are 0600, directories 0700. The directory lock is `flock`, which
//! belongs to the open file and not to the process: a second opener in our own process is refused as well.
//!
//! [`Vfs::read_many`] reads with `O_DIRECT` and has all of it in flight at once, see [`direct`] and [`ring`].

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

mod direct;
mod ring;

use std::fs::{self, OpenOptions};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags};

pub use self::direct::Direct;
use self::direct::Reopened;
#[cfg(test)]
pub(super) use self::ring::without as without_ring;
use super::{DirLock, File, ReadRequest, Vfs};

/// The machine's file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskVfs;

struct DiskFile {
    file: fs::File,
    /// Only where nothing is written through this handle.
    reopened: Option<Reopened>,
}

struct FlockGuard {
    _file: fs::File,
}

impl DirLock for FlockGuard {}

fn open_as(options: &OpenOptions, path: &Path) -> io::Result<Arc<dyn File>> {
    Ok(Arc::new(DiskFile { file: options.open(path)?, reopened: None }))
}

/// The parent of a bare name is "", which the system does not know.
fn or_here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

impl Vfs for DiskVfs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        open_as(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600), path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).open(path)?;
        Ok(Arc::new(DiskFile { file, reopened: Some(Reopened::new(path)) }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        open_as(OpenOptions::new().read(true).write(true), path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to).map_err(|e| match e.kind() {
            // EPERM: a file system without hard links, or one that forbids them for files of others.
            io::ErrorKind::PermissionDenied => io::ErrorKind::Unsupported.into(),
            _ => e,
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(or_here(dir))?.map(|entry| entry.map(|e| e.file_name().into())).collect()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(or_here(dir))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(or_here(dir))?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(FlockGuard { _file: file }))
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(or_here(path))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn read_many(&self, reads: &[ReadRequest<'_>], tell: &mut dyn FnMut(usize, io::Result<&[u8]>)) {
        direct::read_many(reads, tell);
    }
}

impl DiskFile {
    /// A range of length 0 would mean "to the end of the file".
    fn advise(&self, offset: u64, len: u64, advice: Advice) -> io::Result<()> {
        let Some(len) = NonZeroU64::new(len) else { return Ok(()) };
        match rustix::fs::fadvise(&self.file, offset, Some(len), advice) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) | Ok(()) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

impl File for DiskFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let mut slices = [IoSliceMut::new(buf)];
            match rustix::io::preadv2(&self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
                Ok(n) => return Ok(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // Never retried, not even when interrupted: see `File::sync`.
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) | Ok(()) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        // On Linux this advice first queues the range's dirty pages for writing, without waiting, and then drops
        // only clean ones: what `sync_file_range` would do, through a call that rustix has.
        self.advise(offset, len, Advice::DontNeed)
    }

    fn read_ahead(&self, offset: u64, len: u64) -> io::Result<()> {
        self.advise(offset, len, Advice::WillNeed)
    }

    fn forget(&self, offset: u64, len: u64) -> io::Result<()> {
        self.advise(offset, len, Advice::DontNeed)
    }

    fn direct(&self) -> Option<&Direct> {
        self.reopened.as_ref()?.get(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_short_files_end() {
        let dir = dir();
        let file = DiskVfs.create(&dir.path().join("a")).unwrap();
        file.reserve(1 << 20).unwrap();
        assert_eq!(file.len().unwrap(), 0);
        file.write_all_at(b"hello", 3).unwrap();
        file.start_writeback(0, 8).unwrap();
        file.sync().unwrap();
        let mut all = [1; 8];
        file.read_exact_at(&mut all, 0).unwrap();
        assert_eq!(&all, b"\0\0\0hello");
        assert_eq!(file.read_exact_at(&mut all, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        file.set_len(4).unwrap();
        assert_eq!(file.len().unwrap(), 4);
    }

    #[test]
    fn a_cached_read_answers_or_would_wait_but_never_lies() {
        let dir = dir();
        let path = dir.path().join("a");
        let file = DiskVfs.create(&path).unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        for _ in 0..2 {
            let mut back = [0; 9000];
            match DiskVfs.open(&path).unwrap().read_exact_cached_at(&mut back, 0) {
                Ok(()) => assert!(back.iter().all(|&b| b == 7)),
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
            file.sync().unwrap();
            file.forget(0, 9000).unwrap();
        }
    }

    #[test]
    fn names_come_and_go() {
        let dir = dir();
        let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        DiskVfs.create(&a).unwrap().write_all_at(b"x", 0).unwrap();
        assert_eq!(DiskVfs.create(&a).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(DiskVfs.open(&b).err().unwrap().kind(), io::ErrorKind::NotFound);
        DiskVfs.hard_link(&a, &b).unwrap();
        DiskVfs.rename(&a, &c).unwrap();
        DiskVfs.sync_dir(dir.path()).unwrap();
        let mut names = DiskVfs.list(dir.path()).unwrap();
        names.sort();
        assert_eq!(names, [PathBuf::from("b"), PathBuf::from("c")]);
        DiskVfs.remove(&b).unwrap();
        assert!(!DiskVfs.exists(&b).unwrap() && DiskVfs.exists(&c).unwrap());
        assert!(DiskVfs.free_space(dir.path()).unwrap() > 0);
    }

    #[test]
    fn files_and_directories_are_the_owner_s_alone() {
        let dir = dir();
        let deep = dir.path().join("x/y");
        DiskVfs.create_dir_all(&deep).unwrap();
        DiskVfs.create_dir_all(&deep).unwrap();
        DiskVfs.create(&deep.join("f")).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&deep), mode(&deep.join("f"))), (0o700, 0o600));
    }

    #[test]
    fn the_lock_is_refused_to_a_second_opener_of_this_process() {
        let dir = dir();
        let path = dir.path().join("LOCK");
        let held = DiskVfs.lock(&path).unwrap();
        assert_eq!(DiskVfs.lock(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        DiskVfs.lock(&path).unwrap();
    }
}
