//! Where the server is: `ws://HOST[:PORT][/PATH]`, the same with `wss://`, `unix:SOCKET[:/PATH]` or, for one that does not
//! speak WebSocket, `tcp://HOST:PORT`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use socket2::SockRef;
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
    /// Host and port, with TLS.
    Secure(String),
    Unix(PathBuf),
    /// Host and port of a server that sends the bytes back as they come.
    Plain(String),
}

impl Address {
    /// What the opening handshake names as the host.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Tcp(host) | Place::Secure(host) | Place::Plain(host) => host,
            Place::Unix(_) => "localhost",
        }
    }

    /// What the server's certificate must be for: the host without its port.
    #[cfg(feature = "tls")]
    pub(crate) fn host_name(&self) -> &str {
        self.host().rsplit_once(':').map_or(self.host(), |(host, _)| host)
    }

    /// Whether the server speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self.place, Place::Secure(_))
    }

    /// Whether the server speaks no WebSocket.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.place, Place::Plain(_))
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
        let (rest, is_secure) = match text.split_once("://") {
            None => (text, false),
            Some(("ws", rest)) => (rest, false),
            Some(("wss", rest)) => (rest, true),
            Some(("tcp", rest)) => return Self::plain(rest),
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
        let port = if is_secure { 443 } else { 80 };
        let host = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let slash = if target.starts_with('/') { "" } else { "/" };
        let place = if is_secure { Place::Secure(host) } else { Place::Tcp(host) };
        Ok(Self { place, target: format!("{slash}{target}") })
    }
}

impl Address {
    fn plain(host: &str) -> Result<Self, String> {
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() || host.contains(['@', ' ', '/']) {
            return Err("no port: give an address such as tcp://127.0.0.1:7".to_owned());
        }
        Ok(Self { place: Place::Plain(host.to_owned()), target: String::new() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(host) => write!(f, "ws://{host}{}", self.target),
            Place::Secure(host) => write!(f, "wss://{host}{}", self.target),
            Place::Plain(host) => write!(f, "tcp://{host}"),
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
            Place::Tcp(host) | Place::Secure(host) | Place::Plain(host) => host,
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

    /// Begins to connect, with `congestion` control where it is one's own choice; whether that works
    /// out, the first read or write says.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` if the server has to accept some others first.
    pub(crate) fn connect(&self, congestion: Option<&str>) -> io::Result<Stream> {
        match self {
            Self::Tcp(address) => {
                let stream = mio::net::TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                if let Some(name) = congestion {
                    set_congestion(&stream, name)?;
                }
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(path) => mio::net::UnixStream::connect(path).map(Stream::Unix),
        }
    }
}

fn set_congestion(stream: &mio::net::TcpStream, name: &str) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    let result = SockRef::from(stream).set_tcp_congestion(name.as_bytes());
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    let result = Err(io::Error::from(io::ErrorKind::Unsupported));
    result.map_err(|error| {
        io::Error::new(error.kind(), format!("congestion control `{name}`: {error}"))
    })
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
            ("wss://example.com/a", "wss://example.com:443/a"),
            ("wss://[::1]:9443", "wss://[::1]:9443/"),
            ("[::1]:9001", "ws://[::1]:9001/"),
            ("unix:/run/echo.sock", "unix:/run/echo.sock"),
            ("unix:/run/echo.sock:/chat", "unix:/run/echo.sock:/chat"),
            ("tcp://localhost:7", "tcp://localhost:7"),
            ("tcp://[::1]:7", "tcp://[::1]:7"),
        ] {
            let address = Address::from_str(text).unwrap();
            assert_eq!(address.to_string(), full);
            assert_eq!(Address::from_str(full), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_advice() {
        for text in [
            "",
            "ws://",
            "http://a/",
            "wss://",
            "ws://a@b/",
            "unix:",
            "ws:///path",
            "tcp://a",
            "tcp://[::1]",
            "tcp://a:7/path",
        ] {
            let error = Address::from_str(text).unwrap_err();
            assert!(error.contains("give"), "{text}: {error}");
        }
    }
}
