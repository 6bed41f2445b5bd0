//! Bodies: whole, in chunks, compressed, too large.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::client::{LIST_TABLES, UNVERIFIED, list_tables, padded, request};
use crate::running::Server;

const NO_TABLES: &str = "{\"TableNames\":[]}";
const LARGEST: usize = 16 << 20;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn headers(more: &str) -> String {
    format!("{LIST_TABLES}{UNVERIFIED}{more}")
}

/// The head of a request whose body comes otherwise.
fn head(more: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n{}\r\n",
        headers(more)
    )
}

#[test]
fn in_chunks() {
    let server = Server::start();
    let mut client = server.client();
    let chunked = head("Transfer-Encoding: chunked\r\n");
    let reply = client.ask(format!("{chunked}1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\n\r\n").as_bytes());
    assert_eq!(reply.text(), NO_TABLES);
    client.send(format!("{chunked}zz\r\n").as_bytes());
    if let Some(reply) = client.read() {
        assert_eq!(reply.status, 400);
    }
    assert_eq!(server.client().ask(&list_tables()).text(), NO_TABLES);
}

#[test]
fn after_being_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    let reply = client.ask(head("Expect: 100-continue\r\nContent-Length: 2\r\n").as_bytes());
    assert_eq!(reply.status, 100);
    assert_eq!(client.ask(b"{}").text(), NO_TABLES);
    // Who would be refused anyhow is not asked.
    let strange = head("Expect: 100-continue\r\nContent-Length: 2\r\n").replace("Authorization", "Nothing");
    let reply = client.ask(strange.as_bytes());
    assert_eq!(reply.refusal().1, "MissingAuthenticationTokenException");
}

#[test]
fn compressed() {
    let server = Server::with(|config| config.memory = 512 << 20);
    let mut client = server.client();
    for body in [&b"{}"[..], &padded(1 << 20)] {
        for encoding in ["gzip", "GZIP"] {
            let headers = headers(&format!("Content-Encoding: {encoding}\r\n"));
            assert_eq!(client.ask(&request(&headers, &gzip(body))).text(), NO_TABLES);
        }
    }
    let identity = request(&headers("Content-Encoding: identity\r\n"), b"{}");
    assert_eq!(client.ask(&identity).text(), NO_TABLES);
    let mut cut = gzip(&b"{}".repeat(2000));
    cut.truncate(20);
    for (encoding, body) in [("gzip", &b"{}"[..]), ("gzip", &cut), ("br", b"{}")] {
        let headers = headers(&format!("Content-Encoding: {encoding}\r\n"));
        let (status, kind, _) = client.ask(&request(&headers, body)).refusal();
        assert_eq!((status, kind.as_str()), (400, "SerializationException"), "{encoding}");
    }
}

#[test]
fn replies_are_compressed_for_who_takes_that() {
    let server = Server::start();
    let mut client = server.client();
    // The only long reply that there is without tables: a refusal that repeats what it refuses.
    let long = "x".repeat(2000);
    let strange = |more: &str| {
        let authorization = format!("Authorization: AWS4-HMAC-SHA256 Credential={long}\r\n");
        client_request(&format!("{LIST_TABLES}{authorization}{more}"))
    };
    let plain = client.ask(&strange(""));
    assert_eq!((plain.header("content-encoding"), plain.status), (None, 400));
    let packed = client.ask(&strange("Accept-Encoding: deflate, gzip\r\n"));
    assert_eq!((packed.header("content-encoding"), packed.status), (Some("gzip"), 400));
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    assert!(packed.body.len() < plain.body.len() / 2);
    let short = client.ask(&request(&headers("Accept-Encoding: gzip\r\n"), b"{}"));
    assert_eq!((short.header("content-encoding"), short.text()), (None, NO_TABLES));
}

fn client_request(headers: &str) -> Vec<u8> {
    request(headers, b"{}")
}

#[test]
fn too_large() {
    let server = Server::with(|config| config.memory = 512 << 20);
    let refused = |bytes: &[u8]| {
        let mut client = server.client();
        // The server may answer, and end the connection, before it has read everything.
        client.try_send(bytes);
        client.read().map(|reply| reply.refusal())
    };
    let too_large =
        (413, "RequestEntityTooLargeException".to_owned(), format!("Request size exceeded {LARGEST} bytes"));
    let declared = head(&format!("Content-Length: {}\r\n", LARGEST + 1));
    assert_eq!(refused(declared.as_bytes()).as_ref(), Some(&too_large));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let chunked = head("Transfer-Encoding: chunked\r\n") + &chunk.repeat(16) + "1\r\n \r\n";
    assert_eq!(refused(chunked.as_bytes()).as_ref(), Some(&too_large));
    let bomb = gzip(&vec![b' '; LARGEST + 1]);
    assert!(bomb.len() < 20_000);
    let bomb = request(&headers("Content-Encoding: gzip\r\n"), &bomb);
    assert_eq!(refused(&bomb).as_ref(), Some(&too_large));
    let mut client = server.client();
    assert_eq!(client.ask(&request(&headers(""), &padded(LARGEST))).text(), NO_TABLES);
    assert_eq!(client.ask(&list_tables()).text(), NO_TABLES, "the connection goes on");
}

#[test]
fn larger_than_the_memory_for_them() {
    // Of which a quarter is for requests and replies.
    let server = Server::start();
    let bomb = gzip(&vec![b' '; LARGEST]);
    let bomb = request(&headers("Content-Encoding: gzip\r\n"), &bomb);
    for body in [&bomb, &request(&headers(""), &vec![b' '; LARGEST])] {
        let mut client = server.client();
        client.try_send(body);
        if let Some(reply) = client.read() {
            let (status, kind, _) = reply.refusal();
            assert_eq!((status, kind.as_str()), (413, "RequestEntityTooLargeException"));
        }
    }
    // All of what was reserved was given back.
    let mut client = server.client();
    for _ in 0..10 {
        assert_eq!(client.ask(&request(&headers(""), &padded(3 << 20))).text(), NO_TABLES);
    }
}
