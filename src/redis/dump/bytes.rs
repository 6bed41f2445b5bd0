//! Lengths and strings, as all values are made of them.
//!
//! ```text
//! length := 00LLLLLL | 01LLLLLL LLLLLLLL | 0x80 ‖ 4 bytes, BE | 0x81 ‖ 8 bytes, BE
//! string := length ‖ bytes
//!         | 0xC0 ‖ i8 | 0xC1 ‖ i16, LE | 0xC2 ‖ i32, LE         an integer's digits
//!         | 0xC3 ‖ length compressed ‖ length ‖ LZF
//! ```

use std::borrow::Cow;

use super::super::error::{Error, Result};
use super::super::number;
use super::{FOOTER_BYTES, bad, checksum, lzf};

/// The longest packed collection is this part of the longest string, between these bounds. Redis packs some kilobytes.
const PACKED_PART: u64 = 16;
const PACKED_BYTES_MIN: u64 = 64 << 10;
const PACKED_BYTES_MAX: u64 = 16 << 20;

/// A value's bytes, from the left.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes more may be unpacked.
    unpacks: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, unpacks: u64::MAX }
    }

    /// The same, of which so many bytes may be unpacked in all: what is larger could not be committed.
    pub(super) fn unpacking(rest: &'a [u8], most: u64) -> Self {
        Self { rest, unpacks: most }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(bad)?;
        self.rest = rest;
        Ok(taken)
    }

    /// As many bytes as there are in an array.
    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or_else(bad)?;
        self.rest = rest;
        Ok(*chunk)
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Result<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// A length or count. Nothing says that so much follows.
    pub(super) fn length(&mut self) -> Result<u64> {
        let first = self.byte()?;
        match (first >> 6, first & 0x3F) {
            (0, low) => Ok(low.into()),
            (1, high) => Ok(u64::from(high) << 8 | u64::from(self.byte()?)),
            (2, 0) => Ok(u32::from_be_bytes(self.chunk()?).into()),
            (2, 1) => Ok(u64::from_be_bytes(self.chunk()?)),
            _ => Err(bad()),
        }
    }

    /// A string into which a collection is packed, whose elements take many times its bytes.
    pub(super) fn packed(&mut self, most: u64) -> Result<Cow<'a, [u8]>> {
        let most = (most / PACKED_PART).clamp(PACKED_BYTES_MIN, PACKED_BYTES_MAX);
        let packed = self.string(most)?;
        if packed.len() as u64 > most { Err(bad()) } else { Ok(packed) }
    }

    /// A string of at most `most` bytes.
    pub(super) fn string(&mut self, most: u64) -> Result<Cow<'a, [u8]>> {
        let digits = |n: i64| Ok(Cow::Owned(n.to_string().into_bytes()));
        match self.rest.first() {
            Some(0xC0) => {
                let [_, n] = self.chunk::<2>()?;
                digits(i64::from(n as i8))
            }
            Some(0xC1) => {
                self.byte()?;
                digits(i16::from_le_bytes(self.chunk()?).into())
            }
            Some(0xC2) => {
                self.byte()?;
                digits(i32::from_le_bytes(self.chunk()?).into())
            }
            Some(0xC3) => {
                self.byte()?;
                let (compressed, len) = (self.length()?, self.length()?);
                if len > most {
                    return Err(bad());
                }
                self.unpacks = self.unpacks.checked_sub(len).ok_or_else(bad)?;
                let compressed = self.take(usize::try_from(compressed).map_err(|_| bad())?)?;
                let len = usize::try_from(len).map_err(|_| bad())?;
                Ok(Cow::Owned(lzf::decompress(compressed, len).ok_or_else(bad)?))
            }
            _ => {
                let len = self.length()?;
                Ok(Cow::Borrowed(self.take(usize::try_from(len).map_err(|_| bad())?)?))
            }
        }
    }
}

fn too_large() -> Error {
    Error::text("ERR the value is larger than the memory budget permits")
}

/// A payload that is being written.
pub(super) struct Writer {
    out: Vec<u8>,
    most: usize,
    version: u16,
}

impl Writer {
    /// One of at most so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { out: Vec::new(), most, version: 10 }
    }

    /// Says that only this version and later ones know what is written.
    pub(super) fn needs_version(&mut self, version: u16) {
        self.version = self.version.max(version);
    }

    /// Fails if so many bytes more are more than there may be: before memory is taken for them.
    pub(super) fn check_room(&self, bytes: u64) -> Result {
        if bytes.saturating_add(self.out.len() as u64) > self.most as u64 { Err(too_large()) } else { Ok(()) }
    }

    /// Whether there is more than there may be, so that it is no use to go on.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() > self.most
    }

    /// How much has been written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// A length at a place where it was not known yet.
    pub(super) fn insert_length(&mut self, at: usize, n: u64) {
        let from = self.out.len();
        self.length(n);
        let len = self.out.len() - from;
        if let Some(tail) = self.out.get_mut(at..) {
            tail.rotate_right(len);
        }
    }

    /// One byte.
    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A length or count.
    pub(super) fn length(&mut self, n: u64) {
        if n < 1 << 6 {
            self.out.push(n as u8);
        } else if n < 1 << 14 {
            self.out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]);
        } else if let Ok(n) = u32::try_from(n) {
            self.out.push(0x80);
            self.out.extend_from_slice(&n.to_be_bytes());
        } else {
            self.out.push(0x81);
            self.out.extend_from_slice(&n.to_be_bytes());
        }
    }

    /// A string; the digits of a small integer as that integer.
    pub(super) fn string(&mut self, bytes: &[u8]) {
        // What has 11 digits and a sign is too large.
        let n = if bytes.len() <= 11 { number::parse_i64(bytes) } else { None };
        let small = n.and_then(|n| i32::try_from(n).ok());
        match small {
            Some(n) if i8::try_from(n).is_ok() => self.out.extend_from_slice(&[0xC0, n as u8]),
            Some(n) if i16::try_from(n).is_ok() => {
                self.out.push(0xC1);
                self.out.extend_from_slice(&(n as i16).to_le_bytes());
            }
            Some(n) => {
                self.out.push(0xC2);
                self.out.extend_from_slice(&n.to_le_bytes());
            }
            None => {
                self.length(bytes.len() as u64);
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// The payload with its footer.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        if self.is_full() {
            return Err(too_large());
        }
        self.out.reserve(FOOTER_BYTES);
        self.out.extend_from_slice(&self.version.to_le_bytes());
        let sum = checksum::crc64(&self.out);
        self.out.extend_from_slice(&sum.to_le_bytes());
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_strings_come_back() {
        let lengths = [0, 63, 64, 16383, 16384, u64::from(u32::MAX), 1 << 40];
        let strings =
            ["", "a", "0", "-128", "127", "128", "-32768", "65536", "2147483647", "-2147483649", "007"];
        let mut writer = Writer::new(usize::MAX);
        for n in lengths {
            writer.length(n);
        }
        for text in strings {
            writer.string(text.as_bytes());
        }
        let payload = writer.finish().unwrap();
        let mut reader = Reader::new(super::super::opened(&payload).unwrap());
        for n in lengths {
            assert_eq!(reader.length().unwrap(), n);
        }
        for text in strings {
            assert_eq!(&*reader.string(100).unwrap(), text.as_bytes());
        }
        assert!(reader.is_done());
    }

    #[test]
    fn what_is_declared_is_not_believed() {
        for bytes in
            [&b""[..], b"\x05abcd", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc3\x01\x82", b"\xc4"]
        {
            assert!(Reader::new(bytes).string(1 << 20).is_err(), "{bytes:?}");
        }
        assert!(Reader::new(b"\xc3\x03\x80\x7f\xff\xff\xff\x00a\x00").string(1 << 20).is_err());
    }
}
