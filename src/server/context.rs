//! A handler's view of the connection at hand.

use super::ServerHandle;
use super::topic::Topic;
use crate::event_loop::{ConnectionId, Outbox, Outcome, Outlet};
use crate::frame::{CloseCode, MAX_CONTROL_PAYLOAD_LEN};
use crate::protocol::Outgoing;
use crate::pubsub::{Start, SubscribeOptions, Subscribed};

/// The connection that a callback is about. What it sends leaves when the callback's turn is over,
/// in order with everything else that the thread sends.
pub struct Context<'a> {
    server: &'a ServerHandle,
    side: Side<'a>,
}

/// Where the callback runs.
enum Side<'a> {
    /// On the connection's event loop.
    Inline(Outlet<'a>),
    /// On a handler thread. `closing`: it is told here that no callback but `close` may follow.
    Lane { id: ConnectionId, outbox: &'a Outbox, closing: &'a mut bool },
    /// The connection has ended.
    Gone(ConnectionId),
}

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn inline(server: &'a ServerHandle, outlet: Outlet<'a>) -> Self {
        Self { server, side: Side::Inline(outlet) }
    }

    pub(super) fn lane(
        server: &'a ServerHandle,
        id: ConnectionId,
        outbox: &'a Outbox,
        closing: &'a mut bool,
    ) -> Self {
        Self { server, side: Side::Lane { id, outbox, closing } }
    }

    pub(super) fn gone(server: &'a ServerHandle, id: ConnectionId) -> Self {
        Self { server, side: Side::Gone(id) }
    }

    /// The connection's name, for use by other threads.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        match &self.side {
            Side::Inline(outlet) => outlet.id(),
            Side::Lane { id, .. } | Side::Gone(id) => *id,
        }
    }

    /// Sends a message: text from `&str` and the like, binary from bytes, or a received message.
    ///
    /// `Queued` and `Dropped` are backpressure; [`Handler::drain`](super::Handler::drain) tells when it is over.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Outcome {
        let message = message.into();
        match &mut self.side {
            Side::Inline(outlet) => outlet.send(&message),
            Side::Lane { closing: true, .. } => Outcome::Gone,
            Side::Lane { id, outbox, .. } => outbox.send(*id, &message),
            Side::Gone(_) => Outcome::Gone,
        }
    }

    /// Sends a ping (RFC 6455 §5.5.2), ahead of what waits. A payload of more than 125 bytes is
    /// refused with `Dropped`; so is one on a handler thread while the connection's loop is thousands of
    /// commands behind. Keep-alive pings are sent by the engine.
    pub fn ping(&mut self, payload: &[u8]) -> Outcome {
        if payload.len() > MAX_CONTROL_PAYLOAD_LEN {
            return Outcome::Dropped;
        }
        match &mut self.side {
            Side::Inline(outlet) => outlet.ping(payload),
            Side::Lane { id, .. } => self.server.ping(*id, payload),
            Side::Gone(_) => Outcome::Gone,
        }
    }

    /// Starts the closing handshake, behind what was sent before. The reason is cut to 123 bytes; a
    /// code that must not be sent (such as 1005) sends a close frame without one.
    ///
    /// No message is delivered after this; `close` comes once the peer has answered, or in
    /// `close_timeout`.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        match &mut self.side {
            Side::Inline(outlet) => outlet.close(code, reason),
            Side::Lane { id, closing, .. } => {
                **closing = true;
                self.server.close(*id, code, reason);
            }
            Side::Gone(_) => {}
        }
    }

    /// Ends the connection at once, without a closing handshake; what waits is lost.
    pub fn terminate(&mut self) {
        match &mut self.side {
            Side::Inline(outlet) => outlet.terminate(),
            Side::Lane { id, closing, .. } => {
                **closing = true;
                self.server.terminate(*id);
            }
            Side::Gone(_) => {}
        }
    }

    /// Subscribes the connection to a topic; again is the same as once. It begins with what the topic
    /// retains for newcomers, and gets every publication from then on, whichever thread makes it:
    /// there is neither gap nor overlap. O(subscriptions of the connection).
    pub fn subscribe(&mut self, topic: &Topic) -> Subscribed {
        self.subscribe_with(topic, SubscribeOptions::default())
    }

    /// Subscribes a client that has had everything up to the publication with this number, and was
    /// cut off: it gets what followed, or is told that this is not to be had any more.
    pub fn subscribe_from(&mut self, topic: &Topic, sequence: u64) -> Subscribed {
        let start = Start::After(sequence);
        self.subscribe_with(topic, SubscribeOptions { start, ..SubscribeOptions::default() })
    }

    /// Subscribes the connection as it wants to.
    pub fn subscribe_with(&mut self, topic: &Topic, options: SubscribeOptions) -> Subscribed {
        match &self.side {
            Side::Gone(_) => Subscribed::Gone,
            Side::Inline(_) | Side::Lane { .. } => {
                self.server.subscribe_with(self.id(), topic, options)
            }
        }
    }

    /// Subscribes the connection to every topic whose name begins with `prefix`, also to those that
    /// are made later. See [`ServerHandle::subscribe_prefix`].
    pub fn subscribe_prefix(&mut self, prefix: &str, options: SubscribeOptions) -> Outcome {
        match &self.side {
            Side::Gone(_) => Outcome::Gone,
            Side::Inline(_) | Side::Lane { .. } => {
                self.server.subscribe_prefix(self.id(), prefix, options)
            }
        }
    }

    /// Ends what [`subscribe_prefix`](Self::subscribe_prefix) began, and all of the connection's other
    /// subscriptions to topics whose names begin so.
    pub fn unsubscribe_prefix(&mut self, prefix: &str) {
        if !matches!(self.side, Side::Gone(_)) {
            self.server.unsubscribe_prefix(self.id(), prefix);
        }
    }

    /// Ends a subscription. What waits for the connection already still arrives, maybe behind what is
    /// sent to it now. O(subscribers of the topic on the connection's loop).
    pub fn unsubscribe(&mut self, topic: &Topic) {
        if !matches!(self.side, Side::Gone(_)) {
            self.server.unsubscribe(self.id(), topic);
        }
    }

    /// Bytes accepted for the connection that its socket has not taken yet.
    #[must_use]
    pub fn buffered_amount(&self) -> usize {
        match &self.side {
            Side::Inline(outlet) => outlet.buffered_amount(),
            Side::Lane { id, outbox, .. } => {
                self.server.buffered_amount(*id).unwrap_or(0) + outbox.gathered_len(*id)
            }
            Side::Gone(_) => 0,
        }
    }

    /// The server, for everything beyond this connection.
    #[must_use]
    pub fn server(&self) -> &ServerHandle {
        self.server
    }
}
