//! Applications in other languages. One says `kill` when it has got half way, is told `back` when that is over, whether it
//! listens or goes on meanwhile, and is right if it ends with 0.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{PATIENCE, Server, tables};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients");

/// Runs one to its end, with a server that is killed when it asks for that.
fn run(mut command: Command, name: &str, mut server: Server) {
    let mut application = command
        .args([server.port.to_string(), PATIENCE.as_secs().to_string()])
        .env("TLS_PORT", server.tls_port.to_string())
        .env("TLS_CERT", server.certificate())
        .envs(tables::environment(&server))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let mut kills = 0;
    for line in BufReader::new(application.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if line == "kill" {
            server.kill_and_restart();
            kills += 1;
            // It may have ended by now.
            let _ = writeln!(application.stdin.as_ref().unwrap(), "back");
        } else {
            println!("{name}: {line}");
        }
    }
    let status = application.wait().unwrap();
    assert!(status.success() && kills > 0, "{name} ended with {status} after {kills} kills");
}

/// Whether a language's libraries are there.
fn is_installed(language: &str) -> bool {
    let is_there = Path::new(INSTALLED).join(language).join("installed").exists();
    if !is_there {
        // Past what the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no libraries for {language}; tests/clients/install.sh fetches them"
        );
    }
    is_there
}

pub(crate) fn python(name: &str) {
    python_with(name, Server::start);
}

pub(crate) fn python_with(name: &str, start: fn() -> Server) {
    if is_installed("python") {
        let mut command = Command::new(format!("{INSTALLED}/python/bin/python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(format!("{HERE}/python/{name}"));
        run(command, name, start());
    }
}

pub(crate) fn node(name: &str) {
    if is_installed("node") {
        let mut command = Command::new("node");
        command
            .env("NODE_NO_WARNINGS", "1")
            .env("NODE_PATH", format!("{INSTALLED}/node/node_modules"))
            .arg(format!("{HERE}/node/{name}"));
        run(command, name, Server::start());
    }
}

#[test]
fn a_queue_of_rq_does_every_job_once() {
    python("queue_of_jobs.py");
}

#[test]
fn a_site_in_python_limits_rates_and_keeps_sessions() {
    python("site_with_sessions.py");
}

#[test]
fn a_queue_of_bullmq_does_every_job_once() {
    node("queue_of_jobs.cjs");
}

#[test]
fn a_chat_in_node_hears_all_that_is_said() {
    node("chat.cjs");
}
