//! How many elements each segment of a plane has, and how far its deltas got, in memory: a [`Tree`], and changes of
//! tallies that are not in it yet. Beside them lie one or two segments as they are now, taken apart.
//!
//! Every change of a plane begins with a clone, since the cache keeps the original until the change commits. Changing
//! the shared tree would copy a node of each level; instead most changes, which are of one tally, wait beside it. By
//! the time they are put into it, at the commit, the original has gone, and they are made in place.

use std::sync::Arc;

use super::segment::Segment;
use super::tree::Tree;

/// More changes than this do not wait.
const PENDING_MAX: usize = 8;

/// A segment that takes more than this is not kept at hand, in bytes.
const AT_HAND_BYTES_MAX: usize = 4096;

/// What is known of a segment and its deltas without reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Elements, with the deltas' changes.
    pub(super) count: u32,
    /// Of all its deltas.
    pub(super) delta_bytes: u16,
    /// The slots below hold deltas, the others none.
    pub(super) live: u8,
}

/// A segment's place, its number among them; good until the directory changes its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

/// A tally that is not in the tree yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    place: Place,
    tally: Tally,
    /// How many more elements it counts than the tree's.
    gained: i64,
}

/// The counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    tree: Tree,
    /// In the order of places, each once.
    pending: Vec<Pending>,
    /// Segments that were changed lately, with all their changes: the last one of the plane, and another. Whoever pops
    /// from a queue or adds to it would else read and take apart the same one each time.
    at_hand: [Option<(Place, Arc<Segment>)>; 2],
}

impl Directory {
    pub(super) fn total(&self) -> u64 {
        let gained = self.pending.iter().map(|pending| pending.gained).sum();
        self.tree.sum().elements.wrapping_add_signed(gained)
    }

    /// About how much memory it takes, in bytes, if nothing of it is shared.
    pub(crate) fn memory_bytes(&self) -> usize {
        let at_hand = self.at_hand.iter().flatten().map(|(_, segment)| segment.memory_bytes());
        self.tree.sum().bytes + at_hand.sum::<usize>()
    }

    /// A segment, if it is at hand.
    pub(super) fn at_hand(&self, place: Place) -> Option<&Segment> {
        self.at_hand.iter().flatten().find(|(kept, _)| *kept == place).map(|(_, segment)| &**segment)
    }

    /// A segment, if it is at hand, to be changed. It is not at hand any more.
    pub(super) fn take_at_hand(&mut self, place: Place) -> Option<Segment> {
        let slot = self.at_hand.iter_mut().find(|slot| slot.as_ref().is_some_and(|(kept, _)| *kept == place));
        slot?.take().map(|(_, segment)| Arc::unwrap_or_clone(segment))
    }

    /// Keeps a segment at hand, as it has become.
    pub(super) fn keep_at_hand(&mut self, place: Place, segment: Segment) {
        self.at_hand.iter_mut().for_each(|slot| drop(slot.take_if(|(kept, _)| *kept == place)));
        if segment.memory_bytes() <= AT_HAND_BYTES_MAX {
            self.at_hand[usize::from(self.is_last(place))] = Some((place, Arc::new(segment)));
        }
    }

    /// Puts what is pending into the tree: without copying anything if nobody shares it.
    pub(super) fn settle(&mut self) {
        for Pending { place, tally, gained } in std::mem::take(&mut self.pending) {
            self.tree.set(place.0, tally, gained);
        }
    }

    /// Adds a segment at the end.
    pub(super) fn push(&mut self, separator: &[u8], tally: Tally) {
        self.tree.insert(self.tree.sum().segments, separator, tally);
    }

    /// The segment that a subkey belongs to; `None` if there is no segment at all.
    pub(super) fn find(&self, subkey: &[u8]) -> Option<Place> {
        self.tree.find(subkey).map(Place)
    }

    /// The segment that holds a rank, and how many of its elements come before.
    pub(super) fn at(&self, rank: u64) -> Option<(Place, u64)> {
        let mut gained = 0;
        for pending in &self.pending {
            let start = self.tree.before(pending.place.0).wrapping_add_signed(gained);
            if rank < start {
                break;
            }
            if rank - start < u64::from(pending.tally.count) {
                return Some((pending.place, rank - start));
            }
            gained += pending.gained;
        }
        let (segment, before) = self.tree.at(rank.wrapping_add_signed(-gained))?;
        Some((Place(segment), before))
    }

    /// How many elements lie before a segment.
    pub(super) fn before(&self, place: Place) -> u64 {
        let gained = self.pending.iter().take_while(|pending| pending.place < place);
        let gained = gained.map(|pending| pending.gained).sum();
        self.tree.before(place.0).wrapping_add_signed(gained)
    }

    /// What is known of a segment, and its separator.
    pub(super) fn look(&self, place: Place) -> (Tally, &[u8]) {
        let (settled, separator) = self.tree.look(place.0).unwrap_or_default();
        let pending = self.pending.iter().find(|pending| pending.place == place);
        (pending.map_or(settled, |pending| pending.tally), separator)
    }

    pub(super) fn tally(&self, place: Place) -> Tally {
        self.look(place).0
    }

    pub(super) fn is_first(place: Place) -> bool {
        place.0 == 0
    }

    pub(super) fn is_last(&self, place: Place) -> bool {
        self.next(place).is_none()
    }

    pub(super) fn next(&self, place: Place) -> Option<Place> {
        Some(Place(place.0 + 1)).filter(|next| next.0 < self.tree.sum().segments)
    }

    pub(super) fn previous(place: Place) -> Option<Place> {
        place.0.checked_sub(1).map(Place)
    }

    pub(super) fn set(&mut self, place: Place, tally: Tally) {
        match self.pending.binary_search_by_key(&place, |pending| pending.place) {
            Ok(at) => {
                let pending = &mut self.pending[at];
                pending.gained += i64::from(tally.count) - i64::from(pending.tally.count);
                pending.tally = tally;
            }
            Err(at) => {
                let Some((old, _)) = self.tree.look(place.0) else { return };
                let gained = i64::from(tally.count) - i64::from(old.count);
                self.pending.insert(at, Pending { place, tally, gained });
            }
        }
        if self.pending.len() > PENDING_MAX {
            self.settle();
        }
    }

    /// Adds a segment after another, still without elements.
    pub(super) fn insert_after(&mut self, place: Place, separator: &[u8]) -> Place {
        self.settle();
        let new = place.0 + 1;
        for (kept, _) in self.at_hand.iter_mut().flatten().filter(|(kept, _)| kept.0 >= new) {
            kept.0 += 1;
        }
        self.tree.insert(new, separator, Tally::default());
        Place(new)
    }

    /// Removes a segment with what it still counts.
    pub(super) fn remove(&mut self, place: Place) {
        self.settle();
        drop(self.take_at_hand(place));
        for (kept, _) in self.at_hand.iter_mut().flatten().filter(|(kept, _)| *kept > place) {
            kept.0 -= 1;
        }
        self.tree.remove(place.0);
    }

    /// Has nothing at hand any more; what was.
    #[cfg(test)]
    pub(super) fn take_all_at_hand(&mut self) -> impl Iterator<Item = (Place, Arc<Segment>)> {
        std::mem::take(&mut self.at_hand).into_iter().flatten()
    }

    /// What is known of each segment, with nothing pending.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Vec<u8>, Tally)> {
        let mut settled = self.clone();
        settled.settle();
        settled.tree.iter().collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    type Model = Vec<(Vec<u8>, Tally)>;

    fn check(directory: &Directory, model: &Model) {
        assert!(directory.iter().eq(model.iter().cloned()));
        assert_eq!(directory.total(), model.iter().map(|(_, tally)| u64::from(tally.count)).sum::<u64>());
        directory.tree.check(true);
        let mut rank = 0;
        for (name, tally) in model {
            let place = directory.find(name).unwrap();
            assert_eq!((directory.before(place), directory.tally(place)), (rank, *tally));
            if tally.count > 0 {
                for within in [0, u64::from(tally.count) - 1] {
                    assert_eq!(directory.at(rank + within), Some((place, within)));
                }
            }
            rank += u64::from(tally.count);
        }
        assert_eq!(directory.at(rank), None);
    }

    /// Grows, shrinks and grows again, in steps of which some are forgotten and the others settled, as commits do.
    #[test]
    fn it_is_a_sorted_list_of_segments_and_a_clone_stays_what_it_was() {
        let mut random = Random::seeded(7);
        let mut directory = Directory::default();
        let mut model: Model = vec![(Vec::new(), Tally::default())];
        directory.push(&[], Tally::default());
        let mut levels = 0;
        for step in 0..30_000_u32 {
            let before = (directory.clone(), model.clone());
            let grows = step / 10_000 != 1;
            // Heads that are often alike.
            let name =
                format!("{:0width$}", random.below(50_000), width = 5 + 8 * (step as usize % 2)).into_bytes();
            let place = directory.find(&name).unwrap();
            let at = model.partition_point(|(separator, _)| *separator <= name) - 1;
            assert_eq!(directory.look(place).1, model[at].0);
            let tally = Tally { count: random.below(50) as u32, ..Tally::default() };
            match random.below(10) {
                0..2 => {
                    directory.set(place, tally);
                    model[at].1 = tally;
                }
                2..9 if grows && model[at].0 != name => {
                    let new = directory.insert_after(place, &name);
                    directory.set(new, tally);
                    model.insert(at + 1, (name, tally));
                }
                2..9 if !grows && at > 0 => {
                    directory.remove(place);
                    model.remove(at);
                }
                _ => {}
            }
            if step % 500 == 0 {
                check(&before.0, &before.1);
                check(&directory, &model);
                levels = levels.max(directory.tree.check(true));
            }
            match random.below(4) {
                0 => (directory, model) = before,
                1 => {
                    drop(before);
                    directory.settle();
                }
                _ => {}
            }
        }
        assert!(levels > 2, "{levels}");
        while model.len() > 1 {
            let at = random.below(model.len() as u64 - 1) as usize + 1;
            directory.remove(directory.find(&model[at].0).unwrap());
            model.remove(at);
            if model.len().is_multiple_of(256) || model.len() < 4 {
                check(&directory, &model);
            }
        }
        assert_eq!(directory.tree.check(true), 1, "the tree is as small as what it holds");
    }
}
