//! Listening sockets.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
#[cfg(feature = "tls")]
use std::sync::Arc;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

#[cfg(feature = "tls")]
use super::TlsAcceptor;
use super::socket_file::{SocketFile, SocketFiles};
use super::{BindTarget, Inherited, LocalAddr, SocketOptions, Stream};
use crate::proxy_protocol::TrustedProxies;

/// A non-blocking listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(mio::net::TcpListener),
    /// Unix-domain; with its file, if that goes with the server. The file goes first.
    Unix(Option<SocketFile>, mio::net::UnixListener),
    /// One of these, behind proxies.
    Proxied(Box<Listener>, TrustedProxies),
    /// One of the others, with TLS on what it accepts.
    #[cfg(feature = "tls")]
    Tls(Box<Listener>, Arc<TlsAcceptor>),
}

/// A connection that a listener has accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Its bytes; with TLS once they are decrypted.
    pub stream: Stream,
    /// For TCP, the address of its peer: the client or a proxy.
    pub peer: Option<SocketAddr>,
    /// Who its peer is.
    pub route: Route,
}

/// The way by which a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// It has connected itself.
    Direct,
    /// By a proxy that is trusted: first of all comes its PROXY header, on the stream's
    /// [socket](Stream::socket_mut) itself, and then what the client sends.
    Proxied,
    /// By somebody else than the proxies that the listener is behind: to be refused.
    Untrusted,
}

impl Listener {
    /// Listens at `target`; a name may resolve to several addresses. Sockets that listen there already
    /// are taken.
    ///
    /// # Errors
    ///
    /// What the system says, such as an address in use.
    pub fn bind(
        target: BindTarget,
        options: &SocketOptions,
        inherited: &mut Inherited,
    ) -> io::Result<Vec<Self>> {
        match target {
            BindTarget::Tcp(address) => bind_all(&address, options, inherited),
            BindTarget::Unix(path) => match inherited.take_unix(&path) {
                Some((listener, file)) => Ok(vec![adopt_unix(listener, file)?]),
                None => Ok(vec![bind_unix(path, options, inherited.files())?]),
            },
            BindTarget::TcpListener(listener) => Ok(vec![adopt_tcp(listener, options)?]),
            BindTarget::UnixListener(listener) => Ok(vec![adopt_unix(listener, None)?]),
            BindTarget::Proxied(target, proxies) => {
                let behind = |listener| Self::Proxied(Box::new(listener), proxies.clone());
                Ok(Self::bind(*target, options, inherited)?.into_iter().map(behind).collect())
            }
        }
    }

    /// The same with TLS on what it accepts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, acceptor: Arc<TlsAcceptor>) -> Self {
        Self::Tls(Box::new(self), acceptor)
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; see [`is_exhausted`](Self::is_exhausted) for others.
    pub fn accept(&self) -> io::Result<Accepted> {
        let direct = |stream, peer| Accepted { stream, peer, route: Route::Direct };
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // Linux hands the listener's option on; a failure elsewhere costs latency only.
                #[cfg(not(target_os = "linux"))]
                let _ = stream.set_nodelay(true);
                Ok(direct(Stream::Tcp(stream), Some(peer)))
            }
            Self::Unix(_, listener) => Ok(direct(Stream::Unix(listener.accept()?.0), None)),
            Self::Proxied(listener, proxies) => {
                let accepted = listener.accept()?;
                let trusted = proxies.trusts(accepted.peer.map(|peer| peer.ip()));
                let route = if trusted { Route::Proxied } else { Route::Untrusted };
                Ok(Accepted { route, ..accepted })
            }
            #[cfg(feature = "tls")]
            Self::Tls(listener, acceptor) => {
                let accepted = listener.accept()?;
                Ok(Accepted { stream: acceptor.accept(accepted.stream)?, ..accepted })
            }
        }
    }

    /// Whether an `accept` failed for want of descriptors or memory: the connection stays in the
    /// backlog, and trying again at once would spin.
    #[must_use]
    pub fn is_exhausted(error: &io::Error) -> bool {
        const ENOMEM: i32 = 12;
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
        matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<LocalAddr> {
        match self {
            Self::Tcp(listener) => Ok(LocalAddr::Tcp(listener.local_addr()?)),
            Self::Unix(_, listener) => {
                let address = listener.local_addr()?;
                Ok(LocalAddr::Unix(address.as_pathname().unwrap_or(Path::new("")).to_owned()))
            }
            Self::Proxied(listener, _) => listener.local_addr(),
            #[cfg(feature = "tls")]
            Self::Tls(listener, _) => listener.local_addr(),
        }
    }

    /// Asks `registry` for readiness under `token`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Self::Unix(_, listener) => listener.register(registry, token, Interest::READABLE),
            Self::Proxied(listener, _) => listener.register(registry, token),
            #[cfg(feature = "tls")]
            Self::Tls(listener, _) => listener.register(registry, token),
        }
    }
}

impl Listener {
    /// Asks for no readiness any more.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            Self::Unix(_, listener) => listener.deregister(registry),
            Self::Proxied(listener, _) => listener.deregister(registry),
            #[cfg(feature = "tls")]
            Self::Tls(listener, _) => listener.deregister(registry),
        }
    }
}

/// The descriptor, to hand it to another process.
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(_, listener) => listener.as_fd(),
            Self::Proxied(listener, _) => listener.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(listener, _) => listener.as_fd(),
        }
    }
}

fn bind_all(
    address: &str,
    options: &SocketOptions,
    inherited: &mut Inherited,
) -> io::Result<Vec<Listener>> {
    let resolved: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    if resolved.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name resolves to no address"));
    }
    let listen = |address| match inherited.take_tcp(address) {
        Some(listener) => adopt_tcp(listener, options),
        None => bind_tcp(address, options),
    };
    resolved.into_iter().map(listen).collect()
}

fn bind_tcp(address: SocketAddr, options: &SocketOptions) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two addresses: each can be bound beside the other.
        socket.set_only_v6(true)?;
    }
    options.apply(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(backlog(options))?;
    adopt_tcp(socket.into(), options)
}

fn adopt_tcp(listener: std::net::TcpListener, options: &SocketOptions) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    let socket = Socket::from(listener);
    options.apply(&socket)?;
    Ok(Listener::Tcp(mio::net::TcpListener::from_std(socket.into())))
}

fn bind_unix(path: PathBuf, options: &SocketOptions, files: &SocketFiles) -> io::Result<Listener> {
    let address = socket2::SockAddr::unix(&path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse || !is_stale(&path) {
            return Err(error);
        }
        std::fs::remove_file(&path)?;
        socket.bind(&address)?;
    }
    socket.listen(backlog(options))?;
    adopt_unix(socket.into(), Some(files.file(path)))
}

fn adopt_unix(
    listener: std::os::unix::net::UnixListener,
    file: Option<SocketFile>,
) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    Ok(Listener::Unix(file, mio::net::UnixListener::from_std(listener)))
}

/// A socket file that nobody listens on any more refuses connections. So does a file of any other
/// kind, which is somebody's and stays.
fn is_stale(path: &Path) -> bool {
    if !std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return false;
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

fn backlog(options: &SocketOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}
