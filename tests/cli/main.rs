//! The command line, as a user meets it: the binary itself, on a real disk.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod documents;
mod serve;
mod tables;
mod tools;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, with an environment that says nothing but that there is no table API, of which there can be only one.
fn siltstone() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siltstone"));
    for (name, _) in std::env::vars() {
        if name.starts_with("SILTSTONE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).env("SILTSTONE_TABLE_PORT", "0");
    command
}

/// Runs the binary to its end.
fn run(arguments: &[&str]) -> Output {
    siltstone().args(arguments).output().expect("the binary runs")
}

/// What a run that must succeed printed.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("the output is text")
}

/// The exit code and what was said on standard error.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it was not killed"), errors)
}

/// The JSON that a run printed.
fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&printed(arguments)).expect("the output is one JSON value")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A server that is killed when dropped.
struct Server {
    child: Child,
    address: String,
    /// Where the table API is, if it was asked for.
    tables: String,
}

impl Server {
    /// Starts one on a free port and waits until it says where it listens.
    #[expect(clippy::zombie_processes, reason = "where it does not start, the test ends")]
    fn start(dir: &Path, more: &[&str]) -> Self {
        let mut child = siltstone()
            .args(["serve", "--port", "0", "--memory", "64MiB", "--dir", text(dir)])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        loop {
            line.clear();
            assert!(log.read_line(&mut line).expect("the log is text") > 0, "the server ended");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let mut addresses = rest.split([',', ' ', '\n']).filter(|word| !word.is_empty());
                let address = addresses.next().expect("an address").to_owned();
                let tables = addresses.next().unwrap_or_default().to_owned();
                // Nobody reads the rest; a full pipe must not stop the server.
                std::thread::Builder::new()
                    .spawn(move || {
                        let _ = std::io::copy(&mut log, &mut std::io::sink());
                    })
                    .expect("a thread starts");
                return Self { child, address, tables };
            }
        }
    }

    /// Sends inline commands and returns as many bytes as expected come back.
    fn ask(&self, commands: &str, expected: &str) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(commands.as_bytes()).expect("it reads");
        let mut reply = vec![0; expected.len()];
        stream.read_exact(&mut reply).expect("it answers");
        assert_eq!(String::from_utf8_lossy(&reply), expected, "{commands}");
    }

    /// Asks it to end, and waits until it has.
    fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(killed.success());
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
