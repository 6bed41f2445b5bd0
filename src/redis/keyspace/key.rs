//! The key as a whole: reading its meta row, replacing, removing, moving it, and its deadline.
//!
//! Every change of a meta row goes through [`write`] or [`unlink`], which keep in step with it: the owner row and the
//! death of the previous owner, the deadline's index row, the counters, and those who watch the key.

use bytes::Bytes;

use super::databases::Counter;
use super::{Meta, Owner, Result, Space, Type, collection, lock_key, recount, space_prefix};
use crate::redis::events::Events;
use crate::store::{Error, Reads, Txn};

/// What is known of the row that a write replaces.
enum Old<'a> {
    /// It is this one, due or not; or there is none.
    Known(Option<&'a Meta>),
    /// The disk would have to be read.
    Unknown,
}

/// A key's meta row; `None` if the key does not exist or is due.
pub fn load(reads: &dyn Reads, space: Space, name: &[u8]) -> Result<Option<Meta>> {
    let Some(meta) = stored(reads, &space.meta_row(name))? else { return Ok(None) };
    Ok((!is_gone(reads, space, &meta)?).then_some(meta))
}

/// A key, also one that is due and not removed yet.
pub fn load_even_due(reads: &dyn Reads, space: Space, name: &[u8]) -> Result<Option<Meta>> {
    stored(reads, &space.meta_row(name))
}

/// Several keys' meta rows, in the order asked; cold ones are fetched together.
pub fn load_many(reads: &dyn Reads, space: Space, names: &[&[u8]]) -> Result<Vec<Option<Meta>>> {
    let rows: Vec<Vec<u8>> = names.iter().map(|name| space.meta_row(name)).collect();
    let rows: Vec<&[u8]> = rows.iter().map(|row| &row[..]).collect();
    let live = |value: Option<Bytes>| {
        let Some(meta) = value.map(|value| Meta::decode(&value)).transpose()? else { return Ok(None) };
        Ok((!is_gone(reads, space, &meta)?).then_some(meta))
    };
    reads.multi_get(&rows)?.into_iter().map(live).collect()
}

/// Whether a key whose row is there does not exist: it is due, or all its elements are.
pub(super) fn is_gone(reads: &dyn Reads, space: Space, meta: &Meta) -> Result<bool> {
    Ok(meta.is_due(reads.now_ms()) || collection::is_spent(reads, space, meta)?)
}

/// Whether a key was there at a moment and has fallen due since, in Unix milliseconds, if its row is there still.
pub fn expired_since(reads: &dyn Reads, space: Space, name: &[u8], since_ms: u64) -> Result<bool> {
    let Some(meta) = stored(reads, &space.meta_row(name))? else { return Ok(false) };
    Ok(meta.is_due(reads.now_ms()) && meta.deadline_ms.is_some_and(|deadline| deadline > since_ms))
}

/// A key's meta row, due or not.
pub(super) fn stored(reads: &dyn Reads, row: &[u8]) -> Result<Option<Meta>> {
    Ok(reads.get(row)?.map(|value| Meta::decode(&value)).transpose()?)
}

/// Stages a string over whatever is there, without reading the disk: what a plain SET does.
pub fn overwrite(
    txn: &mut Txn,
    space: Space,
    name: &[u8],
    contents: &[u8],
    deadline_ms: Option<u64>,
) -> Result<()> {
    overwrite_with(txn, space, name, Meta::string(Bytes::new(), deadline_ms), contents)
}

/// Stages a key over whatever is there, without reading the disk; `more` contents follow those in the meta row.
pub(super) fn overwrite_with(txn: &mut Txn, space: Space, name: &[u8], new: Meta, more: &[u8]) -> Result<()> {
    let row = space.meta_row(name);
    // Who wants to know of new keys, and of those that were due, has each looked up.
    let told = txn.store().is_noted((Events::NEW | Events::EXPIRED).bits());
    // Filters answer for a key that is not there within the same walk.
    match if told { txn.get(&row) } else { txn.get_cached(&row) } {
        Ok(value) => {
            let old = value.map(|value| Meta::decode(&value)).transpose()?;
            write(txn, space, name, row, &Old::Known(old.as_ref()), new, more)
        }
        Err(Error::WouldWait(_)) if !told => write(txn, space, name, row, &Old::Unknown, new, more),
        Err(error) => Err(error.into()),
    }
}

/// Stages a key's new meta row; `old` is what [`load`] answered within this transaction.
pub fn replace(txn: &mut Txn, space: Space, name: &[u8], old: Option<&Meta>, new: Meta) -> Result<()> {
    let row = space.meta_row(name);
    if old.is_some() {
        return write(txn, space, name, row, &Old::Known(old), new, &[]);
    }
    // What is due has been as good as absent to the caller, but its row may be there still.
    let due = stored(txn, &row)?;
    write(txn, space, name, row, &Old::Known(due.as_ref()), new, &[])
}

/// The same for a key that is there, where nothing changed that whoever watches it, or waits for it, is interested in.
pub(super) fn replace_quietly(txn: &mut Txn, space: Space, name: &[u8], old: &Meta, new: Meta) -> Result<()> {
    write_rows(txn, space, name, space.meta_row(name), &Old::Known(Some(old)), new, &[])
}

/// Stages a key's removal; whether it existed.
pub fn delete(txn: &mut Txn, space: Space, name: &[u8]) -> Result<bool> {
    let Some(meta) = load(txn, space, name)? else { return Ok(false) };
    remove(txn, space, name, &meta);
    Ok(true)
}

/// Stages a loaded key's removal.
pub fn remove(txn: &mut Txn, space: Space, name: &[u8], meta: &Meta) {
    unlink(txn, space, name, meta);
    if let Some(owner) = meta.owner() {
        bury(txn, space, owner);
    }
    txn.frees();
}

/// Stages a key's deadline, or that it has none. A deadline that has passed removes the key.
pub fn expire(txn: &mut Txn, space: Space, name: &[u8], meta: &Meta, deadline_ms: Option<u64>) -> Result<()> {
    if deadline_ms.is_some_and(|deadline| deadline <= txn.now_ms()) {
        remove(txn, space, name, meta);
        return Ok(());
    }
    let new = Meta { deadline_ms, ..meta.clone() };
    write(txn, space, name, space.meta_row(name), &Old::Known(Some(meta)), new, &[])
}

/// Says what happened to a key.
pub(super) fn note(txn: &mut Txn, space: Space, class: Events, event: &'static str, name: &[u8]) {
    txn.note(class.bits(), event, space.database, name);
}

/// Says that a key is new, though there is one, which goes before.
pub(super) fn note_replaced(txn: &mut Txn, space: Space, name: &[u8]) -> Result<()> {
    if txn.store().is_noted(Events::NEW.bits()) && load(txn, space, name)?.is_some() {
        note(txn, space, Events::NEW, "new", name);
    }
    Ok(())
}

/// Stages that a key moves to another name or database, over whatever is there; whether it existed.
pub fn rename(txn: &mut Txn, from: Space, name: &[u8], to: Space, new_name: &[u8]) -> Result<bool> {
    let Some(meta) = load(txn, from, name)? else { return Ok(false) };
    if from.id == to.id && name == new_name {
        return Ok(true);
    }
    unlink(txn, from, name, &meta);
    if let Some(owner) = meta.owner()
        && from.id != to.id
    {
        if owner.home == to.id {
            txn.repatriate(&owner.prefix());
        } else {
            txn.exile(&owner.prefix(), &space_prefix(to.id));
        }
    }
    note_replaced(txn, to, new_name)?;
    overwrite_with(txn, to, new_name, meta, &[])?;
    Ok(true)
}

/// Stages a meta row and all that goes with it, and that the key changes. A new owner's elements must be staged or built
/// by the caller.
fn write(
    txn: &mut Txn,
    space: Space,
    name: &[u8],
    row: Vec<u8>,
    old: &Old<'_>,
    new: Meta,
    more: &[u8],
) -> Result<()> {
    write_rows(txn, space, name, row, old, new, more)?;
    txn.touch(lock_key(space.database, name), name);
    Ok(())
}

fn write_rows(
    txn: &mut Txn,
    space: Space,
    name: &[u8],
    row: Vec<u8>,
    old: &Old<'_>,
    mut new: Meta,
    more: &[u8],
) -> Result<()> {
    let before = match old {
        Old::Known(Some(meta)) => meta.owner(),
        Old::Known(None) => None,
        Old::Unknown => {
            let row = space.owner_row(name);
            let value = if txn.may_contain(&row) { txn.get(&row)? } else { None };
            value.map(|value| Owner::decode(&value)).transpose()?
        }
    };
    let after = new.owner();
    if before != after {
        if let Some(owner) = before {
            bury(txn, space, owner);
            txn.delete(space.owner_row(name));
        }
        if let Some(owner) = after {
            txn.put(space.owner_row(name), owner.encode());
        }
    }
    let old_meta = if let Old::Known(meta) = old { *meta } else { None };
    arm(txn, space, name, old_meta, &mut new);
    let was = old_meta.filter(|meta| is_counted(space, meta));
    if old_meta.is_none_or(|meta| meta.is_due(txn.now_ms())) {
        txn.note_before(Events::NEW.bits(), "new", space.database, name);
    }
    if was.is_some_and(|meta| meta.is_due(txn.now_ms())) {
        txn.expires();
        txn.note_before(Events::EXPIRED.bits(), "expired", space.database, name);
    }
    let unsettled = i64::from(matches!(old, Old::Unknown));
    if unsettled > 0 {
        txn.wake_reaper(txn.now_ms() + recount::REST_MS);
    }
    count(txn, space, was, Some(&new), unsettled);
    txn.put(row, new.encode_with(more));
    Ok(())
}

/// Stages the removal of a key's rows, but not the death of its elements.
pub(super) fn unlink(txn: &mut Txn, space: Space, name: &[u8], meta: &Meta) {
    txn.delete(space.meta_row(name));
    if meta.owner().is_some() {
        txn.delete(space.owner_row(name));
    }
    if let Some(index_ms) = meta.index_ms() {
        txn.disarm(&space.prefix(), index_ms, name);
    }
    count(txn, space, Some(meta).filter(|meta| is_counted(space, meta)), None, 0);
    txn.touch(lock_key(space.database, name), name);
}

/// Stages the death of an owner's elements.
pub(super) fn bury(txn: &mut Txn, space: Space, owner: Owner) {
    let prefix = owner.prefix();
    txn.kill(&prefix);
    if owner.home != space.id {
        txn.repatriate(&prefix);
    }
}

/// Sees to it that an index row lies at or before the new row's due time. One that lies before is left to the reaper,
/// which finds it early and moves it: so a deadline that moves on with every request costs no row.
fn arm(txn: &mut Txn, space: Space, name: &[u8], old: Option<&Meta>, new: &mut Meta) {
    new.armed_ms = None;
    let now_ms = txn.now_ms();
    // One that is due the reaper may have taken away already.
    let armed = old.and_then(Meta::index_ms).filter(|&index_ms| index_ms > now_ms);
    match (armed, new.due_ms()) {
        (None, None) => {}
        (Some(at), Some(due)) if at <= due => new.armed_ms = (at < due).then_some(at),
        (armed, due) => {
            if let Some(due) = due {
                txn.arm(&space.prefix(), due, name);
            }
            if let Some(at) = armed {
                txn.disarm(&space.prefix(), at, name);
            }
        }
    }
}

/// Whether a row is part of the count of keys: until its deadline has been waived.
pub(super) fn is_counted(space: Space, meta: &Meta) -> bool {
    meta.deadline_ms.is_none_or(|deadline| deadline > space.waived_ms)
}

fn count(txn: &mut Txn, space: Space, was: Option<&Meta>, is: Option<&Meta>, unsettled: i64) {
    let expiring = |meta: Option<&Meta>| i64::from(meta.is_some_and(|meta| meta.deadline_ms.is_some()));
    txn.count(Counter::Keys.of(space.id), i64::from(is.is_some()) - i64::from(was.is_some()));
    txn.count(Counter::Expiring.of(space.id), expiring(is) - expiring(was));
    txn.count(Counter::Unsettled.of(space.id), unsettled);
}

/// Whether a key exists and is of this type; another type is an error.
pub fn load_as(reads: &dyn Reads, space: Space, name: &[u8], kind: Type) -> Result<Option<Meta>> {
    match load(reads, space, name)? {
        Some(meta) if meta.kind != kind => Err(super::Error::WrongType),
        found => Ok(found),
    }
}
