//! TLS, with certificates made here: who is served and who is not, and what strangers can do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::client::Value;
use crate::running::Server;

/// Whoever signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Identity {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Identity { chain: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A directory for a server called `localhost`, which asks for this authority's certificates if it is told to.
    #[expect(clippy::disallowed_methods, reason = "certificates lie on the real disk")]
    fn write(&self, dir: &Path, asks: bool) {
        let Identity { chain, key } = self.sign("localhost");
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("cert.pem"), chain).unwrap();
        std::fs::write(dir.join("key.pem"), key).unwrap();
        if asks {
            std::fs::write(dir.join("ca.pem"), self.0.pem()).unwrap();
        }
    }

    /// A client that trusts this authority's certificates.
    fn client(&self, address: SocketAddr) -> Result<Connection, String> {
        self.client_with(address, &version::TLS13, None)
    }

    fn client_with(
        &self,
        address: SocketAddr,
        version: &'static SupportedProtocolVersion,
        identity: Option<&Identity>,
    ) -> Result<Connection, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { chain, key }) => config
                .with_client_auth_cert(
                    CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect(),
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut connection = Connection(StreamOwned::new(session, connect(address)));
        // With TLS 1.3 a client learns only afterwards that it was not wanted.
        connection.try_ask("PING\r\n", "+PONG\r\n").map(|()| connection)
    }
}

struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    fn try_ask(&mut self, commands: &str, expected: &str) -> Result<(), String> {
        self.0.write_all(commands.as_bytes()).map_err(|error| error.to_string())?;
        let mut reply = vec![0; expected.len()];
        self.0.read_exact(&mut reply).map_err(|error| error.to_string())?;
        assert_eq!(String::from_utf8_lossy(&reply), expected, "{commands}");
        Ok(())
    }

    fn ask(&mut self, commands: &str, expected: &str) {
        self.try_ask(commands, expected).unwrap();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    // A test that would hang fails instead.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn serve(dir: &Path) -> (Server, SocketAddr) {
    serve_with(dir, |_| {})
}

fn serve_with(dir: &Path, change: impl FnOnce(&mut siltstone::config::Config)) -> (Server, SocketAddr) {
    // Both at once, so that they are two.
    let [plain, tls] = [(); 2]
        .map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
        .map(|free| free.local_addr().unwrap().port());
    let server = Server::with(|config| {
        config.port = plain;
        config.tls_port = tls;
        dir.clone_into(&mut config.tls_dir);
        change(config);
    });
    let address = server.tls.unwrap();
    (server, address)
}

#[test]
fn a_client_is_served_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    let (server, address) = serve(dir.path());
    for version in [&version::TLS12, &version::TLS13] {
        let mut client = authority.client_with(address, version, None).unwrap();
        client.ask("SET greeting hello\r\nGET greeting\r\n", "+OK\r\n$5\r\nhello\r\n");
        // Many large replies before the first is read, and requests larger than what TLS packs.
        let value = "x".repeat(300_000);
        client.ask(&format!("*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$300000\r\n{value}\r\n"), "+OK\r\n");
        client.ask(&"GET l\r\n".repeat(50), &format!("$300000\r\n{value}\r\n").repeat(50));
        // A reply that comes by itself, while the client only reads.
        client.0.write_all(b"BLPOP queue 0\r\n").unwrap();
        client.0.flush().unwrap();
        let mut plain = server.client();
        while plain.show(&["INFO", "clients"]).contains("blocked_clients:0") {}
        plain.show(&["RPUSH", "queue", "job"]);
        client.ask("", "*2\r\n$5\r\nqueue\r\n$3\r\njob\r\n");
        client.ask("QUIT\r\n", "+OK\r\n");
        // Said in TLS, so that nobody can have cut it short.
        assert_eq!(client.0.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(
        server.client().show(&["CONFIG", "GET", "tls-port"]),
        format!("*2\n  \"tls-port\"\n  \"{}\"", address.port())
    );
}

#[test]
fn who_does_not_know_us_goes() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    let (_server, address) = serve(dir.path());
    let refused = Authority::new().client(address).err().unwrap();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    authority.client(address).unwrap();
}

#[test]
fn clients_show_certificates_where_there_is_an_authority() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), true);
    let (server, address) = serve(dir.path());
    let (known, stranger) = (authority.sign("client"), Authority::new().sign("client"));
    for version in [&version::TLS12, &version::TLS13] {
        let client = |identity| authority.client_with(address, version, identity);
        client(Some(&known)).unwrap();
        assert!(client(Some(&stranger)).is_err());
        assert!(client(None).is_err());
    }
    let mut plain = server.client();
    for (says, nobody, someone_else) in [("optional", true, false), ("no", true, true), ("yes", false, false)]
    {
        assert_eq!(plain.show(&["CONFIG", "SET", "tls-auth-clients", says]), "OK");
        assert_eq!(authority.client(address).is_ok(), nobody, "{says}");
        let client = authority.client_with(address, &version::TLS13, Some(&stranger));
        assert_eq!(client.is_ok(), someone_else, "{says}");
    }
}

#[test]
fn other_bytes_than_tls_end_the_connection_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    let (server, address) = serve(dir.path());
    let mut client = authority.client(address).unwrap();
    for bytes in [
        &b"PING\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        &[0; 5],
        &[22, 3, 1, 255, 255],
        &[22, 3, 1, 0, 2, 1, 0, 23],
    ] {
        let mut stranger = connect(address);
        stranger.write_all(bytes).unwrap();
        let mut said = Vec::new();
        match stranger.read_to_end(&mut said) {
            // At the most an alert.
            Ok(_) => assert!(said.len() <= 7, "{said:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    // In the middle of a connection too.
    let mut broken = authority.client(address).unwrap();
    broken.0.sock.write_all(b"PING\r\n").unwrap();
    assert!(broken.try_ask("PING\r\n", "+PONG\r\n").is_err());
    // And the other way round: a greeting that the plain port cannot make anything of.
    let mut hello = Vec::from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
    hello.resize(205, 7);
    hello.extend_from_slice(b"\r\n");
    let mut confused = connect(server.address);
    confused.write_all(&hello).unwrap();
    assert!(confused.read(&mut [0; 100]).unwrap() > 0, "it is told something");
    client.ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn half_a_handshake_is_not_waited_for_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    // With so little memory, 80 may be under way at once.
    let (_server, address) = serve_with(dir.path(), |config| config.memory = 20 << 20);
    let mut endless = connect(address);
    let mut record = Vec::from([22, 3, 1, 64, 0]);
    record.resize(5 + (16 << 10), 0);
    record[5..9].copy_from_slice(&[1, 255, 255, 255]);
    let ended = (0..5000).any(|_| endless.write_all(&record).is_err());
    assert!(ended, "a message of 16 MB is not gathered");
    // A record that is announced and does not come, and a message that does not either.
    let silent: Vec<_> = (0..80)
        .map(|n| {
            let bytes = [&b""[..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1]][n % 3];
            let mut stream = connect(address);
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    // Whoever comes then has to wait, but not for ever.
    let mut client = authority.client(address).unwrap();
    for mut stream in silent {
        assert!(matches!(stream.read(&mut [0]), Ok(0)), "it has been closed");
    }
    client.ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn new_certificates_are_for_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    old.write(&dir.path().join("old"), false);
    new.write(&dir.path().join("new"), false);
    let (server, address) = serve(&dir.path().join("old"));
    let mut early = old.client(address).unwrap();
    let mut plain = server.client();
    let mut set = |name: &str, value: &Path| plain.show(&["CONFIG", "SET", name, value.to_str().unwrap()]);
    let refused = set("tls-dir", &dir.path().join("none"));
    let expected = format!(
        "(error) ERR CONFIG SET failed (possibly related to argument 'tls-dir') - {}/none/cert.pem cannot be read: \
         No such file or directory (os error 2)",
        dir.path().display()
    );
    assert_eq!(refused, expected);
    old.client(address).unwrap();
    assert_eq!(set("tls-dir", &dir.path().join("new")), "OK");
    assert!(old.client(address).is_err());
    new.client(address).unwrap();
    early.ask("PING\r\n", "+PONG\r\n");
    // As who renews certificates where they are does it with Redis.
    old.write(&dir.path().join("new"), false);
    assert_eq!(set("tls-cert-file", &dir.path().join("new/cert.pem")), "OK");
    old.client(address).unwrap();
    assert!(
        set("tls-cert-file", &dir.path().join("old/cert.pem")).starts_with("(error) ERR CONFIG SET failed")
    );
}

#[test]
fn port_0_leaves_only_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    let (server, address) = serve_with(dir.path(), |config| config.port = 0);
    assert_eq!(server.address, address);
    authority.client(address).unwrap().ask("CONFIG GET port\r\n", "*2\r\n$4\r\nport\r\n$1\r\n0\r\n");
}

#[test]
fn a_client_too_many_is_not_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(dir.path(), false);
    let (server, address) = serve_with(dir.path(), |config| config.maxclients = 1);
    let first = authority.client(address).unwrap();
    assert!(authority.client(address).is_err());
    assert!(matches!(server.client().read(), Some(Value::Error(_))));
    drop(first);
    // It is not gone at once.
    while authority.client(address).is_err() {}
}
