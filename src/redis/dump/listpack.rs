//! Listpacks: a few strings and integers packed into one string, to be walked in both directions.
//!
//! ```text
//! listpack := bytes of all (u32, LE) ‖ entries (u16, LE; 65535: unknown) ‖ entry* ‖ 0xFF
//! entry    := 0nnnnnnn | 110nnnnn nnnnnnnn                                an integer of 7 bits, or of 13 with its sign
//!           | 0xF1 ‖ 2 bytes | 0xF2 ‖ 3 | 0xF3 ‖ 4 | 0xF4 ‖ 8             an integer, LE
//!           | 10LLLLLL ‖ string | 1110LLLL LLLLLLLL ‖ string | 0xF0 ‖ length (u32, LE) ‖ string
//!           , then how long that was: 7 bits a byte, high ones first, all but the first byte with their top bit set
//! ```

use std::borrow::Cow;

use super::super::error::Result;
use super::super::number;
use super::bad;
use super::bytes::Reader;

const END: u8 = 0xFF;
const HEADER_BYTES: usize = 6;
/// This count stands for one that does not fit.
const UNCOUNTED: u16 = u16::MAX;

/// The entries of a listpack, which must be whole and sound.
pub(super) fn entries(listpack: &[u8]) -> Result<Vec<Cow<'_, [u8]>>> {
    let mut reader = Reader::new(listpack);
    let total = u32::from_le_bytes(reader.chunk()?);
    let count = u16::from_le_bytes(reader.chunk()?);
    let body = match listpack.get(HEADER_BYTES..) {
        Some([body @ .., END]) if total as usize == listpack.len() => body,
        _ => return Err(bad()),
    };
    let mut reader = Reader::new(body);
    // Each takes two bytes at least, so that this is at most what has come.
    let mut entries = Vec::with_capacity(usize::from(count).min(body.len() / 2));
    while !reader.is_done() {
        entries.push(entry(&mut reader)?);
    }
    if count != UNCOUNTED && usize::from(count) != entries.len() {
        return Err(bad());
    }
    Ok(entries)
}

fn entry<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>> {
    let digits = |n: i64| Cow::Owned(n.to_string().into_bytes());
    let first = reader.byte()?;
    let (entry, bytes) = match first {
        0..=0x7F => (digits(first.into()), 1),
        0x80..=0xBF => {
            let len = usize::from(first & 0x3F);
            (Cow::Borrowed(reader.take(len)?), 1 + len)
        }
        0xC0..=0xDF => {
            let n = u16::from(first & 0x1F) << 8 | u16::from(reader.byte()?);
            // The sign is the 13th bit.
            (digits(i64::from((n << 3) as i16 >> 3)), 2)
        }
        0xE0..=0xEF => {
            let len = usize::from(first & 0x0F) << 8 | usize::from(reader.byte()?);
            (Cow::Borrowed(reader.take(len)?), 2 + len)
        }
        0xF0 => {
            let len = u32::from_le_bytes(reader.chunk()?) as usize;
            (Cow::Borrowed(reader.take(len)?), 5 + len)
        }
        0xF1 => (digits(i16::from_le_bytes(reader.chunk()?).into()), 3),
        0xF2 => {
            let [a, b, c] = reader.chunk()?;
            (digits(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4)
        }
        0xF3 => (digits(i32::from_le_bytes(reader.chunk()?).into()), 5),
        0xF4 => (digits(i64::from_le_bytes(reader.chunk()?)), 9),
        0xF5..=0xFF => return Err(bad()),
    };
    let back = back(bytes);
    if reader.take(back.len())? != back.as_slice() {
        return Err(bad());
    }
    Ok(entry)
}

/// How long an entry was, for who comes from the right.
fn back(bytes: usize) -> Vec<u8> {
    // Redis's bounds, of which the upper ones are one less than would fit.
    let len = match bytes {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let septet = |i: usize| (bytes >> (7 * i)) as u8 & 0x7F | if i + 1 < len { 0x80 } else { 0 };
    (0..len).rev().map(septet).collect()
}

/// A listpack that is being written.
pub(super) struct Builder {
    out: Vec<u8>,
    count: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { out: vec![0; HEADER_BYTES], count: 0 }
    }

    /// Whether nothing has been appended.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How long it is so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Appends a string; the digits of an integer as that integer.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let from = self.out.len();
        match number::parse_i64(bytes) {
            Some(n) => self.integer(n),
            None => self.string(bytes),
        }
        let back = back(self.out.len() - from);
        self.out.extend_from_slice(&back);
        self.count += 1;
    }

    fn integer(&mut self, n: i64) {
        let bytes = n.to_le_bytes();
        let (mark, len) = match n {
            0..=127 => return self.out.push(n as u8),
            -4096..=4095 => {
                return self.out.extend_from_slice(&[0xC0 | (n >> 8) as u8 & 0x1F, n as u8]);
            }
            -32_768..=32_767 => (0xF1, 2),
            -8_388_608..=8_388_607 => (0xF2, 3),
            -2_147_483_648..=2_147_483_647 => (0xF3, 4),
            _ => (0xF4, 8),
        };
        self.out.push(mark);
        self.out.extend(bytes.into_iter().take(len));
    }

    fn string(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        match len {
            0..=0x3F => self.out.push(0x80 | len as u8),
            0x40..=0xFFF => self.out.extend_from_slice(&[0xE0 | (len >> 8) as u8, len as u8]),
            _ => {
                self.out.push(0xF0);
                self.out.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.out.extend_from_slice(bytes);
    }

    /// The listpack.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push(END);
        let total = (self.out.len() as u32).to_le_bytes();
        let count = u16::try_from(self.count).unwrap_or(UNCOUNTED).to_le_bytes();
        for (to, from) in self.out.iter_mut().zip(total.into_iter().chain(count)) {
            *to = from;
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_size_come_back() {
        let strings = [0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16_380, 70_000].map(|len| "x".repeat(len));
        let numbers = [
            0,
            127,
            128,
            4095,
            -4096,
            4096,
            -4097,
            32_767,
            -32_768,
            8_388_607,
            -8_388_608,
            1 << 30,
            -1 << 31,
            1 << 40,
            i64::MIN,
            i64::MAX,
        ];
        let all: Vec<String> = strings.into_iter().chain(numbers.map(|n| n.to_string())).collect();
        let mut builder = Builder::new();
        for entry in &all {
            builder.push(entry.as_bytes());
        }
        let listpack = builder.finish();
        let back: Vec<_> = entries(&listpack).unwrap();
        assert!(back.iter().map(|entry| &entry[..]).eq(all.iter().map(String::as_bytes)));
        for end in 0..listpack.len() {
            assert!(entries(&listpack[..end]).is_err());
        }
    }

    #[test]
    fn strange_listpacks_are_refused() {
        for bytes in [
            &b"\x07\0\0\0\0\0"[..],
            b"\x08\0\0\0\0\0\xff",
            b"\x07\0\0\0\x01\0\xff",
            b"\x09\0\0\0\x01\0\x05\x02\xff",
            b"\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\x05\xff",
        ] {
            assert!(entries(bytes).is_err(), "{bytes:?}");
        }
        assert!(entries(b"\x09\0\0\0\xff\xff\x05\x01\xff").is_ok());
    }
}
