//! Prefixes of keys, and who is told of all keys that begin with them: BCAST.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::clients::Client;

/// Clients by their ids.
type Told = BTreeMap<u64, Arc<Client>>;

#[derive(Default)]
pub(super) struct Prefixes {
    told: BTreeMap<Box<[u8]>, Told>,
    /// How many prefixes have each length, so that a key is looked up once for each.
    lens: BTreeMap<usize, usize>,
}

impl Prefixes {
    pub(super) fn add(&mut self, prefix: &[u8], client: &Arc<Client>) {
        let told = self.told.entry(prefix.into()).or_insert_with(|| {
            *self.lens.entry(prefix.len()).or_default() += 1;
            Told::new()
        });
        told.insert(client.id, client.clone());
    }

    pub(super) fn remove(&mut self, prefix: &[u8], client: u64) {
        let Some(told) = self.told.get_mut(prefix) else { return };
        told.remove(&client);
        if !told.is_empty() {
            return;
        }
        self.told.remove(prefix);
        if let Some(count) = self.lens.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lens.remove(&prefix.len());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    /// Those of these keys that each prefix has, if any, and who is told.
    pub(super) fn matching<'a>(
        &'a self,
        names: &BTreeSet<&'a [u8]>,
    ) -> impl Iterator<Item = (Vec<&'a [u8]>, &'a Told)> {
        let mut found: BTreeMap<&[u8], (Vec<&[u8]>, &Told)> = BTreeMap::new();
        for name in names {
            for &len in self.lens.keys() {
                let Some(prefix) = name.get(..len) else { break };
                if let Some(told) = self.told.get(prefix) {
                    found.entry(prefix).or_insert_with(|| (Vec::new(), told)).0.push(name);
                }
            }
        }
        found.into_values()
    }
}
