//! A blocking WebSocket client that shows everything a server sends and sends anything.
//!
//! It does nothing by itself: it answers no ping and no close frame unless a test says so.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "deflate")]
use tickwire::frame::encode_compressed_frame;
use tickwire::frame::{CloseCode, OpCode, encode_close, encode_frame};
use tickwire::handshake::ServerResponse;
use tickwire::protocol::{Endpoint, Event, Workspace};
use tickwire::transport::LocalAddr;

use super::{Dial, PATIENCE, Socket};

/// What comes from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    /// The end of the stream.
    End,
    /// The connection was reset.
    Reset,
}

impl Received {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) writer: Writer,
    pub(super) response: ServerResponse,
    pub(super) endpoint: Endpoint,
    pub(super) workspace: Workspace,
    /// Received and not decoded yet.
    pub(super) input: Vec<u8>,
    /// Decoded and not asked for yet.
    pub(super) events: VecDeque<Received>,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: &LocalAddr) -> Self {
        Dial::new(address).connect()
    }

    /// The response that accepted the handshake.
    pub(crate) fn response(&self) -> &ServerResponse {
        &self.response
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.writer.socket
    }

    /// Another thread's way to send.
    pub(crate) fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Whether compression was agreed upon.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflates(&self) -> bool {
        self.endpoint.deflates()
    }

    /// Sends a text message, compressed if that was agreed upon and makes it shorter.
    #[cfg(feature = "deflate")]
    #[track_caller]
    pub(crate) fn send_deflated(&mut self, text: &str) {
        let mut frame = Vec::new();
        match self.endpoint.deflate(&mut self.workspace, text.as_bytes(), true) {
            Some(payload) => {
                encode_compressed_frame(&mut frame, true, OpCode::Text, Some(KEY), payload);
            }
            None => encode_frame(&mut frame, true, OpCode::Text, Some(KEY), text.as_bytes()),
        }
        self.send_raw(&frame);
    }

    /// The next thing that comes. Fails the test when nothing does.
    #[track_caller]
    pub(crate) fn recv(&mut self) -> Received {
        match self.recv_within(PATIENCE) {
            Some(received) => received,
            None => panic!("the server sent nothing in {PATIENCE:?}"),
        }
    }

    /// The next thing that comes, if it does so in time.
    #[track_caller]
    pub(crate) fn recv_within(&mut self, timeout: Duration) -> Option<Received> {
        loop {
            // Also what came right behind the handshake.
            self.decode();
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            self.socket.set_timeouts(timeout).expect("set a timeout");
            let mut piece = vec![0; 256 * 1024];
            let read = self.socket.read(&mut piece);
            self.socket.set_timeouts(PATIENCE).expect("set a timeout");
            match read {
                Ok(0) => return Some(Received::End),
                Ok(len) => self.input.extend_from_slice(&piece[..len]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return None,
                    ErrorKind::Interrupted => {}
                    // TLS that was cut off.
                    ErrorKind::UnexpectedEof => return Some(Received::Reset),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                        return Some(Received::Reset);
                    }
                    _ => panic!("cannot read: {error}"),
                },
            }
        }
    }

    #[track_caller]
    fn decode(&mut self) {
        let mut at = 0;
        while at < self.input.len() {
            let decoded = self.endpoint.decode(&mut self.workspace, &mut self.input[at..]);
            let (used, event) = decoded.expect("the server breaks the protocol");
            at += used;
            let Some(event) = event else { break };
            let received = match event {
                Event::Message(message) => owned(message),
                Event::Assembled(message) => owned(message.as_message()),
                Event::Ping(payload) => Received::Ping(payload.to_vec()),
                Event::Pong(payload) => Received::Pong(payload.to_vec()),
                Event::Close(frame) => {
                    Received::Close(frame.code.to_u16(), frame.reason.to_owned())
                }
            };
            self.events.push_back(received);
        }
        self.input.drain(..at);
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, expected: Received) {
        assert_eq!(self.recv(), expected);
    }

    #[track_caller]
    pub(crate) fn expect_text(&mut self, text: &str) {
        self.expect(Received::text(text));
    }

    /// The server's close frame must come next; returns its reason.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) -> String {
        match self.recv() {
            Received::Close(received, reason) if received == code => reason,
            other => panic!("expected a close frame with {code}, got {other:?}"),
        }
    }

    /// The stream must end next: a clean end, and no reset.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        self.expect(Received::End);
    }

    /// Everything up to the stream's end or reset, without that.
    #[track_caller]
    pub(crate) fn recv_to_end(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| {
            Some(self.recv())
                .filter(|received| ![Received::End, Received::Reset].contains(received))
        })
        .collect()
    }

    /// The socket of an open connection, over TCP, of which nothing has been read that the test has
    /// not asked for.
    #[track_caller]
    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.input.is_empty() && self.events.is_empty(), "something has come already");
        self.writer.socket.try_clone().and_then(Socket::into_tcp).expect("a stream of its own")
    }

    /// Resets the connection. There must be no other writer.
    pub(crate) fn reset(self) {
        self.socket.reset_on_close();
    }

    /// Closes from this side: the whole handshake, to the end of the stream.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.close(1000, "");
        self.expect_close(1000);
        self.expect_end();
    }
}

impl Deref for Client {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

pub(super) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The sending half, for any thread.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(super) socket: Arc<Socket>,
}

impl Writer {
    #[track_caller]
    pub(crate) fn send_text(&self, text: &str) {
        self.send_frame(OpCode::Text, text.as_bytes());
    }

    #[track_caller]
    pub(crate) fn send_binary(&self, payload: &[u8]) {
        self.send_frame(OpCode::Binary, payload);
    }

    #[track_caller]
    pub(crate) fn ping(&self, payload: &[u8]) {
        self.send_frame(OpCode::Ping, payload);
    }

    #[track_caller]
    pub(crate) fn pong(&self, payload: &[u8]) {
        self.send_frame(OpCode::Pong, payload);
    }

    /// Sends a close frame and nothing else: the stream stays open.
    #[track_caller]
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let mut frame = Vec::new();
        encode_close(&mut frame, CloseCode::from(code), reason, Some(KEY));
        self.send_raw(&frame);
    }

    #[track_caller]
    pub(crate) fn send_frame(&self, opcode: OpCode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, opcode, Some(KEY), payload);
        self.send_raw(&frame);
    }

    /// Several text messages in one write.
    #[track_caller]
    pub(crate) fn send_texts<'a>(&self, texts: impl IntoIterator<Item = &'a str>) {
        let mut frames = Vec::new();
        for text in texts {
            encode_frame(&mut frames, true, OpCode::Text, Some(KEY), text.as_bytes());
        }
        self.send_raw(&frames);
    }

    #[track_caller]
    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        if let Err(error) = self.socket.write_all(bytes) {
            panic!("cannot send {} bytes: {error}", bytes.len());
        }
    }

    /// Sends a text message, if the server is still there.
    pub(crate) fn try_send_text(&self, text: &str) -> std::io::Result<()> {
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, OpCode::Text, Some(KEY), text.as_bytes());
        self.try_send_raw(&frame)
    }

    /// Sends, and does not care whether the server is still there.
    pub(crate) fn try_send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Sends as much as is taken now, and returns how much that is.
    pub(crate) fn try_send_some(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    /// Ends this direction of the stream.
    #[track_caller]
    pub(crate) fn shutdown_write(&self) {
        self.socket.shutdown(Shutdown::Write).expect("shut the write side down");
    }

    /// Sends `frame` again and again until the server has taken nothing for a while; returns how
    /// many whole frames it took, and sends the rest of the last one on `finish`.
    pub(crate) fn fill(&self, frame: &[u8], max_count: usize) -> Filled {
        const PUSHED_BACK: Duration = Duration::from_millis(250);
        self.socket.set_write_timeout(PUSHED_BACK).expect("set a timeout");
        let (mut count, mut at) = (0, 0);
        while count < max_count {
            match self.socket.write(&frame[at..]) {
                Ok(len) => at += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("cannot send: {error}"),
            }
            if at == frame.len() {
                (count, at) = (count + 1, 0);
            }
        }
        self.socket.set_write_timeout(PATIENCE).expect("set a timeout");
        let rest = if at == 0 { Vec::new() } else { frame[at..].to_vec() };
        Filled { count: count + usize::from(at > 0), pushed_back: count < max_count, rest }
    }
}

/// What [`Writer::fill`] came to.
#[derive(Debug)]
pub(crate) struct Filled {
    /// Frames that have been begun.
    pub(crate) count: usize,
    /// The server stopped taking bytes.
    pub(crate) pushed_back: bool,
    /// What is missing of the last one.
    pub(crate) rest: Vec<u8>,
}

fn owned(message: tickwire::Message<'_>) -> Received {
    match message {
        tickwire::Message::Text(text) => Received::text(text),
        tickwire::Message::Binary(bytes) => Received::Binary(bytes.to_vec()),
    }
}
