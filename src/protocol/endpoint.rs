//! The state of one side of a connection.
//!
//! Calling order: feed received bytes to [`Endpoint::decode`] and repeat while it consumes or yields
//! an event; keep the unconsumed rest (never more than a frame header, or one control frame) and
//! feed it again in front of the next bytes. While [`Endpoint::payload_remaining`] is large, bytes
//! may be received straight into the message by [`Endpoint::payload_spare`].
//!
//! ```text
//!              close() ┌────────────┐ peer's close
//!          ┌──────────►│ close sent │──────────┐
//!     ┌────┴───┐       └────────────┘      ┌───▼────┐
//!     │  open  │                           │ closed │  everything received now is ignored
//!     └────┬───┘       ┌────────────────┐  └───▲────┘
//!          └──────────►│ close received │──────┘
//!         peer's close └────────────────┘ close()
//! ```

use std::ops::Range;

use super::assembly::Assembly;
use super::closing::Closing;
use super::deflation::{Deflation, max_compressed_len};
use super::whole_message::{Parts, WholeMessage};
use super::{AssembledMessage, Event, Message, ProtocolError, Workspace};
use crate::frame::{CloseCode, CloseFrame, FrameHeader, HeaderRules, OpCode, encode_close};
use crate::mask::apply_mask;
use crate::utf8::InvalidUtf8;

/// Which side of the connection an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Receives masked frames and sends unmasked ones.
    Server,
    /// Receives unmasked frames and sends masked ones.
    Client,
}

/// Protocol state of one side of one connection. Small: a pointer or two, and how far it has closed.
#[derive(Debug, Default)]
pub struct Endpoint {
    /// The message under way, if one has begun and not ended.
    assembly: Option<Box<Assembly>>,
    pub(super) deflation: Deflation,
    closing: Closing,
}

/// What one step over the input came to; ranges are within the input.
enum Step {
    /// The input ends before the next frame is decodable.
    NeedMore,
    /// A fragment was taken in; there is no event yet.
    Took(usize),
    /// A whole message lies in the input.
    InPlace { opcode: OpCode, payload: Range<usize> },
    /// A whole compressed message lies in the input.
    Compressed { opcode: OpCode, payload: Range<usize> },
    /// The assembled message is whole, after so many bytes.
    Assembled(usize),
    /// A control frame lies in the input.
    Control { opcode: OpCode, payload: Range<usize> },
}

impl Endpoint {
    /// An endpoint whose opening handshake is done.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes in place up to one event: returns how many bytes of `input` are done with, and the
    /// event. With no event, all but an incomplete header or control frame has been consumed.
    ///
    /// `input` starts where the last call's consumption ended. Payloads are unmasked where they lie.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`]; the endpoint then ignores all further input, and the caller closes with
    /// [`ProtocolError::close_code`].
    #[inline]
    pub fn decode<'a>(
        &mut self,
        workspace: &mut Workspace,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Event<'a>>), ProtocolError> {
        if let Some(whole) = self.find_whole(workspace, input) {
            let message = self.take_whole(workspace, input, &whole)?;
            return Ok((whole.end, Some(Event::Message(message))));
        }
        self.decode_event(workspace, input)
    }

    /// The common case, to be tried before [`decode`](Self::decode) by whoever has many messages: if
    /// there is a whole message of one frame, what comes of it, and how many bytes it was.
    // Inlined, so that the message is built in registers: a tenth of the cost of a small one.
    #[inline(always)]
    pub(crate) fn decode_whole<'a>(
        &mut self,
        workspace: &mut Workspace,
        input: &'a mut [u8],
    ) -> Option<(usize, Result<Message<'a>, ProtocolError>)> {
        let whole = self.find_whole(workspace, input)?;
        Some((whole.end, self.take_whole(workspace, input, &whole)))
    }

    #[inline(always)]
    fn find_whole(&self, workspace: &Workspace, input: &[u8]) -> Option<WholeMessage> {
        if self.is_idle() { WholeMessage::find(input, workspace.whole_limit) } else { None }
    }

    #[inline(always)]
    fn take_whole<'a>(
        &mut self,
        workspace: &mut Workspace,
        input: &'a mut [u8],
        whole: &WholeMessage,
    ) -> Result<Message<'a>, ProtocolError> {
        let Some(Parts { is_text, masking_key, payload }) = whole.parts(input) else {
            // Not reached: this is the input that it was found in.
            return Ok(Message::Binary(&[]));
        };
        apply_mask(payload, masking_key);
        if !is_text {
            return Ok(Message::Binary(payload));
        }
        match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Ok(Message::Text(text)),
            Err(_) => Err(self.fail(workspace, InvalidUtf8.into())),
        }
    }

    #[cold]
    fn fail(&mut self, workspace: &mut Workspace, error: ProtocolError) -> ProtocolError {
        self.end_input(workspace);
        error
    }

    #[inline(never)]
    fn decode_event<'a>(
        &mut self,
        workspace: &mut Workspace,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Event<'a>>), ProtocolError> {
        self.next_event(workspace, input).inspect_err(|_| self.end_input(workspace))
    }

    fn next_event<'a>(
        &mut self,
        workspace: &mut Workspace,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Event<'a>>), ProtocolError> {
        let mut at = 0;
        loop {
            if self.is_input_ended() {
                return Ok((input.len(), None));
            }
            match self.step(workspace, &mut input[at..])? {
                Step::NeedMore => return Ok((at, None)),
                Step::Took(len) => at += len,
                // Whoever has sent a close frame does not take messages any more (§5.5.1); they are
                // still read, to find the peer's close frame behind them, and judged, so that the
                // verdict does not hang on whether they came whole or in pieces.
                Step::InPlace { opcode, payload } if self.is_close_sent() => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    if opcode == OpCode::Text {
                        simdutf8::basic::from_utf8(&input[start..end]).map_err(|_| InvalidUtf8)?;
                    }
                    at = end;
                }
                Step::InPlace { opcode, payload } => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    let bytes = &input[start..end];
                    let message = if opcode == OpCode::Text {
                        Message::Text(simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)?)
                    } else {
                        Message::Binary(bytes)
                    };
                    return Ok((end, Some(Event::Message(message))));
                }
                Step::Compressed { payload, .. } if self.is_close_sent() => at += payload.end,
                Step::Compressed { opcode, payload } => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    let (is_text, bytes) = (opcode == OpCode::Text, &input[start..end]);
                    let message = self.deflation.inflate(workspace, is_text, bytes)?;
                    return Ok((end, Some(Event::Assembled(message))));
                }
                Step::Assembled(len) => {
                    at += len;
                    if let Some(message) = self.take_assembled(workspace)? {
                        return Ok((at, Some(Event::Assembled(message))));
                    }
                }
                Step::Control { opcode, payload } => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    let payload = &input[start..end];
                    let event = match opcode {
                        OpCode::Ping => Event::Ping(payload),
                        OpCode::Pong => Event::Pong(payload),
                        _ => {
                            let frame = CloseFrame::decode(payload)?;
                            self.end_input(workspace);
                            Event::Close(frame)
                        }
                    };
                    return Ok((end, Some(event)));
                }
            }
        }
    }

    /// Takes the next frame, or what there is of it.
    #[inline]
    fn step(&mut self, workspace: &mut Workspace, input: &mut [u8]) -> Result<Step, ProtocolError> {
        if let Some(assembly) = &mut self.assembly {
            if assembly.frame_remaining() > 0 {
                if input.is_empty() {
                    return Ok(Step::NeedMore);
                }
                let len = assembly.append(input)?;
                return Ok(if assembly.is_complete() {
                    Step::Assembled(len)
                } else {
                    Step::Took(len)
                });
            }
        }
        let rules = HeaderRules {
            masked: workspace.role == Role::Server,
            rsv1_allowed: self.deflation.is_negotiated(),
        };
        let (header, head_len) = match FrameHeader::decode(input, rules) {
            Ok(Some(decoded)) => decoded,
            Ok(None) if input.is_empty() => return Ok(Step::NeedMore),
            undecided => {
                self.check_first_byte(input, rules)?;
                undecided?;
                return Ok(Step::NeedMore);
            }
        };
        if header.opcode.is_control() {
            return Ok(Self::control_step(&header, head_len, input));
        }
        self.check_order(header.opcode)?;
        let is_compressed =
            header.rsv1 || self.assembly.as_ref().is_some_and(|assembly| assembly.is_compressed());
        let payload_len = checked_payload_len(&header, workspace, is_compressed)?;
        let payload = head_len..head_len + payload_len;
        if header.fin && self.assembly.is_none() && payload.end <= input.len() {
            unmask(&mut input[payload.clone()], &header);
            let opcode = header.opcode;
            return Ok(if is_compressed {
                Step::Compressed { opcode, payload }
            } else {
                Step::InPlace { opcode, payload }
            });
        }
        self.open_fragment(workspace, &header, payload_len)?;
        self.take_fragment(&input[head_len..], head_len)
    }

    /// Whether a frame of `opcode` may come now (RFC 6455 §5.4).
    #[inline]
    fn check_order(&self, opcode: OpCode) -> Result<(), ProtocolError> {
        match (opcode, &self.assembly) {
            (OpCode::Continuation, None) => Err(ProtocolError::UnexpectedContinuation),
            (OpCode::Text | OpCode::Binary, Some(_)) => Err(ProtocolError::ExpectedContinuation),
            _ => Ok(()),
        }
    }

    /// Judges an incomplete or wrong header by its first byte alone. What that byte shows neither
    /// waits for the rest nor gives way to it, so the verdict is the same however the bytes come.
    #[cold]
    fn check_first_byte(&self, input: &[u8], rules: HeaderRules) -> Result<(), ProtocolError> {
        let Some(&first) = input.first() else { return Ok(()) };
        FrameHeader::decode(&[first], rules)?;
        OpCode::from_bits(first & 0x0f).map_or(Ok(()), |opcode| self.check_order(opcode))
    }

    fn control_step(header: &FrameHeader, head_len: usize, input: &mut [u8]) -> Step {
        // A control frame's length is at most 125 here, so the sum does not overflow.
        let payload = head_len..head_len + header.payload_len as usize;
        if payload.end > input.len() {
            return Step::NeedMore;
        }
        unmask(&mut input[payload.clone()], header);
        Step::Control { opcode: header.opcode, payload }
    }

    /// A frame that is not a whole message at hand: its bytes gather in an assembly.
    #[cold]
    fn open_fragment(
        &mut self,
        workspace: &mut Workspace,
        header: &FrameHeader,
        payload_len: usize,
    ) -> Result<(), ProtocolError> {
        workspace.fragment_count += 1;
        match &mut self.assembly {
            Some(assembly) => assembly.continue_with(header, payload_len, &workspace.limits),
            None => {
                let assembly = self.assembly.insert(workspace.take());
                assembly.start(header, payload_len);
                Ok(())
            }
        }
    }

    fn take_fragment(&mut self, payload: &[u8], head_len: usize) -> Result<Step, ProtocolError> {
        let Some(assembly) = &mut self.assembly else { return Ok(Step::Took(head_len)) };
        let len = head_len + assembly.append(payload)?;
        Ok(if assembly.is_complete() { Step::Assembled(len) } else { Step::Took(len) })
    }

    /// The message that has become whole; `None` once a close frame has been sent.
    fn take_assembled(
        &mut self,
        workspace: &mut Workspace,
    ) -> Result<Option<AssembledMessage>, ProtocolError> {
        let Some(assembly) = self.assembly.take() else { return Ok(None) };
        if self.is_close_sent() {
            workspace.give(assembly);
            return Ok(None);
        }
        if assembly.is_compressed() {
            return self.deflation.inflate_assembled(workspace, assembly).map(Some);
        }
        Ok(Some(AssembledMessage(assembly)))
    }

    /// No message is under way, and nobody has closed.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.assembly.is_none() && self.closing == Closing::Open
    }

    /// The bytes of memory that a message that is not whole lies in: maybe much more than has come of it, where
    /// the buffer was of use before.
    #[must_use]
    pub fn held_len(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.held_len())
    }

    /// Gives the memory back that is not needed for what has arrived. One copy of that at most.
    pub fn tighten(&mut self) {
        if let Some(assembly) = &mut self.assembly {
            assembly.tighten();
        }
    }

    /// Payload bytes of the current data frame that have not arrived: 0 between frames.
    #[inline]
    #[must_use]
    pub fn payload_remaining(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.frame_remaining())
    }

    /// Room to receive the current frame's payload into directly, at most `max_len` bytes; `None`
    /// between frames. Follow with [`payload_received`](Self::payload_received).
    pub fn payload_spare(&mut self, max_len: usize) -> Option<&mut [u8]> {
        let assembly = self.assembly.as_mut().filter(|assembly| assembly.frame_remaining() > 0)?;
        Some(assembly.spare(max_len))
    }

    /// The first `len` bytes of the last [`payload_spare`](Self::payload_spare) have been received.
    /// Returns the message if that made it whole.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn payload_received(
        &mut self,
        workspace: &mut Workspace,
        len: usize,
    ) -> Result<Option<AssembledMessage>, ProtocolError> {
        let Some(assembly) = &mut self.assembly else { return Ok(None) };
        let message = match assembly.received(len) {
            Ok(()) if assembly.is_complete() => self.take_assembled(workspace),
            Ok(()) => Ok(None),
            Err(error) => Err(error),
        };
        message.inspect_err(|_| self.end_input(workspace))
    }

    /// Appends a close frame to `out`, unless one was sent before; says whether it did.
    ///
    /// Nothing may be sent behind it (RFC 6455 §5.5.1).
    pub fn close(
        &mut self,
        out: &mut Vec<u8>,
        code: CloseCode,
        reason: &str,
        masking_key: Option<[u8; 4]>,
    ) -> bool {
        let first = !self.is_close_sent();
        self.closing = self.closing.sent();
        if first {
            encode_close(out, code, reason, masking_key);
        }
        first
    }

    /// A close frame was sent: no message may follow.
    #[inline]
    #[must_use]
    pub fn is_close_sent(&self) -> bool {
        self.closing.is_sent()
    }

    /// A close frame was received, or the input was wrong: what follows is ignored.
    #[inline]
    #[must_use]
    pub fn is_input_ended(&self) -> bool {
        self.closing.is_input_ended()
    }

    /// Both sides have closed: the byte stream can be closed too (RFC 6455 §7.1.1).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }

    /// Ignores everything that arrives from here on and gives the buffers back.
    pub fn end_input(&mut self, workspace: &mut Workspace) {
        self.closing = self.closing.input_ended();
        if let Some(assembly) = self.assembly.take() {
            workspace.give(assembly);
        }
    }
}

/// A data frame's length, within the limits. What cannot be compressed may be longer when it has
/// been: a message that is within the limits is not refused for that.
#[inline]
fn checked_payload_len(
    header: &FrameHeader,
    workspace: &Workspace,
    is_compressed: bool,
) -> Result<usize, ProtocolError> {
    let limits = &workspace.limits;
    let too_big = ProtocolError::FrameTooBig { limit: limits.max_frame_len };
    let len = usize::try_from(header.payload_len).map_err(|_| too_big)?;
    let allowed = |limit| if is_compressed { max_compressed_len(limit) } else { limit };
    if len > allowed(limits.max_frame_len) {
        Err(too_big)
    } else if len > allowed(limits.max_message_len) {
        Err(ProtocolError::MessageTooBig { limit: limits.max_message_len })
    } else {
        Ok(len)
    }
}

#[inline]
fn unmask(payload: &mut [u8], header: &FrameHeader) {
    if let Some(key) = header.masking_key {
        apply_mask(payload, key);
    }
}
