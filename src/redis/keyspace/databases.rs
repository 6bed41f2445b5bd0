//! Which keyspace each database stands for, and how many keys it holds.
//!
//! The map is one system row. It is kept in memory with the commits that changed it, so that a view of an earlier
//! moment sees the map of that moment, and no reply shows the effect of a FLUSHDB that a crash could still undo.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::{Result, Space, key, space_prefix};
use crate::store::{Batch, Seqno};
use crate::store::{Error, LockSet, REDIS, Reads, Store, Txn, put_ordered, realm_row, take_ordered};

const VERSION: u8 = 1;

/// How many moments of the map are kept in memory; older views read the row.
const MOMENTS: usize = 16;

/// The row of the map.
pub fn map_row() -> Vec<u8> {
    realm_row(REDIS, &[0])
}

/// The row that says what a key of a database is, for tools that read rows themselves: `map` is what [`map_row`]
/// holds. `None` if there is no such database.
pub fn row_of_key(map: Option<&[u8]>, database: u16, name: &[u8]) -> Result<Option<Vec<u8>>> {
    let ids = map.map(decode).transpose()?.unwrap_or_default();
    let space = ids.get(usize::from(database)).map(|&id| Space { database, id, waived_ms: 0 });
    Ok(space.map(|space| space.meta_row(name)))
}

/// The row that says until when due keys of a keyspace are no longer counted.
pub(super) fn waived_row(id: u64) -> Vec<u8> {
    let mut rest = vec![1];
    put_ordered(&mut rest, id);
    realm_row(REDIS, &rest)
}

/// What is counted of a keyspace, as counters of the engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Keys = 0,
    Unsettled = 1,
    Expiring = 2,
}

impl Counter {
    /// The engine's number for it.
    pub(super) fn of(self, id: u64) -> u64 {
        id << 2 | self as u64
    }
}

/// How many keys a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Keys; exact when nothing is unsettled.
    pub keys: u64,
    /// Of these, how many have a deadline.
    pub expiring: u64,
    /// Writes that could not tell whether their key was new without reading the disk, until recounted.
    pub unsettled: u64,
}

/// A keyspace id, and until when its due keys are waived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    id: u64,
    waived_ms: u64,
}

#[derive(Clone)]
struct Moment {
    seqno: Seqno,
    entries: Arc<[Entry]>,
}

/// The moments, newest last.
type History = Arc<ArcSwap<Vec<Moment>>>;

/// The databases.
pub struct Databases {
    history: History,
}

impl Databases {
    pub(super) fn open(store: &Arc<Store>, count: u16) -> Result<Self> {
        let mut txn = store.txn(LockSet::all(), crate::store::Tier::Disk)?;
        let mut ids = match txn.get(&map_row())? {
            Some(value) => decode(&value)?,
            None => Vec::new(),
        };
        if ids.len() < usize::from(count) {
            while ids.len() < usize::from(count) {
                ids.push(txn.new_id()?);
            }
            txn.put(map_row(), encode(&ids));
        }
        let mut entries = Vec::with_capacity(ids.len());
        for id in ids {
            let waived_ms = match txn.get(&waived_row(id))? {
                Some(value) => take_ordered(&mut &value[..]).ok_or(Error::Damaged("a waiver"))?,
                None => 0,
            };
            entries.push(Entry { id, waived_ms });
        }
        let seqno = txn.commit()?;
        // Views of what no crash can undo begin here: without the map the first of them would find nothing.
        store.db().acknowledge(seqno).map_err(Error::from)?;
        let history = Arc::new(ArcSwap::from_pointee(vec![Moment { seqno, entries: entries.into() }]));
        Ok(Self { history })
    }

    /// How many there are.
    pub fn count(&self) -> u16 {
        self.history.load().last().map_or(0, |moment| moment.entries.len() as u16)
    }

    /// The keyspace of a database (below [`Databases::count`]) as these reads see it.
    pub fn space(&self, reads: &dyn Reads, database: u16) -> Result<Space> {
        let at = usize::from(database);
        if let Some(value) = reads.staged(&MAP_ROW) {
            let id = decode(&value)?.get(at).copied().ok_or(Error::Damaged("the database map"))?;
            let waived_ms = self.waived_ms(id);
            return Ok(Space { database, id, waived_ms });
        }
        let history = self.history.load();
        let seen = reads.seqno();
        if let Some(moment) = history.iter().rev().find(|moment| moment.seqno <= seen)
            && let Some(&Entry { id, waived_ms }) = moment.entries.get(at)
        {
            return Ok(Space { database, id, waived_ms });
        }
        let value = reads.get(&map_row())?.ok_or(Error::Damaged("the database map"))?;
        let id = decode(&value)?.get(at).copied().ok_or(Error::Damaged("the database map"))?;
        Ok(Space { database, id, waived_ms: self.waived_ms(id) })
    }

    /// The keyspace of a database as of now.
    pub(crate) fn newest(&self, database: u16) -> Option<Space> {
        let history = self.history.load();
        let &Entry { id, waived_ms } = history.last()?.entries.get(usize::from(database))?;
        Some(Space { database, id, waived_ms })
    }

    /// The databases as of now.
    pub(super) fn spaces(&self) -> Vec<Space> {
        let history = self.history.load();
        let entries = history.last().map(|moment| moment.entries.clone());
        let entries = entries.iter().flat_map(|entries| entries.iter().enumerate());
        entries.map(|(at, &Entry { id, waived_ms })| Space { database: at as u16, id, waived_ms }).collect()
    }

    fn waived_ms(&self, id: u64) -> u64 {
        self.spaces().iter().find(|space| space.id == id).map_or(0, |space| space.waived_ms)
    }

    /// How many keys a database holds now.
    pub fn size(store: &Store, space: Space) -> Size {
        let counter = |counter: Counter| store.counter(counter.of(space.id)).max(0) as u64;
        let keys = counter(Counter::Keys);
        Size { keys, expiring: counter(Counter::Expiring).min(keys), unsettled: counter(Counter::Unsettled) }
    }

    /// How many keys a transaction has added to a database so far, less those it removed.
    pub fn staged_keys(reads: &dyn Reads, space: Space) -> i64 {
        reads.staged_count(Counter::Keys.of(space.id))
    }

    /// Stages that a database is empty. The transaction must hold [`LockSet::all`].
    pub fn flush(&self, txn: &mut Txn, database: u16) -> Result<()> {
        let space = self.space(txn, database)?;
        touch(txn, database, &[space])?;
        let mut ids = self.ids(txn)?;
        let slot = ids.get_mut(usize::from(database)).ok_or(Error::Damaged("the database map"))?;
        let old = std::mem::replace(slot, txn.new_id()?);
        txn.kill(&space_prefix(old));
        for counter in [Counter::Keys, Counter::Unsettled, Counter::Expiring] {
            let value = txn.store().counter(counter.of(old));
            txn.count(counter.of(old), -value);
        }
        txn.delete(waived_row(old));
        txn.frees();
        self.stage(txn, &ids);
        Ok(())
    }

    /// Stages that two databases change places. The transaction must hold [`LockSet::all`].
    pub fn swap(&self, txn: &mut Txn, one: u16, other: u16) -> Result<()> {
        let mut ids = self.ids(txn)?;
        if usize::from(one.max(other)) >= ids.len() {
            return Err(Error::Damaged("the database map").into());
        }
        if one == other {
            return Ok(());
        }
        let spaces = [self.space(txn, one)?, self.space(txn, other)?];
        touch(txn, one, &spaces)?;
        touch(txn, other, &spaces)?;
        ids.swap(usize::from(one), usize::from(other));
        self.stage(txn, &ids);
        Ok(())
    }

    /// Stages that keys of a keyspace due by then are no longer counted. The transaction must hold
    /// [`LockSet::all`].
    pub(super) fn waive(&self, txn: &mut Txn, id: u64, until_ms: u64) {
        let mut value = Vec::with_capacity(9);
        put_ordered(&mut value, until_ms);
        txn.put(waived_row(id), value);
        let history = self.history.clone();
        txn.after_commit(move |seqno| {
            remember(&history, seqno, |entries| {
                for entry in entries.iter_mut().filter(|entry| entry.id == id) {
                    entry.waived_ms = until_ms;
                }
            });
        });
    }

    /// The ids as a transaction sees them.
    fn ids(&self, txn: &Txn) -> Result<Vec<u64>> {
        if let Some(value) = txn.staged(&MAP_ROW) {
            return decode(&value);
        }
        Ok(self.spaces().iter().map(|space| space.id).collect())
    }

    fn stage(&self, txn: &mut Txn, ids: &[u64]) {
        txn.put(map_row(), encode(ids));
        let (history, ids) = (self.history.clone(), ids.to_vec());
        txn.after_commit(move |seqno| {
            remember(&history, seqno, |entries| {
                let old = entries.clone();
                for (entry, id) in entries.iter_mut().zip(ids) {
                    let waived_ms = old.iter().find(|old| old.id == id).map_or(0, |old| old.waived_ms);
                    *entry = Entry { id, waived_ms };
                }
            });
        });
    }
}

/// How many watched keys are looked up to learn whether they change.
const LOOKED_UP_MAX: usize = 1024;

/// Stages that the watched keys of a database change, which are those that one of these spaces has.
fn touch(txn: &mut Txn, database: u16, spaces: &[Space]) -> Result<()> {
    let watched = txn.store().watched(database);
    let mut absent = HashSet::new();
    if watched.len() <= LOOKED_UP_MAX {
        let names: Vec<&[u8]> = watched.iter().map(|(name, _)| &name[..]).collect();
        absent.extend(watched.iter().map(|(_, key)| *key));
        for &space in spaces {
            for ((_, key), found) in watched.iter().zip(key::load_many(txn, space, &names)?) {
                if found.is_some() {
                    absent.remove(key);
                }
            }
        }
    }
    txn.touch_group(database, absent);
    Ok(())
}

/// [`map_row`], for looking it up without building it.
const MAP_ROW: [u8; 4] = [0, 6, REDIS, 0];

/// Adds a moment. Called with every lock held, so nobody else does.
fn remember(history: &History, seqno: Seqno, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut moments = Vec::clone(&history.load());
    let mut entries = moments.last().map_or_else(Vec::new, |moment| moment.entries.to_vec());
    change(&mut entries);
    moments.retain(|moment| moment.seqno != seqno);
    moments.push(Moment { seqno, entries: entries.into() });
    let surplus = moments.len().saturating_sub(MOMENTS);
    moments.drain(..surplus);
    history.store(Arc::new(moments));
}

fn encode(ids: &[u64]) -> Bytes {
    let mut out = vec![VERSION];
    for &id in ids {
        put_ordered(&mut out, id);
    }
    out.into()
}

fn decode(value: &[u8]) -> Result<Vec<u64>> {
    let damaged = Error::Damaged("the database map");
    let Some((&VERSION, mut rest)) = value.split_first() else { return Err(damaged.into()) };
    let mut ids = Vec::new();
    while !rest.is_empty() {
        ids.push(take_ordered(&mut rest).ok_or(Error::Damaged("the database map"))?);
    }
    Ok(ids)
}

/// Takes back what a recount found out: by how much the counters were wrong at its moment.
pub(super) fn settle(batch: &mut Batch, id: u64, counted: Size, at: Size) {
    let by = |is: u64, was: u64| is as i64 - was as i64;
    batch.count(Counter::Keys.of(id), by(counted.keys, at.keys));
    batch.count(Counter::Expiring.of(id), by(counted.expiring, at.expiring));
    batch.count(Counter::Unsettled.of(id), -(at.unsettled as i64));
}
