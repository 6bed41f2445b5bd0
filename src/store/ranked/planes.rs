//! The planes by rank that a transaction has changed: what each is like now, and what it was before what may be undone.

use super::Directory;

/// They, in the order in which they were changed first.
#[derive(Default)]
pub(crate) struct Planes(Vec<Plane>);

struct Plane {
    prefix: Vec<u8>,
    /// `None` if a change was undone, so that its rows must be asked.
    directory: Option<Directory>,
    /// How many changes of rows could be undone when it was staged last, and when it was staged first.
    last: usize,
    first: usize,
    /// What it was like before all that can be undone, if it was staged then.
    before: Option<Directory>,
}

impl Planes {
    /// What is staged of a plane, if it is: `None` if its rows must be asked.
    #[expect(clippy::option_option, reason = "staged or not, and then known or not")]
    pub(in super::super) fn get(&self, prefix: &[u8]) -> Option<Option<&Directory>> {
        self.0.iter().find(|plane| plane.prefix == prefix).map(|plane| plane.directory.as_ref())
    }

    /// Stages what has become of a plane, of whose rows so many changes can be undone.
    pub(in super::super) fn set(&mut self, prefix: Vec<u8>, directory: Directory, undo: usize) {
        let Some(plane) = self.0.iter_mut().find(|plane| plane.prefix == prefix) else {
            let directory = Some(directory);
            return self.0.push(Plane { prefix, directory, last: undo, first: undo, before: None });
        };
        let old = plane.directory.replace(directory);
        if plane.last == 0 && undo > 0 {
            plane.before = old;
        }
        plane.last = undo;
    }

    /// Goes back to where so many changes of rows could be undone.
    pub(in super::super) fn undo(&mut self, undo: usize) {
        // One that was not staged then is again what the store knows of it.
        self.0.retain(|plane| plane.first <= undo);
        for plane in self.0.iter_mut().filter(|plane| plane.last > undo) {
            plane.directory = if undo == 0 { plane.before.take() } else { None };
            plane.last = undo;
        }
    }

    /// Nothing so far can be undone any more.
    pub(in super::super) fn forget_undo(&mut self) {
        for plane in &mut self.0 {
            (plane.last, plane.first) = (0, 0);
            plane.before = None;
        }
    }

    /// Takes all of them.
    pub(in super::super) fn drain(&mut self) -> impl Iterator<Item = (Vec<u8>, Option<Directory>)> {
        self.0.drain(..).map(|plane| (plane.prefix, plane.directory))
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Tally;
    use super::*;

    /// Told apart by what they take.
    fn directory(segments: usize) -> Directory {
        let mut directory = Directory::default();
        for segment in 0..segments {
            directory.push(&[segment as u8], Tally::default());
        }
        directory
    }

    #[expect(clippy::option_option, reason = "staged or not, and then known or not")]
    fn bytes(planes: &Planes) -> Option<Option<usize>> {
        planes.get(b"plane").map(|directory| directory.map(Directory::memory_bytes))
    }

    #[test]
    fn what_was_staged_before_comes_back_and_the_rest_is_asked_anew() {
        let mut planes = Planes::default();
        let [one, two] = [1, 2].map(directory);
        let known = Some(Some(one.memory_bytes()));
        assert_ne!(one.memory_bytes(), two.memory_bytes());
        planes.set(b"plane".to_vec(), one.clone(), 3);
        planes.undo(0);
        assert_eq!(bytes(&planes), None, "the store knows what it is like");
        planes.set(b"plane".to_vec(), one, 3);
        planes.forget_undo();
        planes.undo(0);
        assert_eq!(bytes(&planes), known);
        planes.set(b"plane".to_vec(), two.clone(), 2);
        planes.set(b"plane".to_vec(), two.clone(), 4);
        planes.undo(0);
        assert_eq!(bytes(&planes), known);
        planes.set(b"plane".to_vec(), two.clone(), 2);
        planes.set(b"plane".to_vec(), two, 4);
        planes.undo(3);
        assert_eq!(bytes(&planes), Some(None));
    }
}
