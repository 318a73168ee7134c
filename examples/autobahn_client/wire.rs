//! The engine's own streams, with TLS or without, for a client that waits for one of them at a time.

use std::io::{self, ErrorKind};
use std::net::ToSocketAddrs;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tickwire::transport::Stream;

/// A suite that says nothing for so long, or takes nothing, hangs. Its slowest cases compute for
/// seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The fuzzing server: `ws://HOST:PORT` or `wss://HOST:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// Host and port.
    pub(crate) host: String,
    is_secure: bool,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (host, is_secure) = match url.split_once("://") {
            Some(("ws", host)) => (host, false),
            Some(("wss", host)) => (host, true),
            _ => return Err("not a ws:// or wss:// URL"),
        };
        let host = host.strip_suffix('/').unwrap_or(host).to_owned();
        match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self { host, is_secure })
            }
            _ => Err("no host and port behind the scheme"),
        }
    }
}

/// How to get to the server.
pub(crate) struct Route {
    pub(crate) address: Address,
    #[cfg(feature = "tls")]
    tls: Option<tickwire::transport::TlsConnector>,
}

impl Route {
    /// With TLS, if the address says so: then the authorities of `ca` are trusted, or the platform's.
    #[cfg(feature = "tls")]
    pub(crate) fn new(address: Address, ca: Option<&Path>) -> io::Result<Self> {
        use tickwire::transport::TlsConnector;

        let connector = || match ca {
            Some(path) => TlsConnector::with_ca_file(path),
            None => TlsConnector::with_platform_roots(),
        };
        let tls = address.is_secure.then(connector).transpose().map_err(io::Error::other)?;
        Ok(Self { address, tls })
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(address: Address, _: Option<&Path>) -> io::Result<Self> {
        if address.is_secure {
            let advice = "this program was built without TLS: build it with `--features tls`";
            return Err(io::Error::other(advice));
        }
        Ok(Self { address })
    }

    /// Connects. A handshake of TLS happens with what is written and read first.
    pub(crate) fn connect(&self) -> io::Result<Wire> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in self.address.host.to_socket_addrs()? {
            match mio::net::TcpStream::connect(address) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    return Wire::new(self.secure(Stream::Tcp(socket))?);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    #[cfg(feature = "tls")]
    fn secure(&self, socket: Stream) -> io::Result<Stream> {
        let Some(connector) = &self.tls else { return Ok(socket) };
        let host = &self.address.host;
        let name = host.rsplit_once(':').map_or(&**host, |(name, _)| name);
        connector.connect(socket, name).map_err(io::Error::other)
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "with TLS it may fail")]
    fn secure(&self, socket: Stream) -> io::Result<Stream> {
        Ok(socket)
    }
}

/// A stream that is waited for.
pub(crate) struct Wire {
    stream: Stream,
    poll: Poll,
    events: Events,
    patience: Duration,
}

impl Wire {
    fn new(mut stream: Stream) -> io::Result<Self> {
        let poll = Poll::new()?;
        stream.register(poll.registry(), Token(0))?;
        Ok(Self { stream, poll, events: Events::with_capacity(4), patience: PATIENCE })
    }

    /// How long a read or a write waits from now on, before it gives up with `TimedOut`.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Waits for bytes; 0 is the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(|stream| {
            // A TLS handshake has something to say while it is read.
            stream.flush()?;
            stream.read(buffer)
        })
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < bytes.len() {
            at += self.retry(|stream| stream.write(&bytes[at..]))?;
        }
        self.retry(
            |stream| if stream.flush()? { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) },
        )
    }

    /// Tries until it works: as long as it would block, for whatever the socket announces.
    fn retry<T>(&mut self, mut act: impl FnMut(&mut Stream) -> io::Result<T>) -> io::Result<T> {
        let end = Instant::now() + self.patience;
        loop {
            match act(&mut self.stream) {
                // It may be connecting still, for which some systems have a word of their own.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
                result => return result,
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}
