//! DynamoDB's API over HTTP/1.1.
//!
//! A connection is served by hyper on its event loop: [`wire`] is its socket, [`exchange`] answers one request after the
//! other. A request is let in by its [`signature`], its [`body`] read, and the call it makes run right there, as commands of
//! Redis are; the [`reply`] leaves once what it depends on is acknowledged.
//!
//! Who half-sends a request, or takes nothing of a reply, is cut off by the loop's look around ([`progress`]); who is idle
//! may stay.

mod body;
mod counts;
mod exchange;
mod metrics;
mod progress;
mod reply;
mod reserved;
mod signature;
mod wire;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::event_loop::{Served, Turn};
use super::tls::Tls;
use crate::dynamo::Tables;
use crate::engine::Seqno;
use crate::random::Random;
use crate::redis::clients::Client;
use counts::Counts;
use progress::{Phase, Progress};
use signature::Signatures;
use wire::Wire;

/// The most that the head of a request may take, and that is read at once of its body.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// What is sent to one client too many.
pub(super) const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/x-amz-json-1.0\r\n\
Content-Length: 107\r\nConnection: close\r\n\r\n\
{\"__type\":\"com.amazon.coral.service#ServiceUnavailableException\",\"message\":\"max number of clients reached\"}";

/// What all connections share.
pub(super) struct FrontEnd {
    tables: Arc<Tables>,
    signatures: Signatures,
    counts: Counts,
    /// Who may be on the blocking pool.
    on_pool: Arc<Semaphore>,
    /// Who may have figures collected there: one at a time, and the others wait.
    collecting: Arc<Semaphore>,
    /// Who may have a page of figures, until all of it is with the system.
    pages: Arc<Semaphore>,
}

/// How many calls may be on the blocking pools at once. Each thread that has read large requests keeps some memory of its
/// own in the allocator; more of them do not make the disk faster, since single cold reads do not need a thread.
const ON_POOL_MAX: usize = 4;
/// Pages of figures that are collected or sent at once. Whoever is not known may ask for them, and those who do not read
/// them must not have the memory that others need for their replies.
const PAGES_MAX: usize = 8;

impl FrontEnd {
    /// Over these tables, for those whom the file names; for whoever comes, if the path is empty.
    pub(super) fn open(tables: Arc<Tables>, credentials: &Path) -> Result<Self, String> {
        Ok(Self {
            tables,
            signatures: Signatures::open(credentials)?,
            counts: Counts::default(),
            on_pool: Arc::new(Semaphore::new(ON_POOL_MAX)),
            collecting: Arc::new(Semaphore::new(1)),
            pages: Arc::new(Semaphore::new(PAGES_MAX)),
        })
    }

    /// What INFO tells of tables: names and values.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        self.counts.told(&self.tables)
    }

    /// Reads the file again. If there is something wrong with it the old ones stay.
    pub(super) fn reload(&self, credentials: &Path) -> Result<(), String> {
        self.signatures.reload(credentials)
    }
}

/// A connection, as its task and its loop share it.
pub(super) struct Connection {
    turn: Rc<Turn>,
    client: Arc<Client>,
    front_end: Arc<FrontEnd>,
    /// Whether the other end is on this machine.
    is_local: bool,
    progress: Progress,
    /// What the client has seen or written: what it asks for now is at least as new.
    floor: Cell<Seqno>,
    random: RefCell<Random>,
    /// Whom news of the client wakes: the task. From other threads too.
    waker: Arc<Mutex<Option<Waker>>>,
}

/// Serves a new connection.
pub(super) fn start(turn: &Rc<Turn>, stream: TcpStream, tls: Option<Tls>, front_end: &Arc<FrontEnd>) {
    let name = |address: Option<SocketAddr>| address.map_or_else(String::new, |address| address.to_string());
    let (peer, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let wake = waker.clone();
    let wake = Box::new(move || {
        if let Some(waker) = wake.lock().as_ref() {
            waker.wake_by_ref();
        }
    });
    let instance = &turn.instance;
    let client = instance.clients.add(name(peer), name(local), instance.store().now_ms(), wake);
    "dynamodb".clone_into(&mut client.names.lock().library);
    let connection = Rc::new(Connection {
        turn: turn.clone(),
        client,
        front_end: front_end.clone(),
        is_local: peer.is_some_and(|address| address.ip().to_canonical().is_loopback()),
        progress: Progress::default(),
        floor: Cell::new(0),
        random: RefCell::new(Random::seeded(instance.random_u64())),
        waker,
    });
    turn.add(connection.clone());
    tracing::debug!(client = connection.client.id, address = connection.client.address, "connected");
    let guard = Guard(connection.clone());
    let wire = Wire::new(stream, tls, connection.clone());
    tokio::task::spawn_local(async move {
        serve(&guard.0, wire).await;
    });
}

/// Tidies up after a connection, also when its task panicked.
struct Guard(Rc<Connection>);

impl Drop for Guard {
    fn drop(&mut self) {
        let Connection { turn, client, .. } = &*self.0;
        if std::thread::panicking() {
            tracing::error!(client = client.id, "an operation panicked; its connection is closed");
        }
        turn.instance.clients.remove(client.id);
        turn.remove(client.id);
        tracing::debug!(client = client.id, "disconnected");
    }
}

async fn serve(connection: &Rc<Connection>, wire: Wire) {
    let service = service_fn(|request| {
        let connection = connection.clone();
        async move { Ok::<_, Infallible>(exchange::answer(&connection, request).await) }
    });
    let mut protocol = http1::Builder::new();
    // The loop looks after who is slow.
    protocol.header_read_timeout(None).half_close(true).max_headers(HEADERS_MAX);
    protocol.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
    let mut served = pin!(protocol.serve_connection(wire, service));
    let mut is_last = false;
    let ended = poll_fn(|cx| {
        connection.register(cx);
        let is_killed = connection.client.is_killed();
        if is_killed && connection.progress.phase().waits_for_input() {
            return Poll::Ready(Ok(()));
        }
        if is_killed && !std::mem::replace(&mut is_last, true) {
            served.as_mut().graceful_shutdown();
        }
        match served.as_mut().poll(cx) {
            // Whoever is killed while the socket takes nothing has had its chance.
            Poll::Pending if is_killed && connection.progress.phase() == Phase::Sending => {
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(client = connection.client.id, %error, "the connection ended");
    }
}

impl Connection {
    fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

impl Served for Connection {
    fn client(&self) -> &Client {
        &self.client
    }

    fn is_stalled(&self, now_ms: u64) -> bool {
        self.progress.is_stalled(now_ms)
    }

    fn is_running(&self) -> bool {
        self.progress.phase() == Phase::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_to_one_too_many_are_as_long_as_they_say() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
