//! A server inside the test's process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use siltstone::clock::{Clock, SystemClock};
use siltstone::config::{Config, Fsync};
use siltstone::dynamo::limits::Limits;
use siltstone::engine::{Env, Options};
use siltstone::redis::keyspace::Keyspace;
use siltstone::redis::parameters::Parameters;
use siltstone::server::{self, Setup};
use siltstone::vfs::Vfs;
use siltstone::vfs::memory::MemoryVfs;
use tokio::sync::oneshot;

use crate::client::Client;

/// A running server; stops when dropped.
pub(crate) struct Server {
    /// Where it speaks Redis's protocol.
    pub(crate) redis: SocketAddr,
    /// Where the table API is.
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// With the defaults, but for what matters to a test: little memory.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(Arc::new(MemoryVfs::new()), Arc::new(SystemClock::default()), change)
    }

    /// On another disk, and in another time.
    pub(crate) fn of(vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            memory: 64 << 20,
            fsync: Fsync::Always,
            port: 0,
            table_port: Some(0),
            dir: PathBuf::from("/data"),
            ..Config::default()
        };
        change(&mut config);
        let env = Env { clock, ..Env::with_vfs(vfs) };
        let options = Options { memory: config.memory / 2, ..Options::default() };
        let keyspace = Keyspace::open(env.clone(), &config.dir, options, 16).unwrap();
        let (parameters, limits) = (Parameters::default(), Limits::default());
        let setup = Setup { config, config_file: None, parameters, limits, keyspace, env };
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "a test's server needs a thread of its own")]
        let thread = std::thread::spawn(move || {
            server::run(setup, async move { drop(stopped.await) }, |listening| {
                let redis = listening.plain.first().or(listening.tls.first()).copied().unwrap();
                tell.send((redis, listening.tables.first().copied().unwrap())).unwrap();
            })
        });
        let Ok((redis, address)) = told.recv() else { panic!("it does not start: {:?}", thread.join()) };
        Self { redis, address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks it to end.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic").expect("the server ends in order");
        }
    }
}
