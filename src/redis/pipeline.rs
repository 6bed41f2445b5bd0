//! A connection without its socket: bytes in, bytes out. The server feeds it what arrives and sends what it answers;
//! tests talk to it directly.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::dispatch::{self, Flow};
use super::error::Error;
use super::instance::Instance;
use super::protocol::decode::{Decoder, Limits, ProtocolError, Step};
use super::protocol::reply::Reply;
use super::run;
use super::session::Session;
use super::transaction::Queue;
use crate::store::{Lack, Reads, Seqno, TOUCHED_MAX, Tier};

/// Output at which a pipeline pauses until the client has taken it.
const OUTPUT_BYTES_SOFT: usize = 1 << 20;

/// Output at which what others have to tell stays where it is: several may share it there.
const MAIL_BYTES_SOFT: usize = 64 << 10;

/// How much of a pipeline is looked ahead at, and how long the names are.
const AHEAD_BYTES: usize = 16 << 10;
const AHEAD_NAME_BYTES: usize = 256;

/// Why [`Pipeline::run`] came back.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    /// Everything that arrived whole is answered.
    More,
    /// The next command must wait for the disk or a lock: run on once there is what it lacks, or in [`Tier::Disk`],
    /// off the event loop.
    Wait(Option<Lack>),
    /// CLIENT PAUSE holds the next command up, or there is no memory for the next piece of a reply or the
    /// next message.
    Paused,
    /// A command waits for a key: run on when [`Pipeline::has_news`], or [`Pipeline::blocked_left`] has passed.
    Block,
    /// Others have their turn with what the last command did: run on when [`Pipeline::is_free`].
    Yield,
    /// Much output lies ready: send it, then run on.
    Full,
    /// The connection ends once its output is sent.
    Close,
}

/// A connection's bytes and state.
pub(crate) struct Pipeline {
    instance: Arc<Instance>,
    session: Session,
    decoder: Decoder,
    limits: Limits,
    /// What `proto-max-bulk-len` was when the limits were set.
    bulk_bytes_max: u64,
    input: Vec<u8>,
    /// How much of `input` is done with.
    done: usize,
    /// How much of `input` was looked ahead at.
    ahead: usize,
    reply: Reply,
    /// Whether there is no memory now for what others have to tell.
    is_short: bool,
}

impl Pipeline {
    /// A new connection.
    pub(crate) fn new(instance: Arc<Instance>, session: Session) -> Self {
        let mut pipeline = Self {
            instance,
            session,
            decoder: Decoder::default(),
            limits: Limits::default(),
            bulk_bytes_max: 0,
            input: Vec::new(),
            done: 0,
            ahead: 0,
            reply: Reply::default(),
            is_short: false,
        };
        pipeline.set_limits();
        let buffers = pipeline.instance.buffers();
        pipeline.reply.limit(buffers.most(), buffers);
        pipeline
    }

    fn set_limits(&mut self) {
        let config = self.instance.config();
        // A value is at most an eighth of the memory, and the request around it a little more.
        self.bulk_bytes_max = self.instance.parameters.bulk_bytes_max();
        let value_max = (config.memory / 8).min(self.bulk_bytes_max).max(1 << 20);
        self.limits = Limits {
            bulk_bytes_max: i64::try_from(value_max).unwrap_or(i64::MAX),
            request_bytes_max: u32::try_from((config.memory / 4).min(1 << 30))
                .unwrap_or(1 << 30)
                .max(4 << 20),
            authenticated: self.session.authenticated || !self.instance.needs_password(),
            ..Limits::default()
        };
    }

    /// Where to put what arrives: append to it.
    pub(crate) fn input(&mut self) -> &mut Vec<u8> {
        if self.done > 0 {
            self.input.drain(..self.done);
            self.ahead = self.ahead.saturating_sub(self.done);
            self.done = 0;
        }
        &mut self.input
    }

    /// Bytes that the next read should have room for.
    pub(crate) fn wanted(&self) -> usize {
        self.decoder.wanted(self.input.len() - self.done)
    }

    /// Bytes that the input has room for.
    pub(crate) fn input_capacity(&self) -> usize {
        self.input.capacity()
    }

    /// Bytes that have come and are not done with.
    pub(crate) fn pending(&self) -> usize {
        self.input.len() - self.done
    }

    /// Whether its client takes memory of all with what MULTI queued.
    pub(crate) fn has_large_queue(&self) -> bool {
        self.session.queue.as_ref().is_some_and(Queue::is_charged)
    }

    /// Whether all input is done with.
    pub(crate) fn is_idle(&self) -> bool {
        self.done == self.input.len()
    }

    /// The output.
    pub(crate) fn reply(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// The newest commit that the output depends on.
    pub(crate) fn needs(&self) -> Seqno {
        self.session.needs
    }

    /// Runs what has arrived. In [`Tier::Disk`] only off the event loop.
    pub(crate) fn run(&mut self, tier: Tier) -> Pace {
        let mut ns = self.instance.clock().monotonic_ns();
        if self.bulk_bytes_max != self.instance.parameters.bulk_bytes_max() {
            self.set_limits();
        }
        // What was told before a command came is heard before its reply.
        self.collect();
        self.session.client.pending_bytes.store(self.pending(), Relaxed);
        let pace = self.run_until(tier, &mut ns);
        run::end(&self.instance, &mut self.session, &mut self.reply);
        self.collect();
        self.session.view = None;
        self.session.client.last_ms.store(self.instance.store().now_ms(), Relaxed);
        let tail_due_ms = self.session.tail.as_ref().map_or(0, |tail| tail.due_ms());
        self.session.client.tail_due_ms.store(tail_due_ms, Relaxed);
        match pace {
            Pace::More | Pace::Block if self.is_short => Pace::Paused,
            pace => pace,
        }
    }

    /// How long its command still waits; `None`: for ever.
    pub(crate) fn blocked_left(&self) -> Option<Duration> {
        let now_ns = self.instance.clock().monotonic_ns();
        self.session.blocked.as_ref()?.left_ns(now_ns).map(Duration::from_nanos)
    }

    /// Whether there is news for its command that waits, or its client.
    pub(crate) fn has_news(&self) -> bool {
        self.has_mail() || self.session.blocked.as_ref().is_some_and(|blocked| blocked.place.has_news())
    }

    /// Whether others have something to tell its client, and there is room in the output.
    pub(crate) fn has_mail(&self) -> bool {
        // Never within a reply.
        self.session.client.inbox.is_full()
            && self.reply.len() < MAIL_BYTES_SOFT
            && self.session.tail.is_none()
    }

    /// Appends what others have to tell to the output.
    fn collect(&mut self) {
        self.is_short = false;
        if self.has_mail() {
            let (inbox, listens) = (&self.session.client.inbox, self.session.subscriptions.is_some());
            let (needs, is_short) = inbox.move_to(&mut self.reply, MAIL_BYTES_SOFT, listens);
            self.is_short = is_short;
            self.session.heard(needs);
        }
    }

    /// Whether nobody has a turn any more that its last command set off.
    pub(crate) fn is_free(&self) -> bool {
        self.session.wave.as_ref().is_none_or(|wave| wave.strong_count() == 0)
    }

    fn run_until(&mut self, tier: Tier, ns: &mut u64) -> Pace {
        if self.session.blocked.is_some() && !self.session.client.is_killed() {
            match dispatch::resume(&self.instance, &mut self.session, &mut self.reply, tier, ns) {
                Flow::Done | Flow::Again => {}
                Flow::Wait(lack) => return Pace::Wait(lack),
                Flow::Paused => return Pace::Paused,
                Flow::Block => return Pace::Block,
            }
        }
        loop {
            if self.session.closing || self.session.client.is_killed() {
                return Pace::Close;
            }
            if let Some(tail) = &mut self.session.tail {
                if self.reply.len() > 0 {
                    return Pace::Full;
                }
                if tier == Tier::Cached {
                    return Pace::Wait(None);
                }
                match tail.go_on(&mut self.reply) {
                    // Sent before the next command runs, so that mail has its turn between two large replies.
                    Ok(true) => {
                        self.session.tail = None;
                        return Pace::Full;
                    }
                    Ok(false) => {}
                    // Others hold what memory there is for replies, until their clients have taken them.
                    Err(Error::OverBudget) => {
                        self.reply.truncate(0);
                        return Pace::Paused;
                    }
                    // Half a reply cannot be taken back.
                    Err(error) => {
                        let (client, error) = (self.session.client.id, error.wire().into_owned());
                        tracing::warn!(client, error, "disconnected in the middle of a large reply");
                        self.session.closing = true;
                    }
                }
                continue;
            }
            if !self.is_free() {
                return Pace::Yield;
            }
            if self.session.wave.take().is_some() {
                // What others had of it shows from now on, durable or not.
                self.session.floor = self.instance.store().view_newest(tier).seqno();
                self.session.view = None;
            }
            if self.reply.len() >= OUTPUT_BYTES_SOFT {
                return Pace::Full;
            }
            let input = self.input.get(self.done..).unwrap_or_default();
            let length = match self.decoder.decode(input, &self.limits) {
                Ok(Step::More) => return self.all_done(),
                Ok(Step::Nothing(length)) => {
                    self.done += length;
                    continue;
                }
                Ok(Step::Request(length)) => length,
                Err(error) => return self.broken(error),
            };
            if self.done >= self.ahead && input.len() > length {
                self.look_ahead();
            }
            let input = self.input.get(self.done..).unwrap_or_default();
            let args = self.decoder.args(input);
            self.session.runs.arrived(length, input.len());
            match dispatch::run(&self.instance, &mut self.session, args, &mut self.reply, tier, ns) {
                Flow::Done => {
                    self.done += length;
                    // A run's replies must stay together.
                    if !self.session.runs.is_open() {
                        self.collect();
                    }
                }
                // The decoder is at the start again, and the request still at the front of the input.
                // Each command of a long pipeline would be a journey of its own: they go to the disk together.
                Flow::Wait(lack) => {
                    let is_last = input.len() == length;
                    return Pace::Wait(lack.filter(|lack| is_last || matches!(lack, Lack::Lock(_))));
                }
                Flow::Again => {}
                Flow::Paused => return Pace::Paused,
                Flow::Block => {
                    self.done += length;
                    return Pace::Block;
                }
            }
            if !self.limits.authenticated && self.session.authenticated {
                self.set_limits();
            }
        }
    }

    /// Has the first keys of the requests to come fetched into the CPU's caches together. One by one each would wait for
    /// memory several times over, which is a fifth of what a GET costs.
    fn look_ahead(&mut self) {
        let Some(space) = self.instance.keyspace().databases().newest(self.session.database) else { return };
        let mut rows = Vec::with_capacity(TOUCHED_MAX);
        let mut scout = Decoder::default();
        let end = self.input.len().min(self.done + AHEAD_BYTES);
        self.ahead = self.done;
        for _ in 0..TOUCHED_MAX {
            let input = self.input.get(self.ahead..end).unwrap_or_default();
            let Ok(Step::Request(length)) = scout.decode(input, &self.limits) else { break };
            let name = scout.args(input).get(1);
            if name.len() <= AHEAD_NAME_BYTES {
                rows.push(space.meta_row(name));
            }
            self.ahead += length;
        }
        self.instance.store().db().touch(rows.iter().map(Vec::as_slice));
    }

    fn all_done(&mut self) -> Pace {
        if self.is_idle() {
            self.input.clear();
            (self.done, self.ahead) = (0, 0);
            self.decoder.shrink();
        }
        Pace::More
    }

    fn broken(&mut self, error: ProtocolError) -> Pace {
        run::end(&self.instance, &mut self.session, &mut self.reply);
        self.instance.stats.error("ERR");
        self.reply.error_text(&error.to_string());
        self.session.closing = true;
        Pace::Close
    }
}
