//! Where the server is: `ws://HOST[:PORT][/PATH]` or `unix:SOCKET[:/PATH]`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tickwire::transport::Stream;

use crate::error::LoadError;

/// For each of a host's addresses.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// A server's address as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    place: Place,
    /// Path and query.
    pub(crate) target: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Host and port.
    Tcp(String),
    Unix(PathBuf),
}

impl Address {
    /// What the opening handshake names as the host.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Tcp(host) => host,
            Place::Unix(_) => "localhost",
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (path, target) = match rest.split_once(":/") {
                Some((path, target)) => (path, format!("/{target}")),
                None => (rest, "/".to_owned()),
            };
            if path.is_empty() {
                return Err("no path: give an address such as unix:/run/echo.sock".to_owned());
            }
            return Ok(Self { place: Place::Unix(path.into()), target });
        }
        let rest = match text.split_once("://") {
            None => text,
            Some(("ws", rest)) => rest,
            Some((scheme, _)) => {
                return Err(format!("{scheme}:// is not spoken here: give ws://HOST:PORT/"));
            }
        };
        let (host, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        if host.is_empty() || host.contains(['@', ' ']) {
            return Err("no host: give an address such as ws://127.0.0.1:9001/".to_owned());
        }
        // An IPv6 address is full of colons, but stands in brackets.
        let has_port = host.rfind(':') > host.rfind(']');
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { place: Place::Tcp(host), target: format!("{slash}{target}") })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(host) => write!(f, "ws://{host}{}", self.target),
            Place::Unix(path) if self.target == "/" => write!(f, "unix:{}", path.display()),
            Place::Unix(path) => write!(f, "unix:{}:{}", path.display(), self.target),
        }
    }
}

/// A server's address as the system takes it. The one place that knows kinds of sockets.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Target {
    /// Looks the host up. Of several addresses it takes the first at which somebody listens.
    pub(crate) fn find(address: &Address) -> Result<Self, LoadError> {
        let host = match &address.place {
            Place::Unix(path) => return Ok(Self::Unix(path.clone())),
            Place::Tcp(host) => host,
        };
        let unknown = |source| LoadError::UnknownHost { host: host.clone(), source };
        let addresses: Vec<_> = host.to_socket_addrs().map_err(unknown)?.collect();
        let answers = |at: &&SocketAddr| TcpStream::connect_timeout(at, PROBE_WITHIN).is_ok();
        let found = match addresses.as_slice() {
            [only] => Some(only),
            // If none answers, the first connection will say why.
            several => several.iter().find(answers).or(several.first()),
        };
        let nothing = || unknown(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
        found.map(|&address| Self::Tcp(address)).ok_or_else(nothing)
    }

    /// Begins to connect; whether that works out, the first read or write says.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the server has to accept some others first.
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(address) => {
                let stream = mio::net::TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => mio::net::UnixStream::connect(path).map(Stream::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed() {
        for (text, full) in [
            ("ws://127.0.0.1:9001/", "ws://127.0.0.1:9001/"),
            ("localhost:9001", "ws://localhost:9001/"),
            ("ws://example.com/a/b?c=d", "ws://example.com:80/a/b?c=d"),
            ("ws://example.com?c=d", "ws://example.com:80/?c=d"),
            ("ws://[::1]/", "ws://[::1]:80/"),
            ("[::1]:9001", "ws://[::1]:9001/"),
            ("unix:/run/echo.sock", "unix:/run/echo.sock"),
            ("unix:/run/echo.sock:/chat", "unix:/run/echo.sock:/chat"),
        ] {
            let address = Address::from_str(text).unwrap();
            assert_eq!(address.to_string(), full);
            assert_eq!(Address::from_str(full), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_advice() {
        for text in ["", "ws://", "http://a/", "wss://a/", "ws://a@b/", "unix:", "ws:///path"] {
            let error = Address::from_str(text).unwrap_err();
            assert!(error.contains("give"), "{text}: {error}");
        }
    }
}
