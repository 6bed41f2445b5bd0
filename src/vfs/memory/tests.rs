use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn disk_with(path: &str, bytes: &[u8]) -> (MemoryVfs, Arc<dyn File>) {
    let vfs = MemoryVfs::new();
    let file = vfs.create(Path::new(path)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    (vfs, file)
}

fn read(vfs: &MemoryVfs, path: &str) -> Option<Vec<u8>> {
    vfs.contents().remove(Path::new(path))
}

fn images(vfs: &MemoryVfs, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..500).map(|seed| read(&vfs.crash_clone(seed), path)).collect()
}

#[test]
fn what_was_synced_survives_every_crash_and_nothing_else_is_sure_to() {
    let (vfs, file) = disk_with("a", &[1; 2000]);
    file.sync().unwrap();
    assert!(images(&vfs, "a").contains(&None), "the name was not synced");
    vfs.sync_dir(Path::new("")).unwrap();
    assert_eq!(images(&vfs, "a"), BTreeSet::from([Some(vec![1; 2000])]));

    file.write_all_at(&[2; 1000], 2000).unwrap();
    let images = images(&vfs, "a");
    assert!(images.iter().flatten().all(|i| i[..2000] == [1; 2000]), "appending endangers nothing before it");
    assert!(images.contains(&Some(vec![1; 2000])));
    assert!(images.contains(&Some([vec![1; 2000], vec![2; 1000]].concat())));
    let zeros_in =
        |range: std::ops::Range<usize>, i: &Vec<u8>| i.len() >= range.end && i[range].iter().all(|b| *b == 0);
    assert!(images.iter().flatten().any(|i| zeros_in(2100..2500, i)), "the length came before the data");
    assert!(
        images.iter().flatten().any(|i| zeros_in(2048..2500, i) && i.get(2600) == Some(&2)),
        "a later sector came before an earlier one"
    );
}

#[test]
fn a_sector_written_twice_may_be_found_as_it_was_in_between() {
    let (vfs, file) = disk_with("a", b"one");
    file.sync().unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    for word in [b"two", b"six"] {
        file.write_all_at(word, 0).unwrap();
    }
    let found: BTreeSet<_> = [b"one", b"two", b"six"].iter().map(|w| Some(w.to_vec())).collect();
    assert_eq!(images(&vfs, "a"), found);
}

#[test]
fn directory_operations_are_lost_or_kept_one_by_one() {
    let vfs = MemoryVfs::new();
    let at = |name: &str| Path::new("d").join(name);
    vfs.create_dir_all(Path::new("d")).unwrap();
    vfs.sync_dir(Path::new("")).unwrap();
    for name in ["a", "b", "current"] {
        let file = vfs.create(&at(name)).unwrap();
        file.write_all_at(name.as_bytes(), 0).unwrap();
        file.sync().unwrap();
    }
    vfs.sync_dir(Path::new("d")).unwrap();
    vfs.remove(&at("a")).unwrap();
    vfs.rename(&at("b"), &at("current")).unwrap();
    vfs.hard_link(&at("current"), &at("link")).unwrap();
    let seen: BTreeSet<Vec<(PathBuf, Vec<u8>)>> =
        (0..200).map(|seed| vfs.crash_clone(seed).contents().into_iter().collect()).collect();
    assert_eq!(seen.len(), 8, "three operations, each kept or not");
    for image in &seen {
        let current = image.iter().find(|(p, _)| *p == at("current")).unwrap();
        let renamed = !image.iter().any(|(p, _)| *p == at("b"));
        assert_eq!(current.1, if renamed { b"b".to_vec() } else { b"current".to_vec() });
    }
    vfs.sync_dir(Path::new("d")).unwrap();
    assert_eq!(vfs.crash_clone(7).contents(), vfs.contents());
}

#[test]
fn the_same_seed_gives_the_same_image_and_the_same_operations_the_same_trace() {
    let run = || {
        let (vfs, file) = disk_with("a", &[5; 5000]);
        file.sync().unwrap();
        vfs.sync_dir(Path::new("")).unwrap();
        file.write_all_at(&[6; 3000], 1000).unwrap();
        vfs
    };
    let (one, two) = (run(), run());
    assert_eq!(one.trace_hash(), two.trace_hash());
    assert_eq!(one.crash_clone(3).contents(), two.crash_clone(3).contents());
    two.create(Path::new("b")).unwrap();
    assert_ne!(one.trace_hash(), two.trace_hash());
}

#[test]
fn a_failed_sync_keeps_the_pages_dirty_or_drops_them() {
    for (failure, survives) in [(SyncFailure::PagesKept, true), (SyncFailure::PagesDropped, false)] {
        let (vfs, file) = disk_with("a", b"old");
        file.sync().unwrap();
        vfs.sync_dir(Path::new("")).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        vfs.fail_syncs(Some(failure));
        file.sync().unwrap_err();
        vfs.fail_syncs(None);
        let found = images(&vfs, "a");
        assert_eq!(found.contains(&Some(b"new".to_vec())), survives);
        assert!(found.contains(&Some(b"old".to_vec())));
        file.sync().unwrap();
        assert_eq!(read(&vfs, "a").unwrap(), b"new", "the process still sees its write");
        let found = images(&vfs, "a");
        assert_eq!(found.contains(&Some(b"new".to_vec())), survives, "a later sync means nothing");
        file.write_all_at(b"new", 0).unwrap();
        file.sync().unwrap();
        assert!(images(&vfs, "a").iter().all(|found| found.as_deref() == Some(b"new")));
    }
}

#[test]
fn a_kill_keeps_what_was_written_and_leaves_it_as_unsynced_as_it_was() {
    let (vfs, file) = disk_with("a", b"x");
    let _lock = vfs.lock(Path::new("LOCK")).unwrap();
    assert_eq!(vfs.lock(Path::new("LOCK")).err().unwrap().kind(), ErrorKind::WouldBlock);
    let killed = vfs.kill_clone();
    drop(file);
    killed.lock(Path::new("LOCK")).unwrap();
    assert_eq!(read(&killed, "a").unwrap(), b"x");
    assert!(images(&killed, "a").contains(&None));
}

#[test]
fn a_full_disk_takes_what_fits_and_gives_back_what_is_removed() {
    let (vfs, file) = disk_with("a", &[0; 100]);
    vfs.set_quota(Some(150));
    assert_eq!(file.write_all_at(&[1; 100], 100).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), vfs.used()), (150, 150));
    file.set_len(100).unwrap();
    let other = vfs.create(Path::new("b")).unwrap();
    other.reserve(40).unwrap();
    assert_eq!(vfs.free_space(Path::new("")).unwrap(), 10);
    assert_eq!(file.set_len(111).unwrap_err().kind(), ErrorKind::StorageFull);
    other.write_all_at(&[1; 50], 0).unwrap();
    vfs.remove(Path::new("a")).unwrap();
    assert_eq!(vfs.used(), 150, "still open");
    drop(file);
    assert_eq!(vfs.used(), 50);
}

#[test]
fn a_flipped_bit_is_there_after_the_crash_too() {
    let (vfs, file) = disk_with("a", &[0; 5000]);
    file.sync().unwrap();
    vfs.sync_dir(Path::new("")).unwrap();
    vfs.flip_bit(Path::new("a"), 4100 * 8 + 3).unwrap();
    assert_eq!(read(&vfs, "a").unwrap()[4100], 8);
    assert_eq!(read(&vfs.crash_clone(1), "a").unwrap()[4100], 8);
    vfs.flip_bit(Path::new("a"), 5000 * 8).unwrap_err();
}

#[test]
fn the_page_cache_can_be_cold() {
    let (vfs, file) = disk_with("a", &[3; 10_000]);
    let mut buf = [0; 10];
    file.read_exact_cached_at(&mut buf, 4000).unwrap();
    vfs.drop_page_cache();
    assert_eq!(file.read_cached_at(&mut buf, 4090).unwrap_err().kind(), ErrorKind::WouldBlock);
    file.read_exact_at(&mut buf, 4090).unwrap();
    file.read_exact_cached_at(&mut buf, 4090).unwrap();
    assert_eq!(file.read_cached_at(&mut buf, 9000).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn truncation_is_no_more_durable_than_writing() {
    let (vfs, file) = disk_with("a", &[1; 1000]);
    file.sync().unwrap();
    vfs.sync_dir(Path::new("")).unwrap();
    file.set_len(10).unwrap();
    let found = images(&vfs, "a");
    assert!(found.contains(&Some(vec![1; 10])) && found.contains(&Some(vec![1; 1000])));
    file.sync().unwrap();
    assert_eq!(images(&vfs, "a"), BTreeSet::from([Some(vec![1; 10])]));
    file.set_len(600).unwrap();
    assert_eq!(read(&vfs, "a").unwrap(), [vec![1; 10], vec![0; 590]].concat());
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

proptest! {
    /// Whatever is done to a file, it reads as a vector of bytes would; a crash leaves it no shorter than it has been
    /// since the last sync, and once synced as it is.
    #[test]
    fn a_file_is_a_vector_of_bytes(
        steps in proptest::collection::vec(
            prop_oneof![
                4 => (0_u64..9000, proptest::collection::vec(1_u8.., 1..3000)).prop_map(|(at, b)| Step::Write(at, b)),
                1 => (0_u64..12_000).prop_map(Step::SetLen),
                1 => Just(Step::Sync),
            ],
            1..20,
        ),
        seed: u64,
    ) {
        let vfs = MemoryVfs::new();
        let file = vfs.create(Path::new("a")).unwrap();
        vfs.sync_dir(Path::new("")).unwrap();
        let (mut live, mut low) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Write(at, bytes) => {
                    let end = at as usize + bytes.len();
                    live.resize(live.len().max(end), 0);
                    live[at as usize..end].copy_from_slice(&bytes);
                    file.write_all_at(&bytes, at).unwrap();
                }
                Step::SetLen(len) => {
                    live.resize(len as usize, 0);
                    file.set_len(len).unwrap();
                }
                Step::Sync => {
                    file.sync().unwrap();
                    low = live.len();
                }
            }
            low = low.min(live.len());
            prop_assert_eq!(read(&vfs, "a").unwrap(), live.clone());
            prop_assert_eq!(vfs.used(), live.len() as u64);
        }
        prop_assert!(read(&vfs.crash_clone(seed), "a").unwrap().len() >= low);
        file.sync().unwrap();
        prop_assert_eq!(read(&vfs.crash_clone(seed), "a").unwrap(), live);
    }
}
