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
    pub(crate) compress: Compress,
}

/// Whether a message is compressed for those with whom that is agreed upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compress {
    /// If it is long enough.
    #[default]
    ByLength,
    Always,
    Never,
}

#[derive(Clone, Debug)]
pub(crate) enum Payload<'a> {
    /// Copied once: into the socket or, if that takes no more, into the queue.
    Borrowed(&'a [u8]),
    /// Never copied when it is large.
    Shared(Bytes),
}

impl<'a> Outgoing<'a> {
    fn new(opcode: OpCode, payload: Payload<'a>) -> Self {
        Self { opcode, payload, compress: Compress::default() }
    }

    /// Is compressed however short it is, where permessage-deflate is agreed upon and if that makes it
    /// shorter.
    #[must_use]
    pub fn compressed(self) -> Self {
        Self { compress: Compress::Always, ..self }
    }

    /// Is never compressed: what gets no shorter costs only time, and the length of what holds a secret
    /// beside what an attacker has chosen tells of the secret.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self { compress: Compress::Never, ..self }
    }

    /// A text message in shared memory.
    ///
    /// # Errors
    ///
    /// The bytes back when they are not UTF-8.
    pub fn shared_text(text: Bytes) -> Result<Outgoing<'static>, Bytes> {
        if simdutf8::basic::from_utf8(&text).is_err() {
            return Err(text);
        }
        Ok(Outgoing::new(OpCode::Text, Payload::Shared(text)))
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
        Self::new(message.opcode(), Payload::Borrowed(message.as_bytes()))
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(OpCode::Text, Payload::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Outgoing<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self::new(OpCode::Text, Payload::Shared(text.into()))
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(OpCode::Binary, Payload::Borrowed(bytes))
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
        Self::new(OpCode::Binary, Payload::Shared(bytes.into()))
    }
}

impl From<Bytes> for Outgoing<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::new(OpCode::Binary, Payload::Shared(bytes))
    }
}
