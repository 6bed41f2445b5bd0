//! What the files of a database are called, and who numbers them.
//!
//! ```text
//! CURRENT            which manifest counts             LOCK      held by whoever has it open
//! MANIFEST-000001    the edits                         BALLAST   space to let go of when the disk is full
//! 000002.log         commits not yet in tables         CURRENT.new, *.part   unfinished; removed at opening
//! 000003.tbl         a table
//! ```
//!
//! Logs, tables and manifests share one sequence of numbers. A number is never used twice, not even for a file
//! that a crash undid, because the manifest keeps a bound above every number handed out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file in the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Current,
    Lock,
    Ballast,
    Manifest(u64),
    Log(u64),
    Table(u64),
    /// Left behind by something that did not finish.
    Unfinished,
}

/// The names in one directory, and the next free number.
pub(crate) struct Files {
    dir: PathBuf,
    next: AtomicU64,
}

impl Files {
    pub(crate) fn new(dir: &Path, next: u64) -> Self {
        Self { dir: dir.to_owned(), next: AtomicU64::new(next) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A number nobody else has.
    pub(crate) fn take_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands out no number below this any more.
    pub(crate) fn keep_above(&self, number: u64) {
        self.next.fetch_max(number, Ordering::Relaxed);
    }

    /// Above every number handed out.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    pub(crate) fn table(&self, number: u64) -> PathBuf {
        self.dir.join(table_name(number))
    }

    pub(crate) fn log(&self, number: u64) -> PathBuf {
        self.dir.join(log_name(number))
    }

    pub(crate) fn manifest(&self, number: u64) -> PathBuf {
        self.dir.join(manifest_name(number))
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.dir.join("CURRENT")
    }

    pub(crate) fn current_new(&self) -> PathBuf {
        self.dir.join("CURRENT.new")
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.dir.join("BALLAST")
    }
}

pub(crate) fn table_name(number: u64) -> String {
    format!("{number:06}.tbl")
}

pub(crate) fn log_name(number: u64) -> String {
    format!("{number:06}.log")
}

pub(crate) fn manifest_name(number: u64) -> String {
    format!("MANIFEST-{number:06}")
}

/// What a path names; `None` for a stranger's file, which is left alone.
pub(crate) fn kind_of(path: &Path) -> Option<FileKind> {
    let name = path.file_name()?.to_str()?;
    let number = |digits: &str| {
        let canonical = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
        canonical.then(|| digits.parse().ok()).flatten()
    };
    Some(match name {
        "CURRENT" => FileKind::Current,
        "LOCK" => FileKind::Lock,
        "BALLAST" => FileKind::Ballast,
        "CURRENT.new" => FileKind::Unfinished,
        _ => {
            if let Some(digits) = name.strip_prefix("MANIFEST-") {
                FileKind::Manifest(number(digits)?)
            } else if let Some(digits) = name.strip_suffix(".log") {
                FileKind::Log(number(digits)?)
            } else if let Some(digits) = name.strip_suffix(".tbl") {
                FileKind::Table(number(digits)?)
            } else {
                number(name.strip_suffix(".part")?)?;
                FileKind::Unfinished
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let files = Files::new(Path::new("/db"), 7);
        assert_eq!(kind_of(&files.table(3)), Some(FileKind::Table(3)));
        assert_eq!(kind_of(&files.log(1_234_567)), Some(FileKind::Log(1_234_567)));
        assert_eq!(kind_of(&files.manifest(1)), Some(FileKind::Manifest(1)));
        assert_eq!(kind_of(&files.current()), Some(FileKind::Current));
        assert_eq!(kind_of(&files.current_new()), Some(FileKind::Unfinished));
        assert_eq!(kind_of(Path::new("/db/000003.part")), Some(FileKind::Unfinished));
        for stranger in ["notes.txt", "3.tbl", "x.log", "MANIFEST-", "0000x1.tbl", "my.part"] {
            assert_eq!(kind_of(Path::new(stranger)), None, "{stranger}");
        }
    }

    #[test]
    fn a_number_is_given_once() {
        let files = Files::new(Path::new("/db"), 7);
        assert_eq!((files.take_number(), files.take_number(), files.next_number()), (7, 8, 9));
    }
}
