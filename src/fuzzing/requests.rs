//! Requests: RESP however it is cut.

use crate::redis::protocol::decode::{Decoder, Limits, ProtocolError, Step};

/// The requests in a stream, and how it ended.
type Decoded = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// A stream: what comes out does not depend on how it is cut, and no more is held than has arrived.
pub fn resp(input: &[u8]) {
    let Some((&mode, stream)) = input.split_first() else { return };
    let limits = Limits { authenticated: mode & 1 == 1, ..Limits::default() };
    let whole = decode(stream, &limits, stream.len().max(1));
    for cut in [1, 2, 3, usize::from(mode >> 1) + 1] {
        assert_eq!(decode(stream, &limits, cut), whole, "cut into pieces of {cut}");
    }
}

fn decode(stream: &[u8], limits: &Limits, cut: usize) -> Decoded {
    let mut decoder = Decoder::default();
    let mut requests = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        match decoder.decode(&stream[start..end], limits) {
            Err(error) => return (requests, Some(error)),
            Ok(Step::Request(len)) => {
                assert!(len > 0 && start + len <= end);
                let args = decoder.args(&stream[start..start + len]);
                requests.push((0..args.len()).map(|i| args.get(i).to_vec()).collect());
                start += len;
            }
            Ok(Step::Nothing(len)) => {
                assert!(len > 0 && start + len <= end);
                start += len;
            }
            Ok(Step::More) if end == stream.len() => return (requests, None),
            Ok(Step::More) => {
                let _ = decoder.wanted(end - start);
                end = (end + cut).min(stream.len());
            }
        }
    }
}

/// Streams to begin with.
pub(super) fn resp_seeds() -> Vec<Vec<u8>> {
    [
        &b"\x01*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*1\r\n$4\r\nPING\r\n"[..],
        b"\x01PING\r\nset \"a b\" 'c\\'d' \"\\x41\\n\"\r\n\r\n*0\r\n*-1\r\nGET k\n",
        b"\x00*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        b"\x05*1000000\r\n$536870912\r\nabc",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}
