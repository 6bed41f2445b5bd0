//! A server inside the test's process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use siltstone::clock::{Clock, SystemClock};
use siltstone::config::{Config, File, Fsync};
use siltstone::dynamo::limits::Limits;
use siltstone::engine::{self, Env, Options};
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
    clock: Arc<dyn Clock>,
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
        Self::over(Arc::new(MemoryVfs::new()), Arc::new(SystemClock::default()), Self::config(change), "")
    }

    /// With parameters of Redis, as they stand in the file.
    pub(crate) fn with_parameters(parameters: &str) -> Self {
        let (vfs, clock) = (Arc::new(MemoryVfs::new()), Arc::new(SystemClock::default()));
        Self::over(vfs, clock, Self::config(|_| {}), parameters)
    }

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config =
            Config { memory: 64 << 20, fsync: Fsync::Always, port: 0, table_port: None, ..Config::default() };
        config.dir = PathBuf::from("/data");
        config.requirepass = String::new();
        change(&mut config);
        config
    }

    /// On another disk, and in another time.
    pub(crate) fn of(vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>) -> Self {
        Self::over(vfs, clock, Self::config(|_| {}), "")
    }

    /// On another disk, and with other settings.
    pub(crate) fn on(vfs: Arc<dyn Vfs>, change: impl FnOnce(&mut Config)) -> Self {
        Self::over(vfs, Arc::new(SystemClock::default()), Self::config(change), "")
    }

    fn over(vfs: Arc<dyn Vfs>, clock: Arc<dyn Clock>, config: Config, parameters: &str) -> Self {
        let env = Env { clock: clock.clone(), ..Env::with_vfs(vfs.clone()) };
        let fsync = match config.fsync {
            Fsync::Always => engine::Fsync::Always,
            Fsync::EverySecond => engine::Fsync::EverySecond,
            Fsync::Never => engine::Fsync::Never,
        };
        let options = Options { memory: config.memory / 2, fsync, ..Options::default() };
        let keyspace = Keyspace::open(env.clone(), &config.dir, options, 16).unwrap();
        let file = File::parse(Path::new("s.toml"), &format!("[redis]\n{parameters}")).unwrap();
        let parameters = Parameters::load(&file).unwrap();
        let limits = Limits::default();
        let setup = Setup { config: config.clone(), config_file: None, parameters, limits, keyspace, env };
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
        Self { address, tls, vfs, clock, config, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops it in order and starts another one on the same disk.
    pub(crate) fn restart(mut self) -> Self {
        self.stop();
        Self::over(self.vfs.clone(), self.clock.clone(), self.config.clone(), "")
    }

    /// Stops it in order, and says why another one does not start with this file in the directory.
    pub(crate) fn refuses(mut self, name: &str, content: &str) -> String {
        self.stop();
        self.write(name, content);
        let env = Env::with_vfs(self.vfs.clone());
        let keyspace = Keyspace::open(env.clone(), &self.config.dir, Options::default(), 16).unwrap();
        let parameters = Parameters::default();
        let limits = Limits::default();
        let setup =
            Setup { config: self.config.clone(), config_file: None, parameters, limits, keyspace, env };
        server::run(setup, std::future::pending(), |_| ()).unwrap_err().to_string()
    }

    /// Puts a file into the directory.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.config.dir.join(name);
        let _ = self.vfs.remove(&path);
        self.vfs.create(&path).unwrap().write_all_at(content.as_bytes(), 0).unwrap();
    }

    /// What a file in the directory holds.
    pub(crate) fn read(&self, name: &str) -> String {
        let file = self.vfs.open(&self.config.dir.join(name)).unwrap();
        let mut content = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut content, 0).unwrap();
        String::from_utf8(content).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Stops it; why that was not in order.
    pub(crate) fn fails(mut self) -> String {
        self.end().expect("it runs").expect_err("it does not end in order").to_string()
    }

    fn stop(&mut self) {
        if let Some(ended) = self.end() {
            ended.expect("the server ends in order");
        }
    }

    fn end(&mut self) -> Option<std::io::Result<()>> {
        let thread = self.thread.take()?;
        // Not by a client's SHUTDOWN: there may be one client too many for that.
        drop(self.stop.take());
        Some(thread.join().expect("the server does not panic"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
