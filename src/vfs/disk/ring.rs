//! Many reads in flight from one thread: io_uring.
//!
//! The system writes into memory while we do other things: that is what is unsafe about it. Here it is not for long.
//! [`Ring::read`] begins reads into a buffer that the ring owns, and comes back when all of them have ended; if it
//! should ever come back sooner, by a panic or because the system does not let us wait, the buffer is never used or freed
//! again. One read costs some 6 µs of a core so, and 10 µs by `pread` with a thread for each in flight.
//!
//! A thread has a ring of its own: the system need then wake it only once for all its reads.

#![expect(
    unsafe_code,
    reason = "io_uring has no safe interface; twice the reads a second and core are worth one line"
)]

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use io_uring::{IoUring, opcode, types};

/// Reads in flight at once.
pub(super) const DEPTH: usize = 64;
/// Bytes of all of them together.
pub(super) const BUFFER_BYTES: usize = 512 << 10;
/// The buffer begins at a multiple of this.
pub(super) const BUFFER_ALIGN: usize = 4096;

/// The system has no io_uring for us, as in many containers: it is not asked again.
static REFUSED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN: RefCell<Option<Ring>> = const { RefCell::new(None) };
}

/// Calls with this thread's ring; `None` if it has none, or is using it already.
pub(super) fn with_own<R>(call: impl FnOnce(&mut Ring) -> R) -> Option<R> {
    OWN.with(|own| {
        let mut own = own.try_borrow_mut().ok()?;
        if REFUSED.load(Ordering::Relaxed) {
            *own = None;
        } else if own.is_none() {
            *own = Ring::new().inspect_err(|_| REFUSED.store(true, Ordering::Relaxed)).ok();
        }
        own.as_mut().map(call)
    })
}

/// Calls while this thread can have no ring.
#[cfg(test)]
pub(in crate::vfs) fn without<R>(call: impl FnOnce() -> R) -> R {
    OWN.with(|own| {
        let _used = own.borrow_mut();
        call()
    })
}

/// One read.
#[derive(Clone, Debug)]
pub(super) struct Read<'a> {
    pub(super) file: BorrowedFd<'a>,
    pub(super) offset: u64,
    /// Where its bytes go in the ring's buffer, and how many.
    pub(super) at: usize,
    pub(super) len: usize,
    /// How many came.
    pub(super) done: usize,
}

pub(super) struct Ring {
    queues: IoUring,
    buffer: Vec<u8>,
    /// Where the aligned part of the buffer begins.
    begin: usize,
    /// Reads that the system was told of and that have not ended.
    in_flight: usize,
}

impl Ring {
    fn new() -> io::Result<Self> {
        let entries = DEPTH as u32;
        // Without these the system wakes the thread for each read that ends. They came with Linux 6.1.
        let queues = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(entries);
        let queues = queues.or_else(|_| IoUring::new(entries))?;
        // Came with the reads that we want: Linux 5.6.
        if !queues.params().is_feature_rw_cur_pos() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let buffer = vec![0; BUFFER_BYTES + BUFFER_ALIGN];
        let begin = buffer.as_ptr().align_offset(BUFFER_ALIGN);
        Ok(Self { queues, buffer, begin, in_flight: 0 })
    }

    /// What was read.
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        assert_eq!(self.in_flight, 0, "the system may write there yet");
        &self.buffer[self.begin + at..][..len]
    }

    /// Reads all, of which each has `done` 0, and comes back when all have ended. It stays 0 for those that fail, or that there
    /// is no room for.
    pub(super) fn read(&mut self, reads: &mut [Read<'_>]) {
        // More than none only once it had to be given up.
        if self.in_flight > 0 {
            return;
        }
        // The buffer is borrowed once, for all of them.
        let room = &mut self.buffer[self.begin..];
        let (start, size) = (room.as_mut_ptr(), room.len());
        for (i, read) in reads.iter().enumerate() {
            assert!(read.at + read.len <= size, "a read past the end of the buffer");
            let into = start.wrapping_add(read.at);
            let entry = opcode::Read::new(types::Fd(read.file.as_raw_fd()), into, read.len as u32)
                .offset(read.offset)
                .build()
                .user_data(i as u64);
            // SAFETY: the file is open as long as `reads` borrows it. The memory lies within `buffer`, as was just checked,
            // and nobody reads, writes, moves or frees that while `in_flight` counts this read: this function returns once
            // nothing is in flight, or else neither it nor `bytes` touches the buffer ever again, and `drop` leaks it.
            if unsafe { self.queues.submission().push(&entry) }.is_err() {
                break;
            }
            self.in_flight += 1;
        }
        while self.in_flight > 0 {
            let waited = self.queues.submit_and_wait(self.in_flight);
            for ended in self.queues.completion() {
                self.in_flight -= 1;
                reads[ended.user_data() as usize].done = usize::try_from(ended.result()).unwrap_or(0);
            }
            match waited {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    // Nobody can tell any more what the system is at: this ring, or any other, is not used again.
                    REFUSED.store(true, Ordering::Relaxed);
                    for read in reads {
                        read.done = 0;
                    }
                    return;
                }
                _ => {}
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            // The system may write there yet.
            std::mem::forget(std::mem::take(&mut self.buffer));
        }
    }
}
