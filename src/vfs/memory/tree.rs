//! The tree of directories and files, live and durable, and the space that files take.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use super::SyncFailure;
use super::content::FileNode;

pub(super) type NodeId = u64;

pub(super) const ROOT: NodeId = 0;

#[derive(Clone)]
pub(super) struct Disk {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) next: NodeId,
    pub(super) quota: Option<u64>,
    pub(super) used: u64,
    pub(super) locked: BTreeSet<NodeId>,
    pub(super) sync_failure: Option<SyncFailure>,
    pub(super) trace: u64,
}

#[derive(Clone)]
pub(super) enum Node {
    Dir(Dir),
    File(FileNode),
}

#[derive(Clone, Default)]
pub(super) struct Dir {
    pub(super) live: BTreeMap<OsString, NodeId>,
    pub(super) durable: BTreeMap<OsString, NodeId>,
    /// What sync_dir would make durable, in order; each entry happens whole or not at all.
    pub(super) pending: Vec<DirOp>,
}

/// Names set (to a node) or removed in one stroke.
pub(super) type DirOp = Vec<(OsString, Option<NodeId>)>;

pub(super) fn apply(entries: &mut BTreeMap<OsString, NodeId>, op: &DirOp) {
    for (name, node) in op {
        match node {
            Some(node) => entries.insert(name.clone(), *node),
            None => entries.remove(name),
        };
    }
}

impl Dir {
    pub(super) fn change(&mut self, op: DirOp) {
        apply(&mut self.live, &op);
        self.pending.push(op);
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]),
            next: ROOT + 1,
            quota: None,
            used: 0,
            locked: BTreeSet::new(),
            sync_failure: None,
            trace: 0,
        }
    }
}

impl Disk {
    /// Mixes an operation into the trace.
    pub(super) fn note(&mut self, what: &str, place: &[u8], at: u64, data: &[u8]) {
        let crc = |bytes| u64::from(crc32fast::hash(bytes));
        for word in [crc(what.as_bytes()), crc(place), at, data.len() as u64, crc(data)] {
            self.trace = (self.trace ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
    }

    pub(super) fn note_path(&mut self, what: &str, path: &Path) {
        self.note(what, path.as_os_str().as_encoded_bytes(), 0, &[]);
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = ROOT;
        for name in names(path) {
            at = *self.dir(at)?.live.get(name?).ok_or(ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that holds `path`, and the last name.
    pub(super) fn find_parent<'p>(&self, path: &'p Path) -> io::Result<(NodeId, &'p OsStr)> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let dir = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.dir(dir)?;
        Ok((dir, name))
    }

    pub(super) fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut Dir> {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, id: NodeId) -> io::Result<&FileNode> {
        match self.nodes.get(&id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn add(&mut self, dir: NodeId, name: &OsStr, node: Node) -> io::Result<NodeId> {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.dir_mut(dir)?.change(vec![(name.to_owned(), Some(id))]);
        Ok(id)
    }

    /// One name less or more for a file; the space of one without names and handles is free.
    pub(super) fn link(&mut self, id: NodeId, change: i32) {
        if let Some(Node::File(file)) = self.nodes.get_mut(&id) {
            file.links = file.links.saturating_add_signed(change);
        }
        self.charge(id);
    }

    /// Brings the space in use up to date with a file.
    pub(super) fn charge(&mut self, id: NodeId) {
        if let Some(Node::File(file)) = self.nodes.get_mut(&id) {
            let now = file.space();
            self.used = self.used + now - file.charged;
            file.charged = now;
        }
    }

    /// How far a file may grow, in bytes.
    pub(super) fn limit(&self, file: &FileNode) -> u64 {
        self.quota.map_or(u64::MAX, |quota| file.charged + quota.saturating_sub(self.used))
    }

    /// Forgets nodes that no directory, live, durable or pending, and no handle can reach.
    pub(super) fn collect(&mut self) {
        let mut reachable = BTreeSet::from([ROOT]);
        for node in self.nodes.values() {
            if let Node::Dir(dir) = node {
                reachable.extend(dir.live.values().chain(dir.durable.values()));
                reachable.extend(dir.pending.iter().flatten().filter_map(|(_, node)| *node));
            }
        }
        self.nodes.retain(|id, node| {
            reachable.contains(id) || matches!(node, Node::File(file) if file.handles > 0)
        });
    }
}

pub(super) fn names(path: &Path) -> impl Iterator<Item = io::Result<&OsStr>> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(Ok(name)),
        Component::ParentDir => Some(Err(ErrorKind::InvalidInput.into())),
        _ => None,
    })
}
