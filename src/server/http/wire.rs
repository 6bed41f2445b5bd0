//! A socket as hyper reads and writes it, with or without TLS.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BufMut as _;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Connection;
use crate::server::tls::Tls;

/// A connection's socket.
pub(super) struct Wire {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    tls: Option<Encrypted>,
    connection: Rc<Connection>,
}

/// TLS, and what was decrypted and not yet taken.
struct Encrypted {
    session: Tls,
    plain: Vec<u8>,
    taken: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, tls: Option<Tls>, connection: Rc<Connection>) -> Self {
        let (read, write) = stream.into_split();
        let tls = tls.map(|session| Encrypted { session, plain: Vec::new(), taken: 0 });
        Self { read, write, tls, connection }
    }

    fn has_sent(&self, bytes: usize) {
        self.connection.turn.stats.bytes_out.add(bytes as u64);
        self.connection.progress.sent();
    }

    fn has_received(&self, bytes: usize) {
        self.connection.turn.stats.bytes_in.add(bytes as u64);
        self.connection.progress.received();
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let room = cursor.remaining();
        let turn = &this.connection.turn;
        // Only for as long as there is something to read: who is idle owns none.
        let mut buffer = turn.buffer();
        let polled = match &mut this.tls {
            None => {
                let polled = pin!(this.read.read_buf(&mut (&mut buffer).limit(room))).poll(cx);
                if let Poll::Ready(Ok(_)) = polled {
                    cursor.put_slice(&buffer);
                }
                polled
            }
            Some(tls) => tls.poll_read(cx, (&mut this.read, &this.write), &mut buffer, &mut cursor),
        };
        turn.keep_buffer(buffer);
        let bytes = ready!(polled)?;
        if bytes > 0 {
            this.has_received(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl Encrypted {
    /// Takes what was decrypted, or reads more; how many bytes that were.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        socket: (&mut OwnedReadHalf, &OwnedWriteHalf),
        buffer: &mut Vec<u8>,
        cursor: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.taken == self.plain.len() {
            self.plain.clear();
            self.taken = 0;
            if ready!(self.session.poll_read(cx, socket, buffer, &mut self.plain))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        let rest = self.plain.get(self.taken..).unwrap_or_default();
        let taken = rest.get(..cursor.remaining()).unwrap_or(rest);
        cursor.put_slice(taken);
        self.taken += taken.len();
        let bytes = taken.len();
        if self.taken == self.plain.len() {
            // Who is idle owns none.
            self.plain = Vec::new();
            self.taken = 0;
        }
        Poll::Ready(Ok(bytes))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        write: &OwnedWriteHalf,
        output: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut sent = 0;
            let is_done = self.session.send(write.as_ref(), output, &mut sent)?;
            if is_done || sent > 0 {
                return Poll::Ready(Ok(sent));
            }
            ready!(write.as_ref().poll_write_ready(cx))?;
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, write: &OwnedWriteHalf) -> Poll<io::Result<()>> {
        while !self.session.send(write.as_ref(), &[], &mut 0)? {
            ready!(write.as_ref().poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, output: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let sent = ready!(match &mut this.tls {
            None => Pin::new(&mut this.write).poll_write(cx, output),
            Some(tls) => tls.poll_write(cx, &this.write, output),
        })?;
        this.has_sent(sent);
        Poll::Ready(Ok(sent))
    }

    /// So that hyper leaves bodies where they are.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let sent = ready!(match &mut this.tls {
            None => Pin::new(&mut this.write).poll_write_vectored(cx, parts),
            Some(tls) => {
                let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
                tls.poll_write(cx, &this.write, first)
            }
        })?;
        this.has_sent(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(tls) = &mut this.tls {
            ready!(tls.poll_flush(cx, &this.write))?;
        }
        this.connection.progress.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(tls) = &mut this.tls {
            tls.session.close(this.write.as_ref());
        }
        Pin::new(&mut this.write).poll_shutdown(cx)
    }
}
