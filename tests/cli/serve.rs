//! `serve`: settings from three places, and a clear word where one is wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

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

#[test]
#[expect(clippy::disallowed_methods, reason = "a settings file on the real disk")]
fn parameters_of_redis_stand_in_the_file_and_outlive_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.toml");
    let start = || Server::start(&dir.path().join("data"), &["--config", text(&file)]);
    std::fs::write(&file, "loglevel = \"info\"\n\n# ours\n[redis]\ntxn-rollback = true # all or nothing\n")
        .unwrap();
    let server = start();
    server.ask(
        "CONFIG GET txn-rollback\r\nCONFIG SET timeout 7 proto-max-bulk-len 2mb maxclients 50\r\nCONFIG REWRITE\r\n",
        "*2\r\n$12\r\ntxn-rollback\r\n$3\r\nyes\r\n+OK\r\n+OK\r\n",
    );
    drop(server);
    let data = text(dir.path()).to_owned() + "/data";
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        format!(
            "loglevel = \"info\"\ndir = \"{data}\"\nport = 0\ntable-port = 0\nmemory = \"64MiB\"\nmaxclients = 50\n\n# ours\n\
             [redis]\ntxn-rollback = true # all or nothing\nproto-max-bulk-len = 2097152\ntimeout = 7\n"
        )
    );
    let server = start();
    server.ask("CONFIG GET timeout\r\n", "*2\r\n$7\r\ntimeout\r\n$1\r\n7\r\n");
    drop(server);
    for (content, says) in [
        ("timeout = 7\n", ":1: `timeout` is a parameter of Redis: write it below a line [redis]"),
        ("[redis]\n\ntxn-rollback = 1\n", ":3: txn-rollback: argument must be 'yes' or 'no'"),
    ] {
        std::fs::write(&file, content).unwrap();
        let (code, said) = refused(&["serve", "--config", text(&file)]);
        assert_eq!((code, said.trim()), (2, format!("siltstone: {}{says}", text(&file)).as_str()));
    }
}

#[test]
fn tls_that_cannot_be_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let start = |more: &[&str]| refused(&[&["serve", "--dir", text(dir.path())], more].concat());
    let (code, said) = start(&["--tls-port", "1"]);
    let missing = dir.path().join("tls/cert.pem");
    assert_eq!(
        (code, said.lines().last()),
        (
            2,
            Some(&*format!(
                "siltstone: TLS: {} cannot be read: No such file or directory (os error 2)",
                text(&missing)
            ))
        )
    );
    let other = Server::start(&dir.path().join("other"), &[]);
    let port = other.address.rsplit(':').next().unwrap();
    let (code, said) = start(&["--port", port]);
    assert_eq!((code, said.contains("Address already in use")), (1, true), "{said}");
}

/// What the table API says to who signs with this key id and does not know its secret.
fn refusal(server: &Server, id: &str) -> String {
    // The machine's own clock is what counts.
    let date = Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().unwrap().stdout;
    let date = String::from_utf8(date).unwrap().trim().to_owned();
    let mut stream = TcpStream::connect(&server.tables).unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\nX-Amz-Date: {date}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={id}/{}/r/dynamodb/aws4_request, SignedHeaders=host, \
         Signature=0\r\n\r\n",
        &date[..8]
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (_, kind) = reply.split_once("service#").unwrap_or(("", &reply));
    kind.split('"').next().unwrap_or_default().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a credentials file on the real disk")]
fn write_credentials(file: &Path, id: &str) {
    std::fs::write(file, format!("[a]\naws_access_key_id={id}\naws_secret_access_key=s\n")).unwrap();
}

#[test]
fn who_may_use_tables_is_read_again_on_hangup() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write_credentials(&file, "OLD");
    let more = ["--table-port", "auto", "--table-credentials", text(&file)];
    let server = Server::start(&dir.path().join("data"), &more);
    let (known, stranger) = ("InvalidSignatureException", "UnrecognizedClientException");
    assert_eq!((refusal(&server, "OLD").as_str(), refusal(&server, "NEW").as_str()), (known, stranger));
    write_credentials(&file, "NEW");
    let hangup = Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    while refusal(&server, "NEW") != known {}
    assert_eq!(refusal(&server, "OLD"), stranger);
    // What cannot be changes nothing.
    write_credentials(&file, "");
    assert!(Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status().unwrap().success());
    assert_eq!(refusal(&server, "NEW"), known);
    assert!(server.stop());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a settings file on the real disk")]
fn a_table_api_that_cannot_be_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--table-port", "auto"]);
    let start = |more: &[&str]| {
        let dir = dir.path().join("other");
        refused(&[&["serve", "--port", "0", "--dir", text(&dir)], more].concat())
    };
    let port = server.tables.rsplit(':').next().unwrap();
    let (code, said) = start(&["--table-port", port]);
    let taken = "Address already in use (os error 98); --table-port 0 turns the table API off, and another number moves it";
    assert_eq!(
        (code, said.lines().last()),
        (1, Some(format!("siltstone: listening on 127.0.0.1:{port}: {taken}").as_str()))
    );
    let (code, said) = start(&["--table-port", "eight"]);
    let wrong = "siltstone: --table-port: `eight` is neither a port from 0 to 65535 nor auto";
    assert_eq!((code, said.trim()), (2, wrong));
    let (code, said) = start(&["--table-credentials", "missing"]);
    let missing =
        "siltstone: table-credentials: missing cannot be read: No such file or directory (os error 2)";
    assert_eq!((code, said.lines().last()), (2, Some(missing)));
    let file = dir.path().join("s.toml");
    std::fs::write(&file, "[tables]\nitem-bytes-max = 0\n").unwrap();
    let (code, said) = start(&["--config", text(&file)]);
    let wrong = format!("siltstone: {}:2: item-bytes-max: `0` is too small; the least is 1", text(&file));
    assert_eq!((code, said.trim()), (2, wrong.as_str()));
}
