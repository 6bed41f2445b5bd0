//! The beginning of a TLS connection. Nobody knows yet who it is, so it has little time and little memory, and there are
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

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one may hold at the most: a message of it, as rustls limits them.
const BYTES_MAX: usize = 64 << 10;
/// How many there may be at once, however much memory there is.
const AT_ONCE_MAX: usize = 1024;
/// Room for one read.
const READ_BYTES: usize = 4 << 10;

/// A connection that may be served.
pub(crate) struct Secured {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) session: Box<ServerConnection>,
}

/// Those that are under way.
pub(crate) struct Handshakes {
    running: JoinSet<Option<Secured>>,
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
        refusal: Option<&'static [u8]>,
    ) {
        self.running.spawn(async move {
            let done = tokio::time::timeout(PATIENCE, shake_hands(config, &mut stream)).await;
            let failed = match done {
                Ok(Ok(mut session)) => {
                    if let Some(refusal) = refusal {
                        // It fits the empty socket buffer, or is not told.
                        let _ = session.writer().write_all(refusal);
                        session.send_close_notify();
                        let _ = flush(&mut session, &stream);
                        return None;
                    }
                    return Some(Secured { stream: stream.into_std().ok()?, session: Box::new(session) });
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            tracing::info!(client = %address, "no TLS connection: {failed}");
            None
        });
    }

    /// Waits until one is done, for ever where there is none; `None` if it failed, and has made room all the same.
    pub(crate) async fn next(&mut self) -> Option<Secured> {
        match self.running.join_next().await {
            Some(done) => done.ok().flatten(),
            None => std::future::pending().await,
        }
    }
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
