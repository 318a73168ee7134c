//! A blocking client socket, TCP or Unix-domain.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Type};
use tickwire::transport::LocalAddr;

use super::PATIENCE;
#[cfg(feature = "tls")]
use super::tls::{self, TlsSocket};

/// Every read and write fails after [`PATIENCE`]. Both take `&self`: one thread may read while
/// another writes.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsSocket>),
}

impl Socket {
    pub(crate) fn connect(address: &LocalAddr) -> io::Result<Self> {
        Self::connect_with(address, None)
    }

    /// Connects with a receive buffer of about `receive_len` bytes, so that little of what the
    /// server sends is out of its hands before it is read here.
    pub(crate) fn connect_with(
        address: &LocalAddr,
        receive_len: Option<usize>,
    ) -> io::Result<Self> {
        Self::connect_plain(address, receive_len)?.with_the_servers_tls()
    }

    /// With TLS in the test programs whose servers speak it.
    pub(crate) fn with_the_servers_tls(self) -> io::Result<Self> {
        #[cfg(feature = "tls")]
        if super::is_over_tls() {
            return self.with_tls(tls::client_config(), tls::NAME);
        }
        Ok(self)
    }

    /// The same without TLS, whatever the server speaks.
    pub(crate) fn connect_plain(
        address: &LocalAddr,
        receive_len: Option<usize>,
    ) -> io::Result<Self> {
        Self::connect_from(None, address, receive_len)
    }

    /// The same from an address of this machine, such as any of 127.0.0.0/8.
    pub(crate) fn connect_from(
        from: Option<IpAddr>,
        address: &LocalAddr,
        receive_len: Option<usize>,
    ) -> io::Result<Self> {
        let socket = match address {
            LocalAddr::Tcp(address) => {
                let socket =
                    socket2::Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                if let Some(len) = receive_len {
                    socket.set_recv_buffer_size(len)?;
                }
                if let Some(from) = from {
                    socket.bind(&SocketAddr::new(from, 0).into())?;
                }
                socket.connect(&(*address).into())?;
                socket.set_tcp_nodelay(true)?;
                Self::Tcp(socket.into())
            }
            LocalAddr::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        };
        socket.set_timeouts(PATIENCE)?;
        Ok(socket)
    }

    /// A TLS handshake on a TCP socket.
    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(
        self,
        config: Arc<tickwire::rustls::ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let tls = TlsSocket::connect(self.into_tcp()?, config, name)?;
        Ok(Self::Tls(Box::new(tls)))
    }

    #[cfg(feature = "tls")]
    #[track_caller]
    pub(crate) fn as_tls(&self) -> &TlsSocket {
        match self {
            Self::Tls(tls) => tls,
            _ => panic!("a socket without TLS"),
        }
    }

    pub(crate) fn set_timeouts(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                tls.tcp.set_read_timeout(Some(timeout))?;
                tls.tcp.set_write_timeout(Some(timeout))
            }
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.tcp.set_write_timeout(Some(timeout)),
        }
    }

    /// Writes bytes that leave together with those that are written next.
    pub(crate) fn write_with_the_next(&self, bytes: &[u8]) -> io::Result<()> {
        const MSG_MORE: i32 = 0x8000;
        match self {
            #[cfg(target_os = "linux")]
            Self::Tcp(stream) => {
                let len = socket2::SockRef::from(stream).send_with_flags(bytes, MSG_MORE)?;
                self.write_all(&bytes[len..])
            }
            _ => self.write_all(bytes),
        }
    }

    /// Closing will reset the connection instead of ending it.
    pub(crate) fn reset_on_close(&self) {
        let tcp = match self {
            Self::Tcp(stream) => stream,
            Self::Unix(_) => return,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => &tls.tcp,
        };
        socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.shutdown(how),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            #[cfg(feature = "tls")]
            Self::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    pub(crate) fn into_tcp(self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(stream) => Ok(stream),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                let mut at = 0;
                while at < bytes.len() {
                    at += tls.write(&bytes[at..])?;
                }
                tls.flush()
            }
        }
    }
}
