//! One file of the disk in memory: its live and its durable contents, and which sectors lie between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const SECTOR: u64 = 512;
const PAGE: u64 = 4096;

/// How many overwritten, never synced versions of a sector are kept for a crash to find.
const VERSIONS_MAX: usize = 4;

/// Bytes, shared with other contents page by page until written.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: Vec<Arc<[u8; PAGE as usize]>>,
    len: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Copies what there is from `offset` on; says how much that was.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let n = (self.len.saturating_sub(offset) as usize).min(buf.len());
        let mut done = 0;
        while done < n {
            let at = offset + done as u64;
            let (page, start) = ((at / PAGE) as usize, (at % PAGE) as usize);
            let step = (PAGE as usize - start).min(n - done);
            buf[done..done + step].copy_from_slice(&self.pages[page][start..start + step]);
            done += step;
        }
        n
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: u64) {
        let end = offset + buf.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let (page, start) = ((at / PAGE) as usize, (at % PAGE) as usize);
            let step = (PAGE as usize - start).min(buf.len() - done);
            Arc::make_mut(&mut self.pages[page])[start..start + step]
                .copy_from_slice(&buf[done..done + step]);
            done += step;
        }
    }

    /// Bytes beyond the length are always zero.
    pub(super) fn set_len(&mut self, len: u64) {
        let pages = len.div_ceil(PAGE) as usize;
        if len < self.len && !len.is_multiple_of(PAGE) {
            let start = (len % PAGE) as usize;
            Arc::make_mut(&mut self.pages[pages - 1])[start..].fill(0);
        }
        if pages > self.pages.len() {
            let zeros = Arc::new([0; PAGE as usize]);
            self.pages.resize(pages, zeros);
        } else {
            self.pages.truncate(pages);
        }
        self.len = len;
    }

    /// A sector, filled up with zeros beyond the end.
    pub(super) fn sector(&self, sector: u64) -> [u8; SECTOR as usize] {
        let mut bytes = [0; SECTOR as usize];
        self.read(&mut bytes, sector * SECTOR);
        bytes
    }
}

pub(super) type Sector = Box<[u8; SECTOR as usize]>;

#[derive(Clone, Default)]
pub(super) struct FileNode {
    pub(super) live: Arc<Content>,
    pub(super) durable: Arc<Content>,
    /// Sectors written since the last sync, with the versions that were live in between.
    pub(super) dirty: BTreeMap<u64, Vec<Sector>>,
    /// Sectors that a failed sync left clean: the disk has what was there before, until they are written again.
    pub(super) dropped: BTreeSet<u64>,
    /// The shortest and the longest the file has been since the last sync.
    pub(super) lens: Option<(u64, u64)>,
    pub(super) links: u32,
    pub(super) handles: u32,
    pub(super) reserved: u64,
    /// What of its space is counted in the disk's use.
    pub(super) charged: u64,
    /// The pages in the page cache; `None`: all.
    pub(super) warm: Option<BTreeSet<u64>>,
}

impl FileNode {
    /// An empty file with one name.
    pub(super) fn named() -> Self {
        Self { links: 1, ..Self::default() }
    }

    /// A file with these contents, all of them durable.
    pub(super) fn durable(content: Arc<Content>) -> Self {
        Self { live: content.clone(), durable: content, ..Self::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.live.len()
    }

    /// What it takes on disk, in bytes.
    pub(super) fn space(&self) -> u64 {
        if self.links == 0 && self.handles == 0 { 0 } else { self.len().max(self.reserved) }
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        self.live.read(buf, offset)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut all = vec![0; self.len() as usize];
        self.read(&mut all, 0);
        all
    }

    pub(super) fn write(&mut self, buf: &[u8], offset: u64) {
        if buf.is_empty() {
            return;
        }
        let end = offset + buf.len() as u64;
        self.dirty_sectors(offset, end);
        Arc::make_mut(&mut self.live).write(buf, offset);
        self.note_len();
        if let Some(warm) = &mut self.warm {
            warm.extend(offset / PAGE..end.div_ceil(PAGE));
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len() && !len.is_multiple_of(SECTOR) {
            self.dirty_sectors(len, len + 1);
        }
        // Sectors cut off keep their marks: their space may be written again before the cut is durable.
        Arc::make_mut(&mut self.live).set_len(len);
        self.dropped.retain(|sector| sector * SECTOR < len);
        self.reserved = self.reserved.min(len);
        self.note_len();
    }

    fn note_len(&mut self) {
        let len = self.len();
        let (low, high) = self.lens.unwrap_or((self.durable.len(), self.durable.len()));
        self.lens = Some((low.min(len), high.max(len)));
    }

    fn dirty_sectors(&mut self, start: u64, end: u64) {
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            self.dropped.remove(&sector);
            match self.dirty.entry(sector) {
                std::collections::btree_map::Entry::Vacant(clean) => {
                    clean.insert(Vec::new());
                }
                std::collections::btree_map::Entry::Occupied(mut versions) => {
                    let versions = versions.get_mut();
                    if versions.len() == VERSIONS_MAX {
                        versions.remove(1);
                    }
                    versions.push(Box::new(self.live.sector(sector)));
                }
            }
        }
    }

    pub(super) fn sync(&mut self) {
        self.dirty.clear();
        self.lens = None;
        let before = std::mem::replace(&mut self.durable, self.live.clone());
        for sector in &self.dropped {
            let start = sector * SECTOR;
            let len = SECTOR.min(self.durable.len() - start) as usize;
            Arc::make_mut(&mut self.durable).write(&before.sector(*sector)[..len], start);
        }
    }

    /// A sync failed, and forgets that anything is unsynced.
    pub(super) fn drop_dirty(&mut self) {
        self.dropped.extend(std::mem::take(&mut self.dirty).into_keys());
        self.dropped.retain(|sector| sector * SECTOR < self.live.len());
        self.lens = None;
    }

    pub(super) fn flip_bit(&mut self, bit: u64) -> Option<()> {
        let (at, mask) = (bit / 8, 1 << (bit % 8));
        let flip = |content: &mut Arc<Content>| {
            let mut byte = [0];
            (content.read(&mut byte, at) == 1).then(|| Arc::make_mut(content).write(&[byte[0] ^ mask], at))
        };
        let shared = Arc::ptr_eq(&self.live, &self.durable);
        flip(&mut self.live)?;
        if shared {
            self.durable = self.live.clone();
        } else {
            flip(&mut self.durable);
        }
        Some(())
    }

    pub(super) fn warm_up(&mut self, offset: u64, len: u64) {
        if let Some(warm) = &mut self.warm {
            warm.extend(offset / PAGE..(offset + len).div_ceil(PAGE));
        }
    }

    pub(super) fn is_warm(&self, offset: u64, len: u64) -> bool {
        self.warm.as_ref().is_none_or(|warm| {
            (offset / PAGE..(offset + len).min(self.len()).div_ceil(PAGE)).all(|page| warm.contains(&page))
        })
    }
}
