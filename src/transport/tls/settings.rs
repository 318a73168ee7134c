//! What a TLS listener is set up with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier};

use super::identity::{self, Identities};
use super::{TlsError, files};

/// Settings of a TLS listener: certificates from PEM files, or a [`ServerConfig`] of the service's
/// own.
///
/// Nothing is read before the server starts. TLS 1.2 and 1.3 are spoken; clients may resume their
/// sessions by tickets, which a reload leaves valid unless clients are asked for certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The service's own: nothing else is set then.
    config: Option<Arc<ServerConfig>>,
    /// Files of certificate chains and of their keys.
    pairs: Vec<(PathBuf, PathBuf)>,
    client_ca: Option<ClientCa>,
}

#[derive(Clone, Debug)]
struct ClientCa {
    path: PathBuf,
    is_required: bool,
}

impl Tls {
    /// A PEM file with the server's certificate followed by its intermediates, and one with the
    /// private key; they may be the same file.
    #[must_use]
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let pairs = vec![(certificate.into(), key.into())];
        Self { config: None, pairs, client_ca: None }
    }

    /// A configuration of the service's own, for what is not covered here: another crypto provider,
    /// revocation, keys in hardware. Its `alpn_protocols` should be empty or `http/1.1`. No file can
    /// be added to it.
    ///
    /// It stays what it is on a reload; a `cert_resolver` of its own may change what it answers.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { config: Some(config), pairs: Vec::new(), client_ca: None }
    }

    /// A further certificate. A client gets the first one for the name that it asks for (SNI), and
    /// the very first if there is none.
    #[must_use]
    pub fn certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.pairs.push((certificate.into(), key.into()));
        self
    }

    /// Clients must show a certificate that an authority in this PEM file has issued, or the
    /// handshake fails.
    #[must_use]
    pub fn require_client_certificates(mut self, ca: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(ClientCa { path: ca.into(), is_required: true });
        self
    }

    /// Clients may show a certificate that an authority in this PEM file has issued; the handshake
    /// fails with one that is not in order. Whether there is one, the request's
    /// [`tls`](crate::handshake::Request::tls) says.
    #[must_use]
    pub fn allow_client_certificates(mut self, ca: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(ClientCa { path: ca.into(), is_required: false });
        self
    }

    /// Reads the files. Tickets of the `former` configuration stay valid, unless clients are asked
    /// for certificates: a ticket holds them as verified, and new authorities want to be asked.
    pub(super) fn load(
        &self,
        former: Option<&Arc<ServerConfig>>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        if let Some(config) = &self.config {
            if !self.pairs.is_empty() || self.client_ca.is_some() {
                return Err(TlsError::FilesBesideConfig);
            }
            return match config.max_early_data_size {
                0 => Ok(config.clone()),
                len => Err(TlsError::EarlyData(len)),
            };
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let load = |(certificate, key): &(PathBuf, PathBuf)| {
            identity::load(&provider, certificate, key).map(Arc::new)
        };
        let certified = self.pairs.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let verifier = match &self.client_ca {
            Some(ca) => ca.verifier(&provider)?,
            None => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Identities::new(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = match former.filter(|_| self.client_ca.is_none()) {
            Some(former) => former.ticketer.clone(),
            None => rustls::crypto::ring::Ticketer::new()?,
        };
        Ok(Arc::new(config))
    }
}

impl ClientCa {
    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let Self { path, is_required } = self;
        let roots = Arc::new(files::authorities(path)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let builder = if *is_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| unusable(path, &error))
    }
}

fn unusable(path: &Path, error: &impl ToString) -> TlsError {
    TlsError::UnusableCertificate { path: path.to_owned(), message: error.to_string() }
}
