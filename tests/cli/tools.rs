//! The tools, on a store that a server made.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::{Server, json, printed, refused, text};

/// A store with a few keys, some in tables and some in the log.
fn store(dir: &Path) {
    let server = Server::start(dir, &[]);
    server.ask("SET one 1\r\nSET two 2\r\nDEL one\r\n", "+OK\r\n+OK\r\n:1\r\n");
    assert!(server.stop());
    let server = Server::start(dir, &[]);
    server.ask("SET three 333\r\n", "+OK\r\n");
}

#[test]
fn a_sound_store_is_called_sound() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let dir = text(dir.path());
    let found = json(&["verify", "--dir", dir, "--json"]);
    assert_eq!(found["sound"], true, "{found}");
    assert!(printed(&["verify", "--dir", dir]).contains("0 problems"));
}

#[test]
fn keys_are_found_and_it_is_said_why() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let dir = text(dir.path());
    let two = json(&["inspect", "key", "two", "--dir", dir, "--json"]);
    assert_eq!(two["exists"], true, "{two}");
    let one = json(&["inspect", "key", "one", "--dir", dir, "--json"]);
    assert_eq!(one["exists"], false, "{one}");
    let never = printed(&["inspect", "key", "never", "--dir", dir]);
    assert!(never.contains("is not there"), "{never}");
    let (code, said) = refused(&["inspect", "key", "two", "--db", "99", "--dir", dir]);
    assert_eq!(code, 1);
    assert!(said.contains("no database 99"), "{said}");
}

#[test]
fn levels_lead_to_tables_and_tables_to_blocks() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    let dir = text(dir.path());
    let levels = json(&["inspect", "levels", "--dir", dir, "--json"]);
    let tables =
        levels["levels"].as_array().unwrap().iter().flat_map(|level| level["tables"].as_array().unwrap());
    let mut seen = 0;
    for table in tables {
        let number = table["table"].to_string();
        let shown = json(&["inspect", "table", &number, "--dir", dir, "--json"]);
        for block in shown["blocks"].as_array().unwrap() {
            let place = format!("{number}@{}", block["offset"]);
            let shown = json(&["inspect", "block", &place, "--dir", dir, "--json"]);
            assert_eq!(shown["kind"], block["kind"]);
            seen += 1;
        }
        printed(&["inspect", "table", &number, "--dir", dir]);
    }
    assert!(seen > 3, "a clean end leaves a table");
    let (code, said) = refused(&["inspect", "table", "999999", "--dir", dir]);
    assert_eq!(code, 1);
    assert!(said.contains("no table 999999"), "{said}");
    printed(&["inspect", "levels", "--dir", dir]);
    printed(&["inspect", "manifest", "--dir", dir]);
    printed(&["inspect", "wal", "--records", "--dir", dir]);
    assert!(!json(&["inspect", "manifest", "--dir", dir, "--json"])["edits"].as_array().unwrap().is_empty());
    assert!(json(&["inspect", "wal", "--dir", dir, "--json"])["logs"].is_array());
}

#[test]
fn looking_is_possible_beside_a_server_and_changing_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    server.ask("SET key value\r\n", "+OK\r\n");
    let data = text(dir.path());
    assert_eq!(json(&["verify", "--dir", data, "--json"])["sound"], true);
    assert_eq!(json(&["inspect", "key", "key", "--dir", data, "--json"])["exists"], true);
    let (code, said) = refused(&["compact", "--dir", data]);
    assert_eq!(code, 1);
    assert!(said.contains("in use by another process"), "{said}");
    server.ask("GET key\r\n", "$5\r\nvalue\r\n");
}

#[test]
fn a_backup_of_a_running_server_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, again) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
    let server = Server::start(&data, &[]);
    server.ask("SET key before\r\nACL SETUSER a on nopass\r\nACL SAVE\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    printed(&["backup", "--dir", text(&data), "--to", text(&copy)]);
    server.ask("SET key after\r\n", "+OK\r\n");
    printed(&["restore", "--from", text(&copy), "--dir", text(&again)]);
    let restored = Server::start(&again, &[]);
    restored.ask("GET key\r\nACL USERS\r\n", "$6\r\nbefore\r\n*2\r\n$1\r\na\r\n$7\r\ndefault\r\n");
    assert_eq!(
        json(&["verify", "--dir", text(&copy), "--json"])["unnamed"].as_array().map(Vec::len),
        Some(0)
    );
    let (code, said) = refused(&["restore", "--from", text(&copy), "--dir", text(&data)]);
    assert_eq!(code, 1);
    assert!(said.contains("is not empty"), "{said}");
}

#[test]
fn a_flipped_bit_is_found_and_keeps_a_backup_from_being_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("a"), dir.path().join("b"));
    store(&data);
    printed(&["backup", "--dir", text(&data), "--to", text(&copy)]);
    let table = copy.read_dir().unwrap().flatten().map(|entry| entry.path());
    let table = table.into_iter().find(|path| path.extension().is_some_and(|end| end == "tbl")).unwrap();
    flip_a_bit(&table, 10);
    let (code, _) = refused(&["verify", "--dir", text(&copy)]);
    assert_eq!(code, 1);
    let (code, said) = refused(&["restore", "--from", text(&copy), "--dir", text(&dir.path().join("c"))]);
    assert_eq!(code, 1);
    assert!(said.contains("is damaged"), "{said}");
    assert!(!dir.path().join("c").exists());
}

#[expect(clippy::disallowed_methods, reason = "damages a file behind the store's back")]
fn flip_a_bit(path: &Path, offset: u64) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.read_exact(&mut byte).unwrap();
    byte[0] ^= 4;
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&byte).unwrap();
}

#[test]
fn compacting_keeps_every_key() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path());
    assert!(printed(&["compact", "--dir", text(dir.path())]).contains("compacted"));
    let server = Server::start(dir.path(), &[]);
    server.ask("GET one\r\nGET two\r\nGET three\r\n", "$-1\r\n$1\r\n2\r\n$3\r\n333\r\n");
}

#[test]
fn a_missing_store_is_an_error_in_one_line() {
    for command in [vec!["verify"], vec!["compact"], vec!["inspect", "levels"]] {
        let mut arguments = command.clone();
        arguments.extend(["--dir", "no-such-directory"]);
        let (code, said) = refused(&arguments);
        assert_eq!(code, 1, "{command:?}: {said}");
        assert!(said.contains("no-such-directory"), "{command:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{command:?}: {said}");
        assert!(!Path::new("no-such-directory").exists(), "{command:?} made it");
    }
}
