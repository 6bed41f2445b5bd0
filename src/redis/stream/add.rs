//! Commands that add entries, delete some, or say which ids there were.

use super::entries::{NodeLimits, Stream, pack};
use super::id::{self, Id, NewId};
use super::trim::Options;
use super::{load, tell_count};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::events::Events;
use crate::redis::protocol::reply::Reply;
use crate::store::{Reads, Txn};

/// No entry is larger, in bytes: Redis's limit.
const ENTRY_BYTES_MAX: u64 = 1 << 30;

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]`
pub(super) fn xadd(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call, true)?;
    let texts = call.from(options.end);
    let Some(id) = options.id.filter(|_| texts.len() > 0 && texts.len().is_multiple_of(2)) else {
        return Err(Error::Arity("xadd"));
    };
    if id == NewId::Given(Id::MIN) {
        return Err(Error::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let mut stream = match load(txn, call, call.get(1))? {
        Some(stream) => stream,
        None if options.existing_only => {
            reply.null();
            return Ok(());
        }
        None => Stream::new(call.space, call.get(1)),
    };
    if stream.head.last == Id::MAX {
        return Err(Error::text(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let last = stream.head.last;
    let id = match id {
        NewId::Given(id) => Some(id),
        NewId::AutoSeq(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
        NewId::AutoSeq(ms) => Some(Id { ms, seq: 0 }),
        NewId::Auto => Some(Id { ms: txn.now_ms(), seq: 0 }).filter(|id| id.ms > last.ms).or(last.next()),
    };
    let Some(id) = id.filter(|&id| id > last) else {
        return Err(Error::text(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ));
    };
    let bytes: usize = texts.clone().map(<[u8]>::len).sum();
    if bytes as u64 > ENTRY_BYTES_MAX.min(call.instance.value_bytes_max()) {
        return Err(Error::text("ERR Elements are too large to be stored"));
    }
    stream.append(txn, id, &pack(texts), NodeLimits::of(call))?;
    call.notify(txn, Events::STREAM, "xadd", call.get(1));
    if let Some(trim) = options.trim
        && stream.trim(txn, trim)? > 0
    {
        call.notify(txn, Events::STREAM, "xtrim", call.get(1));
    }
    stream.save(txn)?;
    id.tell(reply);
    Ok(())
}

/// `XDEL key id [id ...]`
pub(super) fn xdel(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut deleted = 0;
    if let Some(mut stream) = load(txn, call, call.get(1))? {
        let ids = call.from(2).map(|text| id::strict(text, 0)).collect::<Result<Vec<Id>>>()?;
        for id in ids {
            deleted += u64::from(stream.delete(txn, id)?);
        }
        if deleted > 0 {
            call.notify(txn, Events::STREAM, "xdel", call.get(1));
            stream.save(txn)?;
        }
    }
    tell_count(deleted, reply);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(super) fn xsetid(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let last = id::strict(call.get(2), 0)?;
    let (mut added, mut deleted) = (None, Id::MIN);
    let mut at = 3;
    while at < call.len() {
        let has_more = at + 1 < call.len();
        if has_more && call.is(at, "entriesadded") {
            let count = u64::try_from(call.int(at + 1)?);
            added = Some(count.map_err(|_| Error::text("ERR entries_added must be positive"))?);
        } else if has_more && call.is(at, "maxdeletedid") {
            deleted = id::strict(call.get(at + 1), 0)?;
            if last < deleted {
                return Err(Error::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::Syntax);
        }
        at += 2;
    }
    let Some(mut stream) = load(txn, call, call.get(1))? else { return Err(Error::NoSuchKey) };
    if last < stream.head.deleted {
        return Err(Error::text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if let Some((top, _)) = stream.edge(txn, true)? {
        if last < top {
            return Err(Error::text(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        let len = stream.len(txn)?;
        if added.is_some_and(|added| len > added) {
            return Err(Error::text(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    stream.head.last = last;
    stream.head.added = added.unwrap_or(stream.head.added);
    if deleted != Id::MIN {
        stream.head.deleted = deleted;
    }
    call.notify(txn, Events::STREAM, "xsetid", call.get(1));
    stream.save_groups(txn)?;
    reply.ok();
    Ok(())
}
