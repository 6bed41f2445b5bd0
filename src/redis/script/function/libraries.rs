//! All libraries: rows of their own on disk, which FLUSHALL leaves alone, and in memory as of the newest commit that changed
//! them. Who reads an earlier moment, or a transaction that changes them itself, reads the rows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::super::super::error::{Error, Result};
use super::super::flags::ScriptFlags;
use super::library::Library;
use crate::store::{REDIS, Reads, Seqno, Store, Tier, Txn, realm_row};

/// Written with every change, so that a transaction can tell that it made one.
const CHANGED: u8 = 2;
const LIBRARY: u8 = 3;

fn row(name: &[u8]) -> Vec<u8> {
    realm_row(REDIS, &[&[LIBRARY], name].concat())
}

/// The libraries at one moment.
#[derive(Clone, Default)]
pub(in super::super) struct Set {
    seqno: Seqno,
    by_name: BTreeMap<Vec<u8>, Arc<Library>>,
    /// By a function's name in lower case: the library, and where in it.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize)>,
}

impl Set {
    /// All, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// The library of this name.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.by_name.get(name)
    }

    /// The function of this name, in any case: its library, and where in it.
    pub(super) fn function(&self, name: &[u8]) -> Option<(Arc<Library>, usize)> {
        self.functions.get(&name.to_ascii_lowercase()).cloned()
    }

    /// Whether a library is among them.
    pub(super) fn has(&self, id: u64) -> bool {
        self.by_name.values().any(|library| library.id == id)
    }

    /// Takes a library out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Library>> {
        let library = self.by_name.remove(name)?;
        self.functions.retain(|_, (of, _)| of.id != library.id);
        Some(library)
    }

    /// Puts a library in, whose name nobody has. One of its functions may be there already.
    pub(super) fn add(&mut self, library: Arc<Library>) -> Result {
        for function in &library.functions {
            if self.functions.contains_key(&function.name.to_ascii_lowercase()) {
                let name = String::from_utf8_lossy(&function.name);
                return Err(Error::text(format!("ERR Function {name} already exists")));
            }
        }
        for (at, function) in library.functions.iter().enumerate() {
            self.functions.insert(function.name.to_ascii_lowercase(), (library.clone(), at));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }
}

/// The libraries.
#[derive(Default)]
pub(crate) struct Libraries {
    current: Arc<ArcSwap<Set>>,
}

impl Libraries {
    /// Reads them, once the store is open.
    pub(crate) fn open(&self, store: &Store) -> Result {
        let view = store.view_newest(Tier::Disk);
        self.current.store(Arc::new(read(&view)?));
        Ok(())
    }

    /// What a function of the newest libraries says of itself, if there is one of this name.
    pub(in super::super) fn flags(&self, name: &[u8]) -> Option<ScriptFlags> {
        self.current.load().function(name).map(|(library, at)| library.functions[at].flags)
    }

    /// How many libraries, functions, and bytes of text there are.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        let set = self.current.load();
        (set.by_name.len(), set.functions.len(), set.all().map(|library| library.code.len()).sum())
    }

    /// The libraries, as these reads see them.
    pub(super) fn seen(&self, reads: &dyn Reads) -> Result<Arc<Set>> {
        let current = self.current.load_full();
        let changes = reads.staged(&realm_row(REDIS, &[CHANGED])).is_some();
        if !changes && current.seqno <= reads.seqno() { Ok(current) } else { Ok(Arc::new(read(reads)?)) }
    }

    /// Stages that from now on there are these libraries. The transaction must hold the lock of libraries.
    pub(super) fn stage(&self, txn: &mut Txn, set: Set) -> Result {
        let before = self.seen(txn)?;
        for library in before.all() {
            if !set.has(library.id) {
                txn.delete(row(&library.name));
            }
        }
        for library in set.all() {
            if !before.has(library.id) {
                txn.put(row(&library.name), library.encode());
            }
        }
        txn.put(realm_row(REDIS, &[CHANGED]), Bytes::from_static(&[1]));
        let current = self.current.clone();
        txn.after_commit(move |seqno| current.store(Arc::new(Set { seqno, ..set })));
        Ok(())
    }
}

/// The libraries, from their rows.
fn read(reads: &dyn Reads) -> Result<Set> {
    let (from, to) = (row(&[]), realm_row(REDIS, &[LIBRARY + 1]));
    let mut set = Set { seqno: reads.seqno(), ..Set::default() };
    let mut rows = reads.scan(Bound::Included(&from), Bound::Excluded(&to));
    rows.seek(&from)?;
    while rows.valid() {
        let name = rows.key().get(from.len()..).unwrap_or_default();
        set.add(Arc::new(Library::decode(name, rows.value())?))?;
        rows.next()?;
    }
    Ok(set)
}
