//! Accepting: who is let in, and to which loop they go.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use super::event_loop::{Arrival, EventLoop, Protocol};
use super::http;
use super::tls::certificates::Certificates;
use super::tls::handshake::{Expected, Handshakes};
use crate::redis::instance::Instance;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 511;
/// How long to leave accepting alone after it failed, for want of file handles mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Silence after which the system asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_mins(5);

/// Redis's words to a client from another machine while there is no password.
const DENIED: &[u8] = b"-DENIED Siltstone is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers, set a password with the setting requirepass (in the settings file, or with \
CONFIG SET requirepass from the same host), or disable protected mode with CONFIG SET protected-mode no from the same \
host, provided the server is not reachable from the internet.\r\n";

const FULL: &[u8] = b"-ERR max number of clients reached\r\n";

/// Who accepts.
#[derive(Default)]
pub(super) struct Listeners {
    /// For those who talk plainly.
    pub(super) plain: Vec<TcpListener>,
    /// For TLS.
    pub(super) tls: Vec<TcpListener>,
    /// For the table API: plainly, and with TLS where there are certificates.
    pub(super) tables: Vec<TcpListener>,
}

/// Listens on all these addresses.
pub(super) fn bind(addresses: &[IpAddr], mut port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let address = SocketAddr::new(address, port);
        let listener = listen(address)
            .map_err(|error| io::Error::new(error.kind(), format!("listening on {address}: {error}")))?;
        // Port 0 means the same free one on all addresses.
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts on all listeners for ever.
pub(super) async fn accept(
    instance: &Arc<Instance>,
    listeners: Listeners,
    certificates: Option<&Certificates>,
    loops: &[EventLoop],
) {
    let mut handshakes = Handshakes::within(instance.buffers().most());
    let mut accepted = 0;
    let redis = Expected { protocol: Protocol::Redis, plain: false };
    // Where nobody talks plainly to the one, nobody does to the other.
    let tables = Expected { protocol: Protocol::Tables, plain: !listeners.plain.is_empty() };
    loop {
        let (accepted_now, expected) = tokio::select! {
            one = accept_any(&listeners.plain) => (one, None),
            one = accept_any(&listeners.tls), if handshakes.has_room() => (one, Some(redis)),
            one = accept_any(&listeners.tables), if handshakes.has_room() => (one, Some(tables)),
            welcomed = handshakes.next() => {
                hand(instance, loops, &mut accepted, welcomed.map(Arrival::from));
                continue;
            }
        };
        let (stream, address) = match accepted_now {
            Ok(one) => one,
            Err(error) => {
                hold_on(&error).await;
                continue;
            }
        };
        match (expected, certificates) {
            (Some(expected), Some(certificates)) => {
                let refusal = refusal(instance, address, expected.protocol, handshakes.len());
                // Who is one too many is not given the time of a handshake, and cannot be told without.
                if refusal != Some(Refusal::Full) {
                    set_up(&stream);
                    let told = refusal.map(|refusal| refusal.words(expected.protocol));
                    handshakes.begin(certificates.current(), stream, address, expected, told);
                }
            }
            (expected, _) => {
                let protocol = expected.map_or(Protocol::Redis, |expected| expected.protocol);
                hand(instance, loops, &mut accepted, admit(instance, stream, address, protocol));
            }
        }
    }
}

/// Gives a connection to the loop whose turn it is.
fn hand(instance: &Instance, loops: &[EventLoop], accepted: &mut usize, arrival: Option<Arrival>) {
    let Some(arrival) = arrival else { return };
    instance.stats.connections.increment();
    if let Some(one) = loops.get(*accepted % loops.len().max(1)) {
        one.hand(arrival);
    }
    *accepted += 1;
}

async fn accept_any(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|cx| {
        for listener in listeners {
            if let std::task::Poll::Ready(result) = listener.poll_accept(cx) {
                return std::task::Poll::Ready(result);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Waits a little after accepting failed.
async fn hold_on(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Why a client is not let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Protected,
    Full,
}

impl Refusal {
    fn words(self, protocol: Protocol) -> &'static [u8] {
        match (self, protocol) {
            (Self::Protected, _) => DENIED,
            (Self::Full, Protocol::Redis) => FULL,
            (Self::Full, Protocol::Tables) => http::FULL,
        }
    }
}

/// Whether a client is not to be let in, while so many others have begun to come in. It is counted.
fn refusal(instance: &Instance, address: SocketAddr, protocol: Protocol, coming: usize) -> Option<Refusal> {
    let config = instance.config();
    let local = address.ip().to_canonical().is_loopback();
    // The table API answers each request for itself.
    let is_protected = protocol == Protocol::Redis && config.protected_mode && !instance.acl.has_password();
    let (refusal, why) = if is_protected && !local {
        (Refusal::Protected, "protected mode, and there is no password")
    } else if instance.clients.len() + coming >= config.maxclients as usize {
        (Refusal::Full, "maxclients are connected")
    } else {
        return None;
    };
    tracing::warn!(client = %address, "refused a connection: {why}");
    instance.stats.refused.increment();
    Some(refusal)
}

fn set_up(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    // Without these it still works, only worse.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}

/// Lets a client in, or tells it why not.
fn admit(instance: &Instance, stream: TcpStream, address: SocketAddr, protocol: Protocol) -> Option<Arrival> {
    let refusal = refusal(instance, address, protocol, 0);
    if refusal.is_none() {
        set_up(&stream);
    }
    let mut stream =
        stream.into_std().inspect_err(|error| tracing::warn!(%error, "cannot serve a connection")).ok()?;
    if let Some(refusal) = refusal {
        // It fits the empty socket buffer, or is not told.
        let _ = stream.write(refusal.words(protocol));
        return None;
    }
    Some(Arrival::plain(stream, protocol))
}
