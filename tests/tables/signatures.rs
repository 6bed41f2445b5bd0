//! Who is let in.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use siltstone::clock::ManualClock;
use siltstone::vfs::memory::MemoryVfs;

use crate::client::{LIST_TABLES, UNVERIFIED, list_tables, request};
use crate::running::Server;
use crate::signing::Signer;

const KNOWN: Signer = Signer { id: "AKIAKNOWN", secret: "s/e+c=ret" };
const STRANGER: Signer = Signer { id: "AKIASTRANGER", secret: "s/e+c=ret" };
const GUESSER: Signer = Signer { id: "AKIAKNOWN", secret: "guess" };
/// When the clock stands still.
const NOW: &str = "20231114T221320Z";
const NO_TABLES: &str = "{\"TableNames\":[]}";

#[expect(clippy::disallowed_methods, reason = "a credentials file on the real disk")]
fn write(file: &Path, signer: &Signer) {
    let Signer { id, secret } = signer;
    std::fs::write(file, format!("[default]\naws_access_key_id={id}\naws_secret_access_key={secret}\n"))
        .unwrap();
}

fn serve(file: &Path) -> Server {
    let clock = Arc::new(ManualClock::default());
    Server::of(Arc::new(MemoryVfs::new()), clock, |config| file.clone_into(&mut config.table_credentials))
}

#[test]
fn who_is_known_is_let_in_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, &KNOWN);
    let server = serve(&file);
    let mut client = server.client();
    for body in [&b"{}"[..], b" {}", b"{\"Limit\":3}"] {
        assert_eq!(client.ask(&KNOWN.request("ListTables", NOW, body)).text(), NO_TABLES);
    }
    let mut kind_of = |request: &[u8]| {
        let (status, kind, message) = client.ask(request).refusal();
        assert_eq!(status, 400);
        (kind, message)
    };
    assert_eq!(kind_of(&STRANGER.request("ListTables", NOW, b"{}")).0, "UnrecognizedClientException");
    let (kind, message) = kind_of(&GUESSER.request("ListTables", NOW, b"{}"));
    assert_eq!(kind, "InvalidSignatureException");
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
    let (kind, message) = kind_of(&KNOWN.request("ListTables", "20231114T215819Z", b"{}"));
    assert_eq!(kind, "InvalidSignatureException");
    assert_eq!(
        message,
        "Signature expired: 20231114T215819Z is now earlier than 20231114T215820Z (20231114T221320Z - 15 min.)"
    );
    assert_eq!(kind_of(&request(LIST_TABLES, b"{}")).0, "MissingAuthenticationTokenException");
    assert_eq!(kind_of(&list_tables()).0, "InvalidSignatureException", "of another day");
    let mut changed = KNOWN.request("ListTables", NOW, b"{\"Limit\":3}");
    changed.pop();
    changed.push(b' ');
    assert_eq!(kind_of(&changed).0, "InvalidSignatureException");
    assert_eq!(
        client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status,
        200,
        "anybody may see that it is there"
    );
}

#[test]
fn without_credentials_it_is_enough_to_look_signed() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.ask(&list_tables()).text(), NO_TABLES);
    assert_eq!(client.ask(&GUESSER.request("ListTables", NOW, b"{}")).text(), NO_TABLES);
    let (status, kind, message) = client.ask(&request(LIST_TABLES, b"{}")).refusal();
    assert_eq!((status, kind.as_str()), (400, "MissingAuthenticationTokenException"));
    assert_eq!(message, "Request is missing Authentication Token");
    let partly = UNVERIFIED.replace("Signature=", "Signed=");
    let (_, kind, message) = client.ask(&request(&format!("{LIST_TABLES}{partly}"), b"{}")).refusal();
    assert_eq!(kind, "IncompleteSignatureException");
    assert!(
        message.starts_with("Authorization header requires 'Signature' parameter. Authorization="),
        "{message}"
    );
    let presigned = String::from_utf8(request(LIST_TABLES, b"{}")).unwrap().replace(
        "POST /",
        "POST /?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-SignedHeaders=d&X-Amz-Date=e",
    );
    assert_eq!(client.ask(presigned.as_bytes()).text(), NO_TABLES);
}

/// An address of this machine that others could come by, if it has one.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent. The address is one that is kept for documents.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[test]
fn other_machines_are_refused_while_nobody_is_known() {
    let Some(address) = outward() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, &KNOWN);
    for (is_protected, credentials) in [(true, None), (false, None), (true, Some(&file))] {
        let clock = Arc::new(ManualClock::default());
        let server = Server::of(Arc::new(MemoryVfs::new()), clock, |config| {
            config.bind = vec![address];
            config.protected_mode = is_protected;
            config.table_credentials = credentials.cloned().unwrap_or_default();
        });
        let reply = server.client().ask(&KNOWN.request("ListTables", NOW, b"{}"));
        if is_protected && credentials.is_none() {
            let (status, kind, message) = reply.refusal();
            assert_eq!((status, kind.as_str()), (400, "AccessDeniedException"));
            assert!(message.contains("table-credentials"), "{message}");
        } else {
            assert_eq!(reply.text(), NO_TABLES);
        }
    }
}

#[test]
fn credentials_that_cannot_be_are_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    let missing = std::panic::catch_unwind(|| serve(&file)).err().unwrap();
    let why = missing.downcast_ref::<String>().unwrap();
    assert!(why.contains("table-credentials: ") && why.contains("cannot be read"), "{why}");
}
