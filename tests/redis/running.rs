//! A server inside the test's process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use siltstone::config::{Config, Fsync};
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
    pub(crate) address: SocketAddr,
    /// Where it speaks TLS.
    pub(crate) tls: Option<SocketAddr>,
    vfs: Arc<dyn Vfs>,
    config: Config,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// With the defaults, but for what matters to a test: no password, little memory.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Arc::new(MemoryVfs::new()), change)
    }

    /// On another disk.
    pub(crate) fn on(disk: Arc<dyn Vfs>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { memory: 64 << 20, fsync: Fsync::Always, port: 0, ..Config::default() };
        config.dir = PathBuf::from("/data");
        config.requirepass = String::new();
        change(&mut config);
        Self::over(disk, config)
    }

    fn over(vfs: Arc<dyn Vfs>, config: Config) -> Self {
        let env = Env::with_vfs(vfs.clone());
        let options = Options { memory: config.memory / 2, ..Options::default() };
        let keyspace = Keyspace::open(env.clone(), &config.dir, options, 16).unwrap();
        let parameters = Parameters::default();
        let setup = Setup { config: config.clone(), config_file: None, parameters, keyspace, env };
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "a test's server needs a thread of its own")]
        let thread = std::thread::spawn(move || {
            server::run(setup, async move { drop(stopped.await) }, |listening| {
                let (plain, tls) = (listening.plain.first().copied(), listening.tls.first().copied());
                tell.send((plain.or(tls).unwrap(), tls)).unwrap();
            })
        });
        let Ok((address, tls)) = told.recv() else { panic!("it does not start: {:?}", thread.join()) };
        Self { address, tls, vfs, config, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops it in order and starts another one on the same disk.
    pub(crate) fn restart(mut self) -> Self {
        self.stop();
        Self::over(self.vfs.clone(), self.config.clone())
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Not by a client's SHUTDOWN: there may be one client too many for that.
        drop(self.stop.take());
        thread.join().expect("the server does not panic").expect("the server ends in order");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
