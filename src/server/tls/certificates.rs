//! Keys and certificates, from a directory:
//!
//! ```text
//! cert.pem   our certificate, and those that lead from it to one that clients trust
//! key.pem    its private key: PKCS #8, PKCS #1 or SEC 1
//! ca.pem     if there is one: whose certificates clients must show
//! ```
//!
//! Redis's parameter `tls-auth-clients` says whether clients must (`yes`), may (`optional`) or need not (`no`). Where it was
//! not set, the presence of ca.pem decides.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Those in use. Connections that are there keep what they began with.
pub(crate) struct Certificates(ArcSwap<ServerConfig>);

impl Certificates {
    /// Reads them, or says in one line what is wrong.
    pub(crate) fn load(dir: &Path, auth_clients: Option<&str>) -> Result<Self, String> {
        Ok(Self(ArcSwap::new(load(dir, auth_clients)?)))
    }

    /// Reads them again. If there is something wrong with them the old ones stay.
    pub(crate) fn reload(&self, dir: &Path, auth_clients: Option<&str>) -> Result<(), String> {
        self.0.store(load(dir, auth_clients)?);
        Ok(())
    }

    /// What the next connection begins with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn load(dir: &Path, auth_clients: Option<&str>) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match trusted(&dir.join("ca.pem"), auth_clients)? {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let is_optional = auth_clients == Some("optional");
            builder.with_client_cert_verifier(verifier(roots, provider, is_optional)?)
        }
    };
    let (chain, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let config = builder.with_single_cert(certificates(&chain)?, private_key(&key)?);
    config.map(Arc::new).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{} is not the key of {}", key.display(), chain.display())
        }
        error => format!("{} and {} cannot be used: {error}", chain.display(), key.display()),
    })
}

/// Whose certificates clients may show; `None` if they are not asked for any.
fn trusted(path: &Path, auth_clients: Option<&str>) -> Result<Option<RootCertStore>, String> {
    match auth_clients {
        Some("no") => return Ok(None),
        None if !path.exists() => return Ok(None),
        _ => {}
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(Some(roots))
}

fn verifier(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    is_optional: bool,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = if is_optional { verifier.allow_unauthenticated() } else { verifier };
    verifier.build().map_err(|error| error.to_string())
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(format!("{} holds no certificate", path.display())),
        all => all.map_err(|error| format!("{}: {error}", path.display())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        PemError::NoItemsFound => format!("{} holds no private key", path.display()),
        error => format!("{}: {error}", path.display()),
    })
}

#[expect(clippy::disallowed_methods, reason = "no data of ours, and not on the disk that tests hold")]
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "certificates lie on the real disk")]
    fn what_is_wrong_is_said_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
        let wrong = |auth_clients: Option<&str>| {
            let why = load(dir.path(), auth_clients).err().unwrap_or_default();
            why.replace(&format!("{}/", dir.path().display()), "")
        };
        let missing = "cannot be read: No such file or directory (os error 2)";
        assert_eq!(wrong(None), format!("cert.pem {missing}"));
        put("cert.pem", "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n");
        assert!(wrong(None).starts_with("cert.pem: base64 decode error"), "{}", wrong(None));
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        put("cert.pem", &signing_key.serialize_pem());
        assert_eq!(wrong(None), "cert.pem holds no certificate");
        put("cert.pem", &cert.pem());
        assert_eq!(wrong(None), format!("key.pem {missing}"));
        put("key.pem", &cert.pem());
        assert_eq!(wrong(None), "key.pem holds no private key");
        let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        put("key.pem", &other.signing_key.serialize_pem());
        assert_eq!(wrong(None), "key.pem is not the key of cert.pem");
        put("key.pem", &signing_key.serialize_pem());
        assert_eq!(wrong(None), "");
        // Asked for, and nothing to check them with: nobody is let in by mistake.
        assert_eq!(wrong(Some("no")), "");
        assert_eq!(wrong(Some("yes")), format!("ca.pem {missing}"));
        assert_eq!(wrong(Some("optional")), format!("ca.pem {missing}"));
        put("ca.pem", "");
        assert_eq!(wrong(None), "ca.pem holds no certificate");
        put("ca.pem", &other.cert.pem());
        assert_eq!(wrong(None), "");
    }
}
