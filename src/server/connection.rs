//! A connection: reads, runs its [`Pipeline`], and sends the replies once they may leave.
//!
//! ```text
//! read ─► run ─┬─ More ───► send or hold ─► read …            a connection that is idle owns no buffer
//!              ├─ Wait ───► fetch what is missing ────┼─► run …      or run on the blocking pool
//!              ├─ Paused ─► a nap ────────────────────┼─► run …
//!              ├─ Full ───► send, wait till taken ────┘       while output lies unsent nothing is read
//!              └─ Close ──► send, end
//! ```

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::event_loop::{BUFFER_KEPT, Held, Served, Turn};
use super::tls::Tls;
use crate::allocator;
use crate::engine::{self, Seqno, Tier};
use crate::redis::clients::Client;
use crate::redis::pipeline::{Pace, Pipeline};
use crate::redis::session::Session;
use crate::redis::tail;
use crate::store::{Lack, Stripe};

/// Room for one read.
const READ_BYTES: usize = 16 << 10;
/// The most that is read at once, however much a large value still wants.
const READ_BYTES_MAX: usize = 1 << 20;
/// Blocks that are fetched for one command before it goes to the blocking pool: a point read through the whole tree needs
/// two, and one more for each filter that errs.
pub(super) const FETCHES_MAX: usize = 4;
/// Times that a command finds a lock taken by others before it goes there, where it has its turn for sure.
pub(super) const LOCK_TRIES_MAX: usize = 64;
/// How long CLIENT PAUSE lets a connection sleep before it looks again.
const PAUSE_CHECK: Duration = Duration::from_millis(10);

/// A connection, as its task and the settling of its loop share it.
pub(super) struct Connection {
    client: Arc<Client>,
    write: OwnedWriteHalf,
    /// Whether, and how, what goes through the socket is encrypted.
    tls: Option<RefCell<Tls>>,
    state: RefCell<State>,
    /// Who waits for news of this connection: its task. Woken from other threads too.
    waker: Arc<Mutex<Option<Waker>>>,
}

struct State {
    /// Away while it runs on the blocking pool.
    pipeline: Option<Box<Pipeline>>,
    /// How much of the output the socket took.
    sent: usize,
    needs: Seqno,
    held: bool,
    /// The task waits until the output is sent.
    awaited: bool,
    /// The socket is of no use any more.
    broken: bool,
    /// What its requests take beyond the first few bytes.
    charged: usize,
    /// When its client must have taken the output that takes memory of all, and gone on with what it asks that does, in
    /// Unix milliseconds.
    output_due_ms: Option<u64>,
    input_due_ms: Option<u64>,
}

/// What a task was woken for.
enum News {
    Read(usize),
    /// Others have something to tell its client.
    Mail,
    /// Output may be sent that the socket did not take, or the connection was killed.
    Look,
    End,
}

/// Serves a new connection.
pub(super) fn start(turn: &Rc<Turn>, stream: TcpStream, tls: Option<Tls>) {
    let name =
        |address: io::Result<std::net::SocketAddr>| address.map_or_else(|_| String::new(), |a| a.to_string());
    let (address, local) = (name(stream.peer_addr()), name(stream.local_addr()));
    let (read, write) = stream.into_split();
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let wake = waker.clone();
    let wake = Box::new(move || {
        if let Some(waker) = wake.lock().as_ref() {
            waker.wake_by_ref();
        }
    });
    let instance = &turn.instance;
    let client = instance.clients.add(address, local, instance.store().now_ms(), wake);
    let session = Session::new(client.clone(), turn.stats.clone(), !instance.needs_password());
    let pipeline = Some(Box::new(Pipeline::new(instance.clone(), session)));
    let state = State {
        pipeline,
        sent: 0,
        needs: 0,
        held: false,
        awaited: false,
        broken: false,
        charged: 0,
        output_due_ms: None,
        input_due_ms: None,
    };
    let connection =
        Rc::new(Connection { client, write, tls: tls.map(RefCell::new), state: RefCell::new(state), waker });
    turn.add(connection.clone());
    tracing::debug!(client = connection.client.id, address = connection.client.address, "connected");
    let guard = Guard { turn: turn.clone(), connection: connection.clone() };
    tokio::task::spawn_local(async move {
        let guard = guard;
        serve(&guard.turn, &guard.connection, read).await;
    });
}

/// Tidies up after a connection, also when its task panicked.
struct Guard {
    turn: Rc<Turn>,
    connection: Rc<Connection>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let id = self.connection.client.id;
        if std::thread::panicking() {
            tracing::error!(client = id, "a command panicked; its connection is closed");
        }
        self.turn.instance.clients.remove(id);
        self.turn.remove(id);
        // A connection whose task panicked may still be held, but is not sent anything any more.
        let mut state = self.connection.state.borrow_mut();
        state.broken = true;
        state.pipeline = None;
        self.turn.instance.buffers().change(state.charged, 0);
        if let Some(tls) = &self.connection.tls {
            tls.borrow_mut().close(self.connection.write.as_ref());
        }
        tracing::debug!(client = id, "disconnected");
    }
}

async fn serve(turn: &Rc<Turn>, connection: &Rc<Connection>, mut read: OwnedReadHalf) {
    loop {
        match connection.next_news(turn, &mut read).await {
            News::Read(bytes) => turn.stats.bytes_in.add(bytes as u64),
            News::Look => {
                // Also when killed: what was answered may still leave, if it can.
                if !connection.drain(turn).await || connection.client.is_killed() {
                    return;
                }
                continue;
            }
            // It is appended to the output by whatever is run, and be it nothing.
            News::Mail => {}
            News::End => {
                connection.wait_until_settled().await;
                return;
            }
        }
        loop {
            let pace = connection.run(turn).await;
            let Some(pace) = pace else { return };
            if !connection.account(turn) {
                tracing::warn!(
                    client = connection.client.id,
                    "disconnected: its buffers exceed the memory budget"
                );
                return;
            }
            match pace {
                Pace::More => {
                    connection.deliver(turn);
                    break;
                }
                Pace::Block => {
                    connection.deliver(turn);
                    if !connection.wait_for_news(turn, &read).await {
                        connection.wait_until_settled().await;
                        return;
                    }
                }
                // Its output leaves when others have had what it brought.
                Pace::Yield => connection.wait_for_others().await,
                Pace::Paused => {
                    connection.deliver(turn);
                    turn.instance.held_up.fetch_add(1, Relaxed);
                    tokio::time::sleep(PAUSE_CHECK).await;
                    turn.instance.held_up.fetch_sub(1, Relaxed);
                }
                Pace::Wait(_) | Pace::Full => {
                    connection.deliver(turn);
                    if !connection.drain(turn).await {
                        return;
                    }
                }
                Pace::Close => {
                    connection.deliver(turn);
                    connection.drain(turn).await;
                    return;
                }
            }
        }
    }
}

impl Served for Connection {
    fn client(&self) -> &Client {
        &self.client
    }

    fn is_stalled(&self, now_ms: u64) -> bool {
        let tail_due_ms = Some(self.client.tail_due_ms.load(Relaxed)).filter(|due_ms| *due_ms > 0);
        let state = self.state.borrow();
        [state.output_due_ms, state.input_due_ms, tail_due_ms]
            .into_iter()
            .flatten()
            .any(|due_ms| due_ms < now_ms)
    }

    fn is_running(&self) -> bool {
        self.state.borrow().pipeline.is_none()
    }
}

impl Connection {
    /// The newest commit that its output depends on.
    pub(super) fn needs(&self) -> Seqno {
        self.state.borrow().needs
    }

    /// Waits for bytes to read, output to send, or the end.
    async fn next_news(&self, turn: &Turn, read: &mut OwnedReadHalf) -> News {
        poll_fn(|cx| {
            self.register(cx);
            let mut state = self.state.borrow_mut();
            let State { pipeline: Some(pipeline), broken: false, held, charged, input_due_ms, .. } =
                &mut *state
            else {
                return Poll::Ready(News::End);
            };
            if self.client.is_killed() || (!*held && pipeline.reply().len() > 0) {
                return Poll::Ready(News::Look);
            }
            if pipeline.has_mail() {
                return Poll::Ready(News::Mail);
            }
            let (wanted, has_large_queue) = (pipeline.wanted(), pipeline.has_large_queue());
            let input = pipeline.input();
            if input.capacity() == 0 {
                *input = turn.buffer();
            }
            if input.capacity() - input.len() < READ_BYTES.min(wanted.max(64)) {
                // Never more than what has arrived once again: lengths are only declared.
                input.reserve(wanted.min(input.len()).clamp(READ_BYTES, READ_BYTES_MAX));
            }
            let polled = match &self.tls {
                None => pin!(read.read_buf(input)).poll(cx),
                Some(tls) => {
                    let mut encrypted = turn.buffer();
                    encrypted.reserve(READ_BYTES);
                    let socket = (&mut *read, &self.write);
                    let polled = tls.borrow_mut().poll_read(cx, socket, &mut encrypted, input);
                    turn.keep_buffer(encrypted);
                    polled
                }
            };
            if input.is_empty() {
                turn.keep_buffer(std::mem::take(input));
            } else if polled.is_pending() && input.len() < BUFFER_KEPT / 2 {
                input.shrink_to(BUFFER_KEPT);
            }
            let size = input.capacity().saturating_sub(BUFFER_KEPT);
            if size < *charged {
                turn.instance.buffers().change(std::mem::replace(charged, size), size);
            }
            let is_owed = polled.is_pending() && (*charged > 0 || has_large_queue);
            *input_due_ms = is_owed.then(|| {
                input_due_ms.unwrap_or_else(|| turn.instance.store().now_ms() + tail::patience_ms(0))
            });
            polled.map(|result| match result {
                Ok(0) | Err(_) => News::End,
                Ok(bytes) => News::Read(bytes),
            })
        })
        .await
    }

    fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Runs what has arrived: here, as long as memory has the answers, or a few blocks from the disk complete them, else
    /// on the blocking pool. `None` if it panicked there.
    async fn run(&self, turn: &Turn) -> Option<Pace> {
        let (mut fetched, mut locked) = (0, 0);
        loop {
            match self.run_here(turn)? {
                Pace::Wait(Some(Lack::Block(miss))) if fetched < FETCHES_MAX => {
                    turn.fetcher.fetch(miss).await;
                    fetched += 1;
                }
                Pace::Wait(Some(Lack::Lock(stripe))) if locked < LOCK_TRIES_MAX => {
                    self.wait_until_free(turn, stripe).await;
                    locked += 1;
                }
                Pace::Wait(_) => break,
                pace => return Some(pace),
            }
        }
        turn.stats.moved.increment();
        let mut pipeline = self.state.borrow_mut().pipeline.take()?;
        let (pipeline, pace) = tokio::task::spawn_blocking(move || {
            let pace = pipeline.run(Tier::Disk);
            allocator::give_back();
            (pipeline, pace)
        })
        .await
        .ok()?;
        let mut state = self.state.borrow_mut();
        state.needs = pipeline.needs();
        state.pipeline = Some(pipeline);
        Some(pace)
    }

    /// Runs what has arrived as far as memory has the answers.
    fn run_here(&self, turn: &Turn) -> Option<Pace> {
        let mut state = self.state.borrow_mut();
        let pipeline = state.pipeline.as_mut()?;
        if pipeline.reply().capacity() == 0 {
            pipeline.reply().give_buffer(turn.buffer());
        }
        let pace = pipeline.run(Tier::Cached);
        state.needs = state.pipeline.as_ref().map_or(0, |pipeline| pipeline.needs());
        Some(pace)
    }

    /// Has the output sent, once the others have had their turn and it may leave.
    fn deliver(self: &Rc<Self>, turn: &Turn) {
        let mut state = self.state.borrow_mut();
        let Some(pipeline) = &mut state.pipeline else { return };
        if pipeline.reply().len() == 0 {
            turn.keep_buffer(pipeline.reply().take());
            return;
        }
        if !std::mem::replace(&mut state.held, true) {
            drop(state);
            turn.hold(Held::Replies(self.clone()));
        }
    }

    /// Sends as much of the output as the socket takes. The output may leave.
    pub(super) fn send(&self, turn: &Turn) {
        let mut state = self.state.borrow_mut();
        let State { pipeline, sent, held, broken, awaited, output_due_ms, .. } = &mut *state;
        *held = false;
        let Some(pipeline) = pipeline else { return };
        let reply = pipeline.reply();
        let is_sent = !*broken
            && self.transmit(reply.bytes(), sent).unwrap_or_else(|_| {
                *broken = true;
                false
            });
        if is_sent || *broken {
            turn.stats.bytes_out.add(*sent as u64);
            self.client.output_bytes.store(0, Relaxed);
            *sent = 0;
            reply.clear();
            turn.keep_buffer(reply.take());
            *output_due_ms = None;
        } else if reply.len() > BUFFER_KEPT || self.client.tail_due_ms.load(Relaxed) > 0 {
            // It takes memory of all, or keeps a snapshot: taking a few bytes now and then does not win more time.
            output_due_ms
                .get_or_insert_with(|| turn.instance.store().now_ms() + tail::patience_ms(reply.len()));
        }
        // The task need not know that all is well, unless it waits for that, or for room for what others have to tell.
        if *broken || reply.len() > 0 || *awaited || self.client.inbox.is_full() {
            drop(state);
            self.wake();
        }
    }

    /// Sends output from where `sent` points; whether the socket took all of it.
    fn transmit(&self, output: &[u8], sent: &mut usize) -> io::Result<bool> {
        if let Some(tls) = &self.tls {
            return tls.borrow_mut().send(self.write.as_ref(), output, sent);
        }
        while *sent < output.len() {
            match self.write.try_write(output.get(*sent..).unwrap_or_default()) {
                Ok(bytes) => *sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What was to be sent cannot be vouched for: says so and ends the connection.
    pub(super) fn fail(&self, turn: &Turn, error: &engine::Error) {
        let mut state = self.state.borrow_mut();
        let State { pipeline, sent, .. } = &mut *state;
        if let Some(pipeline) = pipeline {
            let reply = pipeline.reply();
            reply.clear();
            // Behind a part of another reply it would pass for the rest of that.
            if *sent == 0 && self.client.tail_due_ms.load(Relaxed) == 0 {
                reply.error_text(&format!("MISCONF it is unknown whether this was written: {error}"));
            }
        }
        *sent = 0;
        drop(state);
        self.send(turn);
        self.state.borrow_mut().broken = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Waits until its command that waits should be looked after, or its time is over. Reads nothing meanwhile, but
    /// sends. False if the connection is at its end.
    async fn wait_for_news(&self, turn: &Turn, read: &OwnedReadHalf) -> bool {
        // Of all that may be said of a socket, this covers the end of its input without also covering input.
        let mut closed = pin!(read.ready(Interest::PRIORITY));
        let left = self.state.borrow().pipeline.as_ref().and_then(|pipeline| pipeline.blocked_left());
        let mut late = pin!(async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            self.register(cx);
            loop {
                {
                    let mut state = self.state.borrow_mut();
                    let State { pipeline: Some(pipeline), broken: false, held, .. } = &mut *state else {
                        return Poll::Ready(false);
                    };
                    if self.client.is_killed() || pipeline.has_news() || late.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(true);
                    }
                    if closed.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(false);
                    }
                    if *held || pipeline.reply().len() == 0 {
                        return Poll::Pending;
                    }
                }
                match self.write.as_ref().poll_write_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.send(turn),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                }
            }
        })
        .await
    }

    /// Waits until a lock is free. Nobody keeps it for this connection.
    async fn wait_until_free(&self, turn: &Turn, stripe: Stripe) {
        poll_fn(|cx| {
            self.register(cx);
            if self.client.is_killed() {
                return Poll::Ready(());
            }
            turn.instance.store().poll_free(stripe, cx.waker())
        })
        .await;
    }

    /// Waits until nobody has a turn any more that its last command set off.
    async fn wait_for_others(&self) {
        poll_fn(|cx| {
            self.register(cx);
            let free = self.state.borrow().pipeline.as_ref().is_none_or(|pipeline| pipeline.is_free());
            if free || self.client.is_killed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits until output that is held has been given to the socket: whoever sends no more may read still.
    async fn wait_until_settled(&self) {
        self.state.borrow_mut().awaited = true;
        poll_fn(|cx| {
            self.register(cx);
            let state = self.state.borrow();
            if state.held && !state.broken && state.pipeline.is_some() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Waits until all output is sent. False if that cannot be.
    async fn drain(&self, turn: &Turn) -> bool {
        self.state.borrow_mut().awaited = true;
        let sent = poll_fn(|cx| {
            self.register(cx);
            loop {
                {
                    let mut state = self.state.borrow_mut();
                    let State { pipeline: Some(pipeline), broken: false, held, .. } = &mut *state else {
                        return Poll::Ready(false);
                    };
                    if pipeline.reply().len() == 0 {
                        return Poll::Ready(true);
                    }
                    if *held {
                        // The settling sends it and wakes us.
                        return Poll::Pending;
                    }
                }
                match self.write.as_ref().poll_write_ready(cx) {
                    // Whoever is killed while the socket takes nothing has had its chance.
                    Poll::Pending if self.client.is_killed() => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.send(turn),
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                }
            }
        })
        .await;
        self.state.borrow_mut().awaited = false;
        sent
    }

    /// Notes how large its buffers are; false if that is too much.
    fn account(&self, turn: &Turn) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(pipeline) = &mut state.pipeline else { return true };
        let input = pipeline.input_capacity();
        self.client.input_bytes.store(input, Relaxed);
        self.client.pending_bytes.store(pipeline.pending(), Relaxed);
        self.client.output_bytes.store(pipeline.reply().len(), Relaxed);
        let size = input.saturating_sub(BUFFER_KEPT);
        let fits = size == state.charged || turn.instance.buffers().change(state.charged, size);
        if fits {
            state.charged = size;
        }
        fits && state.pipeline.as_mut().is_none_or(|pipeline| pipeline.reply().settle())
    }
}
