//! A disk that misbehaves by rule, in front of another one.
//!
//! A [`Rule`] names operations by kind, by the end of the path and by how many to let through, and says what goes
//! wrong: an error, a write that stops half-way, one that is lost or lands elsewhere, a delay, a hang. Besides,
//! every operation that changes the disk is counted, and [`FaultyVfs::crash_at`] stops the world at any of them:
//! that one tears, and all later operations fail. With [`super::memory::MemoryVfs`] behind it a test can so crash a
//! store at every single I/O.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{DirLock, File, Vfs};
use crate::random::Random;

/// What is done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file is created.
    Create,
    /// A file is opened.
    Open,
    /// A file is removed.
    Remove,
    /// A file is renamed; the path is the new one.
    Rename,
    /// A file gets a second name; the path is the new one.
    HardLink,
    /// A directory is listed.
    List,
    /// A directory is created or removed.
    ChangeDir,
    /// A directory is synced.
    SyncDir,
    /// A lock is taken.
    Lock,
    /// A file is read.
    Read,
    /// A file is written.
    Write,
    /// A file is synced.
    Sync,
    /// A file is cut or extended.
    SetLen,
    /// Space is set aside.
    Reserve,
}

impl Operation {
    /// Whether it changes what is on the disk.
    fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::List | Self::Lock | Self::Read)
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The operation does not happen and fails like this.
    Fail(io::ErrorKind),
    /// A write writes only so many bytes and fails like this; other operations just fail.
    Short(usize, io::ErrorKind),
    /// A write, sync or removal does not happen, and says that it has.
    Lose,
    /// A write lands this many bytes further on, and says that all is well.
    Misdirect(u64),
    /// The operation takes that much longer.
    Delay(Duration),
    /// The operation waits until [`FaultyVfs::release`].
    Hang,
}

/// When what goes wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    /// For which kind of operation; `None`: all that change the disk.
    pub operation: Option<Operation>,
    /// For which paths: those that end like this.
    pub suffix: String,
    /// How many such operations go well before.
    pub skip: u64,
    /// How many then go wrong.
    pub times: u64,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// Every such operation goes wrong.
    pub fn always(operation: Operation, suffix: &str, fault: Fault) -> Self {
        Self { operation: Some(operation), suffix: suffix.to_owned(), skip: 0, times: u64::MAX, fault }
    }

    /// Only the operation after `skip` others goes wrong.
    pub fn once(operation: Operation, suffix: &str, skip: u64, fault: Fault) -> Self {
        Self { operation: Some(operation), suffix: suffix.to_owned(), skip, times: 1, fault }
    }

    fn matches(&self, operation: Operation, path: &Path) -> bool {
        self.operation.map_or(operation.changes(), |wanted| wanted == operation)
            && path.as_os_str().as_encoded_bytes().ends_with(self.suffix.as_bytes())
    }
}

/// The misbehaving disk. Clones are handles to the same one.
#[derive(Clone)]
pub struct FaultyVfs {
    below: Arc<dyn Vfs>,
    faults: Arc<Faults>,
}

/// Called with the number of the operation that is about to happen.
type Hook = Arc<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
struct Faults {
    state: Mutex<State>,
    hook: Mutex<Option<Hook>>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    fired: u64,
    /// Operations so far that change the disk.
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    releases: u64,
}

/// What an operation is to do.
enum Verdict {
    Go,
    Fail(io::Error),
    Short(usize, io::Error),
    /// Stop somewhere, chosen by the seed.
    Tear(u64, io::Error),
    Lose,
    Misdirect(u64),
}

impl Faults {
    fn judge(&self, operation: Operation, path: &Path) -> Verdict {
        let mut state = self.state.lock();
        if operation.changes() {
            state.operations += 1;
            let number = state.operations;
            MutexGuard::unlocked(&mut state, || {
                let hook = self.hook.lock().clone();
                hook.inspect(|hook| hook(number));
            });
        }
        if state.crash_at.is_some_and(|at| state.operations >= at) {
            let tears = !state.crashed && operation == Operation::Write;
            state.crashed = true;
            let stopped = io::Error::other("the power is off");
            // How much of the write is still done follows from where the crash is, to be the same in each run.
            return if tears { Verdict::Tear(state.operations, stopped) } else { Verdict::Fail(stopped) };
        }
        let Some(fault) = state.fire(operation, path) else { return Verdict::Go };
        match fault {
            Fault::Fail(kind) => Verdict::Fail(kind.into()),
            Fault::Short(bytes, kind) => Verdict::Short(bytes, kind.into()),
            Fault::Lose => Verdict::Lose,
            Fault::Misdirect(by) => Verdict::Misdirect(by),
            Fault::Delay(time) => {
                self.released.wait_for(&mut state, time);
                Verdict::Go
            }
            Fault::Hang => {
                let before = state.releases;
                self.released.wait_while(&mut state, |state| state.releases == before);
                Verdict::Go
            }
        }
    }

    /// For operations that can only happen or not.
    fn allow(&self, operation: Operation, path: &Path) -> io::Result<()> {
        match self.judge(operation, path) {
            Verdict::Fail(e) | Verdict::Short(_, e) | Verdict::Tear(_, e) => Err(e),
            Verdict::Go | Verdict::Lose | Verdict::Misdirect(_) => Ok(()),
        }
    }

    /// As [`Faults::allow`], for those that can also be lost: false.
    fn allow_or_lose(&self, operation: Operation, path: &Path) -> io::Result<bool> {
        match self.judge(operation, path) {
            Verdict::Fail(e) | Verdict::Short(_, e) | Verdict::Tear(_, e) => Err(e),
            Verdict::Lose => Ok(false),
            Verdict::Go | Verdict::Misdirect(_) => Ok(true),
        }
    }
}

impl State {
    fn fire(&mut self, operation: Operation, path: &Path) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|r| r.times > 0 && r.matches(operation, path))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        self.fired += 1;
        Some(rule.fault.clone())
    }
}

impl FaultyVfs {
    /// A disk that behaves as well as `below` until told otherwise.
    pub fn new(below: Arc<dyn Vfs>) -> Self {
        Self { below, faults: Arc::default() }
    }

    /// Adds a rule. Of several that match, the first counts.
    pub fn add(&self, rule: Rule) {
        self.faults.state.lock().rules.push(rule);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.faults.state.lock().rules.clear();
    }

    /// How often a rule has made something go wrong.
    pub fn fired(&self) -> u64 {
        self.faults.state.lock().fired
    }

    /// How many operations that change the disk there have been.
    pub fn operations(&self) -> u64 {
        self.faults.state.lock().operations
    }

    /// Stops the world at that operation, counting from 1 and from the beginning: a write is done in part, anything
    /// else not at all, and everything afterwards fails.
    pub fn crash_at(&self, operation: u64) {
        self.faults.state.lock().crash_at = Some(operation);
    }

    /// Whether the world has stopped.
    pub fn crashed(&self) -> bool {
        self.faults.state.lock().crashed
    }

    /// Calls back before every operation that changes the disk, with its number, as [`FaultyVfs::crash_at`] counts.
    pub fn before_each(&self, call: impl Fn(u64) + Send + Sync + 'static) {
        *self.faults.hook.lock() = Some(Arc::new(call));
    }

    /// Calls back no more.
    pub fn before_none(&self) {
        *self.faults.hook.lock() = None;
    }

    /// Lets go on whatever hangs or is delayed.
    pub fn release(&self) {
        self.faults.state.lock().releases += 1;
        self.faults.released.notify_all();
    }

    fn wrap(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FaultyFile { below: file, path: path.to_owned(), faults: self.faults.clone() })
    }
}

impl Vfs for FaultyVfs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.allow(Operation::Create, path)?;
        Ok(self.wrap(path, self.below.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.allow(Operation::Open, path)?;
        Ok(self.wrap(path, self.below.open(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.allow(Operation::Open, path)?;
        Ok(self.wrap(path, self.below.open_write(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.faults.allow_or_lose(Operation::Remove, path)? { self.below.remove(path) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.allow(Operation::Rename, to)?;
        self.below.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.allow(Operation::HardLink, to)?;
        self.below.hard_link(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.faults.allow(Operation::List, dir)?;
        self.below.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.faults.allow(Operation::ChangeDir, dir)?;
        self.below.create_dir_all(dir)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.faults.allow(Operation::ChangeDir, dir)?;
        self.below.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.faults.allow_or_lose(Operation::SyncDir, dir)? { self.below.sync_dir(dir) } else { Ok(()) }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.below.exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        self.faults.allow(Operation::Lock, path)?;
        self.below.lock(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.below.free_space(path)
    }
}

struct FaultyFile {
    below: Arc<dyn File>,
    path: PathBuf,
    faults: Arc<Faults>,
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.allow(Operation::Read, &self.path)?;
        self.below.read_at(buf, offset)
    }

    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.allow(Operation::Read, &self.path)?;
        self.below.read_cached_at(buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        match self.faults.judge(Operation::Write, &self.path) {
            Verdict::Go => self.below.write_all_at(buf, offset),
            Verdict::Fail(e) => Err(e),
            Verdict::Short(bytes, e) => {
                self.below.write_all_at(&buf[..bytes.min(buf.len())], offset)?;
                Err(e)
            }
            Verdict::Tear(seed, e) => {
                let bytes = Random::seeded(seed).below(buf.len() as u64 + 1) as usize;
                self.below.write_all_at(&buf[..bytes], offset)?;
                Err(e)
            }
            Verdict::Lose => Ok(()),
            Verdict::Misdirect(by) => self.below.write_all_at(buf, offset + by),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults.allow_or_lose(Operation::Sync, &self.path)? { self.below.sync() } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.allow(Operation::SetLen, &self.path)?;
        self.below.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.faults.allow(Operation::Reserve, &self.path)?;
        self.below.reserve(len)
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        self.below.start_writeback(offset, len)
    }

    fn read_ahead(&self, offset: u64, len: u64) -> io::Result<()> {
        self.below.read_ahead(offset, len)
    }

    fn forget(&self, offset: u64, len: u64) -> io::Result<()> {
        self.below.forget(offset, len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::vfs::memory::MemoryVfs;
    use crate::workers::{Lane, Workers};

    fn disk() -> (MemoryVfs, FaultyVfs, Arc<dyn File>) {
        let memory = MemoryVfs::new();
        let faulty = FaultyVfs::new(Arc::new(memory.clone()));
        let file = faulty.create(Path::new("000001.log")).unwrap();
        (memory, faulty, file)
    }

    #[test]
    fn a_rule_hits_the_operation_it_names_and_no_other() {
        let (_, faulty, log) = disk();
        let other = faulty.create(Path::new("000002.tbl")).unwrap();
        faulty.add(Rule::once(Operation::Write, ".log", 1, Fault::Short(2, io::ErrorKind::StorageFull)));
        log.write_all_at(b"one", 0).unwrap();
        other.write_all_at(b"one", 0).unwrap();
        assert_eq!(log.write_all_at(b"two", 3).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(log.len().unwrap(), 5);
        log.write_all_at(b"two", 3).unwrap();
        assert_eq!(faulty.fired(), 1);
        faulty.add(Rule::always(Operation::Read, "", Fault::Fail(io::ErrorKind::Other)));
        log.read_at(&mut [0], 0).unwrap_err();
        other.read_cached_at(&mut [0], 0).unwrap_err();
        faulty.clear();
        log.read_at(&mut [0], 0).unwrap();
    }

    #[test]
    fn a_disk_may_lie() {
        let (memory, faulty, log) = disk();
        faulty.add(Rule::once(Operation::Write, "", 0, Fault::Lose));
        faulty.add(Rule::once(Operation::Write, "", 0, Fault::Misdirect(2)));
        log.write_all_at(b"a", 0).unwrap();
        assert_eq!(log.len().unwrap(), 0);
        log.write_all_at(b"a", 0).unwrap();
        assert_eq!(memory.contents()[Path::new("000001.log")], b"\0\0a");
    }

    #[test]
    fn after_the_crash_nothing_happens_any_more() {
        let (memory, faulty, log) = disk();
        log.write_all_at(b"one", 0).unwrap();
        assert_eq!(faulty.operations(), 2);
        let (tell, told) = mpsc::channel();
        faulty.before_each(move |n| tell.send(n).unwrap());
        faulty.crash_at(3);
        assert!(!faulty.crashed());
        log.write_all_at(&[7; 1000], 3).unwrap_err();
        assert!(faulty.crashed());
        assert_eq!(told.try_recv(), Ok(3));
        faulty.before_none();
        let torn = log.len().unwrap();
        assert!((3..=1003).contains(&torn));
        log.write_all_at(b"x", 0).unwrap_err();
        log.sync().unwrap_err();
        faulty.open(Path::new("000001.log")).err().unwrap();
        faulty.remove(Path::new("000001.log")).unwrap_err();
        assert_eq!(memory.contents()[Path::new("000001.log")].len() as u64, torn);
    }

    #[test]
    fn what_hangs_goes_on_when_released() {
        let (_, faulty, log) = disk();
        faulty.add(Rule::once(Operation::Sync, ".log", 0, Fault::Hang));
        let workers = Workers::threads(1);
        let (tell, told) = mpsc::channel();
        workers.submit(Lane::Sync, move || tell.send(log.sync().is_ok()).unwrap());
        // The rule has fired once the sync hangs; until then there is nothing to release.
        while faulty.fired() == 0 {
            std::thread::yield_now();
        }
        assert!(told.try_recv().is_err());
        faulty.release();
        assert!(told.recv().unwrap());
    }
}
