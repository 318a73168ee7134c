//! An endpoint under test, fed in whatever pieces a test likes, and what it made of them.
#![allow(dead_code, reason = "each test binary feeds in the ways that it needs")]

use tickwire::frame::CloseCode;
use tickwire::protocol::{
    AssembledMessage, Endpoint, Event, Limits, Message, ProtocolError, Role, Workspace,
};

/// The most that an endpoint may leave unconsumed: a control frame without its last byte.
const MAX_PENDING_LEN: usize = 2 + 4 + 125 - 1;

/// An event that outlives its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

impl Seen {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn binary(bytes: impl AsRef<[u8]>) -> Self {
        Self::Binary(bytes.as_ref().to_vec())
    }

    pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::Ping(payload.as_ref().to_vec())
    }

    pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::Pong(payload.as_ref().to_vec())
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }

    fn from_message(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::text(text),
            Message::Binary(bytes) => Self::binary(bytes),
        }
    }
}

/// An [`Endpoint`] with everything that a caller of it keeps.
pub(crate) struct Receiver {
    pub(crate) endpoint: Endpoint,
    pub(crate) workspace: Workspace,
    /// Bytes that the endpoint has not consumed.
    pending: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) failure: Option<ProtocolError>,
}

impl Receiver {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self {
            endpoint: Endpoint::new(),
            workspace: Workspace::new(role, limits),
            pending: Vec::new(),
            seen: Vec::new(),
            failure: None,
        }
    }

    /// Decodes `bytes` behind what is pending, until nothing more comes of it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        self.pending.extend_from_slice(bytes);
        while self.decode_once() {}
        let pending_len = self.pending.len();
        assert!(pending_len <= MAX_PENDING_LEN, "{pending_len} bytes were left unconsumed");
    }

    /// Says whether there was an event, behind which there may be another.
    fn decode_once(&mut self) -> bool {
        let Self { endpoint, workspace, pending, seen, failure } = self;
        let (consumed, event) = match endpoint.decode(workspace, pending) {
            Ok(decoded) => decoded,
            Err(error) => {
                *failure = Some(error);
                pending.clear();
                return false;
            }
        };
        let progressed = event.is_some();
        assert!(!progressed || consumed > 0, "an event that consumed nothing");
        seen.extend(event.map(|event| match event {
            Event::Message(message) => Seen::from_message(message),
            Event::Assembled(message) => take_apart(workspace, message),
            Event::Ping(payload) => Seen::ping(payload),
            Event::Pong(payload) => Seen::pong(payload),
            Event::Close(frame) => Seen::close(frame.code.to_u16(), frame.reason),
        }));
        pending.drain(..consumed);
        progressed
    }

    /// Brings `bytes` as a caller does that receives payloads straight into the message, at most
    /// `step` bytes at a time: only headers and control frames go through `decode`.
    pub(crate) fn feed_direct(&mut self, mut bytes: &[u8], step: usize) {
        while !bytes.is_empty() && self.failure.is_none() {
            let direct = self.pending.is_empty() && self.endpoint.payload_remaining() > 0;
            let len = if direct { self.receive_direct(bytes, step) } else { 1 };
            if !direct {
                self.feed(&bytes[..len]);
            }
            bytes = &bytes[len..];
        }
    }

    fn receive_direct(&mut self, bytes: &[u8], step: usize) -> usize {
        let remaining = self.endpoint.payload_remaining();
        let spare = self.endpoint.payload_spare(step).expect("a payload is under way");
        assert!(!spare.is_empty() && spare.len() <= step.min(remaining));
        let len = spare.len().min(bytes.len());
        spare[..len].copy_from_slice(&bytes[..len]);
        match self.endpoint.payload_received(&mut self.workspace, len) {
            Ok(Some(message)) => self.seen.push(take_apart(&mut self.workspace, message)),
            Ok(None) => {}
            Err(error) => self.failure = Some(error),
        }
        len
    }

    /// Closes from this side; returns the close frame, or nothing if there was one before.
    pub(crate) fn close(&mut self, code: u16, reason: &str, key: Option<[u8; 4]>) -> Vec<u8> {
        let mut out = Vec::new();
        let first = self.endpoint.close(&mut out, CloseCode::from(code), reason, key);
        assert_eq!(first, !out.is_empty());
        assert!(self.endpoint.is_close_sent());
        out
    }
}

fn take_apart(workspace: &mut Workspace, message: AssembledMessage) -> Seen {
    let borrowed = message.as_message();
    assert_eq!(
        (borrowed.opcode(), borrowed.len(), borrowed.is_empty()),
        (message.opcode(), message.len(), message.is_empty()),
    );
    let seen = Seen::from_message(borrowed);
    workspace.recycle(message);
    seen
}
