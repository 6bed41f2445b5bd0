//! The server that keys go to: a conversation over one connection, of which each step must end in time.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::instance::Instance;

/// How many may be under way at once. Each takes one of the threads that wait for the disk, and of the others' time none.
const UNDER_WAY_MAX: usize = 8;
/// Bytes sent, or a line read, within one timeout.
const CHUNK_BYTES: usize = 64 << 10;
/// The longest reply to RESTORE that is believed to be one.
const LINE_BYTES_MAX: usize = 1024;

/// What RESTORE, AUTH and SELECT say when all is well.
pub(super) const DONE: &[&[u8]] = &[b"+OK"];
/// What DEL of one key says.
pub(super) const REMOVED: &[&[u8]] = &[b":0", b":1"];

/// One of those that are under way.
struct UnderWay(Arc<Instance>);

impl UnderWay {
    /// `None` if there are as many as there may be.
    fn begin(instance: Arc<Instance>) -> Option<Self> {
        let before = instance.migrating.fetch_add(1, Relaxed);
        let this = Self(instance);
        (before < UNDER_WAY_MAX).then_some(this)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.migrating.fetch_sub(1, Relaxed);
    }
}

/// A connection to it.
pub(crate) struct Target {
    stream: TcpStream,
    under_way: UnderWay,
    timeout: Duration,
    /// What was read and is not yet part of a line.
    unread: Vec<u8>,
}

impl Target {
    /// Connects, to the first of the host's addresses that answers; `None` if too many do so.
    pub(super) fn connect(
        instance: Arc<Instance>,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> io::Result<Option<Self>> {
        let Some(under_way) = UnderWay::begin(instance) else { return Ok(None) };
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Some(Self { stream, under_way, timeout, unread: Vec::new() }));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends a command.
    pub(super) fn send(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut head = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            head.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            // Large values are not copied.
            if word.len() > CHUNK_BYTES {
                self.write(&head)?;
                self.write(word)?;
                head.clear();
            } else {
                head.extend_from_slice(word);
            }
            head.extend_from_slice(b"\r\n");
        }
        self.write(&head)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let mut left = chunk;
            let deadline_ns = self.deadline_ns();
            while !left.is_empty() {
                self.stream.set_write_timeout(Some(self.remaining(deadline_ns)?))?;
                match self.stream.write(left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => left = left.get(written..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Reads a reply, which must be one of these or an error: why it refuses, if it does.
    pub(super) fn reply(&mut self, wanted: &[&[u8]]) -> io::Result<Option<String>> {
        let deadline_ns = self.deadline_ns();
        loop {
            if let Some(end) = self.unread.iter().position(|&c| c == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return match line.trim_ascii_end() {
                    line if wanted.contains(&line) => Ok(None),
                    [b'-', why @ ..] => Ok(Some(String::from_utf8_lossy(why).into_owned())),
                    // Whoever that is, it is nobody to leave keys with.
                    _ => Err(io::ErrorKind::InvalidData.into()),
                };
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.stream.set_read_timeout(Some(self.remaining(deadline_ns)?))?;
            let mut buffer = [0; LINE_BYTES_MAX];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn deadline_ns(&self) -> u64 {
        let timeout_ns = u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX);
        self.under_way.0.clock().monotonic_ns().saturating_add(timeout_ns)
    }

    fn remaining(&self, deadline_ns: u64) -> io::Result<Duration> {
        match deadline_ns.saturating_sub(self.under_way.0.clock().monotonic_ns()) {
            0 => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Duration::from_nanos(left.max(1000))),
        }
    }
}
