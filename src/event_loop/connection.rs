//! A connection, as its loop owns it: socket, bytes on their way in and out, and what phase it is in.

use std::net::SocketAddr;

use super::core::Core;
use super::timer_wheel::Tick;
use super::{Closed, ConnectionId};
use crate::buf::WriteQueue;
use crate::frame::CloseCode;
use crate::handshake::{AcceptKey, RequestDecoder};
use crate::protocol::Endpoint;
use crate::pubsub::TopicId;
use crate::transport::Stream;

pub(super) struct Connection<S> {
    pub(super) io: Io,
    pub(super) phase: Phase<S>,
}

/// The life of a connection, in order. Without an upgrade it goes round `Request` and `Deciding`.
pub(super) enum Phase<S> {
    /// A request head is arriving.
    Request(Box<RequestDecoder>),
    /// A handler thread decides upon the request; nothing is read meanwhile.
    Deciding(Box<Deciding<S>>),
    /// A WebSocket connection.
    Open(Open<S>),
    /// Nothing more will be served: what is queued is written, then our direction ends, and what
    /// the peer still sends is read and dropped until it ends too. Closing at once could reset the
    /// connection under bytes that the peer has not read.
    Lingering,
}

pub(super) struct Deciding<S> {
    pub(super) state: S,
    pub(super) upgrade: Option<AcceptKey>,
    pub(super) response: ResponseRules,
}

/// What the request says about how its response is written.
#[derive(Clone, Copy)]
pub(super) struct ResponseRules {
    pub(super) head_request: bool,
    pub(super) version: http::Version,
    pub(super) keep_alive: bool,
}

pub(super) struct Open<S> {
    pub(super) state: S,
    pub(super) session: Session,
}

/// What an open connection has beside the handler's state.
#[derive(Default)]
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    pub(super) topics: Vec<TopicId>,
    /// What it subscribes to beside, whenever there is a topic that begins so.
    pub(super) prefixes: Vec<Box<str>>,
    /// How it will have ended, once that is known.
    pub(super) closed: Option<Box<Closed>>,
    /// The handler has closed, and the close frame waits for its turn in the mailbox.
    pub(super) close_posted: bool,
    /// How many of the topics it lags in.
    pub(super) lagging_count: u32,
    /// When its lagging subscriptions are to be looked at.
    pub(super) wake: Option<Tick>,
}

impl Session {
    /// No message goes to the handler any more, and none is taken from it.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.endpoint.is_close_sent() || self.close_posted
    }

    /// Nothing more is taken in, and what callbacks still send goes before our close frame.
    pub(super) fn owes_close(&self) -> bool {
        self.endpoint.is_input_ended() && !self.endpoint.is_close_sent()
    }

    /// The close frame that ends the connection: the answer to the peer's repeats its code (RFC 6455
    /// §5.5.1), a failure says why (§7.1.7).
    pub(super) fn owed_close(&self) -> (CloseCode, String) {
        match self.closed.as_deref() {
            Some(Closed { code, was_clean: true, .. }) => (*code, String::new()),
            Some(Closed { code, reason, .. }) => (*code, reason.clone()),
            None => (CloseCode::NO_STATUS, String::new()),
        }
    }
}

/// Socket, queues and timers: what every phase has.
pub(super) struct Io {
    pub(super) stream: Stream,
    /// What waits for the socket; nothing may be written past it.
    pub(super) queue: Option<Box<WriteQueue>>,
    /// Received bytes that could not be used up yet: part of a head or of a frame, or what was
    /// beyond the turn's budget.
    pub(super) carry: Vec<u8>,
    /// What its messages weigh that a handler thread has not worked through.
    pub(super) unhandled_len: usize,
    pub(super) id: ConnectionId,
    pub(super) peer: Option<SocketAddr>,
    /// When the last bytes arrived, or when the phase began that is being timed.
    pub(super) since: Tick,
    /// The wheel's valid entry for this connection.
    pub(super) scheduled: Option<Tick>,
    pub(super) flags: Flags,
}

/// What must be remembered between turns.
#[derive(Default)]
pub(super) struct Flags {
    /// The socket failed or ended: to be removed when its turn is over.
    pub(super) broken: bool,
    /// The end of the stream or an error was announced and has not been met.
    pub(super) end_announced: bool,
    /// Reading stopped early: there may be bytes that no readiness will announce again.
    pub(super) unread: bool,
    /// The socket has refused bytes that wait now.
    pub(super) blocked: bool,
    /// Its own callbacks send to it: what waits for it is its doing, or may be.
    pub(super) answers: bool,
    /// On the list of connections to come back to.
    pub(super) listed: bool,
    /// On the list of connections to be flushed.
    pub(super) dirty: bool,
    /// On the list of connections whose lagging subscriptions are to be looked at.
    pub(super) behind: bool,
    /// Its handler has been told that it is slow.
    pub(super) slow: bool,
    /// There may be publications in its queue that grow too old.
    pub(super) ages: bool,
    /// Not read until its own sends have drained.
    pub(super) held: bool,
    /// On the list of connections that wait for their lane.
    pub(super) stalled: bool,
    /// A ping was sent in this silence.
    pub(super) pinged: bool,
    /// The handler was told of backpressure and wants to hear of the drain.
    pub(super) drain_owed: bool,
    /// The phase that waits for the peer's close is timed.
    pub(super) closing_timed: bool,
    /// A close frame was encoded into the cork: what holds it goes behind everything that waits.
    pub(super) close_encoded: bool,
    /// Our direction of the stream has ended.
    pub(super) fin_sent: bool,
    /// The peer's direction has ended.
    pub(super) fin_received: bool,
}

impl Io {
    pub(super) fn new(
        stream: Stream,
        peer: Option<SocketAddr>,
        id: ConnectionId,
        now: Tick,
    ) -> Self {
        Self {
            stream,
            queue: None,
            carry: Vec::new(),
            unhandled_len: 0,
            id,
            peer,
            since: now,
            scheduled: None,
            flags: Flags::default(),
        }
    }

    /// Bytes that wait for the socket.
    #[inline]
    pub(super) fn queued_len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Keeps `rest`, if there is any, for when more has arrived.
    #[inline]
    pub(super) fn carry_over(&mut self, core: &mut Core, rest: &[u8]) {
        if rest.is_empty() {
            self.drop_carry(core);
        } else {
            self.keep(core, rest);
        }
    }

    fn keep(&mut self, core: &mut Core, rest: &[u8]) {
        if self.carry.capacity() == 0 {
            self.carry = core.carries.take_or(Vec::new);
        }
        self.carry.clear();
        self.carry.extend_from_slice(rest);
    }

    /// The carry is used up: it goes back to the pool unless it has grown large.
    #[inline]
    pub(super) fn drop_carry(&mut self, core: &mut Core) {
        const MAX_KEPT_LEN: usize = 4096;
        if self.carry.capacity() > 0 {
            let mut carry = std::mem::take(&mut self.carry);
            if carry.capacity() <= MAX_KEPT_LEN {
                carry.clear();
                core.carries.give(carry);
            }
        }
    }
}

impl<S> Connection<S> {
    pub(super) fn new(io: Io) -> Self {
        Self { io, phase: Phase::Request(Box::default()) }
    }

    /// Whether something waits for the queue to drain, though nothing may wait in it: what emptied
    /// it meanwhile, a flush that made room or old publications dropped, has told nobody.
    #[inline]
    pub(super) fn awaits_room(&self) -> bool {
        let Flags { drain_owed, slow, held, .. } = self.io.flags;
        let lags = matches!(&self.phase, Phase::Open(open) if open.session.lagging_count > 0);
        drain_owed || slow || held || lags
    }
}
