//! Sockets: the only code that is asynchronous.
//!
//! A few event loops, each a thread with a single-threaded runtime ([`event_loop`]); the [`listener`] hands each
//! accepted connection to one of them, where it stays ([`connection`]). Commands run right there, as long as they find
//! what they need in memory; a pipeline that does not moves to the loop's blocking pool and comes back with its
//! replies. Replies leave once what they depend on is acknowledged: at the end of each turn of a loop its held
//! replies are settled together, with one write to the log or one wake after a sync.

mod connection;
mod event_loop;
mod fetch;
mod listener;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::config::Config;
use crate::engine::Env;
use crate::redis::instance::Instance;
use crate::redis::keyspace::Keyspace;
use crate::redis::parameters::Parameters;
use event_loop::EventLoop;

/// What a server is made of.
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The file they came from, which CONFIG REWRITE changes.
    pub config_file: Option<PathBuf>,
    /// Redis's parameters that are set from the start.
    pub parameters: Parameters,
    /// The keys. The server closes the store when it ends.
    pub keyspace: Arc<Keyspace>,
    /// The world: clocks and threads.
    pub env: Env,
}

/// Serves until `stop` is ready or a client says SHUTDOWN; then takes no more connections, finishes the commands that
/// have arrived, sends their replies, and closes the store. `ready` is told the addresses, once connections are taken.
pub fn run(
    setup: Setup,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(&[SocketAddr]),
) -> io::Result<()> {
    let Setup { config, config_file, parameters, keyspace, env } = setup;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listeners = listener::bind(&config)?;
        let addresses =
            listeners.iter().map(tokio::net::TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let asked = Arc::new(Notify::new());
        let ask = asked.clone();
        let loops_wanted = event_loop::count();
        let stop_asked = Box::new(move || ask.notify_one());
        let instance = Instance::new(keyspace.clone(), env, config, config_file, parameters, stop_asked);
        instance.port.store(addresses.first().map_or(0, |a| usize::from(a.port())), Relaxed);
        let loops =
            (0..loops_wanted).map(|n| EventLoop::start(n, &instance)).collect::<io::Result<Vec<_>>>()?;
        ready(&addresses);
        tokio::select! {
            () = listener::accept(&instance, listeners, &loops) => {}
            () = stop => tracing::info!("asked to stop"),
            () = asked.notified() => tracing::info!("a client asked to stop"),
        }
        // The listeners are closed by now. Connections end when they have nothing left to answer.
        for client in instance.clients.all() {
            client.kill();
        }
        for each in loops {
            each.finish().await;
        }
        io::Result::Ok(())
    })?;
    keyspace.store().close().map_err(|error| io::Error::other(error.to_string()))
}

/// Ready once the process is sent SIGTERM or SIGINT.
pub async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be received");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("received SIGTERM"),
        _ = interrupt.recv() => tracing::info!("received SIGINT"),
    }
}
