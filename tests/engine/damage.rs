//! Directories that are not what they should be: in use, from a newer version, short of a table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use siltstone::engine::{Db, Env, Error};
use siltstone::vfs::Vfs;
use siltstone::vfs::disk::DiskVfs;
use siltstone::vfs::memory::MemoryVfs;

use crate::history::{Change, History};
use crate::world::{DIR, World, small};

/// A store with several tables.
fn build() -> (MemoryVfs, History) {
    let world = World::new();
    let db = world.open(&small()).unwrap();
    let mut history = History::new();
    for n in 0_u32..3 {
        for key in 0..20 {
            let change = Change::Put(format!("{n}{key:03}").into_bytes(), vec![n as u8; 100]);
            history.commit(&db, &[change]).unwrap();
        }
        db.flush().unwrap();
    }
    db.close().unwrap();
    (world.memory.kill_clone(), history)
}

fn files(image: &MemoryVfs, suffix: &str) -> Vec<PathBuf> {
    let names = image.list(Path::new(DIR)).unwrap();
    names
        .into_iter()
        .filter(|n| n.to_string_lossy().ends_with(suffix))
        .map(|n| Path::new(DIR).join(n))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_second_opener_is_told_that_it_is_busy() {
    let world = World::new();
    let first = world.open(&small()).unwrap();
    assert!(matches!(world.open(&small()), Err(Error::Busy(_))));
    first.close().unwrap();
    world.open(&small()).unwrap();
}

#[test]
fn a_second_opener_on_the_real_disk_is_told_that_it_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Db::open_with(Env::with_vfs(Arc::new(DiskVfs)), &dir.path().join("db"), small());
    let first = open().unwrap();
    assert!(matches!(open(), Err(Error::Busy(_))));
    first.close().unwrap();
    open().unwrap().close().unwrap();
}

#[test]
fn a_missing_table_is_named() {
    let (image, _) = build();
    for table in files(&image, ".tbl") {
        let image = image.kill_clone();
        image.remove(&table).unwrap();
        let error = World::on(image).open(&small()).err().expect("a table is missing");
        assert!(error.to_string().contains(&name(&table)), "{error}");
    }
}

#[test]
fn a_short_table_is_named() {
    let (image, _) = build();
    for table in files(&image, ".tbl") {
        for cut in [1, 100] {
            let image = image.kill_clone();
            let file = image.open_write(&table).unwrap();
            file.set_len(file.len().unwrap() - cut).unwrap();
            let error = World::on(image).open(&small()).err().expect("a table is short");
            assert!(error.to_string().contains(&name(&table)), "{error}");
        }
    }
}

#[test]
fn swapped_tables_are_named() {
    let (image, _) = build();
    let tables = files(&image, ".tbl");
    let [a, b] = &tables[..2] else { panic!("two tables are there") };
    let aside = Path::new(DIR).join("aside");
    image.rename(a, &aside).unwrap();
    image.rename(b, a).unwrap();
    image.rename(&aside, b).unwrap();
    let error = World::on(image).open(&small()).err().expect("tables were swapped");
    assert!(error.to_string().contains(".tbl"), "{error}");
}

#[test]
fn a_missing_manifest_is_named_and_a_missing_directory_stays_missing_if_asked() {
    let (image, _) = build();
    for name in image.list(Path::new(DIR)).unwrap() {
        if name.to_string_lossy().starts_with("MANIFEST") {
            image.remove(&Path::new(DIR).join(name)).unwrap();
        }
    }
    let error = World::on(image).open(&small()).err().unwrap();
    assert!(error.to_string().contains("MANIFEST"), "{error}");

    let world = World::new();
    let options = siltstone::engine::Options { create: false, ..small() };
    assert!(world.open(&options).is_err());
    assert!(!world.memory.exists(Path::new(DIR)).unwrap());
}

#[test]
fn a_newer_format_is_refused_by_name_and_left_as_it_is() {
    let (image, _) = build();
    let body = "siltstone database 2\nsomething this version cannot know\n";
    let path = Path::new(DIR).join("CURRENT");
    image.remove(&path).unwrap();
    let text = format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
    image.create(&path).unwrap().write_all_at(text.as_bytes(), 0).unwrap();
    let before = image.contents();
    let world = World::on(image);
    let error = world.open(&small()).err().expect("the format is newer");
    assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains("format 2"), "{error}");
    assert_eq!(world.memory.contents(), before);
}

#[test]
fn strangers_files_are_left_alone() {
    let (image, history) = build();
    let stranger = Path::new(DIR).join("notes.txt");
    image.create(&stranger).unwrap().write_all_at(b"mine", 0).unwrap();
    let world = World::on(image);
    let db = world.open(&small()).unwrap();
    history.check(&db, history.len()..=history.len()).unwrap();
    db.close().unwrap();
    assert_eq!(world.memory.contents()[Path::new("db/notes.txt")], b"mine");
}

#[test]
fn a_directory_with_files_but_no_current_is_not_ours_to_start_in() {
    let (image, _) = build();
    image.remove(&Path::new(DIR).join("CURRENT")).unwrap();
    let error = World::on(image).open(&small()).err().expect("tables without CURRENT are a damaged store");
    assert!(error.to_string().contains("CURRENT"), "{error}");
}
