//! Messages on their way out.

use bytes::Bytes;

use super::Message;
use crate::frame::{OpCode, encode_frame};

/// A message to send: anything that turns into one, borrowed or shared.
///
/// `&str`, `String` and [`Message::Text`] become text messages; byte slices, vectors, [`Bytes`] and
/// [`Message::Binary`] become binary ones.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    pub(crate) opcode: OpCode,
    pub(crate) payload: Payload<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum Payload<'a> {
    /// Copied once: into the socket or, if that takes no more, into the queue.
    Borrowed(&'a [u8]),
    /// Never copied when it is large.
    Shared(Bytes),
}

impl Outgoing<'_> {
    /// A text message in shared memory.
    ///
    /// # Errors
    ///
    /// The bytes back when they are not UTF-8.
    pub fn shared_text(text: Bytes) -> Result<Outgoing<'static>, Bytes> {
        if simdutf8::basic::from_utf8(&text).is_err() {
            return Err(text);
        }
        Ok(Outgoing { opcode: OpCode::Text, payload: Payload::Shared(text) })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.payload {
            Payload::Borrowed(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
        }
    }

    /// The whole frame as a server sends it, for any number of receivers.
    pub(crate) fn encode_shared(&self) -> Bytes {
        let payload = self.as_bytes();
        // Exact, so that turning the vector into `Bytes` moves nothing.
        let head_len = if payload.len() < 126 {
            2
        } else if payload.len() <= 0xffff {
            4
        } else {
            10
        };
        let mut frame = Vec::with_capacity(head_len + payload.len());
        encode_frame(&mut frame, true, self.opcode, None, payload);
        frame.into()
    }
}

impl<'a> From<Message<'a>> for Outgoing<'a> {
    fn from(message: Message<'a>) -> Self {
        Self { opcode: message.opcode(), payload: Payload::Borrowed(message.as_bytes()) }
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Self { opcode: OpCode::Text, payload: Payload::Borrowed(text.as_bytes()) }
    }
}

impl<'a> From<&'a String> for Outgoing<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self { opcode: OpCode::Text, payload: Payload::Shared(text.into()) }
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { opcode: OpCode::Binary, payload: Payload::Borrowed(bytes) }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Outgoing<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl<'a> From<&'a Vec<u8>> for Outgoing<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self { opcode: OpCode::Binary, payload: Payload::Shared(bytes.into()) }
    }
}

impl From<Bytes> for Outgoing<'_> {
    fn from(bytes: Bytes) -> Self {
        Self { opcode: OpCode::Binary, payload: Payload::Shared(bytes) }
    }
}
