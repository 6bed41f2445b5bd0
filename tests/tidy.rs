//! The shape of the code, held by a test: which storey may use which, how long things get, what is not written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each module may use of ours, besides itself. Imports only go down.
const STOREYS: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("clock", &[]),
    ("random", &[]),
    ("metrics", &[]),
    ("codec", &[]),
    ("config", &[]),
    ("workers", &["clock"]),
    ("vfs", &["clock", "random", "workers"]),
    ("engine", LEAVES),
    ("store", &["engine", "clock", "random", "metrics", "codec", "workers", "vfs"]),
    ("redis", &["store", "clock", "random", "metrics", "codec", "config", "workers", "vfs"]),
    ("dynamo", &["store", "clock", "random", "metrics", "codec", "config", "workers", "vfs"]),
    // Only for the fuzzers in fuzz/.
    ("fuzzing", &["redis", "dynamo", "store", "engine", "codec", "vfs", "workers"]),
    (
        "server",
        &[
            "redis",
            "dynamo",
            "store",
            "engine",
            "allocator",
            "clock",
            "random",
            "metrics",
            "codec",
            "config",
            "workers",
            "vfs",
        ],
    ),
    (
        "cli",
        &[
            "server",
            "redis",
            "dynamo",
            "store",
            "engine",
            "allocator",
            "clock",
            "random",
            "metrics",
            "codec",
            "config",
            "workers",
            "vfs",
        ],
    ),
];

/// Settings come to the engine as its own `Options`: `config` is for the storeys with a user.
const LEAVES: &[&str] = &["clock", "random", "metrics", "codec", "workers", "vfs"];

const FILE_LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 100;
/// A model has an arm for each thing that can be done.
const TEST_FUNCTION_LINES_MAX: usize = 150;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "inner", "misc", "v2", "stuff"];

struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The module of the package that the file belongs to: `src/engine/db.rs` → `engine`.
    fn module(&self) -> Option<String> {
        let below = self.path.strip_prefix("src").ok()?;
        let first = below.components().next()?.as_os_str().to_str()?;
        Some(first.trim_end_matches(".rs").to_owned())
    }

    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    fn is_this(&self) -> bool {
        self.path == Path::new("tests/tidy.rs")
    }

    /// The lines that belong to tests, with their numbers.
    fn test_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let whole = self.path.starts_with("tests") || self.path.file_name().is_some_and(|n| n == "tests.rs");
        let begin = if whole {
            0
        } else {
            self.text.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX)
        };
        numbered(&self.text).skip_while(move |(number, _)| *number <= begin)
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// All text files that we wrote.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for start in ["src", "tests", "benches", "fuzz", "docs", ".ci", ".github"] {
        collect(root, &root.join(start), &mut files);
    }
    for name in ["README.md", "CHANGELOG.md", "SECURITY.md", "Cargo.toml", ".clippy.toml", ".deny.toml"] {
        if let Ok(text) = std::fs::read_to_string(root.join(name)) {
            files.push(File { path: name.into(), text });
        }
    }
    assert!(files.len() > 20, "only {} files found", files.len());
    files
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<File>) {
    let Ok(entries) = dir.read_dir() else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !["target", "corpus", "artifacts", "fixtures"].iter().any(|skipped| name == *skipped) {
                collect(root, &path, files);
            }
        } else if name != "Cargo.lock"
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("found below the root").to_owned();
            files.push(File { path, text });
        }
    }
}

fn none_of(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// The modules that a line names after `crate::`, also in a group.
fn used_modules(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let code = line.split("//").next().unwrap_or("");
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (here, letter) in group.char_indices() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' if depth == 0 => {
                        used.push(word(group[start..here].trim()));
                        start = here + 1;
                    }
                    _ => {}
                }
            }
        } else {
            used.push(word(rest));
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn imports_only_go_down() {
    let storeys: BTreeMap<_, _> = STOREYS.iter().copied().collect();
    let mut found = Vec::new();
    for file in files() {
        let Some(module) = file.module().filter(|_| file.is_rust()) else { continue };
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(allowed) = storeys.get(module.as_str()) else {
            found.push(format!("{}: the table has no storey `{module}`", file.name()));
            continue;
        };
        for (number, line) in numbered(&file.text) {
            for used in used_modules(line) {
                if used != module && !allowed.contains(&used.as_str()) {
                    found.push(format!("{}:{number}: `{module}` may not use `{used}`", file.name()));
                }
            }
        }
    }
    none_of(&found, "imports only go down");
}

#[test]
fn the_table_has_no_circle() {
    for (at, (module, allowed)) in STOREYS.iter().enumerate() {
        for used in *allowed {
            let below = STOREYS.iter().position(|(name, _)| name == used);
            assert!(below.is_some_and(|below| below < at), "{module} uses {used}, which is not below it");
        }
    }
}

#[test]
fn groups_of_imports_are_understood() {
    assert_eq!(
        used_modules("use crate::{clock::Clock, vfs::{File, Vfs}, engine};"),
        ["clock", "vfs", "engine"]
    );
    assert_eq!(
        used_modules("let a = crate::store::b(crate::redis::C); // crate::server"),
        ["store", "redis"]
    );
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            found.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.name()));
        }
        let first = file.text.lines().next().unwrap_or("");
        let is_opened_elsewhere = file.path.file_name().is_some_and(|name| name == "tests.rs");
        if !is_opened_elsewhere && !first.starts_with("//!") && !first.starts_with("#![no_main]") {
            found.push(format!("{}: does not open with what it is (`//!`)", file.name()));
        }
    }
    none_of(&found, "files are short, and open with what they promise");
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in numbered(&file.text) {
            let indent = line.len() - line.trim_start().len();
            let is_end = line.trim() == "}" && open.as_ref().is_some_and(|(_, at, _)| *at == indent);
            if is_end && let Some((start, _, name)) = open.take() {
                let lines = number - start + 1;
                let is_test = file.path.starts_with("tests") || file.name().contains("tests");
                if lines > if is_test { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX } {
                    found.push(format!("{}:{start}: {name}: {lines} lines", file.name()));
                }
            } else if open.is_none()
                && !line.trim_end().ends_with(['}', ';'])
                && let Some(name) = function_name(line)
            {
                open = Some((number, indent, name));
            }
        }
    }
    none_of(&found, &format!("functions have at most {FUNCTION_LINES_MAX} lines"));
}

/// The name of the function that a line begins, if it does.
fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let is_start =
        before.split_whitespace().all(|word| qualifiers.contains(&word) || word.starts_with("pub(in"));
    is_start.then(|| after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let parts = file.path.components().filter_map(|part| part.as_os_str().to_str());
        for part in parts {
            let stem = part.trim_end_matches(".rs");
            if stem.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word)) {
                found.push(format!("{}: `{stem}`", file.name()));
            }
        }
        for (number, line) in numbered(&file.text) {
            let declared = line.trim().trim_start_matches("pub ").strip_prefix("mod ");
            if declared.is_some_and(|name| EMPTY_NAMES.contains(&name.trim_end_matches([';', ' ', '{']))) {
                found.push(format!("{}:{number}: {}", file.name(), line.trim()));
            }
        }
    }
    none_of(&found, "folders and modules are nouns of the domain");
}

#[test]
fn nothing_is_left_for_later() {
    let words =
        ["TO\u{44}O", "FIX\u{4d}E", "XX\u{58}", "unimplemented\u{21}(", "todo\u{21}(", "<<<<<<\u{3c} "];
    let mut found = Vec::new();
    for file in files().iter().filter(|file| !file.is_this()) {
        for (number, line) in numbered(&file.text) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", file.name()));
            }
        }
    }
    none_of(&found, "what is not done is an issue, not a comment");
}

#[test]
fn tests_wait_for_events_and_not_for_time() {
    let mut found = Vec::new();
    for file in
        files().iter().filter(|file| file.is_rust() && !file.is_this() && !file.path.starts_with("benches"))
    {
        for (number, line) in file.test_lines() {
            if line.contains("thread::sleep") || line.contains("time::sleep") {
                found.push(format!("{}:{number}", file.name()));
            }
        }
    }
    none_of(&found, "no sleeps in tests");
}

#[test]
fn nothing_names_a_machine() {
    let places = ["/wor\u{6b}/", "/roo\u{74}/"];
    let mut found = Vec::new();
    for file in files().iter().filter(|file| !file.is_this()) {
        for (number, line) in numbered(&file.text) {
            if places.iter().any(|place| line.contains(place)) {
                found.push(format!("{}:{number}: {}", file.name(), line.trim()));
            }
        }
    }
    none_of(&found, "no path of a particular machine");
}

#[test]
fn every_dependency_has_its_reason() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.path.file_name().is_some_and(|name| name == "Cargo.toml")) {
        let mut among_dependencies = false;
        for (number, line) in numbered(&file.text) {
            if line.starts_with('[') {
                among_dependencies = line.trim_end().ends_with("dependencies]");
            } else if among_dependencies && line.contains('=') && !line.contains('#') {
                found.push(format!("{}:{number}: {}", file.name(), line.trim()));
            }
        }
    }
    none_of(&found, "each dependency has its reason beside it");
}
