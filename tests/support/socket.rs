//! A blocking client socket, TCP or Unix-domain.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{Domain, Type};
use tickwire::transport::LocalAddr;

use super::PATIENCE;

/// Every read and write fails after [`PATIENCE`]. Both take `&self`: one thread may read while
/// another writes.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
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
        let socket = match address {
            LocalAddr::Tcp(address) => {
                let socket =
                    socket2::Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                if let Some(len) = receive_len {
                    socket.set_recv_buffer_size(len)?;
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
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }

    /// Closing will reset the connection instead of ending it.
    pub(crate) fn reset_on_close(&self) {
        if let Self::Tcp(stream) = self {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    pub(crate) fn into_tcp(self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(stream) => Ok(stream),
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }
}
