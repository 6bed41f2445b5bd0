//! Requests and replies: what they look like, and what holds when one of the two ends does not keep to the rules.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use siltstone::clock::ManualClock;
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{LIST_TABLES, UNVERIFIED, connect, list_tables, request};
use crate::running::Server;

const NO_TABLES: &str = "{\"TableNames\":[]}";

#[test]
fn the_health_page() {
    let server = Server::start();
    let mut client = server.client();
    let reply = client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((reply.status, reply.text()), (200, "healthy: dynamodb.us-east-1.amazonaws.com "));
    assert_eq!(reply.header("x-amz-crc32"), Some("3128867991"));
    assert_eq!(reply.header("server"), Some("Server"));
    assert_eq!(reply.header("connection"), Some("keep-alive"));
    assert_eq!(reply.header("x-amzn-requestid").map(str::len), Some(52));
    assert!(reply.header("date").is_some());
}

#[test]
fn what_is_no_request_of_the_api() {
    let server = Server::start();
    let mut client = server.client();
    for line in ["GET /x", "PUT /", "DELETE /", "POST /x", "OPTIONS /", "GET //"] {
        let reply = client.ask(format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").as_bytes());
        assert_eq!((reply.status, reply.text()), (404, "<UnknownOperationException/>\n"), "{line}");
        assert_eq!(reply.header("x-amz-crc32"), Some("3552371480"));
    }
    let text = list_tables();
    let text = String::from_utf8(text).unwrap().replace("application/x-amz-json-1.0", "text/plain");
    assert_eq!(client.ask(text.as_bytes()).status, 404);
    assert_eq!(client.ask(&list_tables()).text(), NO_TABLES, "the connection goes on");
}

#[test]
fn a_call_is_answered_in_the_type_that_it_came_in() {
    let server = Server::start();
    let mut client = server.client();
    for content_type in ["application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json"] {
        let text = String::from_utf8(list_tables()).unwrap();
        for given in [content_type.to_owned(), format!("{content_type}; charset=utf-8")] {
            let reply = client.ask(text.replace("application/x-amz-json-1.0", &given).as_bytes());
            assert_eq!((reply.status, reply.text()), (200, NO_TABLES), "{given}");
            assert_eq!(reply.header("content-type"), Some(content_type));
        }
    }
}

#[test]
fn operations_that_there_are_not() {
    let server = Server::start();
    let mut client = server.client();
    let targets = ["", "X-Amz-Target: DynamoDB_20120810.Nothing\r\n", "X-Amz-Target: ListTables\r\n"];
    for target in targets.into_iter().chain(["X-Amz-Target: \u{e9}\r\n"]) {
        let reply = client.ask(&request(&format!("{target}{UNVERIFIED}"), b"{}"));
        let (status, kind, _) = reply.refusal();
        assert_eq!((status, kind.as_str()), (400, "UnknownOperationException"), "{target}");
    }
    let target = "X-Amz-Target: DynamoDB_20120810.ExportTableToPointInTime\r\n";
    let reply = client.ask(&request(&format!("{target}{UNVERIFIED}"), b"{}"));
    let told = (
        400,
        "UnknownOperationException".to_owned(),
        "ExportTableToPointInTime is not supported.".to_owned(),
    );
    assert_eq!(reply.refusal(), told);
}

#[test]
fn browsers_may_ask() {
    let server = Server::start();
    let mut client = server.client();
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: authorization,x-amz-target\r\n\r\n";
    let reply = client.ask(preflight.as_bytes());
    assert_eq!((reply.status, reply.text()), (200, ""));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("authorization,x-amz-target"));
    assert_eq!(reply.header("access-control-max-age"), Some("172800"));
    let mut asked_from = |origin: &str| {
        let headers = format!("Origin: {origin}\r\n{LIST_TABLES}{UNVERIFIED}");
        client.ask(&request(&headers, b"{}"))
    };
    let reply = asked_from("http://localhost:3000");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.text(), NO_TABLES);
    // Without credentials nobody else's page may.
    let reply = asked_from("http://a");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("AccessDeniedException"), "{}", reply.text());
}

#[test]
fn many_at_once_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let health = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    client.send(&[list_tables(), health].concat().repeat(100));
    for _ in 0..100 {
        assert_eq!(client.read().unwrap().text(), NO_TABLES);
        assert!(client.read().unwrap().text().starts_with("healthy"));
    }
}

#[test]
fn who_wants_the_connection_to_end_has_it_end() {
    let server = Server::start();
    let mut client = server.client();
    let reply = client.ask(&request(&format!("Connection: close\r\n{LIST_TABLES}{UNVERIFIED}"), b"{}"));
    assert_eq!((reply.text(), reply.header("connection")), (NO_TABLES, Some("close")));
    client.ends();
    let mut client = server.client();
    let old = String::from_utf8(list_tables()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(client.ask(old.as_bytes()).text(), NO_TABLES);
    client.ends();
}

#[test]
fn what_is_not_http_ends_the_connection() {
    let server = Server::start();
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"[..],
        b"PING\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(nonsense);
        if let Some(reply) = client.read() {
            assert_eq!((reply.status, reply.text()), (400, ""), "{}", nonsense.escape_ascii());
            client.ends();
        }
    }
    let mut client = server.client();
    client.send(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)).as_bytes());
    assert_eq!(client.read().unwrap().status, 431);
    assert_eq!(server.client().ask(&list_tables()).text(), NO_TABLES);
}

#[test]
fn who_goes_away_in_the_middle_is_forgotten() {
    let server = Server::start();
    let whole = list_tables();
    for bytes in 0..whole.len() {
        let mut stream = connect(server.address);
        stream.write_all(&whole[..bytes]).unwrap();
    }
    assert_eq!(server.client().ask(&whole).text(), NO_TABLES);
    let mut redis = connect(server.redis);
    loop {
        // Until only the two of us are there.
        redis.write_all(b"CLIENT LIST\r\n").unwrap();
        let mut list = vec![0; 64 << 10];
        let bytes = redis.read(&mut list).unwrap();
        if !String::from_utf8_lossy(&list[..bytes]).contains("lib-name=dynamodb") {
            break;
        }
    }
}

#[test]
fn who_half_closes_gets_the_reply() {
    let server = Server::start();
    let mut stream = connect(server.address);
    stream.write_all(&list_tables()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.ends_with(NO_TABLES), "{reply}");
}

/// Moves the clock until the server has had enough.
fn is_given_up(clock: &ManualClock, stream: &mut std::net::TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        clock.advance_ms(20_000);
        match stream.read(&mut [0; 1 << 10]) {
            Ok(0) => return,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            _ => {}
        }
    }
}

#[test]
fn who_sends_half_a_request_is_given_up_and_who_is_idle_is_not() {
    let clock = Arc::new(ManualClock::default());
    let server = Server::of(Arc::new(MemoryVfs::new()), clock.clone(), |_| {});
    let (mut new, mut idle) = (server.client(), server.client());
    assert_eq!(idle.ask(&list_tables()).status, 200);
    let whole = list_tables();
    for bytes in [1, 60, whole.len() - 1] {
        let mut stream = connect(server.address);
        stream.write_all(&whole[..bytes]).unwrap();
        is_given_up(&clock, &mut stream);
    }
    assert_eq!(new.ask(&list_tables()).status, 200);
    assert_eq!(idle.ask(&list_tables()).status, 200);
}

#[test]
fn who_takes_no_replies_is_given_up() {
    let clock = Arc::new(ManualClock::default());
    let server = Server::of(Arc::new(MemoryVfs::new()), clock.clone(), |_| {});
    let mut stream = connect(server.address);
    stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let many = list_tables().repeat(1000);
    loop {
        match stream.write(&many) {
            Ok(_) => {}
            // Its replies fill both ends, and then its requests do.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                clock.advance_ms(20_000);
            }
            Err(_) => break,
        }
    }
    assert_eq!(server.client().ask(&list_tables()).status, 200);
}

#[test]
fn one_client_too_many_is_told() {
    let server = Server::with(|config| config.maxclients = 2);
    let (mut first, mut second) = (server.client(), server.client());
    assert_eq!(first.ask(&list_tables()).status, 200);
    assert_eq!(second.ask(&list_tables()).status, 200);
    let reply = server.client().read().unwrap();
    let message = "max number of clients reached".to_owned();
    assert_eq!(reply.refusal(), (503, "ServiceUnavailableException".to_owned(), message));
    drop(first);
    while server.client().ask(&list_tables()).status != 200 {}
}

#[test]
fn a_server_that_ends_does_not_wait_for_the_idle() {
    let mut server = Server::start();
    let (mut idle, mut half) = (server.client(), server.client());
    assert_eq!(idle.ask(&list_tables()).status, 200);
    half.send(b"POST / HTTP/1.1\r\nHost:");
    server.ask_to_stop();
    idle.ends();
    half.ends();
}
