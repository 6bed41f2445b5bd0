//! One request and its reply.
//!
//! ```text
//! head ─► who is it? ─► body ─► did they sign it? ─► inflate ─► prepare ─► run ─► acknowledged? ─► reply
//! ```
//!
//! Whoever is not let in is told so before their body is read, but for what only the body can prove.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Connection;
use super::body::{self, Failure};
use super::metrics;
use super::progress::Phase;
use super::reply::{self, Reply};
use super::reserved::Reserved;
use super::signature::{Claim, Pending, digest_of};
use crate::dynamo::error::{Kind, Refusal};
use crate::dynamo::{Answer, Call};
use crate::engine::Tier;
use crate::server::connection::{FETCHES_MAX, LOCK_TRIES_MAX};
use crate::store::{self, Lack};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response};
use ring::digest::Digest;
use tokio::sync::Semaphore;

/// What AWS says to what is no request of the API.
const UNKNOWN: &[u8] = b"<UnknownOperationException/>\n";
/// The trailing space is AWS's.
const HEALTHY: &[u8] = b"healthy: dynamodb.us-east-1.amazonaws.com ";
/// The page of figures could not be made.
const FAILED: &[u8] = b"the metrics could not be collected; the log may say why";
/// Bodies that are larger are read and carried out on the blocking pool, so that nobody waits for it.
const READ_HERE_MAX: usize = 256 << 10;

/// Answers a request.
pub(super) async fn answer(
    connection: &Rc<Connection>,
    request: Request<Incoming>,
) -> Response<reply::Content> {
    let (head, body) = request.into_parts();
    let instance = &connection.turn.instance;
    connection.client.last_ms.store(instance.store().now_ms(), Relaxed);
    connection.progress.enter(Phase::Body);
    let reply = match (&head.method, head.uri.path()) {
        (&Method::OPTIONS, _) if head.headers.contains_key(ORIGIN) => connection.preflight(&head),
        (&Method::GET, "/") => connection.plain(&head, 200, HEALTHY),
        (&Method::GET, "/metrics") => connection.metrics(&head).await,
        (&Method::POST, "/") => match content_type(&head) {
            None => connection.plain(&head, 404, UNKNOWN),
            Some(content_type) => connection.operate(&head, content_type, body).await,
        },
        _ => connection.plain(&head, 404, UNKNOWN),
    };
    connection.progress.enter(Phase::Sending);
    reply.into_response()
}

/// The type of the reply to what is sent with this type; `None` if that is not understood.
fn content_type(head: &Parts) -> Option<HeaderValue> {
    let given = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let name = given.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    Some(HeaderValue::from_static(match name {
        b"application/x-amz-json-1.0" | b"" => "application/x-amz-json-1.0",
        b"application/x-amz-json-1.1" => "application/x-amz-json-1.1",
        b"application/json" => "application/json",
        _ => return None,
    }))
}

/// What came of a request.
enum Outcome {
    Answered(Answer),
    /// It is unknown whether it was done: nothing may be said after it.
    Failed(Answer),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        // It depends on no commit.
        Self::Answered(refusal.answer(0))
    }
}

impl Connection {
    fn plain(&self, head: &Parts, status: u16, content: &'static [u8]) -> Reply {
        let content_type = HeaderValue::from_static("text/plain");
        Reply::new(head, &mut self.random.borrow_mut(), status, content_type, Bytes::from_static(content))
    }

    /// What is counted, to whoever may use the API, or could if they signed: who collects it does not sign.
    async fn metrics(&self, head: &Parts) -> Reply {
        if let Err(why) = self.welcome(head) {
            return self.plain(head, 403, why.as_bytes());
        }
        // Whatever the settings: a page that anybody shows in a browser here has no business with it.
        if !head.headers.get(ORIGIN).is_none_or(names_this_machine) {
            return self.plain(head, 403, ELSEWHERE);
        }
        let Ok(place) = self.front_end.pages.clone().try_acquire_owned() else {
            return self.plain(head, 503, ASKED_TOO_OFTEN);
        };
        let (instance, front_end) = (self.turn.instance.clone(), self.front_end.clone());
        let page = in_turn(&self.front_end.collecting, move || metrics::page(instance, front_end)).await;
        // Half a page would pass for a server that has lost its figures.
        let Some(Ok(page)) = page else { return self.plain(head, 500, FAILED) };
        let page = page.into_bytes();
        let mut reserved = Reserved::none(&self.turn.instance).in_place(place);
        if reserved.grow(page.capacity()).is_err() {
            return self.plain(head, 503, CROWDED);
        }
        let (body, is_gzipped) = reply::encode(head, page).await;
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        let random = &mut self.random.borrow_mut();
        let reply = Reply::new(head, random, 200, content_type, reserved.keep(body));
        if is_gzipped { reply.gzipped() } else { reply }
    }

    fn preflight(&self, head: &Parts) -> Reply {
        Reply::preflight(head, &mut self.random.borrow_mut())
    }

    /// Carries out an operation of the API.
    async fn operate(&self, head: &Parts, content_type: HeaderValue, body: Incoming) -> Reply {
        let outcome = match self.called(head, body).await {
            Ok(outcome) => outcome,
            Err(Failure::Refused(refusal)) => {
                self.front_end.counts.refused(refusal.kind);
                refusal.into()
            }
            // Nobody will read it.
            Err(Failure::Gone) => Refusal::new(Kind::Serialization, "The body is not complete").into(),
        };
        let (answer, is_last) = match outcome {
            Outcome::Answered(answer) => (answer, false),
            Outcome::Failed(answer) => (answer, true),
        };
        let mut reserved = Reserved::none(&self.turn.instance);
        let answer = if reserved.grow(answer.body.capacity()).is_ok() {
            answer
        } else {
            let why = "The request was carried out, but there is no memory for its reply";
            self.front_end.counts.refused(Kind::ServiceUnavailable);
            Refusal::new(Kind::ServiceUnavailable, why).answer(0)
        };
        let status = answer.status();
        let (body, is_gzipped) = reply::encode(head, answer.body).await;
        let random = &mut self.random.borrow_mut();
        let reply = Reply::new(head, random, status, content_type, reserved.keep(body));
        let reply = if is_gzipped { reply.gzipped() } else { reply };
        if is_last { reply.last() } else { reply }
    }

    async fn called(&self, head: &Parts, body: Incoming) -> Result<Outcome, Failure> {
        let pending = self.admit(head)?;
        let instance = &self.turn.instance;
        let content = body::read(instance, body).await?;
        self.progress.enter(Phase::Running);
        let start_ns = instance.clock().monotonic_ns();
        if let Some(pending) = pending {
            let digest = digested(&content.bytes).await?;
            self.front_end.signatures.verify(pending, head, &digest)?;
        }
        let mut content = body::decode(instance, &head.headers, content).await?;
        content.reserve_parsed()?;
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or("");
        let answer = self.carry_out(target, &content.bytes).await;
        // Many may wait for the disk at once, and need none of it any more.
        drop(content);
        self.floor.set(self.floor.get().max(answer.needs));
        let acknowledged = self.turn.acknowledged(answer.needs).await;
        let refused = if acknowledged.is_err() { Some(Kind::Internal) } else { answer.refused };
        let took_ns = instance.clock().monotonic_ns().saturating_sub(start_ns);
        self.front_end.counts.answered(target, refused, took_ns);
        if let Err(error) = acknowledged {
            let what = format!("It is unknown whether this was written: {error}");
            return Ok(Outcome::Failed(Refusal::new(Kind::Internal, what).answer(0)));
        }
        Ok(Outcome::Answered(answer))
    }

    /// Whether anything may be asked from there at all, or why not.
    fn welcome(&self, head: &Parts) -> Result<(), &'static str> {
        if self.front_end.signatures.has_credentials() || !self.turn.instance.config().protected_mode {
            return Ok(());
        }
        if !self.is_local {
            return Err(DENIED);
        }
        if ![HOST, ORIGIN].iter().filter_map(|name| head.headers.get(name)).all(names_this_machine) {
            return Err(FOREIGN);
        }
        Ok(())
    }

    /// Whether the request may be read at all, and what its body has yet to prove.
    fn admit<'a>(&self, head: &'a Parts) -> Result<Option<Pending<'a>>, Refusal> {
        self.welcome(head).map_err(|why| Refusal::new(Kind::AccessDenied, why))?;
        let instance = &self.turn.instance;
        let signatures = &self.front_end.signatures;
        let claim = Claim::of(head)?;
        if signatures.has_credentials() {
            return signatures.recognize(claim, head, instance.clock().now_ms() / 1000).map(Some);
        }
        Ok(None)
    }

    /// Reads the call and carries it out: here, as long as memory has the answers, or a few blocks from the disk complete
    /// them, else on the blocking pool.
    async fn carry_out(&self, target: &str, body: &Bytes) -> Answer {
        let (tables, floor) = (&self.front_end.tables, self.floor.get());
        if body.len() > READ_HERE_MAX {
            let (tables, target, body) = (tables.clone(), target.to_owned(), body.clone());
            return self
                .on_pool(move || match tables.prepare(&target, &body) {
                    Ok(call) => finish(&call, floor),
                    Err(refusal) => refusal.answer(0),
                })
                .await;
        }
        let call = match tables.prepare(target, body) {
            Ok(call) => call,
            Err(refusal) => return refusal.answer(0),
        };
        let (mut fetched, mut locked) = (0, 0);
        loop {
            match call.run(Tier::Cached, floor) {
                Ok(answer) => return answer,
                Err(store::Error::WouldWait(Some(Lack::Block(miss)))) if fetched < FETCHES_MAX => {
                    self.turn.fetcher.fetch(miss).await;
                    fetched += 1;
                }
                Err(store::Error::WouldWait(Some(Lack::Lock(stripe)))) if locked < LOCK_TRIES_MAX => {
                    let store = self.turn.instance.store();
                    poll_fn(|cx| store.poll_free(stripe, cx.waker())).await;
                    locked += 1;
                }
                Err(store::Error::WouldWait(_)) => break,
                Err(error) => return internal(&error),
            }
        }
        self.on_pool(move || finish(&call, floor)).await
    }

    /// Does something that may take its time, on the blocking pool.
    async fn on_pool(&self, work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
        self.turn.stats.moved.increment();
        let done = in_turn(&self.front_end.on_pool, work).await;
        done.unwrap_or_else(|| Refusal::new(Kind::Internal, "The operation panicked").answer(0))
    }
}

/// Does something on the blocking pool once it is its turn; `None` if that panicked. The turn ends with the work, also where
/// the client has gone and nobody waits for it.
async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // It is never closed.
    let permit = turns.clone().acquire_owned().await;
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.ok()
}

/// What a signature says of a body; of a large one it takes the blocking pool to find out.
async fn digested(body: &Bytes) -> Result<Digest, Refusal> {
    if body.len() <= READ_HERE_MAX {
        return Ok(digest_of(body));
    }
    let body = body.clone();
    let digest = tokio::task::spawn_blocking(move || digest_of(&body)).await;
    digest.map_err(|_| Refusal::new(Kind::Internal, "The body could not be read"))
}

/// Runs a call where it may wait.
fn finish(call: &Call, floor: store::Seqno) -> Answer {
    call.run(Tier::Disk, floor).unwrap_or_else(|error| internal(&error))
}

fn internal(error: &store::Error) -> Answer {
    tracing::error!(%error, "an operation of the table API failed");
    Refusal::new(Kind::Internal, format!("The request could not be carried out: {error}")).answer(0)
}

/// Whether a `Host` or an `Origin` is this machine. A browser on it also carries the requests of any page that it shows:
/// they come from the page's site, or are for a name that the site had lead here.
fn names_this_machine(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let authority = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What is said to a browser that carries the request of some site.
const FOREIGN: &str = "Siltstone is running in protected mode and knows no credentials, so that its table API only \
answers requests for localhost, and those of pages from there. Name an AWS credentials file with the setting \
table-credentials to use it by another name.";

/// What is said to a page of some site that asks for figures.
const ELSEWHERE: &[u8] = b"Pages of other sites may not read this.";

/// What is said to one too many who asks for figures.
const ASKED_TOO_OFTEN: &[u8] = b"As many as may have these pages at once have one; try again.";

/// What is said where there is no memory for the figures.
const CROWDED: &[u8] = b"Requests and replies take all the memory that there is for them; try again.";

/// What is said to a client from another machine while nobody could be told from anybody else.
const DENIED: &str = "Siltstone is running in protected mode and knows no credentials, so that its table API only \
answers the machine that it runs on. To use it from others, name an AWS credentials file with the setting \
table-credentials, or switch the setting protected-mode off, provided the server is not reachable from the internet.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_told_from_this_machine() {
        for (text, is_here) in [
            ("localhost:8000", true),
            ("LOCALHOST", true),
            ("tables.localhost:8000", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("http://localhost:3000", true),
            ("https://[::1]", true),
            ("evil.example:8000", false),
            ("http://evil.example", false),
            ("http://localhost.evil.example", false),
            ("192.168.0.1:8000", false),
            ("null", false),
            ("", false),
            ("localhost:8000@evil.example", false),
        ] {
            assert_eq!(names_this_machine(&HeaderValue::from_static(text)), is_here, "{text}");
        }
    }
}
