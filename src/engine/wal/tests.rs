use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::engine::error::Error;
use crate::engine::files::Files;
use crate::engine::key::{SEQNO_MAX, Seqno};
use crate::vfs::Vfs;
use crate::vfs::memory::MemoryVfs;

const SALT: u64 = 0xD00D_F00D_1234_5678;
/// A mark right behind what it claims.
const MARK: usize = 7;

/// Logs written step by step, as the write path does it.
struct Logs {
    vfs: MemoryVfs,
    files: Files,
    writer: LogWriter,
    known: BTreeMap<u64, Option<u64>>,
    /// Logs with unsynced bytes.
    open: Vec<std::sync::Arc<LogFile>>,
    seqno: Seqno,
    /// Every byte before this is synced.
    synced: Seqno,
}

impl Logs {
    fn new() -> Self {
        let vfs = MemoryVfs::new();
        let dir = Path::new("db");
        vfs.create_dir_all(dir).unwrap();
        let files = Files::new(dir, 1);
        let number = files.take_number();
        let log = LogFile::create(&vfs, files.log(number), number).unwrap();
        let open = vec![log.clone()];
        let writer = LogWriter::new(log, SALT, Claim::default(), Claim::default(), 0, Slabs::default());
        Self { vfs, files, writer, known: [(number, None)].into(), open, seqno: 0, synced: 0 }
    }

    fn append(&mut self, len: usize) {
        self.seqno += 1;
        let payload = Bytes::from(vec![self.seqno as u8; len]);
        self.writer.make_room(len).unwrap();
        let crc = crc32fast::hash(&payload);
        if len < LARGE {
            assert_eq!(self.writer.append(self.seqno, &payload, crc), payload);
        } else {
            self.writer.append_large(self.seqno, payload, crc);
        }
    }

    fn write(&mut self) {
        if let Some(chunk) = self.writer.take(Vec::new()) {
            chunk.write(&mut Vec::new()).unwrap();
        }
    }

    fn sync(&mut self) {
        self.write();
        let (claim, seqno) = (self.writer.position(), self.seqno);
        for log in &self.open {
            log.sync().unwrap();
        }
        let last = self.open.pop().unwrap();
        self.open = vec![last];
        self.synced = seqno;
        self.writer.synced(claim);
    }

    /// A record says that all is synced, and is synced itself.
    fn settle(&mut self) {
        self.sync();
        if self.writer.mark().is_some() {
            self.sync();
        }
    }

    fn zero_ahead(&mut self, len: u64) {
        self.write();
        let end = self.writer.end();
        self.open.last().unwrap().zero(end..end + len).unwrap();
    }

    fn rotate(&mut self) {
        self.rotate_from(self.seqno);
    }

    /// The next log says that it goes on from `seqno`.
    fn rotate_from(&mut self, seqno: Seqno) {
        self.write();
        let number = self.files.take_number();
        let log = LogFile::create(&self.vfs, self.files.log(number), number).unwrap();
        self.open.push(log.clone());
        self.known.insert(number, None);
        self.writer =
            LogWriter::new(log, SALT, self.writer.position(), self.writer.claim(), seqno, Slabs::default());
    }

    fn replay(&self, vfs: &MemoryVfs) -> Result<(Replayed, Vec<(Seqno, usize)>), Error> {
        self.replay_behind(0, vfs)
    }

    /// Commits up to `flushed` are in tables.
    fn replay_behind(
        &self,
        flushed: Seqno,
        vfs: &MemoryVfs,
    ) -> Result<(Replayed, Vec<(Seqno, usize)>), Error> {
        let mut seen = Vec::new();
        let replay = Replay { vfs, files: &self.files, salt: SALT, logs: &self.known, flushed, durable: 0 };
        let found = replay.run(&mut |_, seqno, payload| {
            assert!(payload.iter().all(|&b| b == seqno as u8), "commit {seqno} has foreign bytes");
            seen.push((seqno, payload.len()));
            Ok(())
        })?;
        Ok((found, seen))
    }
}

fn overwrite(vfs: &MemoryVfs, path: &Path, bytes: &[u8]) {
    let file = vfs.open_write(path).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

#[test]
fn commits_come_back_across_logs() {
    let mut logs = Logs::new();
    for round in 0..3 {
        for len in [0, 1, 100, 40_000] {
            logs.append(len + round);
        }
        logs.rotate();
    }
    logs.append(7);
    logs.sync();
    let (found, seen) = logs.replay(&logs.vfs).unwrap();
    assert_eq!((found.seqno, found.records, found.torn_bytes), (13, 13, 0));
    assert_eq!(found.ended.len(), 4);
    assert_eq!(seen.last(), Some(&(13, 7)));
}

#[test]
fn a_log_created_ahead_and_not_used_is_dropped() {
    let mut logs = Logs::new();
    logs.append(5);
    logs.sync();
    let ahead = logs.files.take_number();
    LogFile::create(&logs.vfs, logs.files.log(ahead), ahead).unwrap();
    logs.known.insert(ahead, None);
    logs.rotate();
    logs.append(6);
    logs.sync();
    let (found, seen) = logs.replay(&logs.vfs).unwrap();
    assert_eq!((found.dropped, seen.len()), (vec![ahead], 2));
}

#[test]
fn a_gap_or_an_overlap_between_logs_is_corrupt() {
    for (from, has_commits) in [(1, true), (3, true), (1, false), (3, false), (0, true), (SEQNO_MAX, true)] {
        let mut logs = Logs::new();
        logs.append(5);
        logs.append(6);
        logs.sync();
        logs.rotate_from(from);
        if has_commits {
            logs.seqno = from;
            logs.append(7);
        }
        logs.sync();
        let path = logs.files.log(2);
        assert!(
            matches!(logs.replay(&logs.vfs), Err(Error::Corrupt { file, offset: 0, .. }) if file == path),
            "from commit {from}"
        );
    }
}

#[test]
fn logs_go_on_from_what_is_in_tables() {
    let mut logs = Logs::new();
    logs.append(5);
    logs.append(6);
    logs.rotate();
    logs.append(7);
    logs.sync();
    // The first log is done with.
    logs.known.remove(&1);
    let (found, seen) = logs.replay_behind(2, &logs.vfs).unwrap();
    assert_eq!((found.seqno, seen), (3, vec![(3, 7)]));
    for flushed in [0, 1, 3] {
        assert!(matches!(logs.replay_behind(flushed, &logs.vfs), Err(Error::Corrupt { .. })), "{flushed}");
    }
    // All of them are.
    logs.known.clear();
    assert_eq!(logs.replay_behind(3, &logs.vfs).unwrap().0.seqno, 3);
}

#[test]
fn no_commit_comes_after_the_last_there_can_be() {
    let mut logs = Logs::new();
    logs.rotate_from(SEQNO_MAX - 1);
    logs.known.remove(&1);
    logs.seqno = SEQNO_MAX - 1;
    logs.append(1);
    logs.write();
    assert_eq!(logs.replay_behind(SEQNO_MAX - 1, &logs.vfs).unwrap().0.seqno, SEQNO_MAX);
    logs.append(1);
    logs.write();
    assert!(matches!(logs.replay_behind(SEQNO_MAX - 1, &logs.vfs), Err(Error::Corrupt { .. })));
}

#[test]
fn a_missing_log_is_named() {
    let mut logs = Logs::new();
    logs.append(5);
    logs.sync();
    let path = logs.files.log(1);
    logs.vfs.remove(&path).unwrap();
    assert!(matches!(logs.replay(&logs.vfs), Err(Error::Corrupt { file, .. }) if file == path));
}

#[test]
fn every_bit_flipped_in_synced_logs_is_detected_or_harmless() {
    let mut logs = Logs::new();
    logs.append(10);
    logs.append(0);
    logs.sync();
    logs.append(30);
    logs.rotate();
    logs.append(3);
    logs.append(4);
    logs.settle();
    let (_, good) = logs.replay(&logs.vfs).unwrap();
    let mut corrupt = 0;
    for (path, bytes) in logs.vfs.contents() {
        for bit in 0..bytes.len() * 8 {
            logs.vfs.flip_bit(&path, bit as u64).unwrap();
            match logs.replay(&logs.vfs) {
                Ok((_, seen)) => assert_eq!(seen, good, "{} bit {bit}", path.display()),
                Err(Error::Corrupt { file, .. }) => {
                    assert_eq!(file, path);
                    corrupt += 1;
                }
                Err(other) => panic!("{other}"),
            }
            logs.vfs.flip_bit(&path, bit as u64).unwrap();
        }
    }
    // All but the last mark, which says nothing that matters.
    let all: usize = logs.vfs.contents().values().map(|bytes| bytes.len() * 8).sum();
    assert_eq!(corrupt, all - MARK * 8);
}

#[test]
fn a_log_whose_end_is_known_must_be_whole() {
    let mut logs = Logs::new();
    logs.append(10);
    logs.write();
    let end = logs.writer.end();
    logs.append(20);
    logs.write();
    // A torn tail behind the end that the manifest knows is nobody's business.
    logs.known.insert(1, Some(end));
    assert_eq!(logs.replay(&logs.vfs).unwrap().1.len(), 1);
    let path = logs.files.log(1);
    logs.vfs.flip_bit(&path, end * 8 - 1).unwrap();
    assert!(logs.replay(&logs.vfs).is_err());
    logs.vfs.flip_bit(&path, end * 8 - 1).unwrap();
    logs.vfs.open_write(&path).unwrap().set_len(end - 1).unwrap();
    assert!(logs.replay(&logs.vfs).is_err());
}

#[test]
fn what_lies_behind_the_end_of_a_log_is_nothing() {
    let mut logs = Logs::new();
    logs.append(5);
    logs.sync();
    logs.zero_ahead(1000);
    logs.append(6);
    logs.write();
    let (first, end) = (logs.files.log(1), logs.writer.end());
    assert_eq!(content_end(&*logs.vfs.open(&first).unwrap(), end + 900).unwrap(), end);
    let (found, seen) = logs.replay(&logs.vfs).unwrap();
    assert_eq!((found.ended, found.torn_bytes, seen.len()), (vec![(1, end)], 0, 2));
    logs.rotate();
    logs.append(7);
    logs.settle();
    assert_eq!(logs.replay(&logs.vfs).unwrap().1.len(), 3);
    // The next log says where this one ended: no damage behind that does any harm.
    logs.vfs.flip_bit(&first, end * 8 + 77).unwrap();
    let (found, seen) = logs.replay(&logs.vfs).unwrap();
    assert_eq!((found.ended[0], seen.len()), ((1, end), 3));
    logs.vfs.flip_bit(&first, end * 8 - 1).unwrap();
    assert!(logs.replay(&logs.vfs).is_err());
}

#[test]
fn a_log_that_ends_in_zeros_of_its_own_is_read_whole() {
    let mut logs = Logs::new();
    (0..255).for_each(|_| logs.append(1));
    // The 256th is made of zeros.
    logs.append(3000);
    logs.sync();
    let path = logs.files.log(1);
    let end = logs.writer.end();
    let bytes = read_log(&logs.vfs, &path).unwrap();
    assert_eq!(bytes.len() as u64, end);
    assert!(bytes[bytes.len() - 3000..].iter().all(|&byte| byte == 0));
    assert_eq!(content_end(&*logs.vfs.open(&path).unwrap(), end).unwrap() + 3000, end);
    assert_eq!(logs.replay(&logs.vfs).unwrap().1.last(), Some(&(256, 3000)));
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Write,
    Sync,
    Zero(u64),
    Settle,
    Rotate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_usize..200).prop_map(Step::Append),
        1 => (32_768_usize..40_000).prop_map(Step::Append),
        2 => Just(Step::Write),
        2 => Just(Step::Sync),
        1 => (1_u64..3000).prop_map(Step::Zero),
        1 => Just(Step::Settle),
        1 => Just(Step::Rotate),
    ];
    prop::collection::vec(step, 1..40)
}

fn run(steps: &[Step]) -> Logs {
    let mut logs = Logs::new();
    for step in steps {
        match *step {
            Step::Append(len) => logs.append(len),
            Step::Write => logs.write(),
            Step::Sync => logs.sync(),
            Step::Zero(len) => logs.zero_ahead(len),
            Step::Settle => logs.settle(),
            Step::Rotate => logs.rotate(),
        }
    }
    logs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Power lost at any moment, any part of what was not synced lost: a prefix no shorter than what was synced.
    #[test]
    fn a_crash_leaves_a_prefix(steps in steps(), seed in any::<u64>()) {
        let logs = run(&steps);
        // The manifest names a log only once its file is there for good.
        logs.vfs.sync_dir(Path::new("db")).unwrap();
        logs.vfs.sync_dir(Path::new("")).unwrap();
        let crashed = logs.vfs.crash_clone(seed);
        let (found, seen) = logs.replay(&crashed).unwrap();
        prop_assert!(found.seqno >= logs.synced && found.seqno <= logs.seqno);
        prop_assert!(seen.iter().map(|s| s.0).eq(1..=found.seqno));
    }

    /// Garbage, zeros or nothing in place of the unsynced end of the last log.
    #[test]
    fn a_mangled_tail_is_cut(
        steps in steps(), at in any::<prop::sample::Index>(), tail in prop::collection::vec(any::<u8>(), 0..300),
        zeros in any::<bool>(),
    ) {
        let mut logs = run(&steps);
        logs.sync();
        let synced = logs.writer.end() as usize;
        logs.append(60);
        logs.append(70);
        logs.write();
        let path = logs.files.log(logs.writer.number());
        let bytes = logs.vfs.contents().remove(&path).unwrap();
        let cut = synced + at.index(bytes.len() - synced + 1);
        let mut mangled = bytes[..cut].to_vec();
        if zeros { mangled.resize(cut + tail.len(), 0) } else { mangled.extend(&tail) }
        overwrite(&logs.vfs, &path, &mangled);
        let (found, seen) = logs.replay(&logs.vfs).unwrap();
        prop_assert!(found.seqno >= logs.synced && found.seqno <= logs.seqno);
        prop_assert!(seen.iter().map(|s| s.0).eq(1..=found.seqno));
    }

    /// One flipped bit in logs that are synced and idle never loses a commit silently.
    #[test]
    fn a_flip_in_synced_logs_is_not_silent(steps in steps(), at in any::<prop::sample::Index>()) {
        let mut logs = run(&steps);
        logs.settle();
        let all: Vec<_> = logs.vfs.contents().into_iter().collect();
        let bits: usize = all.iter().map(|(_, bytes)| bytes.len() * 8).sum();
        let mut bit = at.index(bits);
        let mut files = all.iter();
        let path = loop {
            let (path, bytes) = files.next().unwrap();
            if bit < bytes.len() * 8 { break path }
            bit -= bytes.len() * 8;
        };
        logs.vfs.flip_bit(path, bit as u64).unwrap();
        if let Ok((found, _)) = logs.replay(&logs.vfs) {
            prop_assert_eq!(found.seqno, logs.seqno);
        }
    }

    /// Strangers' bytes are refused or cut, never a panic.
    #[test]
    fn garbage_is_no_log(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let logs = Logs::new();
        overwrite(&logs.vfs, &logs.files.log(1), &bytes);
        let _ = logs.replay(&logs.vfs);
    }
}
