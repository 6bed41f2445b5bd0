//! The disk, as the engine sees it: a door with three rooms behind it.
//!
//! [`disk`] is the real one, [`memory`] is one that knows synced from unsynced and can lose power, [`faulty`]
//! wraps another and fails, tears or delays by rule. Nothing else in the package touches files.
//!
//! Paths are absolute or relative to the process, as in `std::fs`. Errors are `std::io::Error`; callers test
//! only `kind()` (`NotFound`, `AlreadyExists`, `StorageFull`, `WouldBlock`).

pub mod disk;
pub mod faulty;
pub mod memory;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system.
pub trait Vfs: Send + Sync + 'static {
    /// Creates a file for reading and writing, mode 0600; fails with `AlreadyExists` if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Removes a file. Durable after [`Vfs::sync_dir`] of its directory.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file over `to`, atomically. Durable after [`Vfs::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name. Fails with `CrossesDevices` or `Unsupported` where the disk cannot.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The bare names in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Creates a directory, mode 0700, with its parents; no error if it is there.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the creations, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Whether the path names a file or directory.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Takes the exclusive lock on a lock file (created if missing) until the guard is dropped or the process
    /// dies; `WouldBlock` if somebody, also of this process, holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
    /// Bytes free for us on the disk that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;

    /// Reads many ranges at once, each of them whole, and tells of each by its place in `reads`, in any order: its bytes,
    /// or its own error, `UnexpectedEof` where the file is shorter. Meant for what the page cache is not going to keep:
    /// where the system can, the bytes come past it.
    fn read_many(&self, reads: &[ReadRequest<'_>], tell: &mut dyn FnMut(usize, io::Result<&[u8]>)) {
        let mut bytes = Vec::new();
        for (i, read) in reads.iter().enumerate() {
            tell(i, read.run(&mut bytes));
        }
    }
}

/// A range of an open file, to be read with others.
#[derive(Clone, Copy)]
pub struct ReadRequest<'a> {
    /// The file.
    pub file: &'a dyn File,
    /// Where the range begins.
    pub offset: u64,
    /// Its length.
    pub len: usize,
}

impl ReadRequest<'_> {
    /// Reads it alone and in the ordinary way, into memory that others may have used.
    fn run<'b>(&self, bytes: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        bytes.resize(self.len, 0);
        self.file.read_exact_at(bytes, self.offset)?;
        Ok(bytes)
    }
}

/// An open file. All offsets and lengths are bytes.
#[expect(
    clippy::len_without_is_empty,
    reason = "asking the disk whether a file is empty is asking for its length"
)]
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`File::read_at`], but only what is in the page cache: `WouldBlock` when it would wait for the disk.
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at `offset`, extending the file.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and length durable (fdatasync). After a failure nothing is known of what was written since
    /// the last success.
    fn sync(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Sets disk space aside up to `len` bytes without changing the length; no error where the disk cannot.
    fn reserve(&self, len: u64) -> io::Result<()>;
    /// Starts writing dirty pages of the range to disk without waiting, so that a later sync is short.
    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Tells that the range will be read soon.
    fn read_ahead(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Tells that the range will not be read soon: its clean pages may leave the page cache.
    fn forget(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The real disk's handle for reads past the page cache, if this is a file there that can be read so.
    fn direct(&self) -> Option<&disk::Direct> {
        None
    }

    /// Reads exactly `buf.len()` bytes; `UnexpectedEof` where the file is shorter.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
    /// As [`File::read_exact_at`], from the page cache only.
    fn read_exact_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_cached_at(&mut buf[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}

/// The lock on a directory, held until dropped.
pub trait DirLock: Send + Sync {}
