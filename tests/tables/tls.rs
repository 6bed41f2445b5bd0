//! TLS and plain talk at one port.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Client, LIST_TABLES, UNVERIFIED, connect, list_tables, padded, request};
use crate::running::Server;

const NO_TABLES: &str = "{\"TableNames\":[]}";

/// A directory for a server called `localhost`, and what its clients trust.
#[expect(clippy::disallowed_methods, reason = "certificates lie on the real disk")]
fn write(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

/// Also for who talks plainly, or not.
fn serve(dir: &Path, plain: bool) -> Server {
    // Both at once, so that they are two.
    let [port, tls_port] = [(); 2]
        .map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
        .map(|free| free.local_addr().unwrap().port());
    Server::with(|config| {
        config.port = if plain { port } else { 0 };
        config.tls_port = tls_port;
        dir.clone_into(&mut config.tls_dir);
    })
}

fn client(address: SocketAddr, trusted: &CertificateDer<'static>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    Client::over(StreamOwned::new(session, connect(address)))
}

#[test]
fn either_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = write(dir.path());
    let server = serve(dir.path(), true);
    let mut plain = server.client();
    assert_eq!(plain.ask(&list_tables()).text(), NO_TABLES);
    let mut secret = client(server.address, &trusted);
    assert_eq!(secret.ask(&list_tables()).text(), NO_TABLES);
    // More than what TLS packs, there and back.
    secret.send(&list_tables().repeat(500));
    for _ in 0..500 {
        assert_eq!(secret.read().unwrap().text(), NO_TABLES);
    }
    let large = request(&format!("{LIST_TABLES}{UNVERIFIED}"), &padded(1 << 20));
    assert_eq!(secret.ask(&large).text(), NO_TABLES);
    let bye = request(&format!("{LIST_TABLES}{UNVERIFIED}Connection: close\r\n"), b"{}");
    assert_eq!(secret.ask(&bye).text(), NO_TABLES);
    secret.ends();
}

#[test]
fn where_nobody_talks_plainly_to_the_one_nobody_does_to_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = write(dir.path());
    let server = serve(dir.path(), false);
    let mut stream = connect(server.address);
    stream.write_all(&list_tables()).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", answer.escape_ascii());
    assert_eq!(client(server.address, &trusted).ask(&list_tables()).text(), NO_TABLES);
}
