//! Connected sockets.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::StreamFault;
#[cfg(feature = "tls")]
use super::TlsStream;

/// A non-blocking connected socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(mio::net::TcpStream),
    /// Unix-domain.
    Unix(mio::net::UnixStream),
    /// TLS on one of the others.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
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
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.socket_mut().register(registry, token),
        }
    }

    /// The socket itself, below TLS.
    pub fn socket_mut(&mut self) -> &mut Self {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.socket_mut(),
            socket => socket,
        }
    }

    /// Whether it is TLS: what is [received](Self::socket_mut) from the socket itself is not what it
    /// means.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return matches!(self, Self::Tls(_));
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Bytes that have come of a TLS handshake that is not done; `None`: there is none to wait for.
    #[must_use]
    pub fn handshake_len(&self) -> Option<usize> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.handshake_len(),
        }
    }

    /// TLS that begins with what somebody has read from the [socket](Self::socket_mut) behind what came
    /// first: at most 16 KiB. Whatever else begins so has no need of it.
    pub fn begin_with(&mut self, received: &[u8]) {
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            stream.take_in(received);
        }
        #[cfg(not(feature = "tls"))]
        let _ = received;
    }

    /// Reads what has arrived, up to the buffer's length; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has; others end the connection. Interruptions are retried.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).read(buffer),
            Self::Unix(stream) => (&*stream).read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        })
    }

    /// Whether the last read has stopped, full or not, though there may be more that nothing will
    /// announce: TLS whose records bring next to nothing is read a few at a time.
    #[inline]
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_interrupted(),
        }
    }

    /// What was read since this was last asked counts as so many bytes more, where limits are for what
    /// comes: TLS has records about it, and some without any plaintext.
    #[inline]
    pub fn take_toll(&mut self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.take_toll(),
        }
    }

    /// Writes what the socket takes of `bytes`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it takes nothing; others end the connection.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).write(bytes),
            Self::Unix(stream) => (&*stream).write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write_vectored(&[IoSlice::new(bytes)]),
        })
    }

    /// Writes what the socket takes of several slices, first first.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match self {
            Self::Tcp(stream) => (&*stream).write_vectored(slices),
            Self::Unix(stream) => (&*stream).write_vectored(slices),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write_vectored(slices),
        })
    }

    /// Ends our direction; the peer reads the end of the stream behind what was written.
    ///
    /// # Errors
    ///
    /// What the system says, such as a connection that is gone already.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.shutdown_write(),
        }
    }

    /// Says goodbye where that is usual, if the socket takes it: the stream is about to be dropped,
    /// and everything has been said.
    pub fn part(&mut self) {
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            stream.part();
        }
    }

    /// Takes nothing more in: the stream's end is announced and met behind what has arrived.
    #[cfg(feature = "tls")]
    pub(super) fn shutdown_read(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Read),
            Self::Unix(stream) => stream.shutdown(Shutdown::Read),
            Self::Tls(_) => Ok(()),
        }
    }

    /// Bytes that were written and wait here for the socket; see [`flush`](Self::flush). Only TLS
    /// keeps any: what has been encrypted.
    #[inline]
    #[must_use]
    pub fn unflushed_len(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.unflushed_len(),
        }
    }

    /// Bytes that have been received and wait here to be read: only TLS keeps any.
    #[must_use]
    pub fn unread_len(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.unread_len(),
        }
    }

    /// How many bytes more (or, negative, fewer) wait here than when this was asked before.
    #[inline]
    pub fn unflushed_change(&mut self) -> isize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.unflushed_change(),
        }
    }

    /// Writes what waits here for the socket; says whether that was all of it.
    ///
    /// # Errors
    ///
    /// What ends the connection.
    pub fn flush(&mut self) -> io::Result<bool> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(true),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }

    /// Why the stream is over, if it has not ended well and the socket alone does not tell.
    #[must_use]
    pub fn fault(&self) -> Option<&StreamFault> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.fault(),
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
