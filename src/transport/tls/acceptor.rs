//! The server's side of a TLS handshake.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;

use super::{Tls, TlsError, TlsStream};
use crate::transport::Stream;

/// Makes TLS streams of accepted sockets, by settings that can be read anew.
#[derive(Debug)]
pub struct TlsAcceptor {
    settings: Tls,
    config: Mutex<Arc<ServerConfig>>,
}

impl TlsAcceptor {
    /// Reads the settings' files.
    ///
    /// # Errors
    ///
    /// The file that cannot be used, and why.
    pub fn new(settings: Tls) -> Result<Self, TlsError> {
        let config = Mutex::new(settings.load(None)?);
        Ok(Self { settings, config })
    }

    /// Reads the settings' files again. Handshakes that begin from now on use what they hold;
    /// connections that are there go on.
    ///
    /// # Errors
    ///
    /// The file that cannot be used, and why: everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = self.settings.load(Some(&self.config()))?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// TLS on an accepted socket. The handshake happens as the stream is read.
    ///
    /// # Errors
    ///
    /// A configuration that rustls refuses.
    pub fn accept(&self, socket: Stream) -> io::Result<Stream> {
        let stream = TlsStream::server(socket, self.config()).map_err(io::Error::other)?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
