//! Which certificate a client is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, files};

/// A server's certificates; each knows from its own contents which names it is for.
#[derive(Debug)]
pub(super) struct Identities {
    certified: Vec<Arc<CertifiedKey>>,
}

impl Identities {
    pub(super) fn new(certified: Vec<Arc<CertifiedKey>>) -> Self {
        Self { certified }
    }
}

impl ResolvesServerCert for Identities {
    /// The first certificate for the name that the client asks for, of a kind that it can verify.
    /// A client that asks for none of them, or for no name, gets the first.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let suits = |certified: &&Arc<CertifiedKey>| {
            certified.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| {
            self.certified.iter().filter(suits).find(|certified| is_for(certified, &name))
        });
        named.or_else(|| self.certified.iter().find(suits)).cloned()
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    certified
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

/// A certificate, its intermediates and its key.
pub(super) fn load(
    provider: &CryptoProvider,
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, TlsError> {
    let chain = files::certificates(certificate)?;
    let unusable =
        |message: String| TlsError::UnusableCertificate { path: certificate.to_owned(), message };
    ParsedCertificate::try_from(&chain[0]).map_err(|error| unusable(error.to_string()))?;
    let private = files::private_key(key)?;
    let signing = provider.key_provider.load_private_key(private).map_err(|error| {
        TlsError::UnusableKey { path: key.to_owned(), message: error.to_string() }
    })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // Some keys cannot tell: the handshake will.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::KeyMismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}
