//! A client that tracks: its own side.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use super::super::clients::Client;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::session::Session;
use super::modes::Modes;
use super::reads::OwnReads;

/// What one prefix costs beyond its name.
const PREFIX_BYTES: usize = 256;

/// That a connection tracks. Dropping it ends that.
pub(crate) struct Tracker {
    client: Arc<Client>,
    instance: Weak<Instance>,
    pub(super) prefixes: BTreeSet<Box<[u8]>>,
    /// What they take, accounted for among the buffers of all clients.
    bytes: usize,
    /// CLIENT CACHING was said, for what comes next.
    pub(super) caching: bool,
    /// What the command that is running has read.
    pub(super) own_reads: OwnReads,
}

impl Tracker {
    pub(super) fn new(session: &Session, instance: &Instance) -> Self {
        Self {
            client: session.client.clone(),
            instance: instance.shared(),
            prefixes: BTreeSet::new(),
            bytes: 0,
            caching: false,
            own_reads: OwnReads::default(),
        }
    }

    /// Whether the keys that it reads are remembered now.
    pub(super) fn remembers(&self) -> bool {
        let modes = &self.client.tracking;
        match () {
            () if modes.has(Modes::BCAST) => false,
            () if modes.has(Modes::OPTIN) => self.caching,
            () if modes.has(Modes::OPTOUT) => !self.caching,
            () => true,
        }
    }

    /// Whether it does not want to hear of its own changes. It does where it is not known what it read before them.
    pub(super) fn is_silent(&self) -> bool {
        self.client.tracking.has(Modes::NOLOOP) && !self.own_reads.is_lossy
    }

    pub(super) fn add_prefix(&mut self, instance: &Instance, prefix: &[u8]) -> Result {
        if self.prefixes.contains(prefix) {
            return Ok(());
        }
        let bytes = self.bytes + prefix.len() + PREFIX_BYTES;
        if !instance.buffers().change(self.bytes, bytes) {
            return Err(Error::text("OOM the prefixes exceed the memory budget"));
        }
        self.bytes = bytes;
        self.prefixes.insert(prefix.into());
        instance.tracking.prefixes.write().add(prefix, &self.client);
        Ok(())
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.client.tracking.set(0, 0);
        let Some(instance) = self.instance.upgrade() else { return };
        instance.buffers().change(self.bytes, 0);
        {
            let mut prefixes = instance.tracking.prefixes.write();
            for prefix in &self.prefixes {
                prefixes.remove(prefix, self.client.id);
            }
        }
        instance.tracking.leave(&instance, self.client.id);
    }
}

impl Session {
    /// Notes that a transaction begins, perhaps not for the first time.
    pub(crate) fn begin_reads(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.own_reads.begin_again();
        }
    }

    /// Notes that a command is done with: CLIENT CACHING holds for the command or transaction after it.
    pub(crate) fn end_tracking(&mut self, command: &str) {
        let Some(tracker) = &mut self.tracker else { return };
        if !tracker.own_reads.is_empty() {
            tracker.own_reads = OwnReads::default();
        }
        if self.queue.is_none() && !command.starts_with("client|") {
            tracker.caching = false;
        }
    }
}
