//! What a callback on the loop's thread can do to the connection at hand.

use super::command::Command;
use super::connection::{Io, Session};
use super::core::Core;
use super::flags::Flags;
use super::post::Patience;
use super::{Closed, ConnectionId, Outcome, fits};
use crate::frame::{CloseCode, MAX_HEADER_LEN, OpCode, encode_frame, server_frame_head};
use crate::protocol::{Outgoing, Payload};

/// Payloads from this length on are written from where they lie; shorter ones are copied into the
/// cork, to leave together with their neighbours.
pub(super) const SPLIT_FROM_LEN: usize = 32 * 1024;

/// Once the cork holds this much, or half of what may wait, it is written before the turn ends.
pub(super) const MAX_CORK_LEN: usize = 64 * 1024;

pub(crate) struct Outlet<'a> {
    pub(super) io: &'a mut Io,
    pub(super) session: &'a mut Session,
    pub(super) core: &'a mut Core,
}

impl Outlet<'_> {
    /// The same for a shorter while.
    #[inline]
    pub(crate) fn reborrow(&mut self) -> Outlet<'_> {
        Outlet { io: self.io, session: self.session, core: self.core }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.io.id
    }

    /// Bytes accepted and not yet taken by the socket.
    pub(crate) fn buffered_amount(&self) -> usize {
        self.io.queued_len() + self.core.cork.len()
    }

    /// Sends a message. Small ones are corked until the connection's turn ends.
    #[inline]
    pub(crate) fn send(&mut self, message: &Outgoing<'_>) -> Outcome {
        let payload = message.as_bytes();
        if self.is_at_ease() && self.core.cork.len() + payload.len() < self.core.max_eased_len {
            self.core.counters.messages_sent += 1;
            encode_frame(&mut self.core.cork, true, message.opcode, None, payload);
            return Outcome::Sent;
        }
        self.send_with_care(message)
    }

    /// Nothing stands in the way of a message but its length.
    #[inline]
    fn is_at_ease(&self) -> bool {
        let open = !self.session.is_closing(self.io.flags);
        open && !self.io.flags.contains(Flags::DEFLATES)
            && self.io.queue.is_none()
            && !self.core.own_mail.is_pending()
    }

    /// [`send`](Self::send), whatever the state of things.
    #[inline(never)]
    fn send_with_care(&mut self, message: &Outgoing<'_>) -> Outcome {
        if self.session.is_closing(self.io.flags) {
            return Outcome::Gone;
        }
        if self.core.own_mail.is_pending() {
            return self.send_behind(message);
        }
        let payload = message.as_bytes();
        if !self.has_room(payload.len()) {
            self.core.counters.sends_dropped += 1;
            self.io.flags.insert(Flags::DRAIN_OWED);
            return Outcome::Dropped;
        }
        let waits = self.io.queue.is_some();
        self.core.counters.messages_sent += 1;
        if self.io.flags.contains(Flags::DEFLATES) && self.cork_compressed(message) {
            // It is in the cork.
        } else if payload.len() < SPLIT_FROM_LEN {
            encode_frame(&mut self.core.cork, true, message.opcode, None, payload);
            if self.core.cork.len() >= self.core.max_cork_len {
                self.io.uncork(self.core);
            }
        } else {
            self.send_large(message);
        }
        if !waits {
            return Outcome::Sent;
        }
        self.io.flags.insert(Flags::DRAIN_OWED);
        Outcome::Queued
    }

    /// Whether a message of `len` bytes is accepted. The cork counts, unless the socket takes it.
    fn has_room(&mut self, len: usize) -> bool {
        let max_backpressure = self.core.config.max_backpressure;
        if fits(self.buffered_amount(), len, max_backpressure) {
            return true;
        }
        self.io.uncork(self.core);
        fits(self.io.queued_len(), len, max_backpressure)
    }

    /// A callback of this turn has sent something by a handle: this must not overtake it.
    #[cold]
    fn send_behind(&mut self, message: &Outgoing<'_>) -> Outcome {
        let (id, frame) = (self.io.id, message.encode_shared());
        let len = frame.len();
        let command = Command::Send { id, frame, compress: message.compress };
        let directory = &self.core.link.directory;
        let mut outcome = directory.admit(id, len, self.core.config.max_backpressure);
        if outcome.is_accepted() && !self.core.own_mail.post(command, Patience::None) {
            directory.refund(id, len);
            outcome = Outcome::Dropped;
        }
        self.core.counters.sends_dropped += u64::from(outcome == Outcome::Dropped);
        self.io.flags.insert_if(Flags::DRAIN_OWED, outcome != Outcome::Sent);
        outcome
    }

    fn send_large(&mut self, message: &Outgoing<'_>) {
        let payload = message.as_bytes();
        let (head, head_len) = server_frame_head(message.opcode, payload.len());
        let shared = match &message.payload {
            Payload::Shared(bytes) => Some(bytes),
            Payload::Borrowed(_) => None,
        };
        self.io.send_split(self.core, &head[..head_len], payload, shared);
    }

    /// Sends a ping of at most 125 bytes, ahead of what waits.
    pub(crate) fn ping(&mut self, payload: &[u8]) -> Outcome {
        self.send_control(OpCode::Ping, payload)
    }

    pub(super) fn pong(&mut self, payload: &[u8]) -> Outcome {
        self.send_control(OpCode::Pong, payload)
    }

    fn send_control(&mut self, opcode: OpCode, payload: &[u8]) -> Outcome {
        if self.session.endpoint.is_close_sent() {
            return Outcome::Gone;
        }
        if self.io.queued_len() == 0 {
            encode_frame(&mut self.core.cork, true, opcode, None, payload);
            return Outcome::Sent;
        }
        let mut frame = Vec::with_capacity(2 + payload.len());
        encode_frame(&mut frame, true, opcode, None, payload);
        self.io.send_urgent(self.core, &frame);
        Outcome::Queued
    }

    /// Starts the closing handshake, or ends it if the peer started it. Behind what is queued:
    /// nothing may follow a close frame.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        if self.core.own_mail.is_pending() {
            let command = Command::Close { id: self.io.id, code, reason: reason.into() };
            if self.core.own_mail.post(command, Patience::Wait) {
                self.io.flags.insert(Flags::CLOSE_POSTED);
                return;
            }
        }
        self.close_now(code, reason);
    }

    pub(super) fn close_now(&mut self, code: CloseCode, reason: &str) {
        if self.io.queued_len() > 0 {
            // What callbacks have sent goes ahead of publications that wait, the close frame behind.
            self.io.uncork(self.core);
        }
        self.session.endpoint.close(&mut self.core.cork, code, reason, None);
        self.io.flags.insert(Flags::CLOSE_ENCODED);
        // Whatever it was kept from being read for: only the peer's close frame is awaited.
        self.io.flags.remove(Flags::HELD);
    }

    /// Fails the connection (RFC 6455 §7.1.7): sends a close frame and takes nothing more in.
    pub(crate) fn fail(&mut self, code: CloseCode, reason: &str) {
        if self.session.closed.is_none() {
            let closed = Closed { code, reason: reason.to_owned(), was_clean: false };
            self.session.closed = Some(Box::new(closed));
        }
        self.close_now(code, reason);
        self.session.endpoint.end_input(&mut self.core.workspace);
    }

    /// A message of `len` bytes goes to a handler thread: until that says that it is
    /// [handled](super::Outbox::handled), it counts as if its answer waited for the socket.
    pub(crate) fn hand_over(&mut self, len: usize) {
        self.io.unhandled_len += message_weight(len);
    }

    /// Ends the connection at once, without a closing handshake.
    pub(crate) fn terminate(&mut self) {
        self.io.flags.insert(Flags::BROKEN);
    }
}

/// What an answer of the same length takes in a queue, header included.
pub(super) fn message_weight(len: usize) -> usize {
    len + MAX_HEADER_LEN
}
