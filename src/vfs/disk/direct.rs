//! Reads past the page cache: `O_DIRECT`.
//!
//! Where the page cache is full of other things, reading into it costs more of a core than reading past it: a page has to
//! be found, another to be thrown out. Direct reads want offset, length and memory aligned; what is asked for is
//! cut out of what is read.
//!
//! Whatever a direct read does not bring whole is read again in the ordinary way, which knows what is wrong; and so is
//! everything where the system has no direct reads (tmpfs), or no io_uring, since direct reads one after the other would be
//! slower than ordinary ones that the system has been told of beforehand.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, OFlags, StatxFlags};
use rustix::process::Resource;

use super::ring::{self, BUFFER_ALIGN, BUFFER_BYTES, DEPTH, Read, Ring};
use crate::vfs::ReadRequest;

/// A read that is longer is no point read: it is read in the ordinary way.
const LEN_MAX: usize = BUFFER_BYTES / 4;

/// How many files have a second handle.
static HANDLES: AtomicUsize = AtomicUsize::new(0);

/// A second handle to a file, for direct reads.
pub struct Direct {
    file: fs::File,
    /// What offsets and lengths must be multiples of, a power of two; [`BUFFER_ALIGN`] at most.
    align: u64,
}

/// Opens a file a second time, when that is first wanted.
pub(super) struct Reopened {
    path: PathBuf,
    direct: OnceLock<Option<Direct>>,
}

impl Reopened {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), direct: OnceLock::new() }
    }

    /// The handle for direct reads of what `file` has open; `None` if there cannot be one.
    pub(super) fn get(&self, file: &fs::File) -> Option<&Direct> {
        self.direct.get_or_init(|| Direct::open(&self.path, file).ok().flatten()).as_ref()
    }
}

impl Direct {
    /// `None` where it is not worth it, or the name is another file's by now.
    fn open(path: &Path, same: &fs::File) -> io::Result<Option<Self>> {
        if HANDLES.load(Ordering::Relaxed) >= handles_max() {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path)?;
        let (a, b) = (file.metadata()?, same.metadata()?);
        let align = alignment(&file).filter(|_| (a.dev(), a.ino()) == (b.dev(), b.ino()));
        HANDLES.fetch_add(usize::from(align.is_some()), Ordering::Relaxed);
        Ok(align.map(|align| Self { file, align }))
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        HANDLES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A quarter of the handles that the process may have: the rest is for tables and connections.
fn handles_max() -> usize {
    rustix::process::getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most as usize / 4)
}

/// What direct reads of a file must be aligned to; `None` if it cannot be read so. 4 KiB suit all that do not tell.
fn alignment(file: &fs::File) -> Option<u64> {
    let most = BUFFER_ALIGN as u64;
    let Ok(stat) = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) else {
        return Some(most);
    };
    if stat.stx_mask & StatxFlags::DIOALIGN.bits() == 0 {
        return Some(most);
    }
    let align = u64::from(stat.stx_dio_offset_align.max(stat.stx_dio_mem_align));
    (stat.stx_dio_offset_align > 0 && align.is_power_of_two() && align <= most).then_some(align)
}

/// See [`crate::vfs::Vfs::read_many`].
pub(super) fn read_many(reads: &[ReadRequest<'_>], tell: &mut dyn FnMut(usize, io::Result<&[u8]>)) {
    let mut left: Vec<usize> = Vec::new();
    let went = ring::with_own(|ring| {
        let mut begin = 0;
        while begin < reads.len() {
            begin += read_some(ring, reads, begin, &mut left, tell);
        }
    });
    if went.is_none() {
        left.extend(0..reads.len());
    }
    if left.len() > 1 {
        for read in left.iter().map(|&i| &reads[i]) {
            // A hint: reading tells of errors.
            let _ = read.file.read_ahead(read.offset, read.len as u64);
        }
    }
    let mut bytes = Vec::new();
    for i in left {
        tell(i, reads[i].run(&mut bytes));
    }
}

/// Reads as many from the one at `begin` on as are in flight at once, and says how many those were. Adds to `left` what is
/// to be read in the ordinary way.
fn read_some(
    ring: &mut Ring,
    reads: &[ReadRequest<'_>],
    begin: usize,
    left: &mut Vec<usize>,
    tell: &mut dyn FnMut(usize, io::Result<&[u8]>),
) -> usize {
    let mut begun = Vec::with_capacity(DEPTH);
    let mut places = Vec::with_capacity(DEPTH);
    let (mut taken, mut at) = (0, 0);
    for (i, read) in reads.iter().enumerate().skip(begin) {
        let Some(direct) = read.file.direct().filter(|_| (1..=LEN_MAX).contains(&read.len)) else {
            left.push(i);
            taken += 1;
            continue;
        };
        let offset = read.offset / direct.align * direct.align;
        let head = (read.offset - offset) as usize;
        let len = (head + read.len).next_multiple_of(direct.align as usize);
        if begun.len() == DEPTH || at + len > BUFFER_BYTES {
            break;
        }
        begun.push(Read { file: direct.file.as_fd(), offset, at, len, done: 0 });
        places.push((i, at + head));
        at += len.next_multiple_of(512.max(direct.align as usize));
        taken += 1;
    }
    ring.read(&mut begun);
    for ((i, place), read) in places.into_iter().zip(begun) {
        let len = reads[i].len;
        if place + len <= read.at + read.done {
            tell(i, Ok(ring.bytes(place, len)));
        } else {
            left.push(i);
        }
    }
    taken
}
