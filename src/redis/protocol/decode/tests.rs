//! Decoding: Redis's texts, and that a stream means the same however it is cut.

use proptest::prelude::*;

use super::*;

/// Decodes all of a stream that is fed in the given pieces: each request's words, then how it ended.
fn run(pieces: &[&[u8]], limits: &Limits) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut decoder = Decoder::default();
    let (mut input, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&input, limits) {
                Ok(Step::More) => break,
                Ok(Step::Nothing(n)) => drop(input.drain(..n)),
                Ok(Step::Request(n)) => {
                    requests.push(decoder.args(&input).from(0).map(<[u8]>::to_vec).collect());
                    input.drain(..n);
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn whole(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    run(&[bytes], &Limits::default())
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|w| w.as_bytes().to_vec()).collect()
}

#[test]
fn requests_follow_each_other() {
    let (requests, error) =
        whole(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\n  set  k v \n*1\r\n$4\r\nPI");
    assert_eq!(requests, [words("GET k"), words("PING"), words("set k v")]);
    assert_eq!(error, None);
}

#[test]
fn quotes_and_escapes_of_inline_requests() {
    let (requests, error) = whole(b"set \"a \\x41\\n\\\"\" 'it\\'s' \"\"\r\n");
    assert_eq!(requests, [vec![b"set".to_vec(), b"a A\n\"".to_vec(), b"it's".to_vec(), b"".to_vec()]]);
    assert_eq!(error, None);
    for bad in ["set \"abc\r\n", "set 'abc\r\n", "set \"a\"b\r\n", "set 'a'b\r\n"] {
        assert_eq!(whole(bad.as_bytes()).1, Some(ProtocolError::Quotes), "{bad}");
    }
}

#[test]
fn hostile_streams_are_told_why() {
    let cases: [(&str, &str); 9] = [
        ("*abc\r\n", "invalid multibulk length"),
        ("*1048577\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\r\nGET\r\n", "expected '$', got 'G'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n\r\n", "expected '$', got '\r'"),
        ("*3\r\n$400000000\r\n", ""),
    ];
    for (stream, text) in cases {
        let told = whole(stream.as_bytes()).1.map_or(String::new(), |e| e.to_string());
        assert!(told.ends_with(text), "{stream}: {told}");
        assert_eq!(told.is_empty(), text.is_empty(), "{stream}: {told}");
    }
    let long = vec![b'1'; LINE_BYTES_MAX + 2];
    assert_eq!(whole(&[b"*", &long[..]].concat()).1, Some(ProtocolError::LongCount));
    assert_eq!(whole(&[b"*1\r\n$", &long[..]].concat()).1, Some(ProtocolError::LongLength));
    assert_eq!(whole(&long).1, Some(ProtocolError::LongInline));
    let huge = b"*3\r\n$400000000\r\n".to_vec();
    let narrow = Limits { request_bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(run(&[&huge], &narrow).1, Some(ProtocolError::Large));
}

#[test]
fn a_stranger_may_send_little() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    assert_eq!(run(&[b"*11\r\n"], &limits).1, Some(ProtocolError::UnauthenticatedCount));
    assert_eq!(run(&[b"*2\r\n$16385\r\n"], &limits).1, Some(ProtocolError::UnauthenticatedLength));
    assert_eq!(run(&[b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"], &limits).0, [words("AUTH x")]);
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut decoder = Decoder::default();
    let input = b"*1048576\r\n$536870912\r\nabc";
    assert_eq!(decoder.decode(input, &Limits::default()), Ok(Step::More));
    assert_eq!(decoder.spans.capacity(), 0);
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let bulk = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        4 => prop::collection::vec(bulk, 0..5).prop_map(|words| {
            let mut out = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                out.extend_from_slice(&word);
                out.extend_from_slice(b"\r\n");
            }
            out
        }),
        2 => "[a-z \"'\\\\]{0,20}\r?\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => "[*$0-9\r\n-]{0,12}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn split_feed_equals_whole(requests in prop::collection::vec(request(), 0..8), cuts in prop::collection::vec(1..9_usize, 1..40)) {
        let stream = requests.concat();
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        let mut cut = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(whole(&stream), run(&pieces, &Limits::default()));
    }
}
