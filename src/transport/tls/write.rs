//! From plaintext to the socket.

use std::io::{self, ErrorKind, IoSlice};

use super::TlsStream;
use super::pieces::Pieces;
use super::scratch::{Output, Scratch, with_scratch};
use super::session::{Errand, Session, Step};
use crate::transport::StreamFault;

/// What a client may say before the handshake is done, in bytes.
const MAX_EARLY_LEN: usize = 16 * 1024;

/// `internal_error`, before keys are agreed: for whom there is not even a handshake.
const TURNED_AWAY: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

impl TlsStream {
    /// Encrypts and writes what the socket takes of several slices, first first; returns how much
    /// plaintext that was. What the socket does not take of the last records, at most 80 KiB of
    /// plaintext, waits here and leaves before anything else.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it takes nothing, which for a server is also so during the handshake.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_broken() || self.flags.said_goodbye {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !self.flags.established {
            return self.write_early(slices);
        }
        if self.is_unflushed() && !self.flush()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        with_scratch(|scratch| self.write_sealed(&mut Pieces::new(slices), scratch))
    }

    /// Writes what waits for the socket; says whether that was all of it.
    ///
    /// # Errors
    ///
    /// What ends the connection.
    pub fn flush(&mut self) -> io::Result<bool> {
        let mut at = 0;
        while at < self.sealed_out.len() {
            match self.socket.write(&self.sealed_out[at..]) {
                Ok(len) => at += len,
                Err(error) if is_not_ready(&error) => {
                    self.sealed_out.drain(..at);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.sealed_out = Vec::new();
        if std::mem::take(&mut self.flags.ending) {
            self.socket.shutdown_write()?;
        }
        Ok(true)
    }

    /// Tells the peer that nothing follows, and ends our direction behind that.
    ///
    /// # Errors
    ///
    /// What the system says, such as a connection that is gone already.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.flags.said_goodbye, true) && !self.is_broken() {
            if self.flags.established {
                with_scratch(|scratch| self.say_goodbye(scratch))?;
            } else if !self.flags.heard && matches!(self.session, Session::Server(_)) {
                self.send(TURNED_AWAY)?;
            }
        }
        if self.is_unflushed() {
            self.flags.ending = true;
            return Ok(());
        }
        self.socket.shutdown_write()
    }

    /// Tells the peer that nothing follows if the socket takes it; the stream is about to be dropped.
    pub(in crate::transport) fn part(&mut self) {
        let flags = &self.flags;
        if flags.established && !flags.said_goodbye && self.fault.is_none() {
            let _ = with_scratch(|scratch| self.say_goodbye(scratch));
        }
    }

    /// Encrypts and writes until the socket is full or nothing is left.
    fn write_sealed(
        &mut self,
        pieces: &mut Pieces<'_>,
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let mut written = 0;
        while !pieces.is_empty() && !self.is_unflushed() {
            scratch.output.clear();
            let Scratch { output, record, .. } = scratch;
            written += self.run(&mut Errand::Seal(pieces, record), output)?;
            self.send(output.filled())?;
        }
        Ok(written)
    }

    fn say_goodbye(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let output = &mut scratch.output;
        output.clear();
        self.run(&mut Errand::SayGoodbye, output)?;
        self.send(output.filled())
    }

    /// A client's first words wait for the handshake. A server has none.
    fn write_early(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let before = self.early.len();
        if matches!(self.session, Session::Client(_)) {
            for slice in slices {
                let len = slice.len().min(MAX_EARLY_LEN - self.early.len());
                self.early.extend_from_slice(&slice[..len]);
            }
        }
        match self.early.len() - before {
            0 => Err(ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    pub(super) fn send_early(&mut self, scratch: &mut Scratch) {
        let early = std::mem::take(&mut self.early);
        let slices = [IoSlice::new(&early)];
        let mut pieces = Pieces::new(&slices);
        // It fits into one record, so all of it is taken.
        let Scratch { output, record, .. } = scratch;
        output.clear();
        let sealed = self.run(&mut Errand::Seal(&mut pieces, record), output);
        if let Err(error) = sealed.and_then(|_| self.send(output.filled())) {
            self.lose(&error);
        }
    }

    /// Does an errand. Input that was kept comes first, as rustls wants it: almost always there is
    /// none, else a record that the reader had no room for is decrypted by the way.
    #[inline]
    fn run(&mut self, errand: &mut Errand<'_, '_>, output: &mut Output) -> io::Result<usize> {
        let mut at = 0;
        let result = loop {
            let before = self.opened.len();
            let opened = &mut self.opened;
            let open = |plaintext: &[u8]| opened.extend_from_slice(plaintext);
            let (used, step) = self.session.step(&mut self.sealed_in[at..], output, errand, open);
            at += used;
            self.charge(used, self.opened.len() - before);
            match step {
                Ok(Step::More | Step::Opened) => {}
                Ok(Step::Settled(sealed)) => break Ok(sealed),
                Ok(Step::PeerClosed) => self.flags.peer_closed = true,
                Ok(Step::Blocked) => break Err(ErrorKind::WouldBlock.into()),
                Err(error) => {
                    self.fail(&error, output);
                    break Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
        };
        self.sealed_in.drain(..at);
        result
    }

    /// Writes ciphertext; what the socket does not take waits.
    #[inline]
    pub(super) fn send(&mut self, sealed: &[u8]) -> io::Result<()> {
        let mut written = 0;
        if !self.is_unflushed() {
            written = match self.socket.write(sealed) {
                Err(error) if is_not_ready(&error) => 0,
                result => result?,
            };
        }
        if written < sealed.len() {
            self.sealed_out.extend_from_slice(&sealed[written..]);
        }
        Ok(())
    }

    /// The socket has failed where nobody is told at once.
    #[cold]
    pub(super) fn lose(&mut self, error: &io::Error) {
        self.fault.get_or_insert_with(|| Box::new(StreamFault::Broken(error.to_string())));
    }

    /// Nothing can be said any more. A peer that has only hung up may still read.
    fn is_broken(&self) -> bool {
        matches!(self.fault.as_deref(), Some(StreamFault::Broken(_) | StreamFault::Handshake(_)))
    }
}

/// A client's socket may be connecting still: some systems call that not connected.
fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
