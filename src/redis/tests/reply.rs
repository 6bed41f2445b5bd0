//! Replies, as a client reads them.

use std::fmt;

/// A reply in RESP2.
#[derive(Clone, PartialEq)]
pub(super) enum Reply {
    Status(String),
    /// With its first word alone.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self::Status("OK".into())
    }

    pub(super) fn error(word: &str) -> Self {
        Self::Error(word.into())
    }

    pub(super) fn bulk(text: impl AsRef<[u8]>) -> Self {
        Self::Bulk(text.as_ref().to_vec())
    }

    pub(super) fn count(n: usize) -> Self {
        Self::Int(n as i64)
    }

    pub(super) fn bulks<T: AsRef<[u8]>>(all: impl IntoIterator<Item = T>) -> Self {
        Self::Array(all.into_iter().map(Self::bulk).collect())
    }

    /// The replies that some output consists of.
    pub(super) fn read_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            all.push(Self::read(&mut bytes));
        }
        all
    }

    fn read(bytes: &mut &[u8]) -> Self {
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        let text = String::from_utf8(bytes[1..end].to_vec()).unwrap();
        let marker = bytes[0];
        *bytes = &bytes[end + 2..];
        match marker {
            b'+' => Self::Status(text),
            b'-' => Self::Error(text.split(' ').next().unwrap().to_owned()),
            b':' => Self::Int(text.parse().unwrap()),
            b'$' | b'*' if text == "-1" => Self::Nil,
            b'$' => {
                let len: usize = text.parse().unwrap();
                let (value, rest) = bytes.split_at(len);
                *bytes = &rest[2..];
                Self::Bulk(value.to_vec())
            }
            b'*' => Self::Array((0..text.parse().unwrap()).map(|_| Self::read(bytes)).collect()),
            other => panic!("{}", other as char),
        }
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    pub(super) fn int(&self) -> i64 {
        let Self::Int(n) = self else { panic!("{self:?} is no integer") };
        *n
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self::Bulk(bytes) = self else { panic!("{self:?} is no string") };
        bytes.clone()
    }

    pub(super) fn array(&self) -> &[Self] {
        let Self::Array(all) = self else { panic!("{self:?} is no array") };
        all
    }

    /// What a name stands for in an array of names and values.
    pub(super) fn named(&self, name: &str) -> &Self {
        let mut pairs = self.array().chunks(2);
        let pair = pairs.find(|pair| pair[0] == Self::bulk(name));
        &pair.unwrap_or_else(|| panic!("there is no {name} in {self:?}"))[1]
    }

    /// An array of strings.
    pub(super) fn all_bytes(&self) -> Vec<Vec<u8>> {
        self.array().iter().map(Self::bytes).collect()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) | Self::Error(text) => write!(f, "{text}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Bulk(bytes) if bytes.len() > 40 => {
                write!(f, "\"{}…\" ({} bytes)", bytes[..30].escape_ascii(), bytes.len())
            }
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Nil => write!(f, "nil"),
            Self::Array(all) => f.debug_list().entries(all).finish(),
        }
    }
}
