//! Ziplists: what listpacks were before Redis 7. They are only read.
//!
//! ```text
//! ziplist := bytes of all (u32, LE) ‖ where the last entry is (u32, LE) ‖ entries (u16, LE; 65535: unknown) ‖ entry* ‖ 0xFF
//! entry   := how long the one before is: 1 byte, or 0xFE ‖ u32, LE ‖ what it holds
//! holds   := 00LLLLLL ‖ string | 01LLLLLL LLLLLLLL ‖ string | 0x80 ‖ length (u32, BE) ‖ string
//!          | 0xC0 ‖ 2 bytes | 0xD0 ‖ 4 | 0xE0 ‖ 8 | 0xF0 ‖ 3 | 0xFE ‖ 1           an integer, LE
//!          | 0xF1 … 0xFD                                                         an integer from 0 to 12
//! ```

use std::borrow::Cow;

use super::super::error::Result;
use super::bad;
use super::bytes::Reader;

const END: u8 = 0xFF;
const HEADER_BYTES: usize = 10;
/// This count stands for one that does not fit.
const UNCOUNTED: u16 = u16::MAX;

/// The entries of a ziplist, which must be whole and sound.
pub(super) fn entries(ziplist: &[u8]) -> Result<Vec<Cow<'_, [u8]>>> {
    let mut reader = Reader::new(ziplist);
    let total = u32::from_le_bytes(reader.chunk()?);
    let last = u32::from_le_bytes(reader.chunk()?) as usize;
    let count = u16::from_le_bytes(reader.chunk()?);
    let body = match ziplist.get(HEADER_BYTES..) {
        Some([body @ .., END]) if total as usize == ziplist.len() => body,
        _ => return Err(bad()),
    };
    let mut reader = Reader::new(body);
    let mut entries = Vec::with_capacity(usize::from(count).min(body.len() / 2));
    let (mut at, mut before) = (HEADER_BYTES, 0);
    while !reader.is_done() {
        let left = reader.left();
        let said = match reader.byte()? {
            0xFE => u32::from_le_bytes(reader.chunk()?) as usize,
            END => return Err(bad()),
            short => usize::from(short),
        };
        if said != before {
            return Err(bad());
        }
        entries.push(held(&mut reader)?);
        at += before;
        before = left - reader.left();
    }
    if at != last || (count != UNCOUNTED && usize::from(count) != entries.len()) {
        return Err(bad());
    }
    Ok(entries)
}

fn held<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>> {
    let digits = |n: i64| Ok(Cow::Owned(n.to_string().into_bytes()));
    let first = reader.byte()?;
    let len = match first {
        0..=0x3F => usize::from(first),
        0x40..=0x7F => usize::from(first & 0x3F) << 8 | usize::from(reader.byte()?),
        0x80 => u32::from_be_bytes(reader.chunk()?) as usize,
        0xC0 => return digits(i16::from_le_bytes(reader.chunk()?).into()),
        0xD0 => return digits(i32::from_le_bytes(reader.chunk()?).into()),
        0xE0 => return digits(i64::from_le_bytes(reader.chunk()?)),
        0xF0 => {
            let [a, b, c] = reader.chunk()?;
            return digits(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8));
        }
        0xFE => return digits(i64::from(reader.byte()? as i8)),
        0xF1..=0xFD => return digits(i64::from(first & 0x0F) - 1),
        _ => return Err(bad()),
    };
    Ok(Cow::Borrowed(reader.take(len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_6_wrote_is_read() {
        // RPUSH list a 1 -5 300 70000 -9000000000 bb
        let body = b"\x00\x01a\x03\xf2\x02\xfe\xfb\x03\xc0\x2c\x01\x04\xf0\x70\x11\x01\x05\xe0\x00\xe6\x8e\xe7\xfd\xff\xff\xff\x0a\x02bb";
        let mut ziplist = Vec::new();
        let total = HEADER_BYTES + body.len() + 1;
        ziplist.extend_from_slice(&(total as u32).to_le_bytes());
        ziplist.extend_from_slice(&((total - 1 - 4) as u32).to_le_bytes());
        ziplist.extend_from_slice(&7_u16.to_le_bytes());
        ziplist.extend_from_slice(body);
        ziplist.push(END);
        let read = entries(&ziplist).unwrap();
        let read: Vec<&str> = read.iter().map(|entry| std::str::from_utf8(entry).unwrap()).collect();
        assert_eq!(read, ["a", "1", "-5", "300", "70000", "-9000000000", "bb"]);
        for end in 0..ziplist.len() {
            assert!(entries(&ziplist[..end]).is_err());
        }
        let mut wrong = ziplist.clone();
        wrong[HEADER_BYTES + 3] = 4;
        assert!(entries(&wrong).is_err());
    }
}
