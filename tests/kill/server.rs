//! The server as a process of its own, and a client of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The server's process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_siltstone"))
            .args([
                "serve",
                "--bind",
                "127.0.0.1",
                "--memory",
                "64MiB",
                "--fsync",
                "always",
                "--table-port",
                "0",
            ])
            .args(["--port", &port.to_string(), "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// Connects, once the server answers.
    pub(crate) fn connect(&mut self) -> Client {
        let start = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.set_nodelay(true).unwrap();
                let mut client = Client { write: stream.try_clone().unwrap(), read: BufReader::new(stream) };
                if client.send(&command(&[b"PING"])).is_ok()
                    && client.reply() == Some(Reply::Status("PONG".into()))
                {
                    return client;
                }
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server does not open the store: {status}");
            }
            assert!(start.elapsed() < Duration::from_mins(1), "the server does not answer");
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Checks all checkpoints that pass for one; how many.
pub(crate) fn verify_checkpoints(dir: &Path) -> usize {
    let all = std::fs::read_dir(dir.join("checkpoints")).into_iter().flatten();
    let whole = all.map(|entry| entry.unwrap().path()).filter(|path| path.join("CURRENT").exists());
    let verify = |path: &PathBuf| {
        let verify =
            Command::new(env!("CARGO_BIN_EXE_siltstone")).args(["verify", "--dir"]).arg(path).output();
        let verify = verify.unwrap();
        assert!(verify.status.success(), "{}: {verify:?}", path.display());
    };
    whole.inspect(verify).count()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Option<Vec<u8>>),
    Array(Vec<Reply>),
}

impl Reply {
    /// Whether it, or a part of it, is an error.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            Self::Array(all) => all.iter().find_map(Self::error),
            _ => None,
        }
    }

    fn tell(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status(text) | Self::Error(text) => out.extend_from_slice(text.as_bytes()),
            Self::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Self::Bulk(None) => out.extend_from_slice(b"nil"),
            Self::Bulk(Some(bytes)) => out.extend_from_slice(bytes),
            Self::Array(all) => return all.iter().for_each(|reply| reply.tell(out)),
        }
        out.push(b' ');
    }
}

pub(crate) struct Client {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

pub(crate) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes)
    }

    /// The next reply; `None` if the connection is gone.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let mut line = String::new();
        if self.read.read_line(&mut line).ok()? == 0 || !line.ends_with("\r\n") {
            return None;
        }
        let (kind, rest) = line.trim_end().split_at(1);
        Some(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse().unwrap()),
            "$" => {
                let Ok(len) = rest.parse::<usize>() else { return Some(Reply::Bulk(None)) };
                let mut bulk = vec![0; len + 2];
                self.read.read_exact(&mut bulk).ok()?;
                bulk.truncate(len);
                Reply::Bulk(Some(bulk))
            }
            "*" => {
                let len = rest.parse().unwrap_or(0);
                Reply::Array((0..len).map(|_| self.reply()).collect::<Option<_>>()?)
            }
            _ => panic!("not a reply: {line}"),
        })
    }

    /// What some commands answer, as text.
    pub(crate) fn ask(&mut self, commands: &[Vec<u8>]) -> Vec<u8> {
        self.send(&commands.concat()).unwrap();
        let mut told = Vec::new();
        for _ in commands {
            let reply = self.reply().expect("an answer");
            reply.tell(&mut told);
        }
        told
    }
}
