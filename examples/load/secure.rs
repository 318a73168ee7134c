//! TLS, if the address is `wss://`: whom to trust, and the handshake.

use std::io;

use tickwire::transport::Stream;

use crate::error::LoadError;
use crate::options::Options;

/// How connections are secured.
#[derive(Debug, Clone)]
pub(crate) struct Security {
    #[cfg(feature = "tls")]
    tls: Option<(tickwire::transport::TlsConnector, String)>,
}

#[cfg(feature = "tls")]
impl Security {
    pub(crate) fn new(options: &Options) -> Result<Self, LoadError> {
        use tickwire::transport::TlsConnector;

        if !options.address.is_secure() {
            return Ok(Self { tls: None });
        }
        let connector = match &options.tls_ca {
            _ if options.tls_insecure => Ok(trusting::connector()),
            Some(path) => TlsConnector::with_ca_file(path),
            None => TlsConnector::with_platform_roots(),
        };
        let connector = connector.map_err(|error| LoadError::Tls(error.to_string()))?;
        Ok(Self { tls: Some((connector, options.address.host_name().to_owned())) })
    }

    /// Begins a TLS handshake on a socket that connects, or leaves it as it is.
    pub(crate) fn secure(&self, socket: Stream) -> io::Result<Stream> {
        match &self.tls {
            Some((connector, name)) => connector.connect(socket, name).map_err(io::Error::other),
            None => Ok(socket),
        }
    }
}

#[cfg(not(feature = "tls"))]
impl Security {
    pub(crate) fn new(options: &Options) -> Result<Self, LoadError> {
        if options.address.is_secure() {
            let advice = "this program was built without TLS: build it with `--features tls`";
            return Err(LoadError::Tls(advice.to_owned()));
        }
        Ok(Self {})
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "with TLS it may fail")]
    pub(crate) fn secure(&self, socket: Stream) -> io::Result<Stream> {
        Ok(socket)
    }
}

/// A client that believes every certificate.
#[cfg(feature = "tls")]
mod trusting {
    use std::sync::Arc;

    use tickwire::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tickwire::rustls::crypto::{CryptoProvider, ring};
    use tickwire::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tickwire::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
    use tickwire::transport::TlsConnector;

    pub(super) fn connector() -> TlsConnector {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
            .with_no_client_auth();
        TlsConnector::from_config(Arc::new(config))
    }

    #[derive(Debug)]
    struct Trusting(Arc<CryptoProvider>);

    impl ServerCertVerifier for Trusting {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
