//! A message that arrives in pieces: cut by the end of a read, or sent in fragments.

use super::deflation::max_compressed_len;
use super::{Limits, Message, ProtocolError};
use crate::buf::ReceiveBuffer;
use crate::frame::{FrameHeader, OpCode};
use crate::mask::{apply_mask, rotate_key};
use crate::utf8::Utf8Validator;

/// The message under way: its bytes so far, unmasked and, if text, valid as far as they go.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    buffer: ReceiveBuffer,
    is_text: bool,
    /// RSV1 of the first frame: the bytes are judged when they are inflated.
    is_compressed: bool,
    utf8: Utf8Validator,
    fragment_count: u32,
    /// Payload bytes of the current frame that have not arrived.
    frame_remaining: usize,
    /// The current frame is the message's last.
    fin: bool,
    /// Turned to the phase of the next byte.
    masking_key: Option<[u8; 4]>,
}

impl Assembly {
    /// Starts the message with its first frame's header.
    pub(super) fn start(&mut self, header: &FrameHeader, payload_len: usize) {
        self.is_text = header.opcode == OpCode::Text;
        self.is_compressed = header.rsv1;
        self.fragment_count = 0;
        self.open_frame(header, payload_len);
    }

    /// Goes on with a continuation frame's header.
    pub(super) fn continue_with(
        &mut self,
        header: &FrameHeader,
        payload_len: usize,
        limits: &Limits,
    ) -> Result<(), ProtocolError> {
        let mut max_len = limits.max_message_len;
        if self.is_compressed {
            max_len = max_compressed_len(max_len);
        }
        if payload_len > max_len - self.buffer.len() {
            return Err(ProtocolError::MessageTooBig { limit: limits.max_message_len });
        }
        if self.fragment_count >= limits.max_fragment_count {
            return Err(ProtocolError::TooManyFragments { limit: limits.max_fragment_count });
        }
        self.open_frame(header, payload_len);
        Ok(())
    }

    fn open_frame(&mut self, header: &FrameHeader, payload_len: usize) {
        self.fragment_count += 1;
        self.frame_remaining = payload_len;
        self.fin = header.fin;
        self.masking_key = header.masking_key;
    }

    /// Payload bytes of the current frame that have not arrived.
    pub(super) fn frame_remaining(&self) -> usize {
        self.frame_remaining
    }

    /// Its bytes are a compressed message's.
    #[inline]
    pub(super) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// All bytes of the last frame are here.
    pub(super) fn is_complete(&self) -> bool {
        self.fin && self.frame_remaining == 0
    }

    /// The bytes of memory that what has arrived lies in.
    pub(super) fn held_len(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives the memory back that is not needed for what has arrived.
    pub(super) fn tighten(&mut self) {
        self.buffer.tighten();
    }

    /// Takes what `input` has of the current frame's payload; returns how much that was.
    pub(super) fn append(&mut self, input: &[u8]) -> Result<usize, ProtocolError> {
        let len = input.len().min(self.frame_remaining);
        let piece = self.buffer.append(&input[..len]);
        let (key, judged) = (self.masking_key, self.is_text && !self.is_compressed);
        judge(piece, key, judged.then_some(&mut self.utf8))?;
        self.arrived(len)?;
        Ok(len)
    }

    /// Room to receive the rest of the current frame's payload into, at most `max_len` bytes.
    pub(super) fn spare(&mut self, max_len: usize) -> &mut [u8] {
        self.buffer.spare(self.frame_remaining.min(max_len))
    }

    /// The first `len` bytes of the last `spare` have been received.
    pub(super) fn received(&mut self, len: usize) -> Result<(), ProtocolError> {
        let piece = self.buffer.advance(len.min(self.frame_remaining));
        let len = piece.len();
        let (key, judged) = (self.masking_key, self.is_text && !self.is_compressed);
        judge(piece, key, judged.then_some(&mut self.utf8))?;
        self.arrived(len)
    }

    fn arrived(&mut self, len: usize) -> Result<(), ProtocolError> {
        self.frame_remaining -= len;
        self.masking_key = self.masking_key.map(|key| rotate_key(key, len));
        if self.is_text && !self.is_compressed && self.is_complete() {
            self.utf8.finish()?;
        }
        Ok(())
    }

    /// Begins a message whose bytes are inflated into its buffer.
    #[cfg(feature = "deflate")]
    pub(super) fn begin_inflated(&mut self, is_text: bool) -> &mut ReceiveBuffer {
        self.is_text = is_text;
        self.is_compressed = false;
        &mut self.buffer
    }

    /// Judges what has been inflated.
    #[cfg(feature = "deflate")]
    pub(super) fn check_inflated(&self) -> Result<(), ProtocolError> {
        if self.is_text && simdutf8::basic::from_utf8(self.buffer.filled()).is_err() {
            return Err(crate::utf8::InvalidUtf8.into());
        }
        Ok(())
    }

    #[cfg(feature = "deflate")]
    pub(super) fn is_text(&self) -> bool {
        self.is_text
    }

    #[cfg(feature = "deflate")]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.filled()
    }

    /// Gives it memory to gather the message in.
    pub(super) fn put_buffer(&mut self, buffer: ReceiveBuffer) {
        self.buffer = buffer;
    }

    /// Makes the assembly ready for another message, but for its buffer, which it gives up.
    pub(super) fn reset(&mut self) -> ReceiveBuffer {
        self.utf8 = Utf8Validator::default();
        std::mem::take(&mut self.buffer)
    }
}

/// Unmasks a piece of payload and, if it is text, judges it.
fn judge(
    piece: &mut [u8],
    masking_key: Option<[u8; 4]>,
    text: Option<&mut Utf8Validator>,
) -> Result<(), ProtocolError> {
    if let Some(key) = masking_key {
        apply_mask(piece, key);
    }
    match text {
        Some(utf8) => Ok(utf8.push(piece)?),
        None => Ok(()),
    }
}

/// A whole message in a buffer of its own.
///
/// Give it back with [`Workspace::recycle`](super::Workspace::recycle) to have the buffer used
/// again, or keep the bytes with [`into_vec`](Self::into_vec).
#[derive(Debug)]
pub struct AssembledMessage(pub(super) Box<Assembly>);

impl AssembledMessage {
    /// The message, borrowed. Checks text once more: the pieces were judged one by one.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        let bytes = self.0.buffer.filled();
        if !self.0.is_text {
            return Message::Binary(bytes);
        }
        // The pieces were valid one behind another, so the whole is.
        simdutf8::basic::from_utf8(bytes).map_or(Message::Binary(bytes), Message::Text)
    }

    /// The payload's bytes, whatever their kind.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.buffer.filled()
    }

    /// The opcode that says its kind.
    #[must_use]
    pub fn opcode(&self) -> OpCode {
        if self.0.is_text { OpCode::Text } else { OpCode::Binary }
    }

    /// The payload's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.buffer.len()
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.buffer.is_empty()
    }

    /// The bytes of memory that it holds: many more than its length, maybe, for its buffer can have been of
    /// use before.
    pub(crate) fn held_len(&self) -> usize {
        self.0.held_len()
    }

    /// The payload as a vector; no copy.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        self.take_vec()
    }

    /// The payload as a vector; what stays is empty, and of use to be recycled.
    pub(crate) fn take_vec(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.buffer).into_vec()
    }
}
