//! The canonical form of a request, of which a signature is made:
//!
//! ```text
//! method ⏎ path ⏎ query ⏎ (name ":" value ⏎)* ⏎ names of the signed headers ⏎ hex of the body's SHA-256
//! ```
//!
//! The parameters of the query are sorted and percent-encoded as AWS does; runs of spaces in values of headers count as one.

use std::borrow::Cow;

use hyper::http::request::Parts;
use ring::digest::Digest;

use super::Claim;

/// The parameter that a signature is in, and that it is not of.
const SIGNATURE: &str = "X-Amz-Signature";

/// A request's canonical form. Only requests of the path `/` come here.
pub(super) fn request(head: &Parts, claim: &Claim<'_>, body: &Digest) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(head.method.as_str());
    text.push_str("\n/\n");
    if let Some(query) = head.uri.query() {
        push_query(&mut text, query);
    }
    text.push('\n');
    for name in claim.signed_headers.split(';') {
        text.push_str(name);
        text.push(':');
        let mut separator = "";
        for value in head.headers.get_all(name) {
            text.push_str(separator);
            push_value(&mut text, value.as_bytes());
            separator = ",";
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&claim.signed_headers);
    text.push('\n');
    push_hex(&mut text, body.as_ref());
    text
}

/// A header's value, trimmed, with one space for several.
fn push_value(text: &mut String, value: &[u8]) {
    // What is no UTF-8 signs to something that no client could have meant.
    let value = String::from_utf8_lossy(value);
    let mut separator = "";
    for word in value.split([' ', '\t']).filter(|word| !word.is_empty()) {
        text.push_str(separator);
        text.push_str(word);
        separator = " ";
    }
}

/// The parameters of a query, decoded.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn push_query(text: &mut String, query: &str) {
    let mut all: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| name != SIGNATURE)
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    all.sort();
    for (at, (name, value)) in all.iter().enumerate() {
        if at > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
}

/// Without percent signs. What follows one that is not two hexadecimal digits stays as it is.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = tail;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// With percent signs for all but letters, digits and `-._~`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            push_digits(&mut encoded, byte, b"0123456789ABCDEF");
        }
    }
    encoded
}

/// Appends bytes in hexadecimal.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        push_digits(text, byte, b"0123456789abcdef");
    }
}

fn push_digits(text: &mut String, byte: u8, digits: &[u8; 16]) {
    for nibble in [byte >> 4, byte & 15] {
        text.push(char::from(digits[usize::from(nibble)]));
    }
}

/// 32 bytes in hexadecimal.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_encoded() {
        let canonical = |query: &str| {
            let mut text = String::new();
            push_query(&mut text, query);
            text
        };
        assert_eq!(canonical("b=2&a=1&X-Amz-Signature=0&&a=0"), "a=0&a=1&b=2");
        assert_eq!(canonical("Param=a%2fb%20c&x&y=%zz%4"), "Param=a%2Fb%20c&x=&y=%25zz%254");
        assert_eq!(canonical("%E1%88%B4=bar~"), "%E1%88%B4=bar~");
    }

    #[test]
    fn hexadecimal_of_32_bytes() {
        assert_eq!(unhex(&"0f".repeat(32)), Some([15; 32]));
        for bad in ["", "0", &"0f".repeat(31), &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(unhex(bad), None);
        }
    }
}
