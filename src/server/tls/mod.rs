//! TLS: what is encrypted on the socket and plain in the pipeline.
//!
//! A connection is accepted, [shakes hands](handshake) beside the event loops, whose commands should not wait for its
//! arithmetic, and is then handed to one of them like any other, with its [`Tls`] between socket and pipeline. Keys and
//! certificates come from a [directory](certificates) and may be changed while the server runs.

pub(super) mod certificates;
pub(super) mod handshake;

use std::io::{self, BufRead, IoSlice, Write};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A connection's keys, and what is between plain and encrypted.
pub(super) struct Tls(Box<ServerConnection>);

impl Tls {
    /// After the handshake.
    pub(super) fn new(session: Box<ServerConnection>) -> Self {
        Self(session)
    }

    /// Appends what the client sent to the input; 0 bytes are its end. `encrypted` is empty and has room for one read.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        (read, write): (&mut OwnedReadHalf, &OwnedWriteHalf),
        encrypted: &mut Vec<u8>,
        input: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let before = input.len();
        loop {
            // Requests may have come along with the end of the handshake.
            take(&mut self.0, input)?;
            if input.len() > before {
                return Poll::Ready(Ok(input.len() - before));
            }
            // Also who only reads has something to say now and then: new keys, a last word.
            while self.0.wants_write() && write.as_ref().poll_write_ready(cx)?.is_ready() {
                flush(&mut self.0, write.as_ref())?;
            }
            encrypted.clear();
            if ready!(pin!(read.read_buf(encrypted)).poll(cx))? == 0 {
                return Poll::Ready(Ok(0));
            }
            let mut rest = encrypted.as_slice();
            while !rest.is_empty() {
                if !decrypt(&mut self.0, &mut rest, write.as_ref())? {
                    return Poll::Ready(Ok(input.len() - before));
                }
                take(&mut self.0, input)?;
            }
        }
    }

    /// Sends output from where `sent` points; whether all of it went to the socket. If not, it is to be called again,
    /// though `sent` may be at the end: what is encrypted is kept here.
    pub(super) fn send(&mut self, socket: &TcpStream, output: &[u8], sent: &mut usize) -> io::Result<bool> {
        loop {
            if !flush(&mut self.0, socket)? {
                return Ok(false);
            }
            let rest = output.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(true);
            }
            *sent += self.0.writer().write(rest)?;
        }
    }

    /// Says that nothing more will come, if the socket takes that.
    pub(super) fn close(&mut self, socket: &TcpStream) {
        self.0.send_close_notify();
        let _ = flush(&mut self.0, socket);
    }
}

/// Appends what was decrypted.
fn take(session: &mut ServerConnection, input: &mut Vec<u8>) -> io::Result<()> {
    let mut reader = session.reader();
    loop {
        match reader.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(chunk) => {
                input.extend_from_slice(chunk);
                let bytes = chunk.len();
                reader.consume(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Decrypts some of what has come. False if it ends here; an error, of which the other end is told, if it is wrong.
fn decrypt(session: &mut ServerConnection, encrypted: &mut &[u8], socket: &TcpStream) -> io::Result<bool> {
    if session.read_tls(encrypted)? == 0 {
        return Ok(false);
    }
    session.process_new_packets().map_err(|error| {
        let _ = flush(session, socket);
        io::Error::new(io::ErrorKind::InvalidData, error)
    })?;
    Ok(true)
}

/// Sends what is encrypted; whether the socket took it all.
fn flush(session: &mut ServerConnection, socket: &TcpStream) -> io::Result<bool> {
    while session.wants_write() {
        match session.write_tls(&mut Socket(socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A socket as rustls writes to it.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
