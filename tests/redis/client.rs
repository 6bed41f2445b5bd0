//! A client that takes its time: blocking, one reply at a time, showing replies as people read them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    /// Array, set, push or map, by its marker; a map's pairs one after the other.
    Many(u8, Vec<Value>),
    /// Double, boolean, big number: as written.
    Other(u8, String),
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        // A test that would hang fails instead.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Waits until something has come.
    pub(crate) fn wait(&mut self) {
        assert!(!self.reader.fill_buf().unwrap().is_empty());
    }

    /// Sends a command, and waits for its reply.
    pub(crate) fn command(&mut self, words: &[&str]) -> Value {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.send(&encode(&words));
        self.read().expect("a reply")
    }

    /// A command's reply as text.
    pub(crate) fn show(&mut self, words: &[&str]) -> String {
        self.command(words).show()
    }

    /// The next reply; `None` at the end of the connection.
    pub(crate) fn read(&mut self) -> Option<Value> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("reading a reply: {error}"),
        }
        let text = String::from_utf8_lossy(&line[1..]).trim_end().to_owned();
        Some(match line[0] {
            b'+' => Value::Simple(text),
            b'-' => Value::Error(text),
            b':' => Value::Int(text.parse().unwrap()),
            b'_' => Value::Nil,
            b'$' | b'=' => match text.parse::<i64>().unwrap() {
                -1 => Value::Nil,
                n => {
                    let mut bytes = vec![0; n as usize + 2];
                    self.reader.read_exact(&mut bytes).unwrap();
                    bytes.truncate(n as usize);
                    Value::Bulk(bytes)
                }
            },
            marker @ (b'*' | b'~' | b'>' | b'%') => match text.parse::<i64>().unwrap() {
                -1 => Value::Nil,
                n => {
                    let n = if marker == b'%' { 2 * n } else { n };
                    Value::Many(marker, (0..n).map(|_| self.read().expect("a whole reply")).collect())
                }
            },
            marker => Value::Other(marker, text),
        })
    }
}

/// A command as clients send it.
pub(crate) fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

impl Value {
    /// As redis-cli shows it, but for the marks of RESP3's types.
    pub(crate) fn show(&self) -> String {
        let mut out = String::new();
        self.show_at(0, &mut out);
        out
    }

    fn show_at(&self, depth: usize, out: &mut String) {
        let _ = match self {
            Self::Simple(text) => write!(out, "{text}"),
            Self::Error(text) => write!(out, "(error) {text}"),
            Self::Int(n) => write!(out, "(integer) {n}"),
            Self::Bulk(bytes) => write!(out, "\"{}\"", bytes.escape_ascii()),
            Self::Nil => write!(out, "(nil)"),
            Self::Other(marker, text) => write!(out, "({}) {text}", *marker as char),
            Self::Many(marker, values) => {
                let _ = write!(out, "{}{}", *marker as char, values.len());
                for value in values {
                    let _ = write!(out, "\n{}", "  ".repeat(depth + 1));
                    value.show_at(depth + 1, out);
                }
                Ok(())
            }
        };
    }
}
