//! MIGRATE: moves keys to another server, which speaks Redis's protocol: DUMP here, RESTORE there, DEL here.
//!
//! It runs where it may take its time, never on an event loop, and in two steps:
//!
//! 1. Ahead of the locks the target is found and entered, and the keys are sent as they are at one moment, while they are
//!    watched. Whoever uses them meanwhile does not wait for a stranger's network.
//! 2. Then they are locked until their removal is committed; as ever, the reply waits until that is durable. A key goes if the
//!    target has it and it has not changed since. One that has is sent again, over what was sent before, and one that
//!    somebody has removed is removed there too: now the network is waited for, but not for more than that. So it is with
//!    what cannot be watched, too: streams, whose groups change without a word, and keys beyond the first [`WATCHED_MAX`].
//!
//! So a key never is on neither side; where a connection breaks or this server crashes at the wrong time it is on both. A copy is
//! made by the first step alone.
//!
//! Other than in Redis it is refused in MULTI: a transaction may have to begin anew, and what was sent stays sent.

mod target;
mod transfer;

use std::time::Duration;

use self::target::{DONE, Target};
use self::transfer::{Fate, Parcel, Sending, broken, refused};
use super::args::Args;
use super::command::{Access, Call, Command, Flags, Keys, write};
use super::error::{Error, Result};
use super::events::Events;
use super::keyspace::{self, Type, lock_key};
use super::protocol::reply::Reply;
use crate::store::{Reads, Tier, Txn, Watch};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[write("migrate", -6, Keys::Migrated, migrate)
    .access(Access::TAKE)
    .flag(Flags::LEAN)
    .flag(Flags::DANGEROUS)
    .flag(Flags::KEYSPACE)
    .flag(Flags::NO_SCRIPT)
    .flag(Flags::NO_MULTI)
    .slow()
    .ahead(send_ahead)
    .doc(
        "Atomically transfers a key from one instance to another.",
        "2.6.0",
        "O(N) for the transfer between the two instances, beside what DUMP, RESTORE and DEL take.",
    )];

/// Keys that are sent ahead, at most: each watch takes a few hundred bytes.
const WATCHED_MAX: usize = 1024;
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
            target.reply(DONE).map_err(|_| broken("reading"))?.map_or(Ok(()), |why| Err(refused(&why)))?;
        }
        Ok(())
    }
}

/// What was sent ahead of the locks.
pub(crate) struct Ahead {
    sending: Sending,
    /// What became of each of the call's keys.
    fates: Vec<Fate>,
    /// Whether they have changed since: the first of them.
    watches: Vec<Watch>,
}

/// Finds the target and enters it, if there is anything to be moved, and sends what may be sent while nothing is locked.
fn send_ahead(reads: &dyn Reads, call: &Call<'_>) -> Result {
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

    let (store, database) = (call.instance.store(), call.space.database);
    let watched = if query.copy { 0 } else { query.names.len().min(WATCHED_MAX) };
    let watch = |name: &&[u8]| {
        let mut watch = store.watch();
        watch.add(lock_key(database, name), database, name);
        watch
    };
    let watches = query.names.iter().take(watched).map(watch).collect();
    // No older than the watches.
    let view = store.view_newest(Tier::Disk);
    let space = call.instance.keyspace().databases().space(&view, database)?;
    let sent = if query.copy { query.names.len() } else { watched };
    let mut parcels = Vec::new();
    for (at, name) in query.names.iter().enumerate().take(sent) {
        if let Some(meta) = keyspace::load(&view, space, name)?
            && (query.copy || meta.kind != Type::Stream)
        {
            parcels.push(Parcel { at, name, meta: Some(meta), replace: query.replace });
        }
    }
    let mut sending = Sending::new(target);
    let mut fates = vec![Fate::Unsent; query.names.len()];
    for (parcel, fate) in parcels.iter().zip(sending.send(&view, call, space, &parcels)) {
        fates[parcel.at] = fate;
    }
    call.lookups.ahead.set(Some(Box::new(Ahead { sending, fates, watches })));
    Ok(())
}

/// `MIGRATE host port key | "" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key ...]`
fn migrate(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let query = Query::parse(call)?;
    let mut ahead = call.lookups.ahead.take();
    if ahead.is_none() {
        // A key may have come since there was none.
        send_ahead(txn, call)?;
        ahead = call.lookups.ahead.take();
    }
    let Some(mut ahead) = ahead else {
        reply.simple("NOKEY");
        return Ok(());
    };
    let moved = if query.copy {
        ahead.fates.contains(&Fate::Arrived)
    } else {
        settle(txn, call, &query, &mut ahead)?
    };
    match ahead.sending.failed {
        None if moved => reply.ok(),
        None => reply.simple("NOKEY"),
        // Not a failure of the command: what has arrived is removed here.
        Some(error) => {
            call.instance.stats.error(&error.wire());
            reply.error(&error);
        }
    }
    Ok(())
}

/// Removes the keys that the target has as they are now, once it has them; whether there were any.
fn settle(txn: &mut Txn, call: &Call<'_>, query: &Query<'_>, ahead: &mut Ahead) -> Result<bool> {
    let (mut settled, mut parcels) = (Vec::new(), Vec::new());
    for (at, (&name, fate)) in query.names.iter().zip(&ahead.fates).enumerate() {
        let meta = keyspace::load(txn, call.space, name)?;
        let is_changed = ahead.watches.get(at).is_some_and(Watch::changed);
        match (fate, meta) {
            (Fate::Arrived, meta) if is_changed => parcels.push(Parcel { at, name, meta, replace: true }),
            (Fate::Arrived, Some(_)) => settled.push(name),
            (Fate::Unsent, meta @ Some(_)) => parcels.push(Parcel { at, name, meta, replace: query.replace }),
            _ => {}
        }
    }
    let fates = ahead.sending.send(txn, call, call.space, &parcels);
    let arrived = parcels.iter().zip(fates).filter(|(_, fate)| *fate == Fate::Arrived);
    settled.extend(arrived.filter(|(parcel, _)| parcel.meta.is_some()).map(|(parcel, _)| parcel.name));
    let mut any = false;
    for name in settled {
        // A key that was named twice is gone the second time.
        if let Some(meta) = keyspace::load(txn, call.space, name)? {
            keyspace::remove(txn, call.space, name, &meta);
            call.notify(txn, Events::GENERIC, "del", name);
            any = true;
        }
    }
    Ok(any)
}
