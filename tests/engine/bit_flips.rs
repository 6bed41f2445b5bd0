//! Every bit of a small store is flipped, one at a time: the damage is reported, or does not matter. Never is
//! anything silently gone or different.

use std::path::Path;

use siltstone::engine::Options;
use siltstone::random::Random;
use siltstone::vfs::memory::MemoryVfs;

use crate::history::{Change, History, Rows, read_every_way};
use crate::world::{DIR, World, small};

/// A memtable that is not worth flushing when the store falls idle: the log stays.
fn quiet() -> Options {
    Options { memtable: Some(1 << 20), ..small() }
}

/// A store with tables on two levels, a log and a manifest with some edits; small enough to flip every bit.
fn build(close: bool) -> (MemoryVfs, Rows) {
    let world = World::new();
    let db = world.open(&quiet()).unwrap();
    let mut history = History::new();
    let mut random = Random::seeded(3);
    for n in 0..24 {
        let mut noise = [0; 20];
        random.fill(&mut noise);
        let key = format!("key{:02}", random.below(20)).into_bytes();
        let change = match n % 8 {
            5 => Change::Delete(key),
            6 => Change::DeleteRange(b"key07".to_vec(), b"key09".to_vec()),
            _ => Change::Put(key, noise.to_vec()),
        };
        let seqno = history.commit(&db, &[change]).unwrap();
        db.acknowledge(seqno).unwrap();
        match n {
            8 => {
                db.flush().unwrap();
                db.compact_range(None, None).unwrap();
            }
            13 => db.flush().unwrap(),
            _ => {}
        }
        world.workers.run_all();
    }
    if close {
        db.close().unwrap();
    } else {
        // Idle for long enough that whatever waits for a quiet moment has had it.
        for _ in 0..20 {
            world.clock.advance_ms(1000);
            world.workers.run_all();
        }
    }
    let image = world.memory.kill_clone();
    (image, Rows::clone(history.newest()))
}

enum Outcome {
    /// Opening or reading failed.
    Reported,
    /// Everything reads as it was.
    Harmless,
    Silent(String),
}

fn look(image: MemoryVfs, options: &Options, expected: &Rows) -> Outcome {
    let world = World::on(image);
    let Ok(db) = world.open(options) else { return Outcome::Reported };
    let Ok(found) = read_every_way(&db.view(), expected) else { return Outcome::Reported };
    if found == *expected && db.counter(1) == 24 {
        return Outcome::Harmless;
    }
    Outcome::Silent(crate::history::difference(&found, expected))
}

/// All bits of a file's content. Of the zeros behind it, which are thousands of times the same, the first ones and a
/// sample of the others.
fn bits(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let content = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1) * 8;
    let all = bytes.len() as u64 * 8;
    let near = all.min(content + 512);
    (0..near).chain((near..all).step_by(61))
}

fn flip_all(close: bool) {
    let options = quiet();
    let (image, expected) = build(close);
    let mut table = Vec::new();
    for (path, bytes) in image.contents() {
        if bytes.is_empty() || path.ends_with("BALLAST") {
            continue;
        }
        let (mut reported, mut harmless) = (0_u64, 0_u64);
        for bit in bits(&bytes) {
            let flipped = image.kill_clone();
            flipped.flip_bit(&path, bit).unwrap();
            match look(flipped, &options, &expected) {
                Outcome::Reported => reported += 1,
                Outcome::Harmless => harmless += 1,
                Outcome::Silent(what) => panic!("{} bit {bit}: silently {what}", path.display()),
            }
        }
        table.push((path, bytes.len(), reported, harmless));
    }
    for kind in ["CURRENT", "MANIFEST", ".tbl"].iter().chain(if close { [].iter() } else { [".log"].iter() })
    {
        assert!(table.iter().any(|(p, ..)| p.to_string_lossy().contains(kind)), "no {kind} in {table:?}");
    }
    for (path, bytes, reported, harmless) in table {
        eprintln!(
            "{}: {bytes} bytes, {reported} flips reported, {harmless} harmless, 0 silent",
            path.display()
        );
    }
}

#[test]
fn no_bit_of_a_store_closed_cleanly_flips_unnoticed() {
    flip_all(true);
}

#[test]
fn no_bit_of_a_store_synced_and_idle_flips_unnoticed() {
    flip_all(false);
}

#[test]
fn a_damaged_current_is_corrupt_and_nobody_guesses() {
    let (image, _) = build(true);
    let path = Path::new(DIR).join("CURRENT");
    image.flip_bit(&path, 3).unwrap();
    let error = World::on(image).open(&small()).err().unwrap();
    assert!(error.to_string().contains("CURRENT"), "{error}");
}
