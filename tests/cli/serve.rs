//! `serve`: settings from three places, and a clear word where one is wrong.

use crate::{Server, refused, siltstone, text};

#[test]
fn a_key_outlives_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]);
    server.ask("SET greeting hello\r\nGET greeting\r\n", "+OK\r\n$5\r\nhello\r\n");
    assert!(server.stop(), "it ends with 0");
    let server = Server::start(&data, &["--fsync", "everysec"]);
    server.ask("GET greeting\r\n", "$5\r\nhello\r\n");
}

#[test]
fn a_killed_server_has_lost_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let server = Server::start(dir.path(), &[]);
        let before = if round == 0 { "$-1\r\n".to_owned() } else { format!("$1\r\n{}\r\n", round - 1) };
        server.ask("GET round\r\n", &before);
        server.ask(&format!("SET round {round}\r\n"), "+OK\r\n");
        drop(server);
    }
}

#[test]
fn a_bad_setting_is_named_with_its_place() {
    let (code, said) = refused(&["serve", "--port", "99999"]);
    assert_eq!((code, said.trim()), (2, "siltstone: --port: `99999` is not a port from 0 to 65535"));
    let output = siltstone().args(["serve"]).env("SILTSTONE_FSYNC", "often").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.trim(),
        "siltstone: environment SILTSTONE_FSYNC: `often` is none of always, everysec, never"
    );
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (code, said) = refused(&["serve", "--config", manifest]);
    assert_eq!(code, 2);
    assert!(said.contains("Cargo.toml:1: "), "{said}");
    let (code, said) = refused(&["serve", "--config", "missing.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("missing.toml"), "{said}");
    let (code, said) = refused(&["serve", "--no-such-flag"]);
    assert_eq!(code, 2);
    assert!(said.contains("--no-such-flag"), "{said}");
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let (code, said) = refused(&["serve", "--port", "0", "--dir", text(dir.path())]);
    assert_eq!(code, 1);
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    server.ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn strangers_files_are_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_siltstone"), dir.path().join("holiday.jpg")).unwrap();
    let (code, said) = refused(&["serve", "--port", "0", "--dir", text(dir.path())]);
    assert_eq!(code, 1);
    assert!(said.contains("holiday.jpg"), "{said}");
}
