//! A client that sends what it is told and reads replies by the letter.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a request needs to be carried out where nobody is told from anybody else.
pub(crate) const UNVERIFIED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=a/20260524/r/dynamodb/aws4_request, \
                                     SignedHeaders=host, Signature=b\r\nX-Amz-Date: 20260524T010203Z\r\n";
pub(crate) const LIST_TABLES: &str = "X-Amz-Target: DynamoDB_20120810.ListTables\r\n";

/// A request with more headers.
pub(crate) fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n{headers}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A body of so many bytes that says nothing.
pub(crate) fn padded(bytes: usize) -> Vec<u8> {
    [&b" ".repeat(bytes - 2)[..], b"{}"].concat()
}

/// A request for all tables.
pub(crate) fn list_tables() -> Vec<u8> {
    request(&format!("{LIST_TABLES}{UNVERIFIED}"), b"{}")
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The status, the type of the exception without what it is of, and its message.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let text =
            |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let kind = text("__type").rsplit('#').next().unwrap_or_default().to_owned();
        (self.status, kind, text("message"))
    }
}

/// One end of a connection, plain or not.
pub(crate) trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

pub(crate) struct Client(BufReader<Box<dyn Wire>>);

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    // A test that would hang fails instead.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(connect(address))
    }

    pub(crate) fn over(wire: impl Wire + 'static) -> Self {
        Self(BufReader::new(Box::new(wire)))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let wire = self.0.get_mut();
        wire.write_all(bytes).unwrap();
        wire.flush().unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        let wire = self.0.get_mut();
        wire.write_all(bytes).is_ok()
    }

    pub(crate) fn ask(&mut self, bytes: &[u8]) -> Reply {
        self.send(bytes);
        self.read().expect("a reply")
    }

    /// The next reply; `None` if the connection has ended. Its checksum is good if it has one.
    pub(crate) fn read(&mut self) -> Option<Reply> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "");
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body = vec![0; length];
        self.0.read_exact(&mut reply.body).ok()?;
        if let Some(checksum) = reply.header("x-amz-crc32") {
            assert_eq!(checksum, crc32fast::hash(&reply.body).to_string());
        }
        Some(reply)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end_matches("\r\n").to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply comes"),
            Err(_) => None,
        }
    }

    /// Nothing more comes.
    pub(crate) fn ends(&mut self) {
        if let Some(reply) = self.read() {
            panic!("{reply:?}");
        }
    }
}
