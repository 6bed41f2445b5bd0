//! Replies: their headers as AWS's, their bodies compressed where the client likes that.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, SERVER,
};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode, Version};

use crate::random::Random;

/// Bodies that are smaller are sent as they are.
const COMPRESSED_MIN: usize = 1 << 10;
/// Bodies that are larger are compressed on the blocking pool.
const COMPRESSED_HERE_MAX: usize = 64 << 10;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");

/// The body of a reply, in one piece.
pub(super) struct Content(Bytes);

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let content = std::mem::take(&mut self.0);
        Poll::Ready((!content.is_empty()).then(|| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// What to say to a request.
pub(super) struct Reply {
    response: Response<Content>,
}

impl Reply {
    /// With this body, of this type. The checksum is of the bytes on the wire: SDKs look at it before they inflate.
    pub(super) fn new(
        request: &Parts,
        random: &mut Random,
        status: u16,
        content_type: HeaderValue,
        content: Bytes,
    ) -> Self {
        let checksum = crc32fast::hash(&content);
        let mut reply = Self::bare(request, random, status, content);
        let headers = reply.response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CRC32, checksum.into());
        reply
    }

    fn bare(request: &Parts, random: &mut Random, status: u16, content: Bytes) -> Self {
        let mut response = Response::new(Content(content));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("Server"));
        headers.insert(REQUEST_ID, request_id(random));
        if request.version == Version::HTTP_11 && !closes(&request.headers) {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        }
        if request.headers.contains_key(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-amzn-RequestId,x-amz-crc32"),
            );
        }
        Self { response }
    }

    /// To a browser that asks whether it may ask.
    pub(super) fn preflight(request: &Parts, random: &mut Random) -> Self {
        let mut reply = Self::bare(request, random, 200, Bytes::new());
        let headers = reply.response.headers_mut();
        for (asked, allowed) in [
            (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
            (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        ] {
            if let Some(value) = request.headers.get(asked) {
                headers.insert(allowed, value.clone());
            }
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
        reply
    }

    /// Says that the body is compressed.
    pub(super) fn gzipped(mut self) -> Self {
        self.response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        self
    }

    /// The connection ends with it.
    pub(super) fn last(mut self) -> Self {
        self.response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    pub(super) fn into_response(self) -> Response<Content> {
        self.response
    }
}

/// Whether the client wants the connection to end.
fn closes(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| has_token(value, b"close"))
}

/// Whether a list has this word, whatever parameters it has.
fn has_token(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().split(|&byte| byte == b',').any(|item| {
        let word = item.split(|&byte| byte == b';').next().unwrap_or_default();
        word.trim_ascii().eq_ignore_ascii_case(token) && !item.ends_with(b"q=0")
    })
}

/// 52 letters and digits, as AWS makes them.
fn request_id(random: &mut Random) -> HeaderValue {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    /// Of 5 bits each in a random number.
    const IN_ONE: usize = 12;
    let mut id = [0; 52];
    for chunk in id.chunks_mut(IN_ONE) {
        let mut bits = random.next_u64();
        for digit in chunk {
            *digit = DIGITS[(bits % 32) as usize];
            bits >>= 5;
        }
    }
    // Such bytes are always good.
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static(""))
}

/// The body compressed, if the client takes that and it is worth it; and whether it is.
pub(super) async fn encode(request: &Parts, body: Vec<u8>) -> (Vec<u8>, bool) {
    let is_wanted = request.headers.get_all(ACCEPT_ENCODING).iter().any(|value| has_token(value, b"gzip"));
    if !is_wanted || body.len() < COMPRESSED_MIN {
        return (body, false);
    }
    if body.len() <= COMPRESSED_HERE_MAX {
        return compress(body);
    }
    // It only fails where the server ends.
    tokio::task::spawn_blocking(|| compress(body)).await.unwrap_or_default()
}

fn compress(body: Vec<u8>) -> (Vec<u8>, bool) {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(compressed) => (compressed, true),
        Err(_) => (body, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_list() {
        let has = |list: &'static str| has_token(&HeaderValue::from_static(list), b"gzip");
        assert!(has("gzip") && has("deflate, GZIP;q=0.5") && has("identity,gzip"));
        assert!(!has("") && !has("identity") && !has("gzip;q=0") && !has("gzipped"));
    }

    #[test]
    fn ids_look_like_those_of_aws() {
        let mut random = Random::seeded(1);
        let id = request_id(&mut random);
        let text = id.to_str().unwrap();
        assert_eq!(text.len(), 52);
        assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{text}");
        assert_ne!(id, request_id(&mut random));
    }
}
