//! The body of a request: read as it comes, inflated if it is compressed, and never larger than it may be.
//!
//! No memory is taken for what is only declared: not for a `Content-Length`, nor for what a few compressed bytes claim to
//! become.

use std::future::poll_fn;
use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::CONTENT_ENCODING;

use super::reserved::Reserved;
use crate::dynamo::error::{Kind, Refusal};
use crate::redis::instance::Instance;

/// The largest body, also once it is inflated.
const BYTES_MAX: usize = 16 << 20;
/// Room for one piece of what is inflated.
const PIECE_BYTES: usize = 16 << 10;
/// The largest compressed body that is inflated on the event loop. Such a one becomes a megabyte at the most.
const INFLATED_HERE_MAX: usize = 1 << 10;

/// The content of a body, and the memory reserved for it.
pub(super) struct Content {
    pub(super) bytes: Bytes,
    reserved: Reserved,
}

/// Why there is no body.
pub(super) enum Failure {
    /// The client is told so.
    Refused(Refusal),
    /// It went away.
    Gone,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Collects pieces.
struct Pieces {
    content: Vec<u8>,
    reserved: Reserved,
}

impl Pieces {
    fn new(instance: &Arc<Instance>) -> Self {
        Self { content: Vec::new(), reserved: Reserved::none(instance) }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let len = self.content.len() + piece.len();
        if len > BYTES_MAX {
            return Err(too_large());
        }
        let capacity = self.content.capacity();
        if len > capacity {
            let wanted = len.max(capacity * 2).min(BYTES_MAX);
            // While it moves both are there.
            self.reserved.grow(capacity + wanted)?;
            self.content.reserve_exact(wanted - self.content.len());
        }
        self.content.extend_from_slice(piece);
        Ok(())
    }

    fn done(self) -> Content {
        Content { bytes: self.content.into(), reserved: self.reserved }
    }
}

fn too_large() -> Refusal {
    Refusal::new(Kind::RequestTooLarge, format!("Request size exceeded {BYTES_MAX} bytes"))
}

/// Reads a body as it was sent.
pub(super) async fn read(instance: &Arc<Instance>, mut body: Incoming) -> Result<Content, Failure> {
    if body.size_hint().lower() > BYTES_MAX as u64 {
        return Err(too_large().into());
    }
    let mut pieces = Pieces::new(instance);
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(frame) = frame else { return Ok(pieces.done()) };
        let frame = frame.map_err(|_| Failure::Gone)?;
        let Ok(piece) = frame.into_data() else { continue };
        if pieces.content.is_empty() && body.is_end_stream() {
            // All of it, in what was read from the socket.
            return Ok(Content { bytes: piece, reserved: pieces.reserved });
        }
        pieces.push(&piece)?;
    }
}

/// What a body is once what its head says was done to it is undone.
pub(super) async fn decode(
    instance: &Arc<Instance>,
    headers: &HeaderMap,
    content: Content,
) -> Result<Content, Refusal> {
    let Some(encoding) = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii()) else {
        return Ok(content);
    };
    if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
        return Ok(content);
    }
    if !encoding.eq_ignore_ascii_case(b"gzip") {
        return Err(Refusal::new(
            Kind::Serialization,
            "The only Content-Encoding that is understood is gzip",
        ));
    }
    let pieces = Pieces::new(instance);
    if content.bytes.len() <= INFLATED_HERE_MAX {
        return inflate(&content, pieces);
    }
    let inflated = tokio::task::spawn_blocking(move || inflate(&content, pieces)).await;
    inflated.unwrap_or_else(|_| Err(Refusal::new(Kind::Internal, "The request could not be inflated")))
}

fn inflate(content: &Content, mut pieces: Pieces) -> Result<Content, Refusal> {
    let mut decoder = MultiGzDecoder::new(&content.bytes[..]);
    let mut piece = [0; PIECE_BYTES];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(pieces.done()),
            Ok(bytes) => pieces.push(piece.get(..bytes).unwrap_or_default())?,
            Err(_) => return Err(Refusal::new(Kind::Serialization, "The body is not what gzip makes")),
        }
    }
}

impl Content {
    /// Reserves room for what is made of it: values take more than their text.
    pub(super) fn reserve_parsed(&mut self) -> Result<(), Refusal> {
        self.reserved.grow(parsed_bytes(&self.bytes))
    }
}

/// What a map takes that has a member, and what a value does besides its text.
const MAP_BYTES: usize = 640;
const VALUE_BYTES: usize = 64;

/// About how many bytes of memory JSON takes once it is parsed: a small map weighs a hundred times its text.
fn parsed_bytes(json: &[u8]) -> usize {
    let mut bytes = json.len() * 4;
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_text(after),
            b'{' => bytes += MAP_BYTES,
            b',' | b'[' => bytes += VALUE_BYTES,
            _ => {}
        }
    }
    bytes
}

/// What follows a text whose first quote was read. Most of a body is inside of texts, so they are leapt over.
fn after_text(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let is_end = rest.get(at) == Some(&b'"');
        // A backslash takes the byte after it along.
        let after = if is_end { at + 1 } else { at + 2 };
        rest = rest.get(after..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_weighs_more_than_its_text() {
        let maps = b"{\"L\":[{\"N\":\"1\"},{\"N\":\"1\"}]}";
        assert_eq!(parsed_bytes(maps), maps.len() * 4 + 3 * MAP_BYTES + 2 * VALUE_BYTES);
        for text in [&br#""{{{[,\\""#[..], br#""\"{{""#, br#""{{\"#, br#""{{"#] {
            assert_eq!(parsed_bytes(text), text.len() * 4, "{}", String::from_utf8_lossy(text));
        }
        let after = br#"{"\\":["\"",1]}"#;
        assert_eq!(parsed_bytes(after), after.len() * 4 + MAP_BYTES + 2 * VALUE_BYTES);
    }
}
