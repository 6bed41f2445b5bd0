//! One connection's state: who it is, which database it selected, what it queues and watches.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use super::acl::Account;
use super::blocking::Blocked;
use super::budget::Tab;
use super::clients::Client;
use super::monitor::Monitor;
use super::protocol::reply::Protocol;
use super::pubsub::{Message, Subscriptions};
use super::run::Runs;
use super::stats::LoopStats;
use super::tail::Tail;
use super::tracking::Tracker;
use super::transaction::Queue;
use super::waiters::Wave;
use crate::random::Random;
use crate::store::{Reads, Seqno, View, Watch};

/// Which replies a client wants: CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// None to the command after this one.
    SkipNext,
    /// None to this command, then all.
    Skip,
}

/// A connection's state.
pub(crate) struct Session {
    /// What others see of it.
    pub(crate) client: Arc<Client>,
    /// Its event loop's counters.
    pub(crate) stats: Arc<LoopStats>,
    /// The selected database.
    pub(crate) database: u16,
    /// Under which name it is logged in.
    pub(crate) account: Arc<Account>,
    /// Whether it gave a password, or needs none.
    pub(crate) authenticated: bool,
    /// Whether an error inside its EXEC undoes all of it; `None`: as the parameter `txn-rollback` says.
    pub(crate) rollback: Option<bool>,
    /// Which replies it wants.
    pub(crate) reply_mode: ReplyMode,
    /// What MULTI queued.
    pub(crate) queue: Option<Queue>,
    /// What it watches.
    pub(crate) watch: Option<Watch>,
    /// What it subscribes to, if anything.
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
    /// That it tracks the keys that it reads, if it does.
    pub(crate) tracker: Option<Box<Tracker>>,
    /// That it monitors, if it does.
    pub(crate) monitor: Option<Box<Monitor>>,
    /// What the transaction that is running has published: sent when it commits.
    pub(crate) unsent: Option<Vec<Message>>,
    /// Commands of its pipeline that share a transaction.
    pub(crate) runs: Runs,
    /// Its command that waits.
    pub(crate) blocked: Option<Box<Blocked>>,
    /// What of its last command's reply is still to be told.
    pub(crate) tail: Option<Box<Tail>>,
    /// The turns of waiting clients that its last commit set off: it goes on once they have ended.
    pub(crate) wave: Option<Weak<Wave>>,
    /// The keys, and since when.
    pub(crate) watched: BTreeMap<(u16, Box<[u8]>), u64>,
    /// What that takes.
    pub(crate) watched_tab: Option<Tab>,
    /// The newest commit that its replies depend on: they leave once it is acknowledged.
    pub(crate) needs: Seqno,
    /// Its own last commit: its reads see at least that.
    pub(crate) floor: Seqno,
    /// Whether the connection ends once its replies have left.
    pub(crate) closing: bool,
    /// The moment that reads of one pipeline share. All of these reads had arrived before it was pinned.
    pub(crate) view: Option<View>,
    /// Gives each command its seed; goes on once the command is done.
    pub(crate) random: Random,
}

impl Session {
    /// A new connection.
    pub(crate) fn new(client: Arc<Client>, stats: Arc<LoopStats>, authenticated: bool) -> Self {
        Self {
            account: client.account.load_full(),
            client,
            stats,
            database: 0,
            authenticated,
            rollback: None,
            reply_mode: ReplyMode::On,
            queue: None,
            watch: None,
            subscriptions: None,
            tracker: None,
            monitor: None,
            unsent: None,
            runs: Runs::default(),
            blocked: None,
            tail: None,
            wave: None,
            watched: BTreeMap::new(),
            watched_tab: None,
            needs: 0,
            floor: 0,
            closing: false,
            view: None,
            random: Random::from_machine(),
        }
    }

    /// Selects a database.
    pub(crate) fn select(&mut self, database: u16) {
        self.database = database;
        self.client.database.store(database, Relaxed);
    }

    /// Logs in.
    pub(crate) fn log_in(&mut self, account: Arc<Account>) {
        self.client.account.store(account.clone());
        self.account = account;
        self.authenticated = true;
    }

    /// Becomes what it was before it logged in.
    pub(crate) fn log_out(&mut self, default: &Arc<Account>, authenticated: bool) {
        self.log_in(default.clone());
        self.authenticated = authenticated;
    }

    /// Goes back to what it was when a transaction began that is undone.
    pub(crate) fn return_to(&mut self, (database, account): (u16, &Arc<Account>)) {
        self.select(database);
        if !Arc::ptr_eq(account, &self.account) {
            let authenticated = self.authenticated;
            self.log_out(account, authenticated);
        }
    }

    /// Ends a connection; its own, once its reply has left.
    pub(crate) fn end(&mut self, client: &Client) {
        if client.id == self.client.id {
            self.closing = true;
        } else {
            client.kill();
        }
    }

    /// Notes that the client is told of a commit: what it reads from here on is no older.
    pub(crate) fn heard(&mut self, seqno: Seqno) {
        self.needs = self.needs.max(seqno);
        self.floor = self.floor.max(seqno);
        self.view = self.view.take().filter(|view| view.seqno() >= seqno);
    }

    /// Forgets what is queued and watched.
    pub(crate) fn discard(&mut self) {
        self.queue = None;
        self.unwatch();
        self.client.queued.store(-1, Relaxed);
    }

    /// Forgets what is watched.
    pub(crate) fn unwatch(&mut self) {
        self.watch = None;
        self.watched = BTreeMap::new();
        self.watched_tab = None;
        self.client.watched.store(0, Relaxed);
    }

    /// RESET: as if newly connected, with this account.
    pub(crate) fn reset(&mut self, default: &Arc<Account>, authenticated: bool) {
        self.discard();
        self.subscriptions = None;
        self.tracker = None;
        self.monitor = None;
        self.select(0);
        self.log_out(default, authenticated);
        self.rollback = None;
        self.reply_mode = ReplyMode::On;
        self.client.set_protocol(Protocol::Resp2);
        self.client.no_evict.store(false, Relaxed);
        self.client.no_touch.store(false, Relaxed);
        self.client.names.lock().name.clear();
    }
}
