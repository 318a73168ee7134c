//! What TLS says of the connection that a request came on.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion};

/// What was agreed in a connection's TLS handshake, and what the client has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    version: ProtocolVersion,
    cipher_suite: CipherSuite,
    resumed: bool,
    peer_certificates: Box<[CertificateDer<'static>]>,
}

impl TlsInfo {
    /// What was agreed, and the peer's certificate followed by its intermediates.
    #[must_use]
    pub fn new(
        version: ProtocolVersion,
        cipher_suite: CipherSuite,
        resumed: bool,
        peer_certificates: &[CertificateDer<'static>],
    ) -> Self {
        Self { version, cipher_suite, resumed, peer_certificates: peer_certificates.into() }
    }

    /// TLS 1.2 or 1.3.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// How the connection is encrypted.
    #[must_use]
    pub fn cipher_suite(&self) -> CipherSuite {
        self.cipher_suite
    }

    /// Whether an earlier session was resumed: then the certificates are the ones that were shown
    /// in that.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The client's certificate, which has been verified. `None` if it was not asked for one or has
    /// shown none.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.peer_certificates.first()
    }

    /// The client's certificate and the intermediates that it has sent with it.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.peer_certificates
    }
}
