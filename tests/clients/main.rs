//! Applications as people write them, with the client libraries that they use, against the server's binary. Each of them
//! goes on while the server is killed and started again, knows itself what has to come out, and gives up after a minute.
//!
//! `tests/clients/install.sh` fetches the libraries of Python and Node; what is not there is skipped.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test panics when it is surprised")]
#![expect(clippy::disallowed_methods, reason = "the server is a process, and clients are threads")]

mod leaderboard;
mod scripts;
mod streams;
mod tables;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// How long an application may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// In a server's directory, its data.
const DATA: &str = "data";

/// In a server's directory, who may use its tables; whoever is on this machine if it is not there.
const CREDENTIALS: &str = "credentials";

/// A server of its own for each application; killed when dropped.
struct Server {
    child: Child,
    port: u16,
    tls_port: u16,
    table_port: u16,
    dir: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::in_directory(tempfile::tempdir().unwrap())
    }

    /// One whose tables are only for who signs with a key of this credentials file.
    fn with_credentials(content: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CREDENTIALS), content).unwrap();
        Self::in_directory(dir)
    }

    fn in_directory(dir: TempDir) -> Self {
        let [port, tls_port, table_port] = [free_port(), free_port(), free_port()];
        certify(&dir.path().join(DATA).join("tls"));
        Self { child: serve([port, tls_port, table_port], &dir), port, tls_port, table_port, dir }
    }

    /// The certificate that clients have to trust.
    fn certificate(&self) -> PathBuf {
        self.dir.path().join(DATA).join("tls/cert.pem")
    }

    /// `kill -9`, and another one over what is on the disk.
    fn kill_and_restart(&mut self) {
        self.kill();
        self.child = serve([self.port, self.tls_port, self.table_port], &self.dir);
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(("127.0.0.1", self.port)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has and no connection is given by chance while the server is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = id().wrapping_mul(16) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A certificate that vouches for itself.
fn certify(dir: &Path) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("cert.pem"), own.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), own.signing_key.serialize_pem()).unwrap();
}

/// Starts a server, and waits until it serves.
fn serve(ports: [u16; 3], dir: &TempDir) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siltstone"));
    command.args(["serve", "--bind", "127.0.0.1", "--memory", "64MiB", "--dir"]).arg(dir.path().join(DATA));
    for (flag, port) in ["--port", "--tls-port", "--table-port"].into_iter().zip(ports) {
        command.args([flag, &port.to_string()]);
    }
    let credentials = dir.path().join(CREDENTIALS);
    if credentials.exists() {
        command.arg("--table-credentials").arg(credentials);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server does not start");
    }
    // Nobody wants to read the rest, unless something is wrong.
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok).filter(|line| !line.contains(" INFO ")) {
            eprintln!("{line}");
        }
    });
    child
}
