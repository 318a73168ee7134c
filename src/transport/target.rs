//! Where to listen, and where a listener ended up.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::proxy_protocol::TrustedProxies;

/// Where a server shall listen.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindTarget {
    /// A TCP address: `127.0.0.1:9001`, `[::1]:0` (port 0 takes a free one), `localhost:9001`
    /// (every address that the name resolves to).
    Tcp(String),
    /// A Unix-domain socket by its path. A stale socket file that nobody listens on is replaced;
    /// the file is removed when the server ends.
    Unix(PathBuf),
    /// A TCP socket that listens already: inherited from a supervisor or a predecessor.
    TcpListener(std::net::TcpListener),
    /// A Unix-domain socket that listens already. Its file stays when the server ends.
    UnixListener(std::os::unix::net::UnixListener),
    /// One of these, behind proxies: see [`behind`](Self::behind).
    Proxied(Box<BindTarget>, TrustedProxies),
}

impl BindTarget {
    /// The same, reached only through proxies that say by the PROXY protocol, version 1 or 2, for whom
    /// they have connected: that client's address is what
    /// [`Request::peer_addr`](crate::handshake::Request::peer_addr) tells then. The header comes
    /// before TLS. It has the time and, in version 2, the length of a request's head.
    ///
    /// Connections from anybody else are refused, and so are those without a header.
    ///
    /// ```no_run
    /// # use tickwire::{Context, Handler, Message, Server, TrustedProxies};
    /// # use tickwire::transport::BindTarget;
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     type State = ();
    /// #     fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
    /// #         ctx.send(message);
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let proxies = TrustedProxies::at(["10.0.0.0/8", "fd00::7"])?;
    /// let server =
    ///     Server::builder().bind(BindTarget::from("0.0.0.0:9001").behind(proxies)).start(Echo)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self::Proxied(Box::new(self), proxies)
    }

    /// The same with a name replaced by the addresses that it resolves to.
    ///
    /// # Errors
    ///
    /// What the system says, or that there are none.
    pub fn resolve(self) -> io::Result<Vec<Self>> {
        match self {
            Self::Tcp(address) => {
                let resolved: Vec<Self> = address.to_socket_addrs()?.map(Self::from).collect();
                if resolved.is_empty() {
                    let message = "the name resolves to no address";
                    return Err(io::Error::new(io::ErrorKind::NotFound, message));
                }
                Ok(resolved)
            }
            Self::Proxied(target, proxies) => {
                let behind = |target: Self| target.behind(proxies.clone());
                Ok(target.resolve()?.into_iter().map(behind).collect())
            }
            other => Ok(vec![other]),
        }
    }
}

/// `unix:PATH` is a Unix-domain socket, everything else a TCP address.
impl From<&str> for BindTarget {
    fn from(target: &str) -> Self {
        match target.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(target.to_owned()),
        }
    }
}

impl From<String> for BindTarget {
    fn from(target: String) -> Self {
        target.as_str().into()
    }
}

impl From<&String> for BindTarget {
    fn from(target: &String) -> Self {
        target.as_str().into()
    }
}

impl From<SocketAddr> for BindTarget {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

impl From<std::net::TcpListener> for BindTarget {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::TcpListener(listener)
    }
}

impl From<std::os::unix::net::UnixListener> for BindTarget {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self::UnixListener(listener)
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddr {
    /// A TCP address with its real port.
    Tcp(SocketAddr),
    /// The path of a Unix-domain socket.
    Unix(PathBuf),
}

/// In the form that [`BindTarget`] reads.
impl fmt::Display for LocalAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
