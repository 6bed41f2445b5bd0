use std::path::Path;

use super::*;
use crate::engine::marks::Mark;
use crate::vfs::memory::{MemoryVfs, SyncFailure};

const SALT: u64 = 42;
/// A mark right behind what it claims.
const MARK: usize = 7;

fn files() -> Files {
    Files::new(Path::new("db"), 1)
}

fn vfs() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    vfs.create_dir_all(Path::new("db")).unwrap();
    vfs.sync_dir(Path::new(".")).unwrap();
    vfs
}

fn edit(log: u64) -> Edit {
    let mark = |seqno| Mark { start: b"a".to_vec(), end: b"z".to_vec(), seqno };
    Edit {
        logs_started: vec![log],
        log: Some(log - 1),
        seqno: Some(log * 10),
        counters: vec![(1, -(log as i64))],
        marks_added: vec![mark(log)],
        marks_removed: if log > 100 { vec![mark(log - 1)] } else { Vec::new() },
        ..Edit::default()
    }
}

/// A manifest with edits 100 up to `100 + edits`, and the sum of them.
fn written(vfs: &MemoryVfs, files: &Files, edits: u64) -> (Manifest, State) {
    let mut state = State::default();
    let mut manifest = Manifest::create(vfs, files, SALT, &state).unwrap();
    manifest.current().write(vfs, files).unwrap();
    state.next_file = files.next_number();
    for log in 100..100 + edits {
        manifest.append(&edit(log)).unwrap();
        state.add(&edit(log)).unwrap();
    }
    (manifest, state)
}

fn read(vfs: &MemoryVfs, files: &Files) -> Result<State> {
    let current = Current::read(vfs, &files.current())?.ok_or_else(|| Error::invalid("no CURRENT"))?;
    read_state(vfs, files, current)
}

#[test]
fn the_sum_of_the_edits_comes_back() {
    let (vfs, files) = (vfs(), files());
    let (_, state) = written(&vfs, &files, 5);
    for seed in 0..20 {
        assert_eq!(read(&vfs.crash_clone(seed), &files).unwrap(), state);
    }
    assert_eq!((state.log, state.seqno, state.marks.len()), (103, 1040, 1));
}

#[test]
fn every_flipped_bit_is_detected_or_harmless() {
    let (vfs, files) = (vfs(), files());
    let (_, state) = written(&vfs, &files, 4);
    let mut harmless = 0;
    for (path, bytes) in vfs.contents() {
        for bit in 0..bytes.len() as u64 * 8 {
            vfs.flip_bit(&path, bit).unwrap();
            match read(&vfs, &files) {
                Ok(found) => {
                    assert_eq!(found, state, "{} bit {bit}", path.display());
                    harmless += 1;
                }
                Err(Error::Corrupt { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            vfs.flip_bit(&path, bit).unwrap();
        }
    }
    assert_eq!(harmless, MARK * 8, "only the last mark says nothing that matters");
}

#[test]
fn a_torn_edit_never_happened() {
    let (vfs, files) = (vfs(), files());
    let (mut manifest, state) = written(&vfs, &files, 3);
    let end = manifest.end;
    manifest.append(&edit(103)).unwrap();
    let path = files.manifest(1);
    let whole = vfs.contents().remove(&path).unwrap();
    let edit_end = whole.len() - MARK;
    for len in end as usize..edit_end {
        let file = vfs.open_write(&path).unwrap();
        file.set_len(len as u64).unwrap();
        assert_eq!(read(&vfs, &files).unwrap(), state, "cut to {len}");
        file.set_len(edit_end as u64).unwrap();
        assert_eq!(read(&vfs, &files).unwrap(), state, "zeros from {len}");
        file.write_all_at(&whole[len..], len as u64).unwrap();
    }
    assert_ne!(read(&vfs, &files).unwrap(), state);
}

#[test]
fn no_space_undoes_an_edit_and_a_failed_sync_leaves_it_unknown() {
    let (vfs, files) = (vfs(), files());
    let (mut manifest, mut state) = written(&vfs, &files, 2);
    let many = Edit { counters: (0..50_000).map(|n| (n, 1)).collect(), ..Edit::default() };
    vfs.set_quota(Some(vfs.used() + 1000));
    assert!(matches!(manifest.append(&many), Err(ManifestError::Undone(error)) if error.is_no_space()));
    assert_eq!(read(&vfs, &files).unwrap(), state);
    vfs.set_quota(None);
    manifest.append(&edit(102)).unwrap();
    state.add(&edit(102)).unwrap();
    assert_eq!(read(&vfs.crash_clone(1), &files).unwrap(), state);
    vfs.fail_syncs(Some(SyncFailure::PagesKept));
    assert!(matches!(manifest.append(&edit(103)), Err(ManifestError::Unknown(_))));
}

#[test]
fn current_is_ours_newer_or_damaged() {
    let (vfs, files) = (vfs(), files());
    assert_eq!(Current::read(&vfs, &files.current()).unwrap(), None);
    let current = Current { manifest: 12, salt: 0xABCD };
    current.write(&vfs, &files).map_err(ManifestError::into_error).unwrap();
    assert_eq!(Current::read(&vfs.crash_clone(5), &files.current()).unwrap(), Some(current));
    let body = "siltstone database 2\nanything\n";
    let newer = format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
    for (text, newer) in [(newer.as_str(), true), (body, false), ("", false), ("MANIFEST-000001\n", false)] {
        let file = vfs.open_write(&files.current()).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(text.as_bytes(), 0).unwrap();
        match Current::read(&vfs, &files.current()) {
            Err(Error::Invalid(what)) => assert!(newer && what.contains("format 2")),
            Err(Error::Corrupt { .. }) => assert!(!newer),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused_whole() {
    let mut state = State::default();
    let before = state.clone();
    for wrong in [
        Edit { removed: vec![(1, 7)], counters: vec![(1, 1)], ..Edit::default() },
        Edit {
            marks_removed: vec![Mark { start: vec![1], end: vec![2], seqno: 3 }],
            seqno: Some(4),
            ..Edit::default()
        },
    ] {
        assert!(state.add(&wrong).is_err());
        assert_eq!(state, before);
    }
}
