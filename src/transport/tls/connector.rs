//! The client's side of a TLS handshake.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::{TlsError, TlsStream, files};
use crate::transport::Stream;

/// Makes TLS streams of sockets that connect to a server. Sessions are resumed.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    /// Servers are trusted whose certificates an authority of the platform has issued.
    ///
    /// # Errors
    ///
    /// The platform has none that can be used.
    pub fn with_platform_roots() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Some platforms have one or another that is damaged.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reasons = found.errors.iter().map(|error| format!(" ({error})"));
            return Err(TlsError::NoPlatformRoots(reasons.collect()));
        }
        Self::with_roots(roots)
    }

    /// Servers are trusted whose certificates an authority in this PEM file has issued.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub fn with_ca_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::with_roots(files::authorities(path.as_ref())?)
    }

    /// A configuration of the program's own: client certificates, pinned keys.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// What it was set up with, for a blocking client on rustls's own streams.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    /// TLS on a socket that may be connecting still, to the server `name`: a host's name or an IP
    /// address, without a port. What is written before the handshake is done waits in the stream,
    /// up to 16 KiB; the handshake happens as the stream is flushed and read.
    ///
    /// # Errors
    ///
    /// `name` is neither, or a configuration that rustls refuses.
    pub fn connect(&self, socket: Stream, name: &str) -> Result<Stream, TlsError> {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsError::InvalidName(name.to_owned()))?;
        Ok(Stream::Tls(Box::new(TlsStream::client(socket, self.config.clone(), name)?)))
    }
}
