//! The states that a store went through, and those in which it may be found after it died.

use std::sync::Arc;

use parking_lot::Mutex;

use super::state::State;
use super::world::World;
use crate::random::Random;
use crate::store::Fsync;
use crate::vfs::faulty::FaultyVfs;
use crate::vfs::memory::MemoryVfs;

/// How far the history has come, for whoever looks at the disk meanwhile.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    /// The newest state that no power failure may undo, and that no kill may undo.
    pub(super) safe: usize,
    pub(super) handed: usize,
    /// The newest state.
    pub(super) newest: usize,
}

/// The disk as somebody may find it who opens it after a power failure or a kill.
pub(super) struct Image {
    pub(super) memory: MemoryVfs,
    pub(super) marks: Marks,
    killed: bool,
    seed: u64,
}

/// How many are taken of one moment: a power failure leaves one of many.
const IMAGES: usize = 3;

/// Takes images just before some of the disk's operations.
#[derive(Default)]
pub(super) struct Camera {
    pub(super) marks: Mutex<Marks>,
    images: Mutex<Vec<Image>>,
}

impl Camera {
    /// From now on, of one operation in so many, and several of each.
    pub(super) fn watch(self: &Arc<Self>, memory: &MemoryVfs, faulty: &FaultyVfs, one_in: u64, seed: u64) {
        let (camera, memory) = (self.clone(), memory.clone());
        faulty.before_each(move |operation| {
            let mut random = Random::seeded(seed ^ operation << 20);
            if random.one_in(one_in) {
                (0..IMAGES).for_each(|_| camera.take(&memory, &mut random));
            }
        });
    }

    fn take(&self, memory: &MemoryVfs, random: &mut Random) {
        let (killed, seed) = (random.one_in(3), random.next_u64());
        let memory = if killed { memory.kill_clone() } else { memory.crash_clone(seed) };
        self.images.lock().push(Image { memory, marks: *self.marks.lock(), killed, seed });
    }

    /// The images so far.
    pub(super) fn develop(&self) -> Vec<Image> {
        std::mem::take(&mut *self.images.lock())
    }
}

/// The states since the newest that is safe.
pub(super) struct History {
    states: Vec<State>,
    /// The number of the first.
    first: usize,
    pub(super) camera: Arc<Camera>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { states: vec![State::default()], first: 0, camera: Arc::default() }
    }

    /// A command was run, and this came of it.
    pub(super) fn push(&mut self, state: State) {
        self.states.push(state);
        self.camera.marks.lock().newest += 1;
    }

    /// All replies so far were acknowledged; `synced` if they are on disk.
    pub(super) fn acknowledged(&mut self, synced: bool) {
        let mut marks = self.camera.marks.lock();
        marks.handed = marks.newest;
        if synced {
            marks.safe = marks.newest;
        }
    }

    /// Forgets the states that no image can show any more.
    pub(super) fn forget(&mut self) {
        let safe = self.camera.marks.lock().safe;
        self.states.drain(..safe - self.first);
        self.first = safe;
    }

    /// Which state this is, of those allowed.
    fn find(&self, found: &State, from: usize, to: usize, now_ms: u64) -> Result<usize, String> {
        let at =
            |number: usize| self.states.get(number - self.first.min(number)).map(|state| state.at(now_ms));
        let matches = |number: &usize| at(*number).is_some_and(|state| state == *found);
        (from.max(self.first)..=to).rev().find(matches).ok_or_else(|| {
            let all: Vec<usize> = (from..=to).collect();
            let closest = all.iter().filter_map(|number| at(*number)).map(|state| found.difference(&state));
            let closest = closest.min_by_key(String::len).unwrap_or_default();
            format!("none of the states {from} to {to} (there are {}); closest:{closest}", self.states.len())
        })
    }

    /// Opens an image and compares; now and then the power goes while it is opened, too.
    pub(super) fn check(&self, image: Image, world: &World) -> Result<(), String> {
        let Image { mut memory, marks, killed, seed } = image;
        let mut random = Random::seeded(seed ^ 0x5EED);
        let mut how = if killed { "a kill" } else { "a power failure" };
        if random.one_in(4) {
            World::dying(memory.clone(), world.clock.clone(), 1 + random.below(40));
            memory = if killed { memory.kill_clone() } else { memory.crash_clone(seed) };
            how = if killed { "two kills" } else { "two power failures" };
        }
        let from = if killed { marks.handed } else { marks.safe };
        let opened = World::on(memory, world.clock.clone(), Fsync::Always);
        let mut opened = opened.map_err(|error| format!("{how}: it does not open: {error}"))?;
        let found = opened.dump();
        let now_ms = crate::clock::Clock::now_ms(&*world.clock);
        self.find(&found, from, marks.newest + 1, now_ms).map_err(|error| format!("{how}: {error}"))?;
        opened.check_sizes(&found);
        Ok(())
    }

    /// Finds the state in which a store was opened again, after a kill or a power failure, and goes on from it.
    pub(super) fn go_on(&mut self, found: &State, killed: bool, now_ms: u64) -> Result<State, String> {
        let marks = *self.camera.marks.lock();
        let from = if killed { marks.handed } else { marks.safe };
        let at = self.find(found, from, marks.newest, now_ms)?;
        let state = self.states[at - self.first].clone();
        *self = Self::new();
        self.states = vec![state.clone()];
        Ok(state)
    }
}
