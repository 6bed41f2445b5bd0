//! FUNCTION DUMP and RESTORE: all libraries in one payload, as Redis writes and reads it.
//!
//! ```text
//! payload := (245 ‖ string) …  ‖ version (2 bytes, little-endian) ‖ CRC-64 of all before it (8 bytes, little-endian)
//! string  := length ‖ text | 0xC3 ‖ length compressed ‖ length ‖ LZF
//! length  := 00 + 6 bits | 01 + 14 bits | 0x80 ‖ 32 bits, big-endian
//! ```

use std::sync::Arc;

use super::super::super::command::Call;
use super::super::super::error::{Error, Result};
use super::super::super::protocol::reply::Reply;
use super::libraries::Set;
use super::library::{Library, metadata};
use super::load::new_library;
use super::too_many;
use crate::store::{Reads, Txn};

/// The version of Redis 7.0's payloads, which later ones read too.
const VERSION: u16 = 10;
/// The newest version whose payloads look like this.
const VERSION_MAX: u16 = 11;
const LIBRARY: u8 = 245;
/// What release candidates of 7.0 wrote.
const OLD_LIBRARY: u8 = 246;
const LZF: u8 = 0xC3;

/// FUNCTION DUMP.
pub(super) fn dump(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut out = Vec::new();
    for library in call.instance.scripting.libraries.seen(reads)?.all() {
        out.push(LIBRARY);
        match library.code.len() {
            len @ 0..64 => out.push(len as u8),
            len @ 64..0x4000 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
            len => {
                out.push(0x80);
                out.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
        out.extend_from_slice(&library.code);
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&crc64(&out).to_le_bytes());
    reply.bulk(&out);
    Ok(())
}

/// FUNCTION RESTORE.
pub(super) fn restore(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() > 4 {
        return Err(too_many(call));
    }
    let policy = |name: &str| call.is(3, name);
    if call.len() == 4 && !policy("append") && !policy("replace") && !policy("flush") {
        return Err(Error::text(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    }
    let body =
        verify(call.get(2)).ok_or_else(|| Error::text("ERR DUMP payload version or checksum are wrong"))?;
    let mut restored = Set::default();
    for library in libraries(call, body)? {
        if restored.get(&library.name).is_some() {
            let name = String::from_utf8_lossy(&library.name);
            return Err(Error::text(format!("ERR Library '{name}' already exists")));
        }
        restored.add(Arc::new(library))?;
    }
    let all = &call.instance.scripting.libraries;
    let mut set = if policy("flush") { Set::default() } else { Set::clone(&*all.seen(txn)?) };
    for library in restored.all() {
        if set.get(&library.name).is_some() && !policy("replace") {
            let name = String::from_utf8_lossy(&library.name);
            return Err(Error::text(format!("ERR Library {name} already exists")));
        }
        set.remove(&library.name);
    }
    for library in restored.all() {
        set.add(library.clone())?;
    }
    all.stage(txn, set)?;
    reply.ok();
    Ok(())
}

/// A payload without its end, if that is right.
fn verify(payload: &[u8]) -> Option<&[u8]> {
    let (rest, checksum) = payload.split_last_chunk::<8>()?;
    let (body, version) = rest.split_last_chunk::<2>()?;
    // Redis writes no checksum where it was told not to compute any.
    let checksum = u64::from_le_bytes(*checksum);
    let sound = u16::from_le_bytes(*version) <= VERSION_MAX && (checksum == 0 || checksum == crc64(rest));
    sound.then_some(body)
}

fn libraries(call: &Call<'_>, mut body: &[u8]) -> Result<Vec<Library>> {
    let mut found = Vec::new();
    while let Some((&kind, rest)) = body.split_first() {
        match kind {
            LIBRARY => {}
            OLD_LIBRARY => {
                return Err(Error::text("ERR Pre-release function format not supported."));
            }
            _ => return Err(Error::text("ERR given type is not a function")),
        }
        let limit = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
        let (code, rest) =
            string(rest, limit).ok_or_else(|| Error::text("ERR Failed loading library data"))?;
        let (name, skip) = metadata(&code)?;
        found.push(new_library(call, name, &code, skip, None)?);
        body = rest;
    }
    Ok(found)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..0x40 => Some((usize::from(first), rest)),
        0x40..0x80 => {
            let (&low, rest) = rest.split_first()?;
            Some((usize::from(first & 0x3F) << 8 | usize::from(low), rest))
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            Some((u32::from_be_bytes(*len) as usize, rest))
        }
        _ => None,
    }
}

fn string(bytes: &[u8], bytes_max: usize) -> Option<(Vec<u8>, &[u8])> {
    if bytes.first() != Some(&LZF) {
        let (len, rest) = length(bytes)?;
        let (text, rest) = rest.split_at_checked(len)?;
        return Some((text.to_vec(), rest));
    }
    let (packed, rest) = length(bytes.get(1..)?)?;
    let (len, rest) = length(rest)?;
    let (packed, rest) = rest.split_at_checked(packed)?;
    let text = if len <= bytes_max { unpack(packed, len)? } else { return None };
    Some((text, rest))
}

/// Undoes LZF (Marc Lehmann): runs of bytes, and references to what was just written.
fn unpack(mut packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((&control, rest)) = packed.split_first() {
        packed = rest;
        let control = usize::from(control);
        if control < 32 {
            let (run, rest) = packed.split_at_checked(control + 1)?;
            out.extend_from_slice(run);
            packed = rest;
        } else {
            let mut take = || {
                let (&byte, rest) = packed.split_first()?;
                packed = rest;
                Some(usize::from(byte))
            };
            let mut copied = control >> 5;
            if copied == 7 {
                copied += take()?;
            }
            let back = ((control & 31) << 8 | take()?) + 1;
            let from = out.len().checked_sub(back)?;
            for at in from..from + copied + 2 {
                let byte = *out.get(at)?;
                out.push(byte);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// CRC-64 of Redis: the polynomial of Jones, bits reflected.
fn crc64(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;
    bytes.iter().fold(0, |crc: u64, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
    }

    #[test]
    fn strings_come_plain_and_compressed() {
        assert_eq!(string(b"\x03abcd", 10), Some((b"abc".to_vec(), &b"d"[..])));
        // Four a's: one as it is, then three from one back.
        assert_eq!(string(b"\xC3\x04\x04\x00a\x20\x00", 10), Some((b"aaaa".to_vec(), &b""[..])));
        assert_eq!(string(b"\xC3\x04\x04\x00a\x20\x01", 10), None);
        assert_eq!(string(b"\xC3\x04\x04\x00a\x20\x00", 3), None);
        assert_eq!(string(b"\x05abcd", 10), None);
    }

    #[test]
    fn a_payload_must_end_rightly() {
        let mut payload = b"x".to_vec();
        payload.extend_from_slice(&VERSION.to_le_bytes());
        payload.extend_from_slice(&crc64(&payload).to_le_bytes());
        assert_eq!(verify(&payload), Some(&b"x"[..]));
        payload[0] = b'y';
        assert_eq!(verify(&payload), None);
        assert_eq!(verify(b"short"), None);
    }
}
