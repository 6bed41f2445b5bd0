//! Sockets: the only code that is asynchronous.
//!
//! A few event loops, each a thread with a single-threaded runtime ([`event_loop`]); the [`listener`] hands each
//! accepted connection to one of them, where it stays ([`connection`]). Commands run right there, as long as they find
//! what they need in memory; a pipeline that does not moves to the loop's blocking pool and comes back with its
//! replies. Where only a block or a lock is lacking, it stays, and its task is woken when that is there. Replies leave once what they depend on is acknowledged: at the end of each turn of a loop its held
//! replies are settled together, with one write to the log or one wake after a sync. What comes through the port of TLS
//! is served the same way, through a layer of its own ([`tls`]). So is DynamoDB's API, whose requests come over [`http`].

mod connection;
mod event_loop;
mod fetch;
mod http;
mod listener;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::config::Config;
use crate::dynamo::Tables;
use crate::dynamo::limits::Limits;
use crate::engine::Env;
use crate::redis::instance::Instance;
use crate::redis::keyspace::Keyspace;
use crate::redis::parameters::Parameters;
use event_loop::EventLoop;
use http::FrontEnd;
use listener::Listeners;
use tls::certificates::Certificates;

/// What a server is made of.
pub struct Setup {
    /// The settings.
    pub config: Config,
    /// The file they came from, which CONFIG REWRITE changes.
    pub config_file: Option<PathBuf>,
    /// Redis's parameters that are set from the start.
    pub parameters: Parameters,
    /// How large requests and items of tables may be.
    pub limits: Limits,
    /// The keys. The server closes the store when it ends.
    pub keyspace: Arc<Keyspace>,
    /// The world: clocks and threads.
    pub env: Env,
}

/// Where a server listens.
pub struct Listening {
    /// Plainly.
    pub plain: Vec<SocketAddr>,
    /// With TLS.
    pub tls: Vec<SocketAddr>,
    /// For the table API.
    pub tables: Vec<SocketAddr>,
}

/// Serves until `stop` is ready or a client says SHUTDOWN; then takes no more connections, finishes the commands that
/// have arrived, sends their replies, and closes the store. `ready` is told the addresses, once connections are taken.
pub fn run(setup: Setup, stop: impl Future<Output = ()>, ready: impl FnOnce(&Listening)) -> io::Result<()> {
    let Setup { config, config_file, parameters, limits, keyspace, env } = setup;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let certificates = certificates(&config, &parameters)?;
        let front_end = Arc::new(front_end(&keyspace, limits, &config)?);
        let (listeners, listening) = listen(&config)?;
        let asked = Arc::new(Notify::new());
        let ask = asked.clone();
        let loops_wanted = event_loop::count();
        let stop_asked = Box::new(move || ask.notify_one());
        let instance = Instance::new(keyspace.clone(), env, config, config_file, parameters, stop_asked);
        instance
            .acl
            .open(&instance)
            .map_err(|wrong| io::Error::other(format!("cannot load the users: {}", wrong.trim_end())))?;
        let first = listening.plain.first().or(listening.tls.first());
        instance.port.store(first.map_or(0, |address| usize::from(address.port())), Relaxed);
        let told = front_end.clone();
        instance.serves_tables(move || told.told());
        if let Some(certificates) = certificates.clone() {
            instance.serves_tls(move |dir, auth_clients| certificates.reload(dir, auth_clients));
        }
        let loops = (0..loops_wanted)
            .map(|n| EventLoop::start(n, &instance, &front_end))
            .collect::<io::Result<Vec<_>>>()?;
        ready(&listening);
        tokio::select! {
            () = listener::accept(&instance, listeners, certificates.as_deref(), &loops) => {}
            () = reload_on_hangup(&instance, &front_end) => {}
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

/// Those for TLS, if it is served.
fn certificates(config: &Config, parameters: &Parameters) -> io::Result<Option<Arc<Certificates>>> {
    if config.tls_port == 0 {
        return Ok(None);
    }
    let auth_clients = parameters.given("tls-auth-clients");
    let loaded = Certificates::load(&config.tls_dir(), auth_clients.as_deref());
    loaded.map(|loaded| Some(Arc::new(loaded))).map_err(|why| bad_setting(format!("TLS: {why}")))
}

/// What a setting names cannot be used.
fn bad_setting(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// The table API.
fn front_end(keyspace: &Keyspace, limits: Limits, config: &Config) -> io::Result<FrontEnd> {
    let tables = Tables::open(keyspace.store().clone(), limits)
        .map_err(|error| io::Error::other(format!("cannot open the tables: {error}")))?;
    FrontEnd::open(tables, &config.table_credentials)
        .map_err(|why| bad_setting(format!("table-credentials: {why}")))
}

/// Listens wherever the settings say. Where there is TLS, port 0 means that nobody talks plainly.
fn listen(config: &Config) -> io::Result<(Listeners, Listening)> {
    let mut listeners = Listeners::default();
    if config.port > 0 || config.tls_port == 0 {
        listeners.plain = listener::bind(&config.bind, config.port)?;
    }
    if config.tls_port > 0 {
        listeners.tls = listener::bind(&config.bind, config.tls_port)?;
    }
    if let Some(port) = config.table_port {
        listeners.tables = listener::bind(&config.bind, port).map_err(|error| {
            let what =
                format!("{error}; --table-port 0 turns the table API off, and another number moves it");
            io::Error::new(error.kind(), what)
        })?;
    }
    let addresses =
        |of: &[TcpListener]| of.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>();
    let listening = Listening {
        plain: addresses(&listeners.plain)?,
        tls: addresses(&listeners.tls)?,
        tables: addresses(&listeners.tables)?,
    };
    Ok((listeners, listening))
}

/// Reads certificates and credentials again whenever the process is sent SIGHUP, if there are any.
async fn reload_on_hangup(instance: &Instance, front_end: &FrontEnd) {
    let config = instance.config();
    if config.tls_port == 0 && config.table_credentials.as_os_str().is_empty() {
        return std::future::pending().await;
    }
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::warn!("signals cannot be received");
        return std::future::pending().await;
    };
    while hangup.recv().await.is_some() {
        let config = instance.config();
        match instance.reload_certificates(&config, None) {
            Ok(()) => tracing::info!("received SIGHUP: read the certificates again"),
            Err(why) => tracing::error!("received SIGHUP: the certificates stay as they were: {why}"),
        }
        match front_end.reload(&config.table_credentials) {
            Ok(()) => tracing::info!("received SIGHUP: read the credentials again"),
            Err(why) => tracing::error!("received SIGHUP: the credentials stay as they were: {why}"),
        }
    }
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
