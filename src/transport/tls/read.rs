//! From the socket's ciphertext to plaintext.

use std::io::{self, ErrorKind};

use super::TlsStream;
use super::scratch::{MAX_PLAINTEXT_LEN, Scratch, with_scratch};
use super::session::{Errand, Session, Step};
use super::toll::{MAX_RECORDS_PER_READ, Toll};
use crate::transport::StreamFault;

/// Bytes that are read and dropped before a connection is given up, so that the alert is not lost to
/// a reset.
const MAX_DROPPED_LEN: usize = 256 * 1024;

/// A record, or a handshake message, that arrives in parts may take so many bytes: a record has 18
/// KiB at most, and certificate chains are shorter.
const MAX_KEPT_LEN: usize = 48 * 1024;

/// Sent to a client that speaks HTTP without TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 52\r\n\r\n\
    this port speaks TLS: use wss:// or https:// for it\n";

/// A read under way.
struct Reader<'a> {
    buffer: &'a mut [u8],
    filled: usize,
    record_count: usize,
}

impl Reader<'_> {
    fn room(&self) -> usize {
        self.buffer.len() - self.filled
    }

    /// It has had its share of the thread, whatever it has got for that.
    fn is_over(&self) -> bool {
        self.record_count >= MAX_RECORDS_PER_READ
    }

    /// Takes what there is room for; returns how much that was.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.room());
        self.buffer[self.filled..][..len].copy_from_slice(&bytes[..len]);
        self.filled += len;
        len
    }

    /// What was read, or else what there is to say.
    fn or(&self, result: io::Result<usize>) -> io::Result<usize> {
        if self.filled > 0 { Ok(self.filled) } else { result }
    }
}

impl TlsStream {
    /// Reads plaintext, up to the buffer's length; 0 is the end of the stream, cut off or not. The
    /// handshake is carried on by the way. One read opens 512 records or few more: see
    /// [`is_interrupted`](Self::is_interrupted).
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing has come; `InvalidData` when what has come is no TLS, or not to be
    /// trusted: the peer has been told by an alert.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut reader = Reader { buffer, filled: 0, record_count: 0 };
        if !self.opened.is_empty() {
            self.read_opened(&mut reader);
        }
        if reader.room() == 0 {
            return Ok(reader.filled);
        }
        let result = with_scratch(|scratch| self.read_socket(&mut reader, scratch));
        reader.or(result)
    }

    fn read_opened(&mut self, reader: &mut Reader<'_>) {
        self.read_len += reader.take(&self.opened[self.read_len..]);
        if self.read_len == self.opened.len() {
            (self.opened, self.read_len) = (Vec::new(), 0);
        }
    }

    /// Goes on until the socket has no more, the buffer is full, or too many records have brought too
    /// little. What it returns counts only if nothing has been read.
    fn read_socket(&mut self, reader: &mut Reader<'_>, scratch: &mut Scratch) -> io::Result<usize> {
        self.flags.interrupted = false;
        loop {
            if self.flags.peer_closed || self.fault.is_some() {
                return self.end(reader);
            }
            let kept = self.sealed_in.len();
            scratch.input[..kept].copy_from_slice(&self.sealed_in);
            let (mut len, mut is_drained) = (kept, false);
            if !self.flags.undigested {
                // A record more than what fits into the reader's buffer may have to wait here.
                let wanted = reader.room().max(MAX_PLAINTEXT_LEN).min(scratch.input.len() - kept);
                let received = match self.socket.read(&mut scratch.input[kept..][..wanted]) {
                    Ok(0) if wanted > 0 => return self.meet_end(reader),
                    Ok(received) => received,
                    Err(error) => return Err(error),
                };
                is_drained = received < wanted;
                len += received;
            }
            if !self.flags.established {
                if !self.flags.heard && self.is_plain_http(scratch.input[0]) {
                    return self.answer_plain_http();
                }
                self.flags.heard = true;
                self.handshake_len = self.handshake_len.saturating_add((len - kept) as u32);
            }
            self.digest(reader, scratch, len);
            let is_over = reader.is_over();
            if is_over || reader.room() == 0 || (is_drained && reader.filled > 0) {
                if self.flags.peer_closed || self.fault.is_some() {
                    return self.end(reader);
                }
                self.flags.interrupted = is_over;
                return reader.or(Err(ErrorKind::WouldBlock.into()));
            }
        }
    }

    /// Uses up what has been received, `..len` of the input, while the reader has room; keeps the
    /// rest.
    fn digest(&mut self, reader: &mut Reader<'_>, scratch: &mut Scratch, len: usize) {
        let Scratch { input, output, .. } = scratch;
        output.clear();
        let mut at = 0;
        let result = loop {
            if at < len && (reader.room() == 0 || reader.is_over()) {
                self.flags.undigested = true;
                break Ok(());
            }
            self.flags.undigested = false;
            let (opened, mut opened_len) = (&mut self.opened, 0);
            let open = |plaintext: &[u8]| {
                opened_len += plaintext.len();
                let taken = reader.take(plaintext);
                opened.extend_from_slice(&plaintext[taken..]);
            };
            let (used, step) =
                self.session.step(&mut input[at..len], output, &mut Errand::Nothing, open);
            at += used;
            reader.record_count += self.charge(used, opened_len);
            match step {
                // Another look would find nothing: what has come before the plaintext was dealt with on
                // the way to it, nothing came behind it, and nothing is to be answered.
                Ok(Step::Opened) if at == len && !self.session.state().wants_write() => {
                    break Ok(());
                }
                Ok(Step::More | Step::Opened) => {}
                Ok(Step::Blocked | Step::Settled(_)) => break Ok(()),
                Ok(Step::PeerClosed) => {
                    self.flags.peer_closed = true;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        self.keep(&input[at..len]);
        match result {
            Ok(()) if self.sealed_in.len() > MAX_KEPT_LEN && !self.flags.undigested => {
                let error = rustls::Error::General("a handshake message is too long".into());
                self.fail(&error, output);
            }
            Ok(()) => self.carry_on(scratch),
            Err(error) => {
                // The alert; no look at the input comes between.
                while self.session.state().wants_write() {
                    let rest = &mut input[at..len];
                    let (used, _) = self.session.step(rest, output, &mut Errand::Nothing, |_| {});
                    at += used;
                }
                self.fail(&error, output);
            }
        }
    }

    /// Charges what the peer has made us do for so much plaintext; returns the number of records.
    #[inline]
    pub(super) fn charge(&mut self, used: usize, opened_len: usize) -> usize {
        // A handshake has limits of its own.
        if !self.flags.established {
            return 0;
        }
        let toll = Toll::of(used, opened_len);
        self.toll = self.toll.saturating_add(toll.len as u32);
        toll.records
    }

    /// Keeps what is not used up. A stream that waits for nothing keeps no memory.
    fn keep(&mut self, rest: &[u8]) {
        self.sealed_in.clear();
        if rest.is_empty() {
            self.sealed_in = Vec::new();
        } else {
            self.sealed_in.extend_from_slice(rest);
        }
    }

    /// Sends what rustls has to say by itself, and once the handshake is done what waited for that.
    fn carry_on(&mut self, scratch: &mut Scratch) {
        if !scratch.output.filled().is_empty() {
            if let Err(error) = self.send(scratch.output.filled()) {
                self.lose(&error);
            }
        }
        if !self.flags.established && !self.session.state().is_handshaking() {
            self.flags.established = true;
            if !self.early.is_empty() {
                self.send_early(scratch);
            }
        }
    }

    /// The socket has ended.
    fn meet_end(&mut self, reader: &Reader<'_>) -> io::Result<usize> {
        if reader.filled == 0 && self.flags.heard {
            let fault =
                if self.flags.established { StreamFault::Truncated } else { StreamFault::HungUp };
            self.fault.get_or_insert_with(|| Box::new(fault));
        }
        Ok(0)
    }

    /// The stream is over. If something has been read before that, whoever polls hears of it as of
    /// the socket's own end, for only a record tells of it; else they hear what is wrong.
    fn end(&mut self, reader: &Reader<'_>) -> io::Result<usize> {
        if reader.filled > 0 {
            let _ = self.socket.shutdown_read();
            return Ok(reader.filled);
        }
        match self.fault.as_deref() {
            None | Some(StreamFault::Truncated | StreamFault::HungUp) => Ok(0),
            Some(fault) => {
                let error = io::Error::new(ErrorKind::InvalidData, fault.clone());
                self.drop_input();
                Err(error)
            }
        }
    }

    /// What has come is read, so that hanging up does not reset the connection under our last words.
    fn drop_input(&mut self) {
        let _ = self.socket.shutdown_write();
        let (mut dropped, mut piece) = (0, [0; 4096]);
        while dropped < MAX_DROPPED_LEN {
            match self.socket.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(len) => dropped += len,
            }
        }
    }

    /// No TLS record begins with a letter, and every HTTP request does.
    fn is_plain_http(&self, first: u8) -> bool {
        matches!(self.session, Session::Server(_)) && first.is_ascii_uppercase()
    }

    #[cold]
    fn answer_plain_http(&mut self) -> io::Result<usize> {
        let _ = self.socket.write(PLAIN_HTTP);
        let fault = StreamFault::Handshake("the client speaks HTTP without TLS".to_owned());
        self.drop_input();
        self.fault = Some(Box::new(fault.clone()));
        Err(io::Error::new(ErrorKind::InvalidData, fault))
    }
}
