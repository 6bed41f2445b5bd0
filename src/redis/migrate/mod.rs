//! MIGRATE: moves keys to another server, which speaks Redis's protocol: DUMP here, RESTORE there, DEL here.
//!
//! It runs where it may take its time, never on an event loop. The target is found, and entered, without any lock; then its
//! keys are locked from before they are read until their removal is committed; as ever, the reply waits until that is durable. A key is removed only once the target has said that
//! it has it. So it never is on neither side; where a connection breaks or this server crashes at the wrong time it is on
//! both.
//!
//! Other than in Redis it is refused in MULTI: a transaction may have to begin anew, and what was sent stays sent.

mod target;

use std::time::Duration;

pub(crate) use self::target::Target;
use super::args::Args;
use super::command::{Access, Call, Command, Flags, Keys, write};
use super::dump;
use super::error::{Error, Result};
use super::events::Events;
use super::keyspace::{self, Meta};
use super::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[write("migrate", -6, Keys::Migrated, migrate)
    .access(Access::TAKE)
    .flag(Flags::LEAN)
    .flag(Flags::DANGEROUS)
    .flag(Flags::KEYSPACE)
    .flag(Flags::NO_SCRIPT)
    .flag(Flags::NO_MULTI)
    .slow()
    .ahead(connect)
    .doc(
        "Atomically transfers a key from one instance to another.",
        "2.6.0",
        "O(N) for the transfer between the two instances, beside what DUMP, RESTORE and DEL take.",
    )];

/// Keys that are sent before it is read what became of them.
const LOT_KEYS: usize = 64;
/// Where a client gives none.
const TIMEOUT_MS: u64 = 1000;

/// The word from which on all are keys, if there is such an option.
pub(crate) fn first_of_many(args: &Args<'_>) -> Option<usize> {
    let mut at = 6;
    while at < args.len() {
        at += match at {
            at if args.is(at, "keys") => return Some(at + 1),
            at if args.is(at, "auth") => 2,
            at if args.is(at, "auth2") => 3,
            _ => 1,
        };
    }
    None
}

struct Query<'a> {
    host: String,
    /// `None` if it is none.
    port: Option<u16>,
    database: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    /// AUTH's words.
    login: Vec<&'a [u8]>,
    names: Vec<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(call: &Call<'a>) -> Result<Self> {
        let mut query = Self {
            host: call.text(1).into_owned(),
            port: call.int(2).ok().and_then(|port| u16::try_from(port).ok()),
            database: 0,
            timeout: Duration::ZERO,
            copy: false,
            replace: false,
            login: Vec::new(),
            names: vec![call.get(3)],
        };
        let mut walk = call.walk(6);
        while !walk.is_done() {
            let more = call.len() - walk.at() - 1;
            if walk.accept("copy") {
                query.copy = true;
            } else if walk.accept("replace") {
                query.replace = true;
            } else if more >= 1 && walk.accept("auth") {
                query.login = vec![walk.word()?];
            } else if more >= 2 && walk.accept("auth2") {
                query.login = vec![walk.word()?, walk.word()?];
            } else if walk.accept("keys") {
                if !call.get(3).is_empty() {
                    return Err(Error::text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                query.names = call.from(walk.at()).collect();
                break;
            } else {
                return Err(Error::Syntax);
            }
        }
        let timeout_ms = u64::try_from(call.int(5)?).ok().filter(|ms| *ms > 0);
        query.timeout = Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS));
        query.database = call.int(4)?;
        Ok(query)
    }

    /// Logs in and chooses the database.
    fn enter(&self, target: &mut Target) -> Result {
        let database = self.database.to_string();
        let login = [&[&b"AUTH"[..]], &self.login[..]].concat();
        let select = vec![&b"SELECT"[..], database.as_bytes()];
        for words in [login, select].iter().filter(|words| words.len() > 1) {
            target.send(words).map_err(|_| broken("writing"))?;
            target.reply().map_err(|_| broken("reading"))?.map_or(Ok(()), |why| Err(refused(&why)))?;
        }
        Ok(())
    }
}

/// The conversation broke off.
fn broken(what: &str) -> Error {
    Error::text(format!("IOERR error or timeout {what} to target instance"))
}

/// The target does not want it.
fn refused(why: &str) -> Error {
    Error::text(format!("ERR Target instance replied with error: {why}"))
}

/// What became of it.
#[derive(Default)]
struct Outcome {
    /// What the target has.
    arrived: Vec<usize>,
    failed: Option<Error>,
}

/// Finds the target and enters it, if there is anything to be moved. No key is locked for that.
fn connect(reads: &dyn Reads, call: &Call<'_>) -> Result {
    let query = Query::parse(call)?;
    let mut is_any = false;
    for name in &query.names {
        is_any = is_any || keyspace::load(reads, call.space, name)?.is_some();
    }
    let Some(instance) = call.instance.shared().upgrade().filter(|_| is_any) else { return Ok(()) };
    let connected = query.port.ok_or(std::io::ErrorKind::InvalidInput.into());
    let connected = connected.and_then(|port| Target::connect(instance, &query.host, port, query.timeout));
    let target = connected.map_err(|_| Error::text("IOERR error or timeout connecting to the client"))?;
    let mut target = target
        .ok_or_else(|| Error::text("TRYAGAIN too many keys are being migrated already; try again later"))?;
    query.enter(&mut target)?;
    call.lookups.target.set(Some(Box::new(target)));
    Ok(())
}

/// `MIGRATE host port key | "" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key ...]`
fn migrate(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call)?;
    let mut found = Vec::new();
    for &name in &query.names {
        if let Some(meta) = keyspace::load(txn, call.space, name)? {
            found.push((name, meta));
        }
    }
    let mut target = call.lookups.target.take();
    if target.is_none() && !found.is_empty() {
        // A key has come since there was none.
        connect(txn, call)?;
        target = call.lookups.target.take();
    }
    let Some(mut target) = target.filter(|_| !found.is_empty()) else {
        reply.simple("NOKEY");
        return Ok(());
    };
    let outcome = transfer(txn, call, &query, &found, &mut target);
    if !query.copy {
        for at in outcome.arrived {
            // A key that was named twice is gone the second time.
            if let Some((name, _)) = found.get(at)
                && let Some(meta) = keyspace::load(txn, call.space, name)?
            {
                keyspace::remove(txn, call.space, name, &meta);
                call.notify(txn, Events::GENERIC, "del", name);
            }
        }
    }
    match outcome.failed {
        None => reply.ok(),
        // Not a failure of the command: what has arrived is removed here.
        Some(error) => {
            call.instance.stats.error(&error.wire());
            reply.error(&error);
        }
    }
    Ok(())
}

/// Sends the keys, and reads what the target says of each: some at a time, so that it need not be read to while it has
/// something to say.
fn transfer(
    txn: &Txn,
    call: &Call<'_>,
    query: &Query<'_>,
    found: &[(&[u8], Meta)],
    target: &mut Target,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut first = 0;
    for lot in found.chunks(LOT_KEYS) {
        let mut sent = 0;
        let mut ends = false;
        for (name, meta) in lot {
            let failed = match send_key(txn, call, query, (name, meta), target) {
                Ok(Ok(())) => {
                    sent += 1;
                    continue;
                }
                Ok(Err(_)) => broken("writing"),
                Err(error) => error,
            };
            // What was sent before is settled first.
            outcome.failed = outcome.failed.or(Some(failed));
            ends = true;
            break;
        }
        for at in first..first + sent {
            match target.reply() {
                Ok(None) => outcome.arrived.push(at),
                Ok(Some(why)) => outcome.failed = outcome.failed.or_else(|| Some(refused(&why))),
                Err(_) => {
                    outcome.failed = outcome.failed.or_else(|| Some(broken("reading")));
                    return outcome;
                }
            }
        }
        if ends {
            break;
        }
        first += lot.len();
    }
    outcome
}

/// Sends a key; the outer failure is ours, the inner one the connection's.
fn send_key(
    txn: &Txn,
    call: &Call<'_>,
    query: &Query<'_>,
    (name, meta): (&[u8], &Meta),
    target: &mut Target,
) -> Result<std::io::Result<()>> {
    let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
    let payload = dump::payload(txn, call.space, name, meta.clone(), most)?;
    // As of now: what was sent before it may have taken its time.
    let now_ms = call.instance.store().now_ms();
    let left_ms = meta.deadline_ms.map_or(0, |deadline| deadline.saturating_sub(now_ms).max(1));
    let left_ms = left_ms.to_string();
    let mut words: Vec<&[u8]> = vec![b"RESTORE", name, left_ms.as_bytes(), &payload];
    if query.replace {
        words.push(b"REPLACE");
    }
    Ok(target.send(&words))
}
