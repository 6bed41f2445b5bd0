//! The catalog: which tables there are. It is read at opening and then lies in memory; a change is committed as one row
//! while the table's lock is held, and seen by others from that commit on.
//!
//! Of a table that was deleted another row stays for as long as its streams can be read: a day.
//!
//! ```text
//! row := version(1) ‖ schema, JSON
//! ```

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::context::Context;
use super::error::{Kind, Result, refused};
use super::rows::{catalog_row, departed_row, is_departed, space_prefix, table_lock};
use super::schema::{Schema, Stream};
use crate::store::{self, LockSet, Reads, Seqno, Store, Tier, Txn, after_prefix};

/// The version of catalog rows that this program writes.
const VERSION: u8 = 1;

/// The tables.
#[derive(Default)]
pub struct Catalog(RwLock<Known>);

#[derive(Default)]
struct Known {
    tables: BTreeMap<String, Arc<Schema>>,
    /// Those that were deleted, and have streams.
    departed: Vec<Arc<Schema>>,
    /// The last commit that changed them.
    seqno: Seqno,
}

impl Catalog {
    /// Reads them from the store.
    pub fn open(store: &Arc<Store>) -> store::Result<Self> {
        let view = store.view_newest(Tier::Disk);
        let from = catalog_row("");
        let end = after_prefix(&from).unwrap_or_default();
        let mut scan = view.scan(Bound::Included(&from), Bound::Excluded(&end));
        scan.first()?;
        let (mut tables, mut departed) = (BTreeMap::new(), Vec::new());
        while scan.valid() {
            let schema = decode(scan.value())?;
            if is_departed(scan.key()) {
                departed.push(Arc::new(schema));
            } else {
                tables.insert(schema.name.clone(), Arc::new(schema));
            }
            scan.next()?;
        }
        let seqno = view.seqno();
        Ok(Self(RwLock::new(Known { tables, departed, seqno })))
    }

    /// The table of this name, if there is one; and the last commit that changed any.
    fn find_at(&self, name: &str) -> (Option<Arc<Schema>>, Seqno) {
        let known = self.0.read();
        (known.tables.get(name).cloned(), known.seqno)
    }

    /// The table of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<Arc<Schema>> {
        self.find_at(name).0
    }

    /// All tables, by name; and the last commit that changed them.
    pub fn all(&self) -> (Vec<Arc<Schema>>, Seqno) {
        let known = self.0.read();
        (known.tables.values().cloned().collect(), known.seqno)
    }

    /// Deleted tables whose streams can still be read at this time, in Unix milliseconds.
    pub fn departed(&self, now_ms: u64) -> Vec<Arc<Schema>> {
        let known = self.0.read();
        known.departed.iter().filter(|table| !is_over(table, now_ms)).cloned().collect()
    }

    /// Names after one, or from the first on, at most so many; and the last commit that changed them.
    pub fn names(&self, after: Option<&str>, max: usize) -> (Vec<String>, Seqno) {
        let known = self.0.read();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let names = known.tables.range::<str, _>((after, Bound::Unbounded)).map(|(name, _)| name.clone());
        (names.take(max).collect(), known.seqno)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().tables.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn set(&self, name: &str, schema: Option<Arc<Schema>>, seqno: Seqno) {
        let mut known = self.0.write();
        match schema {
            Some(schema) => known.tables.insert(name.to_owned(), schema),
            None => known.tables.remove(name),
        };
        known.seqno = known.seqno.max(seqno);
    }
}

/// Whether no stream of a deleted table can be read any more.
fn is_over(table: &Schema, now_ms: u64) -> bool {
    table.streams.iter().all(|stream| stream.is_over(now_ms))
}

fn encode(schema: &Schema) -> Result<Vec<u8>> {
    let mut row = vec![VERSION];
    serde_json::to_writer(&mut row, schema).map_err(|error| refused(Kind::Internal, error.to_string()))?;
    Ok(row)
}

/// Reads a table's row.
pub fn decode(row: &[u8]) -> store::Result<Schema> {
    let json = row.strip_prefix(&[VERSION]).ok_or(store::Error::Damaged("a table's version"))?;
    let schema: Schema =
        serde_json::from_slice(json).map_err(|_| store::Error::Damaged("a table in the catalog"))?;
    Ok(schema.resolved())
}

impl Context<'_> {
    /// The table of this name, if there is one. What is answered depends on it, and a view that is pinned from now on is not
    /// older: of a table that is new it would know nothing, of an index that was just filled only a part.
    pub fn find(&self, name: &str) -> Option<Arc<Schema>> {
        let (table, seqno) = self.tables.catalog.find_at(name);
        self.depends_on(seqno);
        table
    }

    /// The table of this name, for a request about its items.
    pub fn table(&self, name: &str) -> Result<Arc<Schema>> {
        let table = self.find(name).filter(|table| !table.is_being_restored());
        table.ok_or_else(not_found)
    }

    /// The table of this name, to be changed.
    pub fn table_to_change(&self, name: &str) -> Result<Arc<Schema>> {
        let table = self.table_to_tell(name)?;
        if table.is_being_restored() {
            return Err(refused(
                Kind::ResourceInUse,
                format!("Attempt to change a resource which is still in use: Table is being created: {name}"),
            ));
        }
        Ok(table)
    }

    /// The table of this name, for DescribeTable and its like.
    pub fn table_to_tell(&self, name: &str) -> Result<Arc<Schema>> {
        self.find(name).ok_or_else(|| not_found_by_name(name))
    }

    /// Whether a table is still what it was.
    pub fn is_current(&self, table: &Arc<Schema>) -> bool {
        self.tables.catalog.find(&table.name).is_some_and(|now| Arc::ptr_eq(&now, table))
    }

    /// A transaction that changes what a table is, or makes it: nobody else reads or changes it meanwhile.
    pub fn change(&self, name: &str) -> Result<Txn> {
        self.txn(LockSet::one(table_lock(name)))
    }

    /// Stages that a table that is deleted leaves its streams behind, and that those which were left long ago are no more.
    pub fn stage_departure(&self, txn: &mut Txn, table: &Schema) -> Result<()> {
        let now_ms = txn.now_ms();
        let close =
            |stream: &Stream| Stream { closed_ms: stream.closed_ms.or(Some(now_ms)), ..stream.clone() };
        let streams: Vec<Stream> = table.streams.iter().map(close).collect();
        let leaves = (!streams.is_empty()).then(|| Schema { streams, ..table.clone() });
        if let Some(schema) = &leaves {
            txn.put(departed_row(&schema.name, &schema.uuid), encode(schema)?);
        }
        let known = self.tables.catalog.0.read();
        let mut over_streams = Vec::new();
        for over in known.departed.iter().filter(|table| is_over(table, now_ms)) {
            over_streams.extend(over.streams.iter().map(|stream| stream.id));
            txn.delete(departed_row(&over.name, &over.uuid));
        }
        for stream in &over_streams {
            txn.kill(&space_prefix(*stream));
        }
        drop(known);
        let tables = self.tables.clone();
        txn.after_commit(move |_| {
            let mut known = tables.catalog.0.write();
            known.departed.retain(|table| !is_over(table, now_ms));
            known.departed.extend(leaves.map(Arc::new));
            for stream in &over_streams {
                tables.sequences.forget(*stream);
            }
        });
        Ok(())
    }

    /// Commits what has become of a table: `None` if it is gone.
    pub fn commit_schema(&self, mut txn: Txn, name: &str, schema: Option<Schema>) -> Result<()> {
        let row = catalog_row(name);
        match &schema {
            Some(schema) => txn.put(row, encode(schema)?),
            None => txn.delete(row),
        }
        let (tables, name, schema) =
            (self.tables.clone(), name.to_owned(), schema.map(|schema| Arc::new(schema.resolved())));
        txn.after_commit(move |seqno| tables.catalog.set(&name, schema, seqno));
        self.commit(txn)
    }
}

/// There is no such table, for a request about its items.
pub fn not_found() -> super::error::Error {
    refused(Kind::ResourceNotFound, "Requested resource not found")
}

/// The same, for a request about the table.
pub fn not_found_by_name(name: &str) -> super::error::Error {
    refused(Kind::ResourceNotFound, format!("Requested resource not found: Table: {name} not found"))
}
