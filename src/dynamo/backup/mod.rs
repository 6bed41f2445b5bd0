//! Backups: a copy of all items of a table as they were at one moment, and of what the table was.
//!
//! ```text
//! row    := version(1) ‖ backup, JSON                    under the row 3 ‖ name, see rows.rs
//! name   := table's name ‖ "/backup/" ‖ milliseconds ‖ "-" ‖ digits: the end of its ARN
//! items  := as those of a table, in a space of the backup's own
//! ```
//!
//! CreateBackup pins a moment while nobody may change the table, and commits the backup's row, which says that it is
//! being made; a job in the background copies the items of that moment ([`copy`]), and its last transaction says that the
//! backup is complete. The moment does not outlive the process: a backup that was not complete when the store was closed
//! is no more when it is opened, rather than being of another moment than it says. Until the process ends DescribeBackup
//! says that it is DELETED, so that whoever waits for it learns what has become of it.
//!
//! Nothing that happens to the table later, be it its end, changes a backup.

pub mod copy;
pub mod create;
pub mod delete;
pub mod list;
pub mod refill;
pub mod restore;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::{Error, Kind, Result, invalid, refused};
use super::request::Request;
use super::rows::{backup_row, space_prefix};
use super::schema::Schema;
use super::table::describe::table_arn;
use crate::codec::digest::digest;
use crate::store::{self, LockSet, Reads, Seqno, Store, Tier, Txn, after_prefix};

/// The version of rows that this program writes.
const VERSION: u8 = 1;

/// A backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// What its rows begin with.
    pub id: u64,
    /// As the user named it; others may be named the same.
    pub title: String,
    /// The moment that it is of, in Unix milliseconds.
    pub created_ms: u64,
    /// Whether all items have been copied.
    pub is_complete: bool,
    /// Its items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the table was at that moment.
    pub table: Schema,
}

impl Backup {
    /// What no other backup is named.
    pub fn name(&self) -> String {
        let digits = digest(&[self.id.to_be_bytes(), self.created_ms.to_be_bytes()].concat());
        let digits = u32::from_be_bytes([digits[0], digits[1], digits[2], digits[3]]);
        format!("{}/backup/{:014}-{digits:08x}", self.table.name, self.created_ms)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        table_arn(&self.name())
    }

    /// The API's word for how far it is.
    pub fn status(&self) -> &'static str {
        if self.is_complete { "AVAILABLE" } else { "CREATING" }
    }
}

/// All backups, by name.
#[derive(Default)]
pub struct Backups(RwLock<Known>);

#[derive(Default)]
struct Known {
    backups: BTreeMap<String, Arc<Backup>>,
    /// Those that were not complete when the store was closed, and are no more.
    cut_short: BTreeMap<String, Arc<Backup>>,
    /// The last commit that changed them.
    seqno: Seqno,
}

impl Backups {
    /// Reads them from the store, and removes what is left of those that were not complete.
    pub fn open(store: &Arc<Store>) -> store::Result<Self> {
        let view = store.view_newest(Tier::Disk);
        let from = backup_row("");
        let end = after_prefix(&from).unwrap_or_default();
        let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&end));
        scan.first()?;
        let mut backups = BTreeMap::new();
        while scan.valid() {
            let backup = decode(scan.value())?;
            backups.insert(backup.name(), Arc::new(backup));
            scan.next()?;
        }
        let cut_short: BTreeMap<_, _> = backups.extract_if(.., |_, backup| !backup.is_complete).collect();
        let mut seqno = view.seqno();
        for (name, backup) in &cut_short {
            tracing::warn!(
                backup = backup.arn(),
                "was not complete when the store was closed, and is no more"
            );
            let mut txn = store.txn(LockSet::new(), Tier::Disk)?;
            bury(&mut txn, name, backup);
            seqno = txn.commit()?;
        }
        Ok(Self(RwLock::new(Known { backups, cut_short, seqno })))
    }

    /// The backup of this name that was not complete when the store was closed, if there was one.
    pub fn cut_short(&self, name: &str) -> Option<Arc<Backup>> {
        self.0.read().cut_short.get(name).cloned()
    }

    /// The backup of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<Arc<Backup>> {
        self.0.read().backups.get(name).cloned()
    }

    /// Backups of names after one, or from the first on; and the last commit that changed any.
    pub fn after(&self, name: Option<&str>) -> (Vec<Arc<Backup>>, Seqno) {
        let known = self.0.read();
        let after = name.map_or(Bound::Unbounded, Bound::Excluded);
        let backups = known.backups.range::<str, _>((after, Bound::Unbounded));
        (backups.map(|(_, backup)| backup.clone()).collect(), known.seqno)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().backups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn set(&self, name: &str, backup: Option<Arc<Backup>>, seqno: Seqno) {
        let mut known = self.0.write();
        match backup {
            Some(backup) => known.backups.insert(name.to_owned(), backup),
            None => known.backups.remove(name),
        };
        known.seqno = known.seqno.max(seqno);
    }
}

/// Stages that a backup is no more.
fn bury(txn: &mut Txn, name: &str, backup: &Backup) {
    txn.frees();
    txn.kill(&space_prefix(backup.id));
    txn.delete(backup_row(name));
}

fn encode(backup: &Backup) -> Result<Vec<u8>> {
    let mut row = vec![VERSION];
    serde_json::to_writer(&mut row, backup).map_err(|error| refused(Kind::Internal, error.to_string()))?;
    Ok(row)
}

/// Reads a backup's row.
pub fn decode(row: &[u8]) -> store::Result<Backup> {
    let json = row.strip_prefix(&[VERSION]).ok_or(store::Error::Damaged("a backup's version"))?;
    let backup: Backup = serde_json::from_slice(json).map_err(|_| store::Error::Damaged("a backup's row"))?;
    Ok(Backup { table: backup.table.resolved(), ..backup })
}

/// The name that is the end of a backup's ARN.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit_once(":table/").map_or(arn, |(_, name)| name)
}

/// The ARN of a backup that a request names.
fn asked_arn(request: &mut Request) -> Result<String> {
    let arn = request.needed_text("BackupArn")?;
    let is_one = arn.starts_with("arn:")
        && arn.split_once(":table/").is_some_and(|(_, name)| name.contains("/backup/"));
    if is_one { Ok(arn) } else { Err(invalid("Invalid Backup ARN")) }
}

/// There is no such backup.
pub fn not_found(arn: &str) -> Error {
    refused(Kind::BackupNotFound, format!("Backup not found: {arn}"))
}

/// There is no such table, in the words of the operations on backups.
pub fn table_not_found(name: &str) -> Error {
    refused(Kind::TableNotFound, format!("Table not found: {name}"))
}

impl Context<'_> {
    /// The backup of this ARN, to be told of.
    fn backup(&self, arn: &str) -> Result<Arc<Backup>> {
        let backups = &self.tables.backups;
        self.depends_on(backups.0.read().seqno);
        backups.find(name_of(arn)).ok_or_else(|| not_found(arn))
    }

    /// Stages what has become of a backup, in a transaction that has it locked: `None` if it is gone.
    fn stage_backup(&self, txn: &mut Txn, backup: &Backup, is_there: bool) -> Result<()> {
        let name = backup.name();
        let now = is_there.then(|| Arc::new(backup.clone()));
        if is_there {
            txn.put(backup_row(&name), encode(backup)?);
        } else {
            bury(txn, &name, backup);
        }
        let tables = self.tables.clone();
        txn.after_commit(move |seqno| tables.backups.set(&name, now, seqno));
        Ok(())
    }
}
