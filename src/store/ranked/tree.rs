//! The segments of a plane, in order, under nodes that sum up what is below them: a segment is found by a subkey, by a
//! rank or by its own number, and changed, in O(log n).
//!
//! A clone shares its nodes with the original. What is changed is copied first, with the nodes above it, unless nobody
//! else has it; so a change of a tree that is not shared moves a few numbers in place.

use std::sync::Arc;

use super::directory::Tally;
use super::separators::{Separators, head};

/// Segments of a leaf, and children of another node. Whatever shares nothing is changed in place; of what is shared, a
/// leaf and a node on each level above it are copied.
const LEAF_MAX: usize = 128;
const CHILDREN_MAX: usize = 16;

/// What a segment takes beside its separator, and a node beside its segments or children, in bytes.
const SEGMENT_BYTES: usize = 20;
const NODE_BYTES: usize = 160;

/// A node with all that is below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    sum: Sum,
    /// Of the first separator.
    head: u64,
    node: Arc<Node>,
}

/// What there is below a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) elements: u64,
    pub(super) segments: usize,
    /// About how much memory it takes, if nothing of it is shared.
    pub(super) bytes: usize,
}

/// No node is empty but for the root; all leaves are on one level.
#[derive(Clone, Debug)]
enum Node {
    Leaf(Leaf),
    Inner(Vec<Tree>),
}

#[derive(Clone, Debug, Default)]
struct Leaf {
    /// Apart from the separators: these change when segments come and go, the tallies always.
    tallies: Vec<Tally>,
    separators: Arc<Separators>,
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Leaf::default())
    }
}

impl Node {
    fn sum(&self) -> Sum {
        let mut sum = Sum { bytes: NODE_BYTES, ..Sum::default() };
        match self {
            Self::Leaf(Leaf { tallies, separators }) => {
                sum.elements = tallies.iter().map(|tally| u64::from(tally.count)).sum();
                sum.segments = tallies.len();
                sum.bytes += tallies.len() * SEGMENT_BYTES + separators.byte_len();
            }
            Self::Inner(children) => {
                for child in children {
                    sum.elements += child.sum.elements;
                    sum.segments += child.sum.segments;
                    sum.bytes += child.sum.bytes + size_of::<Tree>();
                }
            }
        }
        sum
    }

    fn head(&self) -> u64 {
        match self {
            Self::Leaf(leaf) => head(leaf.separators.get(0)),
            Self::Inner(children) => children.first().map_or(0, |child| child.head),
        }
    }

    /// Takes off its second half if it has grown too wide.
    fn split_if_wide(&mut self) -> Option<Self> {
        match self {
            Self::Leaf(leaf) if leaf.tallies.len() > LEAF_MAX => {
                let tallies = leaf.tallies.split_off(LEAF_MAX / 2);
                // Where segments come at the end nobody fills it again, and it is counted by what it holds.
                leaf.tallies.shrink_to_fit();
                let separators = Arc::make_mut(&mut leaf.separators).split_off(LEAF_MAX / 2);
                Some(Self::Leaf(Leaf { tallies, separators: Arc::new(separators) }))
            }
            Self::Inner(children) if children.len() > CHILDREN_MAX => {
                Some(Self::Inner(children.split_off(CHILDREN_MAX / 2)))
            }
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.tallies.is_empty(),
            Self::Inner(children) => children.is_empty(),
        }
    }

    /// Whether its right neighbour is better joined to it.
    fn may_join(&self, right: &Self) -> bool {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => left.tallies.len() + right.tallies.len() <= LEAF_MAX / 2,
            (Self::Inner(left), Self::Inner(right)) => left.len() + right.len() <= CHILDREN_MAX / 2,
            _ => false,
        }
    }

    fn join(&mut self, right: Self) {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => {
                left.tallies.extend(right.tallies);
                Arc::make_mut(&mut left.separators).append(&right.separators);
            }
            (Self::Inner(left), Self::Inner(right)) => left.extend(right),
            // Neighbours are on one level.
            _ => {}
        }
    }
}

impl Tree {
    fn of(node: Node) -> Self {
        Self { sum: node.sum(), head: node.head(), node: Arc::new(node) }
    }

    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// Goes down to a leaf by the choice of a child on each level.
    fn descend(&self, mut choose: impl FnMut(&[Self]) -> Option<usize>) -> Option<&Leaf> {
        let mut tree = self;
        loop {
            match &*tree.node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(children) => tree = children.get(choose(children)?)?,
            }
        }
    }

    /// The segment that a subkey belongs to.
    pub(super) fn find(&self, subkey: &[u8]) -> Option<usize> {
        let sought = (head(subkey), subkey);
        let mut before = 0;
        let leaf = self.descend(|children| {
            let child = children.partition_point(|child| child.begins_by(sought)).checked_sub(1)?;
            before += children.iter().take(child).map(|child| child.sum.segments).sum::<usize>();
            Some(child)
        })?;
        Some(before + leaf.separators.begun_by(sought).checked_sub(1)?)
    }

    /// Whether a subkey, whose head is given with it, is not before the first separator.
    fn begins_by(&self, (head, subkey): (u64, &[u8])) -> bool {
        let first = || self.descend(|_| Some(0)).map_or(&[][..], |leaf| leaf.separators.get(0));
        self.head < head || self.head == head && first() <= subkey
    }

    /// The segment that holds a rank, and how many of its elements come before.
    pub(super) fn at(&self, rank: u64) -> Option<(usize, u64)> {
        let (mut left, mut before) = (rank, 0);
        let leaf = self.descend(|children| {
            children.iter().position(|child| {
                let is_in = left < child.sum.elements;
                if !is_in {
                    left -= child.sum.elements;
                    before += child.sum.segments;
                }
                is_in
            })
        })?;
        let within = leaf.tallies.iter().position(|tally| {
            let is_in = left < u64::from(tally.count);
            if !is_in {
                left -= u64::from(tally.count);
            }
            is_in
        })?;
        Some((before + within, left))
    }

    /// What is known of a segment, and its separator.
    pub(super) fn look(&self, segment: usize) -> Option<(Tally, &[u8])> {
        let mut left = segment;
        let leaf = self.descend(|children| Some(child_of(children, &mut left)))?;
        Some((*leaf.tallies.get(left)?, leaf.separators.get(left)))
    }

    /// How many elements lie before a segment.
    pub(super) fn before(&self, segment: usize) -> u64 {
        let (mut left, mut before) = (segment, 0);
        let leaf = self.descend(|children| {
            let child = child_of(children, &mut left);
            before += children.iter().take(child).map(|child| child.sum.elements).sum::<u64>();
            Some(child)
        });
        let within = leaf.map_or(0, |leaf| {
            leaf.tallies.iter().take(left).map(|tally| u64::from(tally.count)).sum::<u64>()
        });
        before + within
    }

    /// Sets what is known of a segment that there is, and counts so many elements more than it had.
    pub(super) fn set(&mut self, segment: usize, tally: Tally, gained: i64) {
        let (mut tree, mut left) = (self, segment);
        loop {
            tree.sum.elements = tree.sum.elements.wrapping_add_signed(gained);
            let next = match Arc::make_mut(&mut tree.node) {
                Node::Leaf(leaf) => {
                    if let Some(own) = leaf.tallies.get_mut(left) {
                        *own = tally;
                    }
                    None
                }
                Node::Inner(children) => {
                    let child = child_of(children, &mut left);
                    children.get_mut(child)
                }
            };
            match next {
                Some(child) => tree = child,
                None => return,
            }
        }
    }

    /// Adds a segment, whose number is then this one.
    pub(super) fn insert(&mut self, segment: usize, separator: &[u8], tally: Tally) {
        if let Some(right) = self.insert_below(segment, separator, tally) {
            let left = std::mem::take(self);
            *self = Self::of(Node::Inner(vec![left, right]));
        }
    }

    /// The same; returns what becomes its right neighbour.
    fn insert_below(&mut self, segment: usize, separator: &[u8], tally: Tally) -> Option<Self> {
        let node = Arc::make_mut(&mut self.node);
        match node {
            Node::Leaf(leaf) => {
                let at = segment.min(leaf.tallies.len());
                leaf.tallies.insert(at, tally);
                Arc::make_mut(&mut leaf.separators).insert(at, separator);
            }
            Node::Inner(children) => {
                // What comes first is not in question: behind the segment before it.
                let mut left = segment.saturating_sub(1);
                let child = child_of(children, &mut left);
                let at = left + usize::from(segment > 0);
                let right =
                    children.get_mut(child).and_then(|child| child.insert_below(at, separator, tally));
                if let Some(right) = right {
                    children.insert(child + 1, right);
                }
            }
        }
        let right = node.split_if_wide().map(Self::of);
        self.sum_up();
        right
    }

    /// Removes a segment with what it still counts.
    pub(super) fn remove(&mut self, segment: usize) {
        if segment >= self.sum.segments {
            return;
        }
        self.remove_below(segment);
        if let Node::Inner(children) = &*self.node
            && let [only] = &children[..]
        {
            *self = only.clone();
        }
    }

    fn remove_below(&mut self, segment: usize) {
        match Arc::make_mut(&mut self.node) {
            Node::Leaf(leaf) => {
                leaf.tallies.remove(segment);
                Arc::make_mut(&mut leaf.separators).remove(segment);
            }
            Node::Inner(children) => {
                let mut left = segment;
                let child = child_of(children, &mut left);
                if let Some(child) = children.get_mut(child) {
                    child.remove_below(left);
                }
                join_if_narrow(children, child);
            }
        }
        self.sum_up();
    }

    fn sum_up(&mut self) {
        self.sum = self.node.sum();
        self.head = self.node.head();
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Vec<u8>, Tally)> {
        (0..self.sum.segments)
            .filter_map(|at| self.look(at))
            .map(|(tally, separator)| (separator.to_vec(), tally))
    }

    /// Checks what each node says of those below it; how many levels there are.
    #[cfg(test)]
    pub(super) fn check(&self, is_root: bool) -> usize {
        assert_eq!((self.sum, self.head), (self.node.sum(), self.node.head()));
        assert!(is_root || !self.node.is_empty());
        let Node::Inner(children) = &*self.node else { return 1 };
        assert!(children.len() > usize::from(is_root) && children.len() <= CHILDREN_MAX);
        let levels: Vec<usize> = children.iter().map(|child| child.check(false)).collect();
        assert!(levels.windows(2).all(|pair| pair[0] == pair[1]), "{levels:?}");
        levels[0] + 1
    }
}

/// Which child a segment is in, or one past the last; the segment's number becomes the one within the child.
fn child_of(children: &[Tree], segment: &mut usize) -> usize {
    let found = children.iter().position(|child| {
        let is_in = *segment < child.sum.segments;
        if !is_in {
            *segment -= child.sum.segments;
        }
        is_in
    });
    found.unwrap_or(children.len())
}

/// Takes away a child that has become empty, or joins it to a neighbour if both are narrow.
fn join_if_narrow(children: &mut Vec<Tree>, child: usize) {
    if children.get(child).is_some_and(|child| child.node.is_empty()) {
        children.remove(child);
        return;
    }
    for left in [child.checked_sub(1), Some(child)].into_iter().flatten() {
        if let (Some(one), Some(other)) = (children.get(left), children.get(left + 1))
            && one.node.may_join(&other.node)
        {
            let right = Arc::unwrap_or_clone(children.remove(left + 1).node);
            if let Some(one) = children.get_mut(left) {
                Arc::make_mut(&mut one.node).join(right);
                one.sum_up();
            }
            return;
        }
    }
}
