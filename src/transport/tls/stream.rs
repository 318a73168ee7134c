//! A TLS stream on a non-blocking socket.
//!
//! Readiness is edge-triggered, so a stream keeps these rules for whoever polls:
//!
//! - A read that fills less than its buffer has taken all that the socket had.
//! - What is decrypted and not read, or received and not decrypted, is there only after a read that
//!   has filled its buffer: whoever does not read on then must remember to.
//! - But for a read that is [interrupted](TlsStream::is_interrupted): there may be more, and no readiness
//!   will announce it.
//! - A write takes everything, or as much as there was room for: then the socket is full, and its
//!   readiness will be announced. What has been encrypted and not written leaves before anything
//!   else, with the next write or [`flush`](TlsStream::flush).
//! - The end of the stream that a record tells of is announced by the socket as if it had ended.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, Error, HandshakeKind, ServerConfig};

use super::scratch::{Output, Scratch, with_scratch};
use super::session::{Errand, Session, Step};
use crate::handshake::TlsInfo;
use crate::transport::{Stream, StreamFault};

/// TLS on a socket.
#[derive(Debug)]
pub struct TlsStream {
    pub(super) socket: Stream,
    pub(super) session: Session,
    /// Received and not used up: part of a record, or what was beyond the reader's buffer.
    pub(super) sealed_in: Vec<u8>,
    /// Decrypted and not read: at most what had been received and was written past. The first `read_len` bytes have been read.
    pub(super) opened: Vec<u8>,
    pub(super) read_len: usize,
    /// Encrypted and not taken by the socket.
    pub(super) sealed_out: Vec<u8>,
    /// How much of that was known when somebody last asked for the change.
    pub(super) known_len: usize,
    /// A client's first words, until the handshake is done.
    pub(super) early: Vec<u8>,
    /// What has come beside plaintext, in bytes that it shall count as, and nobody has asked for.
    pub(super) toll: u32,
    pub(super) fault: Option<Box<StreamFault>>,
    /// Received until the handshake was done.
    pub(super) handshake_len: u32,
    pub(super) flags: Flags,
}

#[derive(Debug, Default)]
pub(super) struct Flags {
    /// Something has been received.
    pub(super) heard: bool,
    /// The handshake is done.
    pub(super) established: bool,
    /// Somebody has asked whether it is news.
    pub(super) told: bool,
    /// `sealed_in` may hold whole records.
    pub(super) undigested: bool,
    /// The last read has stopped early.
    pub(super) interrupted: bool,
    /// The peer has said that nothing follows.
    pub(super) peer_closed: bool,
    /// So have we.
    pub(super) said_goodbye: bool,
    /// The socket's direction is to be ended once `sealed_out` is written.
    pub(super) ending: bool,
}

impl TlsStream {
    pub(super) fn server(socket: Stream, config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self::new(socket, Session::Server(UnbufferedServerConnection::new(config)?)))
    }

    pub(super) fn client(
        socket: Stream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let session = Session::Client(UnbufferedClientConnection::new(config, name)?);
        let mut stream = Self::new(socket, session);
        // The client speaks first; its socket may be connecting still.
        with_scratch(|Scratch { output, .. }| {
            output.clear();
            while let (_, Ok(Step::More)) =
                stream.session.step(&mut [], output, &mut Errand::Nothing, |_| {})
            {}
            stream.sealed_out.extend_from_slice(output.filled());
        });
        Ok(stream)
    }

    fn new(socket: Stream, session: Session) -> Self {
        Self {
            socket,
            session,
            sealed_in: Vec::new(),
            opened: Vec::new(),
            read_len: 0,
            sealed_out: Vec::new(),
            known_len: 0,
            early: Vec::new(),
            toll: 0,
            fault: None,
            handshake_len: 0,
            flags: Flags::default(),
        }
    }

    /// Bytes that have been received and not read, decrypted or not.
    #[must_use]
    pub fn unread_len(&self) -> usize {
        self.sealed_in.len() + self.opened.len() - self.read_len
    }

    /// Whether the last read has stopped, full or not, because so many records have brought so little:
    /// there may be more to read.
    #[inline]
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.flags.interrupted
    }

    /// What was read since this was last asked counts as so many bytes more: for its records, and for
    /// those without plaintext.
    #[inline]
    pub fn take_toll(&mut self) -> usize {
        std::mem::take(&mut self.toll) as usize
    }

    /// The socket below.
    pub(in crate::transport) fn socket_mut(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Takes in what has been received already, by whoever has read from the socket below: a few
    /// records at most, before anything else is read.
    pub(in crate::transport) fn take_in(&mut self, received: &[u8]) {
        self.sealed_in.extend_from_slice(received);
        self.handshake_len = received.len() as u32;
        self.flags.undigested = !received.is_empty();
    }

    /// Encrypted bytes that wait for the socket.
    #[inline]
    #[must_use]
    pub fn unflushed_len(&self) -> usize {
        self.sealed_out.len()
    }

    /// How many encrypted bytes more (or, negative, fewer) wait than when this was asked before.
    pub fn unflushed_change(&mut self) -> isize {
        let len = self.sealed_out.len();
        len as isize - std::mem::replace(&mut self.known_len, len) as isize
    }

    #[inline]
    pub(super) fn is_unflushed(&self) -> bool {
        !self.sealed_out.is_empty()
    }

    /// Why the stream is over, if it has not ended well.
    #[must_use]
    pub fn fault(&self) -> Option<&StreamFault> {
        self.fault.as_deref()
    }

    /// What has been agreed with the peer; `None` before the handshake is done.
    #[must_use]
    pub fn info(&self) -> Option<TlsInfo> {
        if !self.flags.established {
            return None;
        }
        let state = self.session.state();
        Some(TlsInfo::new(
            state.protocol_version()?,
            state.negotiated_cipher_suite()?.suite(),
            state.handshake_kind() == Some(HandshakeKind::Resumed),
            state.peer_certificates().unwrap_or_default(),
        ))
    }

    /// Bytes that have come of a handshake that is not done.
    #[must_use]
    pub fn handshake_len(&self) -> Option<usize> {
        (!self.flags.established).then_some(self.handshake_len as usize)
    }

    /// Whether the handshake is done and this was not asked since.
    pub fn is_news(&mut self) -> bool {
        self.flags.established && !std::mem::replace(&mut self.flags.told, true)
    }

    /// The stream is over for a reason that the peer is told by the alert in `output`, if there is
    /// one.
    #[cold]
    pub(super) fn fail(&mut self, error: &Error, output: &Output) {
        let message = error.to_string();
        let fault = if self.flags.established {
            StreamFault::Broken(message)
        } else {
            StreamFault::Handshake(message)
        };
        self.fault.get_or_insert_with(|| Box::new(fault));
        let _ = self.send(output.filled());
    }
}
