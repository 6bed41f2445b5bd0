//! The beginning of a connection that speaks TLS, or may. Nobody knows yet who it is, so it has little time and little memory, and there are
//! only so many of them at once: the others wait to be accepted.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{decrypt, flush};
use crate::server::event_loop::Protocol;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one may hold at the most: a message of it, as rustls limits them.
const BYTES_MAX: usize = 64 << 10;
/// How many there may be at once, however much memory there is.
const AT_ONCE_MAX: usize = 1024;
/// The first byte of all who speak TLS.
const HANDSHAKE: u8 = 22;
/// Room for one read.
const READ_BYTES: usize = 4 << 10;

/// A connection that may be served.
pub(crate) struct Welcomed {
    pub(crate) stream: std::net::TcpStream,
    /// There is none for who talks plainly.
    pub(crate) session: Option<Box<ServerConnection>>,
    pub(crate) protocol: Protocol,
}

/// What is expected of a connection that was accepted.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) protocol: Protocol,
    /// Whether it may talk plainly as well: its first byte tells.
    pub(crate) plain: bool,
}

/// Those that are under way.
pub(crate) struct Handshakes {
    running: JoinSet<Option<Welcomed>>,
    at_once: usize,
}

impl Handshakes {
    /// As many at once as have room in so many bytes.
    pub(crate) fn within(bytes: usize) -> Self {
        Self { running: JoinSet::new(), at_once: (bytes / BYTES_MAX).clamp(1, AT_ONCE_MAX) }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether another one may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.at_once
    }

    /// Begins one. Who is refused is told so when it is done.
    pub(crate) fn begin(
        &mut self,
        config: Arc<ServerConfig>,
        mut stream: TcpStream,
        address: SocketAddr,
        expected: Expected,
        refusal: Option<&'static [u8]>,
    ) {
        let Expected { protocol, plain } = expected;
        self.running.spawn(async move {
            let done = tokio::time::timeout(PATIENCE, welcome(config, &mut stream, plain)).await;
            let failed = match done {
                Ok(Ok(None)) => {
                    return Some(Welcomed { stream: stream.into_std().ok()?, session: None, protocol });
                }
                Ok(Ok(Some(mut session))) => {
                    if let Some(refusal) = refusal {
                        // It fits the empty socket buffer, or is not told.
                        let _ = session.writer().write_all(refusal);
                        session.send_close_notify();
                        let _ = flush(&mut session, &stream);
                        return None;
                    }
                    let session = Some(Box::new(session));
                    return Some(Welcomed { stream: stream.into_std().ok()?, session, protocol });
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            tracing::info!(client = %address, "no TLS connection: {failed}");
            None
        });
    }

    /// Waits until one is done, for ever where there is none; `None` if it failed, and has made room all the same.
    pub(crate) async fn next(&mut self) -> Option<Welcomed> {
        match self.running.join_next().await {
            Some(done) => done.ok().flatten(),
            None => std::future::pending().await,
        }
    }
}

/// Shakes hands, unless the other end may talk plainly and begins so.
async fn welcome(
    config: Arc<ServerConfig>,
    stream: &mut TcpStream,
    plain: bool,
) -> io::Result<Option<ServerConnection>> {
    if plain {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            return Ok(None);
        }
    }
    shake_hands(config, stream).await.map(Some)
}

async fn shake_hands(config: Arc<ServerConfig>, stream: &mut TcpStream) -> io::Result<ServerConnection> {
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut encrypted = Vec::with_capacity(READ_BYTES);
    loop {
        while !flush(&mut session, stream)? {
            stream.writable().await?;
        }
        if !session.is_handshaking() {
            return Ok(session);
        }
        encrypted.clear();
        if stream.read_buf(&mut encrypted).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client went away"));
        }
        let mut rest = encrypted.as_slice();
        while !rest.is_empty() {
            if !decrypt(&mut session, &mut rest, stream)? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client closed it"));
            }
        }
    }
}
