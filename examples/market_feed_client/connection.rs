//! One WebSocket connection on a blocking socket, by the engine's sans-IO client role.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use thiserror::Error;
use tickwire::frame::{CloseCode, OpCode, encode_frame};
use tickwire::handshake::{ClientRequest, HandshakeError};
use tickwire::protocol::{Endpoint, Event, Limits, Message, Role, Workspace};

use crate::address::Address;
use crate::wire::{PATIENCE, Wire};

/// The longest message that is taken, in bytes: a book of a hundred thousand levels.
const MAX_MESSAGE_LEN: usize = 16 << 20;
/// Bytes that are read at once; more than a frame's head or a handshake's answer may have.
const INPUT_LEN: usize = 64 << 10;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// No such host, nobody listens, no answer.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    /// Somebody answers, but is no such feed.
    #[error("{0} does not open a WebSocket: {1}")]
    Handshake(String, HandshakeError),
}

impl OpenError {
    /// Whether it may help to try again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Connect(..))
    }
}

/// What became of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// It has ended; the text says how.
    Ended(String),
}

/// An open connection.
pub(crate) struct Connection {
    wire: Wire,
    endpoint: Endpoint,
    workspace: Workspace,
    input: Box<[u8]>,
    /// Where in `input` received bytes lie that are not decoded yet.
    pending: Range<usize>,
    output: Vec<u8>,
}

impl Connection {
    /// Connects and shakes hands. `tick` is how long [`Self::receive`] waits for anything.
    pub(crate) fn open(
        address: &Address,
        ca: Option<&Path>,
        subprotocol: &str,
        tick: Duration,
    ) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Connect(address.host.clone(), error);
        let wire = Wire::open(address, ca).map_err(failed)?;
        let mut connection = Self {
            wire,
            endpoint: Endpoint::new(),
            workspace: Workspace::new(Role::Client, Limits::for_messages_up_to(MAX_MESSAGE_LEN)),
            input: vec![0; INPUT_LEN].into_boxed_slice(),
            pending: 0..0,
            output: Vec::new(),
        };
        connection.shake_hands(address, subprotocol)?;
        connection.wire.set_read_timeout(tick).map_err(failed)?;
        Ok(connection)
    }

    fn shake_hands(&mut self, address: &Address, subprotocol: &str) -> Result<(), OpenError> {
        let failed = |error| OpenError::Connect(address.host.clone(), error);
        let refused = |error| OpenError::Handshake(address.to_string(), error);
        let nonce = fastrand::u128(..).to_ne_bytes();
        let request =
            ClientRequest::new(&address.host, &address.target, nonce).subprotocol(subprotocol);
        let mut head = Vec::new();
        request.encode(&mut head).map_err(refused)?;
        self.wire.write_all(&head).map_err(failed)?;
        let mut decoder = request.decoder();
        loop {
            match self.fill() {
                Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Err(failed(ErrorKind::TimedOut.into())),
                Err(error) => return Err(failed(error)),
            }
            let decoded = decoder.decode(&self.input[self.pending.clone()]).map_err(refused)?;
            if let Some((_, head_len)) = decoded {
                self.pending.start += head_len;
                return Ok(());
            }
        }
    }

    /// Waits for something to come, a tick at most, and gives each whole message to `take`.
    pub(crate) fn receive(&mut self, take: &mut dyn FnMut(Message<'_>)) -> State {
        match self.fill() {
            Ok(0) => return State::Ended("the server hung up".to_owned()),
            Ok(_) => {}
            // What came right behind the handshake's answer waits to be decoded.
            Err(error) if is_timeout(&error) => {}
            Err(error) => return State::Ended(error.to_string()),
        }
        let ended = self.decode(take);
        match self.flush() {
            Ok(()) => ended.map_or(State::Open, State::Ended),
            Err(error) => State::Ended(ended.unwrap_or(error.to_string())),
        }
    }

    /// Decodes all that was received; says how the connection ended, if it did.
    fn decode(&mut self, take: &mut dyn FnMut(Message<'_>)) -> Option<String> {
        loop {
            let input = &mut self.input[self.pending.clone()];
            let (len, event) = match self.endpoint.decode(&mut self.workspace, input) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let (code, reason) = (error.close_code(), error.to_string());
                    self.endpoint.close(&mut self.output, code, &reason, Some(masking_key()));
                    return Some(format!("the server breaks the protocol: {reason}"));
                }
            };
            self.pending.start += len;
            match event {
                None => return None,
                Some(Event::Message(message)) => take(message),
                Some(Event::Assembled(message)) => {
                    take(message.as_message());
                    self.workspace.recycle(message);
                }
                Some(Event::Ping(payload)) => {
                    let key = Some(masking_key());
                    encode_frame(&mut self.output, true, OpCode::Pong, key, payload);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    let (code, key) = (close.code, Some(masking_key()));
                    let reason = if close.reason.is_empty() { "no reason" } else { close.reason };
                    let end = format!("the server closed the connection: {reason} ({code})");
                    self.endpoint.close(&mut self.output, code, "", key);
                    return Some(end);
                }
            }
        }
    }

    /// Sends a text message.
    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        let key = Some(masking_key());
        encode_frame(&mut self.output, true, OpCode::Text, key, text.as_bytes());
        self.flush()
    }

    /// Says goodbye, and waits a moment for the server to do the same.
    pub(crate) fn close(mut self) {
        self.endpoint.close(&mut self.output, CloseCode::NORMAL, "", Some(masking_key()));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.flush().is_ok() {
            if self.receive(&mut |_| ()) != State::Open {
                break;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.wire.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }

    /// Receives once, behind what is pending; 0 is the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        // What is pending is a part of a head, so there is room behind it.
        self.input.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        let len = self.wire.read(&mut self.input[self.pending.end..])?;
        self.pending.end += len;
        Ok(len)
    }
}

/// The ways in which systems say that nothing came in time.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Different for each frame (RFC 6455 §5.3). Not from a strong source of randomness: no script
/// chooses what this program sends.
fn masking_key() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}
