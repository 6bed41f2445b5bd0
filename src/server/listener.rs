//! Accepting: who is let in, and to which loop they go.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpListener;

use super::event_loop::EventLoop;
use crate::config::Config;
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

/// Listens on all addresses of the settings.
pub(super) fn bind(config: &Config) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = config.port;
    for &address in &config.bind {
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
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
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
pub(super) async fn accept(instance: &Arc<Instance>, listeners: Vec<TcpListener>, loops: &[EventLoop]) {
    let mut accepted = 0;
    loop {
        let (stream, address) = match accept_any(&listeners).await {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(stream) = admit(instance, stream, address) else { continue };
        instance.stats.connections.increment();
        if let Some(one) = loops.get(accepted % loops.len().max(1)) {
            one.hand(stream);
        }
        accepted += 1;
    }
}

async fn accept_any(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = std::future::poll_fn(|cx| {
        for listener in listeners {
            if let std::task::Poll::Ready(result) = listener.poll_accept(cx) {
                return std::task::Poll::Ready(result);
            }
        }
        std::task::Poll::Pending
    })
    .await?;
    Ok((stream.into_std()?, address))
}

/// Lets a client in, or tells it why not.
fn admit(instance: &Instance, stream: TcpStream, address: SocketAddr) -> Option<TcpStream> {
    let config = instance.config();
    let local = address.ip().to_canonical().is_loopback();
    let refusal = if config.protected_mode && !instance.acl.has_password() && !local {
        DENIED
    } else if instance.clients.len() >= config.maxclients as usize {
        FULL
    } else {
        let socket = SockRef::from(&stream);
        // Without these it still works, only worse.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
        return Some(stream);
    };
    tracing::warn!(client = %address, "refused a connection");
    instance.stats.refused.increment();
    let mut stream = stream;
    // It fits the empty socket buffer, or is not told.
    let _ = stream.write(refusal);
    None
}
