//! The scripts that EVALSHA finds: in memory, lost at the end as in Redis, and bounded, the oldest going first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::RwLock;

use super::flags::Shebang;

/// What a script takes beside its text.
const OVERHEAD_BYTES: usize = 200;

/// A script.
pub(super) struct Script {
    /// Its name: the digest of its text.
    pub(super) sha: String,
    /// Its text.
    pub(super) body: Box<[u8]>,
    /// What its first line says.
    pub(super) shebang: Shebang,
    /// What was learned of it.
    pub(super) habits: Habits,
}

/// What was learned of a script, so that it need not be learned again.
#[derive(Default)]
pub(super) struct Habits {
    /// It takes keys that it did not declare: it begins with every lock.
    pub(super) roams: AtomicBool,
    /// It takes longer than an event loop has.
    pub(super) lingers: AtomicBool,
    /// It needs so much memory that it runs beside no other of its kind.
    pub(super) sprawls: AtomicBool,
}

#[derive(Default)]
struct Scripts {
    by_sha: HashMap<String, Arc<Script>>,
    /// The oldest first.
    order: VecDeque<Arc<Script>>,
    bytes: usize,
}

/// The scripts.
pub(super) struct Cache {
    scripts: RwLock<Scripts>,
    /// Another number each time that scripts were forgotten, unlike that of any other cache.
    epoch: AtomicU64,
}

fn new_epoch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}

impl Default for Cache {
    fn default() -> Self {
        Self { scripts: RwLock::default(), epoch: AtomicU64::new(new_epoch()) }
    }
}

impl Cache {
    /// Which scripts have been forgotten: whoever keeps some of them compares.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// The script of this name, in lower case.
    pub(super) fn get(&self, sha: &str) -> Option<Arc<Script>> {
        self.scripts.read().by_sha.get(sha).cloned()
    }

    /// Adds a script, which may be there already. Forgets older ones for it, should there be more than so many bytes.
    pub(super) fn add(&self, script: Script, bytes_max: usize) -> Arc<Script> {
        let mut scripts = self.scripts.write();
        if let Some(known) = scripts.by_sha.get(&script.sha) {
            return known.clone();
        }
        let script = Arc::new(script);
        scripts.bytes += script.body.len() + OVERHEAD_BYTES;
        scripts.by_sha.insert(script.sha.clone(), script.clone());
        scripts.order.push_back(script.clone());
        while scripts.bytes > bytes_max && scripts.order.len() > 1 {
            let Some(oldest) = scripts.order.pop_front() else { break };
            scripts.bytes -= oldest.body.len() + OVERHEAD_BYTES;
            scripts.by_sha.remove(&oldest.sha);
            self.epoch.store(new_epoch(), Relaxed);
        }
        script
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let forgotten = std::mem::take(&mut *self.scripts.write());
        self.epoch.store(new_epoch(), Relaxed);
        drop(forgotten);
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let scripts = self.scripts.read();
        (scripts.by_sha.len(), scripts.bytes)
    }
}
