//! Reading many ranges at once, on every disk.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::disk::{DiskVfs, without_ring};
use super::faulty::{Fault, FaultyVfs, Operation, Rule};
use super::memory::MemoryVfs;
use super::{File, ReadRequest, Vfs};

const FILE_BYTES: usize = 300_001;

fn byte(i: usize, salt: u8) -> u8 {
    (i % 251) as u8 ^ (i >> 10) as u8 ^ salt
}

/// A file of known bytes, opened for reading.
fn file(vfs: &dyn Vfs, path: &Path, salt: u8) -> Arc<dyn File> {
    let bytes: Vec<u8> = (0..FILE_BYTES).map(|i| byte(i, salt)).collect();
    let file = vfs.create(path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    file.sync().unwrap();
    vfs.open(path).unwrap()
}

/// What came of each read, in the order asked.
fn read_many(vfs: &dyn Vfs, reads: &[(&Arc<dyn File>, u64, usize)]) -> Vec<io::Result<Vec<u8>>> {
    let requests: Vec<_> =
        reads.iter().map(|&(file, offset, len)| ReadRequest { file: &**file, offset, len }).collect();
    let mut told: Vec<Option<io::Result<Vec<u8>>>> = reads.iter().map(|_| None).collect();
    vfs.read_many(&requests, &mut |i, read| {
        assert!(told[i].replace(read.map(<[u8]>::to_vec)).is_none(), "{i} was told twice");
    });
    told.into_iter().map(Option::unwrap).collect()
}

/// Ranges of all shapes in two files, one read after the other; those that end beyond the file fail.
fn ranges_of_all_shapes_are_read(vfs: &dyn Vfs, dir: &Path) {
    let files = [file(vfs, &dir.join("a"), 0), file(vfs, &dir.join("b"), 77)];
    assert!(read_many(vfs, &[]).is_empty());
    let end = FILE_BYTES as u64;
    let mut ranges = vec![
        (0, 0),
        (5, 0),
        (end, 0),
        (0, 1),
        (0, 4096),
        (4095, 2),
        (4096, 8192),
        (511, 514),
        (1, FILE_BYTES - 1),
        (100, 200_000),
        (end - 1, 1),
        (end - 5000, 5000),
        (end, 1),
        (end - 1, 2),
        (end + 100_000, 10),
    ];
    // More than are in flight at once, and more bytes.
    ranges.extend((0..200).map(|i| (i * 1301, 4321)));
    let reads: Vec<_> = ranges.iter().enumerate().map(|(i, &(at, len))| (&files[i % 2], at, len)).collect();
    for (i, (told, &(at, len))) in read_many(vfs, &reads).into_iter().zip(&ranges).enumerate() {
        if len > 0 && at + len as u64 > end {
            assert_eq!(told.unwrap_err().kind(), ErrorKind::UnexpectedEof, "{len} at {at}");
        } else {
            let salt = if i % 2 == 0 { 0 } else { 77 };
            let right = told.unwrap().iter().enumerate().all(|(n, &b)| b == byte(at as usize + n, salt));
            assert!(right, "{len} at {at}");
        }
    }
}

/// A file that is read in vain spoils nothing for the others.
fn a_failing_file_fails_alone(below: Arc<dyn Vfs>, dir: &Path) {
    let faulty = FaultyVfs::new(below);
    let (good, bad) = (file(&faulty, &dir.join("good"), 0), file(&faulty, &dir.join("bad"), 0));
    let reads: Vec<_> = (0..20).map(|i| (if i % 3 == 0 { &bad } else { &good }, i * 100, 50)).collect();
    faulty.add(Rule::always(Operation::Read, "bad", Fault::Fail(ErrorKind::TimedOut)));
    for (i, told) in read_many(&faulty, &reads).into_iter().enumerate() {
        match told {
            Ok(bytes) => assert!(i % 3 != 0 && bytes[0] == byte(i * 100, 0)),
            Err(error) => assert!(i % 3 == 0 && error.kind() == ErrorKind::TimedOut),
        }
    }
    assert_eq!(faulty.fired(), 7);
    faulty.clear();
    faulty.add(Rule::once(Operation::Read, "good", 2, Fault::Fail(ErrorKind::TimedOut)));
    assert_eq!(read_many(&faulty, &reads).iter().filter(|told| told.is_err()).count(), 1);
}

#[test]
fn in_memory() {
    ranges_of_all_shapes_are_read(&MemoryVfs::new(), Path::new("/"));
    a_failing_file_fails_alone(Arc::new(MemoryVfs::new()), Path::new("/"));
}

#[test]
fn on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    ranges_of_all_shapes_are_read(&DiskVfs, dir.path());
    let here = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    ranges_of_all_shapes_are_read(&DiskVfs, here.path());
    a_failing_file_fails_alone(Arc::new(DiskVfs), dir.path());
}

#[test]
fn on_a_disk_whose_system_has_no_ring_for_us() {
    let dir = tempfile::tempdir().unwrap();
    without_ring(|| ranges_of_all_shapes_are_read(&DiskVfs, dir.path()));
}

#[test]
fn on_a_disk_that_cannot_be_read_directly() {
    let shared = Path::new("/dev/shm");
    let Ok(dir) = tempfile::tempdir_in(shared) else { return };
    ranges_of_all_shapes_are_read(&DiskVfs, dir.path());
}

#[test]
fn a_name_that_is_another_file_s_by_now() {
    let dir = tempfile::tempdir().unwrap();
    let old = file(&DiskVfs, &dir.path().join("a"), 1);
    file(&DiskVfs, &dir.path().join("b"), 2);
    DiskVfs.rename(&dir.path().join("b"), &dir.path().join("a")).unwrap();
    assert!(old.direct().is_none());
    let told = read_many(&DiskVfs, &[(&old, 1000, 1)]);
    assert_eq!(told[0].as_ref().unwrap(), &[byte(1000, 1)]);
}

#[test]
fn files_of_two_disks_in_one_call() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryVfs::new();
    let (a, b) = (file(&DiskVfs, &dir.path().join("a"), 1), file(&memory, Path::new("/b"), 2));
    let told = read_many(&DiskVfs, &[(&a, 7, 1), (&b, 7, 1)]);
    assert_eq!(told.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [[byte(7, 1)], [byte(7, 2)]]);
}
