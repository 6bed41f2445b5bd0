//! Saving and stopping. Every acknowledged write is safe without SAVE; it makes a *checkpoint*: a second directory with
//! the same files, linked where the disk can, that can be copied away and opened like any other.
//!
//! Checkpoints lie in `checkpoints/<Unix milliseconds>` below the data directory. Each replaces the one before.

use std::path::Path;

use super::super::acl;
use super::super::blocking::{Block, parse_timeout_ms};
use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use crate::store::{Reads, Tier};
use crate::workers::Lane;

pub(super) fn lastsave(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let at_s = call.instance.saved.lock().at_s;
    reply.int(at_s as i64);
    Ok(())
}

pub(super) fn save(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    begin(call.instance)?;
    checkpoint(call.instance)?;
    reply.ok();
    Ok(())
}

pub(super) fn bgsave(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 2 || (call.len() == 2 && !call.is(1, "schedule")) {
        return Err(Error::Syntax);
    }
    begin(call.instance)?;
    let instance = call.instance.shared();
    let client = session.client.id;
    call.instance.store().workers().submit(Lane::Idle, move || {
        if let Some(instance) = instance.upgrade()
            && let Err(error) = checkpoint(&instance)
        {
            tracing::error!(client, error = %error.wire(), "the checkpoint failed");
        }
    });
    reply.simple("Background saving started");
    Ok(())
}

fn begin(instance: &Instance) -> Result {
    let mut saved = instance.saved.lock();
    if saved.running_since_ms.is_some() {
        return Err(Error::text("ERR Background save already in progress"));
    }
    saved.running_since_ms = Some(instance.clock().now_ms());
    Ok(())
}

fn checkpoint(instance: &Instance) -> Result {
    let seqno = instance.store().view_newest(Tier::Cached).seqno();
    let made = make(instance);
    let now_ms = instance.clock().now_ms();
    let mut saved = instance.saved.lock();
    saved.failed = made.is_err();
    saved.took_ms = saved.running_since_ms.take().map(|since_ms| now_ms.saturating_sub(since_ms));
    if made.is_ok() {
        saved.at_s = now_ms / 1000;
        saved.count += 1;
        saved.seqno = seqno;
    }
    made
}

fn make(instance: &Instance) -> Result {
    let all = instance.config().dir.join("checkpoints");
    let vfs = &instance.env().vfs;
    let failed = |error: std::io::Error| Error::text(format!("ERR {}: {error}", all.display()));
    let older = if vfs.exists(&all).map_err(failed)? { vfs.list(&all).map_err(failed)? } else { Vec::new() };
    let new = all.join(instance.clock().now_ms().to_string());
    // Who opened it without its users would let everybody in.
    let users = || acl::copy_file(&**vfs, &instance.config().dir, &new).map(drop);
    instance.store().db().checkpoint_with(&new, users)?;
    vfs.sync_dir(&all).map_err(failed)?;
    for name in older {
        remove(instance, &all.join(name));
    }
    tracing::info!(directory = %new.display(), "saved a checkpoint");
    Ok(())
}

/// Removes an older checkpoint; one that cannot be removed only takes space, and is tried again next time.
fn remove(instance: &Instance, dir: &Path) {
    let vfs = &instance.env().vfs;
    let mut names = vfs.list(dir).unwrap_or_default();
    // What is removed in part must not pass for a checkpoint.
    names.sort_by_key(|name| name.as_os_str() != "CURRENT");
    for name in names {
        let _ = vfs.remove(&dir.join(name));
    }
    if let Err(error) = vfs.remove_dir(dir) {
        tracing::warn!(directory = %dir.display(), %error, "cannot remove an older checkpoint");
    }
}

pub(super) fn bgrewriteaof(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.simple("Background append only file rewriting started");
    Ok(())
}

pub(super) fn shutdown(session: &mut Session, call: &Call<'_>, _: &mut Reply) -> Result {
    for option in call.from(1) {
        if option.eq_ignore_ascii_case(b"abort") && call.len() == 2 {
            return Err(Error::text("ERR No shutdown in progress."));
        }
        let known = [&b"nosave"[..], b"save", b"now", b"force"];
        if !known.iter().any(|word| option.eq_ignore_ascii_case(word)) {
            return Err(Error::Syntax);
        }
    }
    tracing::info!(client = session.client.address, "SHUTDOWN");
    session.closing = true;
    call.instance.stop();
    Ok(())
}

pub(super) fn wait(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let replicas = call.int(1)?;
    let timeout_ms = parse_timeout_ms(call.get(2), call.instance.clock().now_ms())?;
    if replicas > 0 {
        return Err(Block::for_time(timeout_ms).into());
    }
    reply.int(0);
    Ok(())
}

pub(super) fn waitaof(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let local = call.int(1)?;
    if !(0..=1).contains(&local) {
        return Err(Error::text("ERR value is out of range, value must between 0 and 1"));
    }
    if call.int(2)? < 0 {
        return Err(Error::text("ERR value is out of range, must be positive"));
    }
    parse_timeout_ms(call.get(3), call.instance.clock().now_ms())?;
    let synced = local == 0 || call.instance.store().db().sync().is_ok();
    reply.array(2);
    reply.int(i64::from(local == 1 && synced));
    reply.int(0);
    Ok(())
}
