//! What an endpoint makes of the bytes it is given.

use super::AssembledMessage;
use crate::frame::{CloseFrame, FrameHeader, HeaderRules, OpCode};

/// A whole message, borrowed from where it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, known to be UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The payload's bytes, whatever their kind.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text of a text message.
    #[inline]
    #[must_use]
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The opcode that says its kind.
    #[inline]
    #[must_use]
    pub const fn opcode(&self) -> OpCode {
        match self {
            Self::Text(_) => OpCode::Text,
            Self::Binary(_) => OpCode::Binary,
        }
    }

    /// The payload's length in bytes.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The message that a server has encoded into one frame.
    pub(crate) fn of_server_frame(frame: &'a [u8]) -> Option<Self> {
        let rules = HeaderRules { masked: false, rsv1_allowed: false };
        let (header, header_len) = FrameHeader::decode(frame, rules).ok().flatten()?;
        let payload = &frame[header_len..];
        match header.opcode {
            OpCode::Text => simdutf8::basic::from_utf8(payload).ok().map(Self::Text),
            OpCode::Binary => Some(Self::Binary(payload)),
            _ => None,
        }
    }
}

/// What happened. Payloads are unmasked and valid.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message that lay whole in the input: it is borrowed from there.
    Message(Message<'a>),
    /// A message that came in pieces: it has a buffer of its own.
    Assembled(AssembledMessage),
    /// A ping, to be answered with a pong of the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong, asked for or not (RFC 6455 §5.5.3).
    Pong(&'a [u8]),
    /// The peer's close frame. Whatever it sends behind it is ignored.
    Close(CloseFrame<'a>),
}
