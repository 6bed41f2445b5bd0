//! Who is connected: what CLIENT LIST tells and CLIENT KILL cuts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::acl::Account;
use super::protocol::reply::Protocol;
use super::pubsub::Inbox;
use super::table::Entry;
use super::tracking::Modes;

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) name: String,
    pub(crate) library: String,
    pub(crate) library_version: String,
}

/// A connection, as others see it.
pub(crate) struct Client {
    pub(crate) id: u64,
    /// The other end.
    pub(crate) address: String,
    /// Our end.
    pub(crate) local_address: String,
    pub(crate) connected_ms: u64,
    pub(crate) last_ms: AtomicU64,
    pub(crate) database: AtomicU16,
    /// Under which name it is logged in.
    pub(crate) account: ArcSwap<Account>,
    /// The last command's number in the table + 1; 0 for none.
    pub(crate) command: AtomicUsize,
    /// Commands queued by MULTI; -1 outside.
    pub(crate) queued: AtomicI32,
    pub(crate) watched: AtomicU32,
    pub(crate) protocol: AtomicU8,
    pub(crate) no_evict: AtomicBool,
    pub(crate) no_touch: AtomicBool,
    /// Bytes held for it: requests, replies.
    pub(crate) input_bytes: AtomicUsize,
    /// Of the requests, how many bytes have come and are not done with.
    pub(crate) pending_bytes: AtomicUsize,
    pub(crate) output_bytes: AtomicUsize,
    pub(crate) names: Mutex<Names>,
    /// When it must have taken more of a large reply in whose middle it is, in Unix milliseconds; 0: it is in none.
    pub(crate) tail_due_ms: AtomicU64,
    /// Whether a command of it waits.
    pub(crate) blocked: AtomicBool,
    /// How many channels, patterns and shard channels it subscribes to.
    pub(crate) subscribed: [AtomicU32; 3],
    /// What others have to tell it.
    pub(crate) inbox: Inbox,
    /// How it tracks keys.
    pub(crate) tracking: Modes,
    /// Whether it is told of all commands.
    pub(crate) monitors: AtomicBool,
    killed: AtomicBool,
    /// Wakes the connection, so that it sees what is new.
    wake: Box<dyn Fn() + Send + Sync>,
}

/// How long it is told what buffer the last request needed.
const BUFFER_TOLD_MS: u64 = 2000;

impl Client {
    /// Ends the connection as soon as may be.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Relaxed);
        self.wake();
    }

    /// Has the connection look at what is new.
    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    /// Whether somebody ended it.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Notes what it asks for.
    pub(crate) fn runs(&self, entry: &Entry) {
        self.command.store(entry.id + 1, Relaxed);
    }

    /// Its line in CLIENT LIST.
    pub(crate) fn line(&self, now_ms: u64) -> String {
        let names = self.names.lock().clone();
        let command = self.command.load(Relaxed).checked_sub(1);
        let command = command.and_then(|id| super::table::table().flat().find(|entry| entry.id == id));
        let queued = self.queued.load(Relaxed);
        let mut flags = String::new();
        for (letter, on) in [
            ('O', self.monitors.load(Relaxed)),
            ('P', self.subscribes()),
            ('x', queued >= 0),
            ('b', self.blocked.load(Relaxed)),
            ('t', self.tracking.has(Modes::ON)),
            ('R', self.tracking.has(Modes::BROKEN)),
            ('B', self.tracking.has(Modes::BCAST)),
            ('e', self.no_evict.load(Relaxed)),
            ('T', self.no_touch.load(Relaxed)),
        ] {
            if on {
                flags.push(letter);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let pending = self.pending_bytes.load(Relaxed);
        let [channels, patterns, shards] = [0, 1, 2].map(|kind: usize| self.subscribed[kind].load(Relaxed));
        let mail = self.inbox.bytes();
        let idle_ms = now_ms.saturating_sub(self.last_ms.load(Relaxed));
        let (input, output) = (self.input_bytes.load(Relaxed), self.output_bytes.load(Relaxed));
        // Who asks nothing has no buffer: what the last request needed is told for some time, as long as Redis keeps it.
        let input = if idle_ms > BUFFER_TOLD_MS { pending } else { input };
        let mut line = String::new();
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd=0 name={} age={} idle={} flags={flags} db={} sub={channels} psub={patterns} ssub={shards} multi={queued} \
             qbuf={pending} qbuf-free={} argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl={output} oll=0 omem={} \
             tot-mem={} events=r cmd={} user={} redir={} resp={} lib-name={} lib-ver={} \
             watch={}",
            self.id,
            self.address,
            self.local_address,
            names.name,
            now_ms.saturating_sub(self.connected_ms) / 1000,
            idle_ms / 1000,
            self.database.load(Relaxed),
            input.saturating_sub(pending),
            output + mail,
            input + output + mail,
            command.map_or("NULL", |entry| entry.command.name),
            self.account.load().text(),
            self.tracking.redirect_told(),
            self.protocol.load(Relaxed),
            names.library,
            names.library_version,
            self.watched.load(Relaxed),
        );
        line
    }

    /// Whether it subscribes to anything.
    pub(crate) fn subscribes(&self) -> bool {
        self.subscribed.iter().any(|count| count.load(Relaxed) > 0)
    }

    /// The protocol it speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.protocol.load(Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// Notes the protocol.
    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        self.protocol.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Relaxed);
    }
}

/// All connections.
pub(crate) struct Clients {
    /// What all are logged in under at first.
    default: Arc<Account>,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    /// Most at once so far.
    peak: AtomicUsize,
}

impl Clients {
    /// None yet.
    pub(crate) fn new(default: Arc<Account>) -> Self {
        Self { default, connected: Mutex::default(), last_id: AtomicU64::new(0), peak: AtomicUsize::new(0) }
    }

    /// Notes a new connection.
    pub(crate) fn add(
        &self,
        address: String,
        local_address: String,
        now_ms: u64,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Client> {
        let client = Arc::new(Client {
            id: self.last_id.fetch_add(1, Relaxed) + 1,
            address,
            local_address,
            connected_ms: now_ms,
            last_ms: AtomicU64::new(now_ms),
            database: AtomicU16::new(0),
            account: ArcSwap::new(self.default.clone()),
            command: AtomicUsize::new(0),
            queued: AtomicI32::new(-1),
            watched: AtomicU32::new(0),
            protocol: AtomicU8::new(2),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            input_bytes: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            names: Mutex::default(),
            tail_due_ms: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            subscribed: Default::default(),
            inbox: Inbox::default(),
            tracking: Modes::default(),
            monitors: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            wake,
        });
        let mut connected = self.connected.lock();
        connected.insert(client.id, client.clone());
        self.peak.fetch_max(connected.len(), Relaxed);
        client
    }

    /// Forgets a connection.
    pub(crate) fn remove(&self, id: u64) {
        self.connected.lock().remove(&id);
    }

    /// The connection with this id.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.connected.lock().get(&id).cloned()
    }

    /// All that nobody ended, by age.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().filter(|client| !client.is_killed()).cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.connected.lock().len()
    }

    /// The most at once so far.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }
}
