//! An event loop: a thread, its connections, and the replies that wait for their commits.
//!
//! A connection with replies is *held*. When all connections with something to read have had their turn, the loop settles.
//! What depends on no commit that is not yet acknowledged leaves first, all of it at once: a client that is served many
//! connections is woken once and not for each (a third more GETs at pipeline 16). For the rest, under `everysec` and
//! `never`, the loop hands the log of all their commits to the system with one write and sends the replies at once. Under
//! `always` it syncs the log right there, for all of them, as long as the disk does that in less than what two changes of
//! thread cost on a busy machine (1.3 to 2 times the throughput, on two cores). Where the disk is slower, so that other
//! clients' reads would feel it, or blocks are on their way from it, to be looked at meanwhile, the loop asks to be called
//! when the newest commit is on disk. Either way the connections' own tasks are not woken for it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::connection::{self, Connection};
use super::fetch::Fetcher;
use super::http::{self, FrontEnd};
use super::tls::Tls;
use super::tls::handshake::Welcomed;
use crate::allocator;
use crate::config::Fsync;
use crate::engine::{self, Seqno};
use crate::redis::clients::Client;
use crate::redis::instance::Instance;
use crate::redis::process;
use crate::redis::stats::LoopStats;

/// Pipelines of one loop that may wait for the disk at once. More do not make the disk faster, and each thread keeps
/// some memory of its own in the allocator, in its ring and in its Lua: 64 of them held 100 MiB.
const BLOCKING_MAX: usize = 32;
/// No fewer wait at once, however many loops share however little memory.
const BLOCKING_MIN: usize = 4;
/// One such thread for so much of the process's memory, beyond what its engine and its buffers have at the least.
const BLOCKING_MEMORY: u64 = 8 << 20;
const BLOCKING_BEYOND: u64 = 32 << 20;
/// A buffer that grew larger than this is not kept for the next connection.
pub(super) const BUFFER_KEPT: usize = 64 << 10;
/// How many buffers are kept.
const BUFFERS_KEPT: usize = 64;
/// How long connections have to finish when the server stops.
const FINISH: Duration = Duration::from_secs(10);
/// Where so many syncs in a row take longer they are left to the engine's own thread, for so many turns; then one is tried
/// here again.
const SYNC_HERE_NS: u64 = 2_000_000;
const SLOW_SYNCS: u32 = 4;
const TURNS_AWAY: u32 = 256;
/// How often rates are sampled and idle connections looked for.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How often memory is looked at.
const WATCH_MEMORY: Duration = Duration::from_millis(100);

/// How many event loops to run: one on small machines, since clients and background work need cores too.
pub(super) fn count() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 2).clamp(1, 8)
}

/// How many pipelines of each of so many loops may wait for the disk at once, in a process of so much memory.
fn blocking_max(memory: u64, loops: usize) -> usize {
    let threads = memory.saturating_sub(BLOCKING_BEYOND) / BLOCKING_MEMORY;
    let threads = usize::try_from(threads).unwrap_or(usize::MAX);
    (threads / loops).clamp(BLOCKING_MIN, BLOCKING_MAX)
}

/// The stack of each thread that runs commands: values that scripts build may lie a thousand deep in each other. What is
/// not used costs nothing.
const STACK_BYTES: usize = 8 << 20;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Redis's.
    Redis,
    /// DynamoDB's.
    Tables,
}

/// A connection that was accepted.
pub(super) struct Arrival {
    stream: TcpStream,
    tls: Option<Tls>,
    protocol: Protocol,
}

impl Arrival {
    /// One that talks plainly.
    pub(super) fn plain(stream: TcpStream, protocol: Protocol) -> Self {
        Self { stream, tls: None, protocol }
    }
}

impl From<Welcomed> for Arrival {
    fn from(welcomed: Welcomed) -> Self {
        let Welcomed { stream, session, protocol } = welcomed;
        Self { stream, tls: session.map(Tls::new), protocol }
    }
}

/// A running loop, from outside.
pub(super) struct EventLoop {
    arrivals: mpsc::UnboundedSender<Arrival>,
    finished: oneshot::Receiver<()>,
}

impl EventLoop {
    /// Starts a loop's thread.
    pub(super) fn start(
        number: usize,
        instance: &Arc<Instance>,
        front_end: &Arc<FrontEnd>,
    ) -> io::Result<Self> {
        let (arrivals, arriving) = mpsc::unbounded_channel();
        let (finish, finished) = oneshot::channel();
        let (instance, front_end) = (instance.clone(), front_end.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking_max(instance.config().memory, count()))
            .thread_stack_size(STACK_BYTES)
            .thread_name(format!("silt-read-{number}"))
            .build()?;
        let thread = std::thread::Builder::new().name(format!("silt-loop-{number}")).stack_size(STACK_BYTES);
        thread.spawn(move || {
            LocalSet::new().block_on(&runtime, Turn::run(instance, front_end, arriving));
            runtime.shutdown_timeout(FINISH);
            // Nobody waits for it any more if this fails.
            let _ = finish.send(());
        })?;
        Ok(Self { arrivals, finished })
    }

    /// Gives it a connection.
    pub(super) fn hand(&self, arrival: Arrival) {
        // A loop that is gone drops the connection, which tells the client enough.
        let _ = self.arrivals.send(arrival);
    }

    /// Waits until its connections have ended; there will be no new ones.
    pub(super) async fn finish(self) {
        drop(self.arrivals);
        let _ = self.finished.await;
    }
}

/// A connection, as its loop looks after it.
pub(super) trait Served {
    /// What others see of it.
    fn client(&self) -> &Client;

    /// Whether the other end has kept it waiting for too long in the middle of something.
    fn is_stalled(&self, now_ms: u64) -> bool;

    /// Whether what it asked for is being done elsewhere, so that it has nothing to say.
    fn is_running(&self) -> bool;
}

/// What waits for a commit to be acknowledged.
pub(super) enum Held {
    /// A connection with output.
    Replies(Rc<Connection>),
    /// A task.
    Task(Seqno, oneshot::Sender<engine::Result<()>>),
}

impl Held {
    fn needs(&self) -> Seqno {
        match self {
            Self::Replies(connection) => connection.needs(),
            Self::Task(needs, _) => *needs,
        }
    }

    fn settle(self, turn: &Turn, result: engine::Result<()>) {
        match (self, result) {
            (Self::Replies(connection), Ok(())) => connection.send(turn),
            (Self::Replies(connection), Err(error)) => connection.fail(turn, &error),
            // It may have gone meanwhile.
            (Self::Task(_, told), result) => drop(told.send(result)),
        }
    }
}

/// A loop's state, shared by its tasks.
pub(super) struct Turn {
    pub(super) instance: Arc<Instance>,
    pub(super) stats: Arc<LoopStats>,
    connections: RefCell<HashMap<u64, Rc<dyn Served>>>,
    held: RefCell<Vec<Held>>,
    /// Whether connections were held since the last settling.
    unsettled: Cell<bool>,
    settler: RefCell<Option<Waker>>,
    /// For how many more turns syncs are not made here, since they are slow.
    syncs_away: Cell<u32>,
    /// The newest commit of which word is awaited; 0: none.
    asked: Cell<Seqno>,
    /// How many of the last syncs here were slow, up to the newest.
    slow_syncs: Cell<u32>,
    acknowledged: Arc<Acknowledged>,
    buffers: RefCell<Vec<Vec<u8>>>,
    pub(super) fetcher: Fetcher,
    /// Wakes whoever waits for the last connection to end.
    emptied: RefCell<Option<Waker>>,
}

/// Where the engine's callback, on another thread, leaves word.
#[derive(Default)]
struct Acknowledged {
    news: AtomicBool,
    failed: Mutex<Option<(Seqno, engine::Error)>>,
    waker: Mutex<Option<Waker>>,
}

impl Turn {
    async fn run(
        instance: Arc<Instance>,
        front_end: Arc<FrontEnd>,
        mut arriving: mpsc::UnboundedReceiver<Arrival>,
    ) {
        let stats = instance.stats.new_loop();
        let turn = Rc::new(Self {
            instance,
            stats,
            connections: RefCell::default(),
            held: RefCell::default(),
            unsettled: Cell::new(false),
            settler: RefCell::default(),
            syncs_away: Cell::new(0),
            asked: Cell::new(0),
            slow_syncs: Cell::new(0),
            acknowledged: Arc::default(),
            buffers: RefCell::default(),
            fetcher: Fetcher::default(),
            emptied: RefCell::default(),
        });
        tokio::task::spawn_local(turn.clone().settle_for_ever());
        tokio::task::spawn_local(turn.clone().look_around());
        tokio::task::spawn_local(turn.clone().watch_memory());
        tokio::task::spawn_local(turn.fetcher.clone().wake_for_ever());
        while let Some(Arrival { stream, tls, protocol }) = arriving.recv().await {
            let opened = stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream));
            match (opened, protocol) {
                (Ok(stream), Protocol::Redis) => connection::start(&turn, stream, tls),
                (Ok(stream), Protocol::Tables) => http::start(&turn, stream, tls, &front_end),
                (Err(error), _) => tracing::warn!(%error, "cannot serve a connection"),
            }
        }
        // Those that came too late for the listener to end them.
        for connection in turn.connections.borrow().values() {
            connection.client().kill();
        }
        let emptied = poll_fn(|cx| {
            if turn.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            *turn.emptied.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        });
        if tokio::time::timeout(FINISH, emptied).await.is_err() {
            tracing::warn!(connections = turn.connections.borrow().len(), "cut off at shutdown");
        }
    }

    /// Adds a connection.
    pub(super) fn add(&self, connection: Rc<dyn Served>) {
        self.connections.borrow_mut().insert(connection.client().id, connection);
    }

    /// Forgets a connection.
    pub(super) fn remove(&self, id: u64) {
        self.connections.borrow_mut().remove(&id);
        if self.connections.borrow().is_empty()
            && let Some(waker) = self.emptied.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Waits until a commit is acknowledged, or it is known that it will not be.
    pub(super) async fn acknowledged(&self, needs: Seqno) -> engine::Result<()> {
        if self.instance.store().db().is_acknowledged(needs) {
            return Ok(());
        }
        let (tell, told) = oneshot::channel();
        self.hold(Held::Task(needs, tell));
        told.await.unwrap_or(Err(engine::Error::Closed))
    }

    /// Has what waits go on at the next settling.
    pub(super) fn hold(&self, held: Held) {
        self.held.borrow_mut().push(held);
        if !self.unsettled.replace(true)
            && let Some(waker) = self.settler.borrow().as_ref()
        {
            // It comes after all tasks that are ready now.
            waker.wake_by_ref();
        }
    }

    /// An empty buffer with some capacity.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(16 << 10))
    }

    /// Takes a buffer back.
    pub(super) fn keep_buffer(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if (1..=BUFFER_KEPT).contains(&buffer.capacity()) && buffers.len() < BUFFERS_KEPT {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Whether the engine has left word since. It may be that it failed: then whoever still waits has to ask again.
    fn has_word(&self) -> bool {
        let news = self.acknowledged.news.swap(false, SeqCst);
        if news {
            self.asked.set(0);
        }
        news
    }

    async fn settle_for_ever(self: Rc<Self>) {
        loop {
            poll_fn(|cx| {
                if self.has_word() || self.unsettled.get() {
                    return Poll::Ready(());
                }
                let mut settler = self.settler.borrow_mut();
                if !settler.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *settler = Some(cx.waker().clone());
                    *self.acknowledged.waker.lock() = Some(cx.waker().clone());
                    // The callback may have come before it knew whom to wake.
                    if self.has_word() {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending
            })
            .await;
            self.settle();
        }
    }

    /// Sends what may be sent, and sees to it that the rest may soon be.
    fn settle(&self) {
        let store = self.instance.store();
        self.unsettled.set(false);
        let held = std::mem::take(&mut *self.held.borrow_mut());
        // A connection that is held goes on reading, so that it may need more by now than when it was.
        let (ready, held): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|one| store.db().is_acknowledged(one.needs()));
        for one in ready {
            one.settle(self, Ok(()));
        }
        if let Some(newest) = held.iter().map(Held::needs).max() {
            self.acknowledge(newest);
        }
        let failed = self.acknowledged.failed.lock().take();
        for one in held {
            if store.db().is_acknowledged(one.needs()) {
                one.settle(self, Ok(()));
                continue;
            }
            match &failed {
                Some((seqno, error)) if one.needs() <= *seqno => one.settle(self, Err(error.clone())),
                _ => self.held.borrow_mut().push(one),
            }
        }
    }

    /// Has a commit acknowledged: by the time this returns, or later.
    fn acknowledge(&self, seqno: Seqno) {
        let always = self.instance.config().fsync == Fsync::Always;
        let away = self.syncs_away.get();
        if always && (away > 0 || self.fetcher.is_busy()) {
            self.syncs_away.set(away.saturating_sub(1));
            return self.ask(seqno);
        }
        let clock = self.instance.clock();
        let start_ns = clock.monotonic_ns();
        let db = self.instance.store().db();
        match db.acknowledge(seqno) {
            Err(error) => *self.acknowledged.failed.lock() = Some((seqno, error)),
            // More than that is asked since.
            Ok(()) if !db.is_acknowledged(seqno) => self.ask(seqno),
            Ok(()) => {}
        }
        let is_slow = always && clock.monotonic_ns() - start_ns > SYNC_HERE_NS;
        let slow = if is_slow { self.slow_syncs.get() + 1 } else { 0 };
        self.slow_syncs.set(slow.min(SLOW_SYNCS));
        if slow >= SLOW_SYNCS {
            self.syncs_away.set(TURNS_AWAY);
        }
    }

    /// Asks the engine to leave word once a commit is acknowledged.
    fn ask(&self, seqno: Seqno) {
        if self.asked.replace(seqno.max(self.asked.get())) >= seqno {
            return;
        }
        let acknowledged = self.acknowledged.clone();
        self.instance.store().db().on_acknowledged(seqno, move |result| {
            if let Err(error) = result {
                *acknowledged.failed.lock() = Some((seqno, error));
            }
            acknowledged.news.store(true, SeqCst);
            if let Some(waker) = acknowledged.waker.lock().as_ref() {
                waker.wake_by_ref();
            }
        });
    }

    /// Ten times a second, since a few large replies are as fast: sees to it that the process takes no more memory than it
    /// should.
    async fn watch_memory(self: Rc<Self>) {
        loop {
            tokio::time::sleep(WATCH_MEMORY).await;
            allocator::look(|| process::resident().own, self.instance.config().memory);
            allocator::give_back();
        }
    }

    /// Once a second: takes a sample for INFO's rates, and ends connections that were silent for longer than
    /// `timeout` allows.
    async fn look_around(self: Rc<Self>) {
        loop {
            tokio::time::sleep(LOOK_AROUND).await;
            allocator::give_back_old();
            self.instance.stats.sample(self.instance.clock().monotonic_ns());
            let timeout_ms =
                self.instance.parameters.timeout_s().map_or(u64::MAX, |s| s.saturating_mul(1000));
            let now_ms = self.instance.store().now_ms();
            for connection in self.connections.borrow().values() {
                let client = connection.client();
                let silent_ms = now_ms.saturating_sub(client.last_ms.load(Relaxed));
                let may_be_silent = client.blocked.load(Relaxed)
                    || client.subscribes()
                    || client.monitors.load(Relaxed)
                    || connection.is_running();
                let is_silent = silent_ms > timeout_ms && !may_be_silent;
                let is_stalled = connection.is_stalled(now_ms);
                if is_stalled {
                    tracing::info!(
                        client = client.id,
                        "disconnected: it keeps a request or its reply waiting"
                    );
                }
                if is_silent || is_stalled {
                    client.kill();
                }
            }
        }
    }
}
