//! A connection, as its loop owns it: socket, bytes on their way in and out, and what phase it is in.

use super::addresses::Place;
use super::carry::Carry;
use super::flags::Flags;
use super::meter::Meter;
use super::peer::Peer;
use super::subscriptions::Subscriptions;
use super::timer_wheel::{Planned, Tick};
use super::{Closed, ConnectionId};
use crate::buf::WriteQueue;
use crate::frame::CloseCode;
use crate::handshake::{RequestDecoder, UpgradeRequest};
use crate::protocol::Endpoint;
use crate::transport::{Route, Stream};

#[repr(align(64))]
pub(super) struct Connection<S> {
    pub(super) io: Io,
    pub(super) phase: Phase<S>,
}

/// The life of a connection, in order. Without an upgrade it goes round `Request` and `Deciding`.
pub(super) enum Phase<S> {
    /// A proxy's header is arriving: it says who the client is.
    Proxied(Box<Arriving>),
    /// A request head is arriving.
    Request(Box<Arriving>),
    /// A handler thread decides upon the request; nothing is read meanwhile.
    Deciding(Box<Deciding<S>>),
    /// A WebSocket connection.
    Open(Open<S>),
    /// Nothing more will be served: what is queued is written, then our direction ends, and what
    /// the peer still sends is read and dropped until it ends too. Closing at once could reset the
    /// connection under bytes that the peer has not read.
    Lingering,
}

/// What only a connection without an upgrade needs.
pub(super) struct Arriving {
    pub(super) decoder: RequestDecoder,
    pub(super) peer: Peer,
    /// When the first bytes came of a TLS handshake.
    pub(super) greeted: Option<Tick>,
    /// When the first bytes came of a head that is not whole.
    pub(super) began: Option<Tick>,
}

pub(super) struct Deciding<S> {
    pub(super) state: S,
    /// For the next request, unless this one becomes an upgrade.
    pub(super) arriving: Box<Arriving>,
    pub(super) upgrade: Option<UpgradeRequest>,
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
    pub(super) subscriptions: Option<Box<Subscriptions>>,
    /// How it will have ended, once that is known.
    pub(super) closed: Option<Box<Closed>>,
}

/// Two cache lines: serving a connection touches no third one, and ten thousand idle ones stay small.
/// (A debug build of the poller checks more, and keeps what it needs for that in each socket.)
#[cfg(all(target_pointer_width = "64", not(debug_assertions)))]
const _: () = assert!(size_of::<Connection<()>>() <= 128);

impl Session {
    /// No message goes to the handler any more, and none is taken from it.
    #[inline]
    pub(super) fn is_closing(&self, flags: Flags) -> bool {
        self.endpoint.is_close_sent() || flags.intersects(Flags::CLOSE_POSTED.union(Flags::BROKEN))
    }

    /// Nothing more is taken in, and what callbacks still send goes before our close frame.
    pub(super) fn owes_close(&self) -> bool {
        self.endpoint.is_input_ended() && !self.endpoint.is_close_sent()
    }

    /// The peer's direction has ended without a close frame or a failure.
    pub(super) fn is_cut_off(&self, flags: Flags) -> bool {
        flags.contains(Flags::FIN_RECEIVED) && !self.endpoint.is_input_ended()
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
    /// What waits for the socket; nothing may be written past it. Empty it keeps the place of what
    /// follows, while the stream itself keeps bytes that its socket has not taken.
    pub(super) queue: Option<Box<WriteQueue>>,
    pub(super) carry: Option<Box<Carry>>,
    /// What its messages weigh that a handler thread has not worked through.
    pub(super) unhandled_len: usize,
    pub(super) id: ConnectionId,
    /// Where it is counted among the connections of its client's address.
    pub(super) place: Option<Place>,
    /// What it may take in.
    pub(super) meter: Meter,
    /// When the last bytes arrived, or when the phase began that is being timed.
    pub(super) since: Tick,
    /// The wheel's valid entry for this connection.
    pub(super) scheduled: Planned,
    /// When it has lived for long enough.
    pub(super) ends_at: Planned,
    pub(super) flags: Flags,
}

impl Io {
    pub(super) fn new(
        stream: Stream,
        id: ConnectionId,
        place: Option<Place>,
        meter: Meter,
        now: Tick,
    ) -> Self {
        Self {
            stream,
            queue: None,
            carry: None,
            unhandled_len: 0,
            id,
            place,
            meter,
            since: now,
            scheduled: Planned::default(),
            ends_at: Planned::default(),
            flags: Flags::default(),
        }
    }

    /// Bytes that wait for the socket, be it in the stream itself.
    #[inline]
    pub(super) fn queued_len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len()) + self.stream.unflushed_len()
    }
}

impl<S> Connection<S> {
    pub(super) fn new(io: Io, peer: Peer, route: Route) -> Self {
        let decoder = RequestDecoder::new();
        let arriving = Box::new(Arriving { decoder, peer, greeted: None, began: None });
        let is_direct = route == Route::Direct;
        let phase = if is_direct { Phase::Request(arriving) } else { Phase::Proxied(arriving) };
        Self { io, phase }
    }

    /// Whether something waits for the queue to drain, though nothing may wait in it: what emptied
    /// it meanwhile, a flush that made room or old publications dropped, has told nobody.
    #[inline]
    pub(super) fn awaits_room(&self) -> bool {
        let lags = matches!(&self.phase, Phase::Open(open) if open.session.lags());
        lags || self.io.flags.intersects(Flags::DRAIN_OWED | Flags::SLOW | Flags::HELD)
    }
}
