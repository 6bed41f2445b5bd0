//! Files read and written from their beginning to their end, and their MD5 sums, which DynamoDB's exports have.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use crate::vfs::{File, Vfs};

/// What is read or written at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file that is read.
pub(super) struct Reader {
    file: Arc<dyn File>,
    at: u64,
}

impl Reader {
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Self> {
        Ok(Self { file: vfs.open(path)?, at: 0 })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// How much was read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// An MD5 sum.
pub(super) struct Sum([u8; 16]);

impl Sum {
    /// As manifests have it.
    pub(super) fn base64(&self) -> String {
        BASE64.encode(self.0)
    }

    /// As S3 tags its objects.
    pub(super) fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The MD5 sum of a file.
pub(super) fn sum_of(vfs: &dyn Vfs, path: &Path) -> io::Result<Sum> {
    let (mut reader, mut sum) = (Reader::open(vfs, path)?, Md5::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(Sum(sum.finalize().into())),
            read => sum.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// A file that is written, and summed up on the way.
pub(super) struct Writer {
    file: Arc<dyn File>,
    pending: Vec<u8>,
    at: u64,
    sum: Md5,
}

impl Writer {
    pub(super) fn create(vfs: &dyn Vfs, path: &Path) -> io::Result<Self> {
        Ok(Self { file: vfs.create(path)?, pending: Vec::new(), at: 0, sum: Md5::new() })
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> u64 {
        self.at + self.pending.len() as u64
    }

    /// Makes it durable; its MD5 sum.
    pub(super) fn finish(mut self) -> io::Result<Sum> {
        self.flush()?;
        self.file.sync()?;
        Ok(Sum(self.sum.finalize().into()))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.at)?;
        self.sum.update(&self.pending);
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}
