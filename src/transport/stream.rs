//! Connected sockets.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::{Interest, Registry, Token};

/// A non-blocking connected socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(mio::net::TcpStream),
    /// Unix-domain.
    Unix(mio::net::UnixStream),
}

impl Stream {
    /// Asks `registry` for readiness in both directions under `token`, once for the connection's
    /// life: readiness is edge-triggered, so nothing is ever asked again.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interest),
            Self::Unix(stream) => stream.register(registry, token, interest),
        }
    }

    /// Reads what has arrived, up to the buffer's length; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has; others end the connection. Interruptions are retried.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
        })
    }

    /// Writes what the socket takes of `bytes`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it takes nothing; others end the connection.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
        })
    }

    /// Writes what the socket takes of several slices, first first.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).write_vectored(slices),
            Self::Unix(stream) => (&*stream).write_vectored(slices),
        })
    }

    /// Ends our direction; the peer reads the end of the stream behind what was written.
    ///
    /// # Errors
    ///
    /// What the system says, such as a connection that is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// A signal may interrupt any call; nothing has happened then.
#[inline]
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
