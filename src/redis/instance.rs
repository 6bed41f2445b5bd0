//! What all connections of one server share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::acl::{self, Acl};
use super::budget::Budget;
use super::clients::Clients;
use super::cursors::Cursors;
use super::keyspace::Keyspace;
use super::monitor::Monitors;
use super::notify;
use super::parameters::{Parameter, Parameters};
use super::pubsub::Hub;
use super::recency::Recency;
use super::script::Scripting;
use super::stats::Stats;
use super::tracking::{self, Tracking};
use super::waiters::Waiters;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::random::Random;
use crate::store::{Env, Fsync, Reads, Seqno, Store, Tier};

/// A setting's meaning to the store.
pub(crate) fn fsync(setting: config::Fsync) -> Fsync {
    match setting {
        config::Fsync::Always => Fsync::Always,
        config::Fsync::EverySecond => Fsync::EverySecond,
        config::Fsync::Never => Fsync::Never,
    }
}

/// For how long which commands wait: CLIENT PAUSE.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pause {
    /// Unix milliseconds.
    pub(crate) until_ms: u64,
    /// Not only writes.
    pub(crate) all: bool,
}

/// The last checkpoint: BGSAVE, LASTSAVE.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    /// When the last one that succeeded ended, in Unix seconds.
    pub(crate) at_s: u64,
    /// Whether the last one failed.
    pub(crate) failed: bool,
    /// When the one that is being made was begun, in Unix milliseconds.
    pub(crate) running_since_ms: Option<u64>,
    /// How long the last one took, in milliseconds, once there was one.
    pub(crate) took_ms: Option<u64>,
    /// How many there were.
    pub(crate) count: u64,
    /// The newest commit when the last one that succeeded was begun.
    pub(crate) seqno: Seqno,
}

/// A running server, as commands see it.
pub(crate) struct Instance {
    keyspace: Arc<Keyspace>,
    env: Env,
    config: ArcSwap<Config>,
    /// Held by whoever changes it.
    configuring: Mutex<()>,
    /// The settings file, for CONFIG REWRITE.
    pub(crate) config_file: Option<PathBuf>,
    /// Who may do what.
    pub(crate) acl: Acl,
    pub(crate) clients: Clients,
    pub(crate) stats: Stats,
    pub(crate) cursors: Cursors,
    /// Who subscribes to what.
    pub(crate) hub: Hub,
    /// Who caches what.
    pub(crate) tracking: Tracking,
    /// Who is told of all commands.
    pub(crate) monitors: Monitors,
    /// Clients that wait for keys.
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) parameters: Parameters,
    pub(crate) recency: Recency,
    pub(crate) scripting: Scripting,
    pub(crate) saved: Mutex<Saved>,
    pub(crate) started_ms: u64,
    /// 40 hexadecimal digits, different at each start.
    pub(crate) run_id: String,
    /// The port that is really listened on.
    pub(crate) port: AtomicUsize,
    /// Clients that CLIENT PAUSE holds up.
    pub(crate) held_up: AtomicUsize,
    /// MIGRATEs that are under way.
    pub(crate) migrating: AtomicUsize,
    pause: Mutex<Pause>,
    /// `pause.until_ms`, to be looked at by every command.
    paused_until_ms: AtomicU64,
    /// What large requests, replies and results that are being put together hold beyond each connection's first few
    /// bytes: a quarter of the memory at most.
    buffers: Arc<Budget>,
    random: Mutex<Random>,
    stop: Box<dyn Fn() + Send + Sync>,
    /// Reads the certificates of TLS again; there once it is served.
    reload: OnceLock<Reload>,
    /// What is to be told of tables; there once the server has any.
    tables: OnceLock<Tables>,
    this: Weak<Self>,
}

/// Reads certificates from a directory, with what `tls-auth-clients` was set to, or says why not.
type Reload = Box<dyn Fn(&Path, Option<&str>) -> Result<(), String> + Send + Sync>;

/// What INFO tells of tables, which are another protocol's: names and values.
type Tables = Box<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

impl Instance {
    /// A server over a keyspace. `stop` begins the orderly shutdown.
    pub(crate) fn new(
        keyspace: Arc<Keyspace>,
        env: Env,
        config: Config,
        config_file: Option<PathBuf>,
        parameters: Parameters,
        stop: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Self> {
        let mut random = Random::from_machine();
        let run_id =
            format!("{:016x}{:016x}{:08x}", random.next_u64(), random.next_u64(), random.next_u64() >> 32);
        let started_ms = env.clock.now_ms();
        let seqno = keyspace.store().view_newest(Tier::Cached).seqno();
        let scripting = Scripting::default();
        if let Err(error) = scripting.libraries.open(keyspace.store()) {
            tracing::error!(error = %error.wire(), "functions cannot be read; there are none until this is mended");
        }
        let acl = Acl::default();
        acl.set_default_password(&config.requirepass);
        if let Some(parameter) = Parameter::named("aclfile") {
            parameters.set(parameter, acl::file_path(&config.dir).display().to_string());
        }
        let buffers = usize::try_from(config.memory / 4).unwrap_or(usize::MAX).max(4 << 20);
        let mail = usize::try_from(config.memory / 8).unwrap_or(usize::MAX);
        let instance = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            keyspace,
            config: ArcSwap::from_pointee(config),
            configuring: Mutex::default(),
            config_file,
            clients: Clients::new(acl.default_account().clone()),
            acl,
            stats: Stats::default(),
            cursors: Cursors::new(random.next_u64()),
            hub: Hub::new(mail),
            tracking: Tracking::default(),
            monitors: Monitors::default(),
            waiters: Arc::default(),
            parameters,
            recency: Recency::default(),
            scripting,
            saved: Mutex::new(Saved { at_s: started_ms / 1000, seqno, ..Saved::default() }),
            started_ms,
            run_id,
            port: AtomicUsize::new(0),
            held_up: AtomicUsize::new(0),
            migrating: AtomicUsize::new(0),
            pause: Mutex::default(),
            paused_until_ms: AtomicU64::new(0),
            buffers: Budget::new(buffers),
            random: Mutex::new(random),
            stop,
            reload: OnceLock::new(),
            tables: OnceLock::new(),
            env,
        });
        instance.store().set_noted(instance.parameters.events().published().bits());
        let weak = instance.shared();
        instance.keyspace.on_reaped(move |committed| {
            if let Some(instance) = weak.upgrade() {
                tracking::expired(&instance, committed);
                instance.waiters.reaped(committed);
                notify::publish(&instance, &committed.notes, committed.seqno);
            }
        });
        instance
    }

    /// The keys of all databases.
    pub(crate) fn keyspace(&self) -> &Arc<Keyspace> {
        &self.keyspace
    }

    /// The store underneath.
    pub(crate) fn store(&self) -> &Arc<Store> {
        self.keyspace.store()
    }

    /// The clocks.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.env.clock
    }

    /// Unix microseconds.
    pub(crate) fn now_us(&self) -> u64 {
        self.env.clock.now_us()
    }

    /// The world it runs in.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    /// The settings in force now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Changes settings that may change while the server runs, as `change` says; nothing if that fails. They hold for all
    /// that was acknowledged before, too, once the commit is that this returns.
    pub(crate) fn set_config<E>(
        &self,
        change: impl FnOnce(&Config, &mut Config) -> Result<(), E>,
    ) -> Result<Seqno, E> {
        // One after the other: what two read and change at once one of them would undo.
        let _turn = self.configuring.lock();
        let old = self.config();
        let mut new = (*old).clone();
        change(&old, &mut new)?;
        if new.requirepass != old.requirepass {
            self.acl.set_default_password(&new.requirepass);
        }
        let fsync = fsync(new.fsync);
        self.config.store(Arc::new(new));
        // Also where it is the same: another may be waiting for that change.
        Ok(self.store().db().set_fsync(fsync))
    }

    /// Tables are served, of which this is to be told.
    pub(crate) fn serves_tables(&self, told: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) {
        // There is only one server.
        let _ = self.tables.set(Box::new(told));
    }

    /// What is to be told of tables: names and values.
    pub(crate) fn tables(&self) -> Vec<(String, String)> {
        self.tables.get().map(|told| told()).unwrap_or_default()
    }

    /// TLS is served, with certificates that this reads again.
    pub(crate) fn serves_tls(
        &self,
        reload: impl Fn(&Path, Option<&str>) -> Result<(), String> + Send + Sync + 'static,
    ) {
        // There is only one server.
        let _ = self.reload.set(Box::new(reload));
    }

    /// Has the connections from now on use the certificates as these settings say, and `tls-auth-clients` if it is given.
    pub(crate) fn reload_certificates(
        &self,
        config: &Config,
        auth_clients: Option<&str>,
    ) -> Result<(), String> {
        let Some(reload) = self.reload.get() else { return Ok(()) };
        let set = self.parameters.given("tls-auth-clients");
        reload(&config.tls_dir(), auth_clients.or(set.as_deref()))
    }

    /// A random number.
    pub(crate) fn random_u64(&self) -> u64 {
        self.random.lock().next_u64()
    }

    /// Whether clients must give a password.
    pub(crate) fn needs_password(&self) -> bool {
        self.acl.needs_password()
    }

    /// Makes commands wait. A pause of all commands is not weakened by one of writes.
    pub(crate) fn pause(&self, until_ms: u64, all: bool) {
        let mut pause = self.pause.lock();
        pause.until_ms = pause.until_ms.max(until_ms);
        pause.all |= all;
        self.paused_until_ms.store(pause.until_ms, Relaxed);
        self.keyspace.suspend_expiry(pause.until_ms);
    }

    /// Lets commands run again.
    pub(crate) fn unpause(&self) {
        *self.pause.lock() = Pause::default();
        self.paused_until_ms.store(0, Relaxed);
        self.keyspace.resume_expiry();
    }

    /// Whether any commands may have to wait now.
    pub(crate) fn has_pause(&self) -> bool {
        self.paused_until_ms.load(Relaxed) != 0
    }

    /// Whether commands of this kind wait now.
    pub(crate) fn is_paused(&self, writes: bool) -> bool {
        let until_ms = self.paused_until_ms.load(Relaxed);
        if until_ms == 0 {
            return false;
        }
        if self.env.clock.now_ms() >= until_ms {
            self.unpause();
            return false;
        }
        writes || self.pause.lock().all
    }

    /// Bytes that a value may have: what a batch may, an eighth of the memory.
    pub(crate) fn value_bytes_max(&self) -> u64 {
        self.config.load().memory / 8
    }

    /// Bytes of lines for those who monitor that may be put together before they are told.
    pub(crate) fn inbox_bytes_max(&self) -> usize {
        usize::try_from(self.value_bytes_max()).unwrap_or(usize::MAX).min(32 << 20)
    }

    /// The memory for large requests and replies.
    pub(crate) fn buffers(&self) -> &Arc<Budget> {
        &self.buffers
    }

    /// Whether Redis's `maxmemory` refuses what needs room. Data lies on disk, and caches give way: what counts against
    /// it is what clients hold, and what a server takes at the least.
    pub(crate) fn is_over_maxmemory(&self) -> bool {
        const AT_LEAST: u64 = 1 << 20;
        self.parameters.maxmemory().is_some_and(|most| AT_LEAST + self.buffers.taken() as u64 > most)
    }

    /// Itself, for work that outlives a command.
    pub(crate) fn shared(&self) -> Weak<Self> {
        self.this.clone()
    }

    /// Begins the orderly shutdown.
    pub(crate) fn stop(&self) {
        (self.stop)();
    }
}
