//! A blocking socket, with TLS or without.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use crate::address::Address;

/// For the connection, and for the answer to the handshake.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How long a write may take, and the closing handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) enum Wire {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Secure(Box<tickwire::rustls::StreamOwned<tickwire::rustls::ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects; with TLS if the address says so, and then trusts the authorities of `ca`, or the
    /// platform's.
    pub(crate) fn open(address: &Address, ca: Option<&Path>) -> io::Result<Self> {
        let socket = connect(&address.host)?;
        if address.is_secure { secure(socket, address, ca) } else { Ok(Self::Plain(socket)) }
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Secure(stream) => &stream.sock,
        };
        socket.set_read_timeout(Some(timeout))
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Self::Secure(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            #[cfg(feature = "tls")]
            Self::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

#[cfg(feature = "tls")]
fn secure(socket: TcpStream, address: &Address, ca: Option<&Path>) -> io::Result<Wire> {
    use tickwire::rustls::pki_types::ServerName;
    use tickwire::rustls::{ClientConnection, StreamOwned};
    use tickwire::transport::TlsConnector;

    let connector = match ca {
        Some(path) => TlsConnector::with_ca_file(path),
        None => TlsConnector::with_platform_roots(),
    };
    let config = connector.map_err(io::Error::other)?.config().clone();
    let name = ServerName::try_from(address.host_name().to_owned()).map_err(io::Error::other)?;
    let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    Ok(Wire::Secure(Box::new(StreamOwned::new(session, socket))))
}

#[cfg(not(feature = "tls"))]
fn secure(_: TcpStream, _: &Address, _: Option<&Path>) -> io::Result<Wire> {
    Err(io::Error::other("this program was built without TLS: build it with `--features tls`"))
}

/// Tries every address that the host has.
fn connect(host: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, OPEN_WITHIN) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(OPEN_WITHIN))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
