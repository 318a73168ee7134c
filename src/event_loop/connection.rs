//! A connection, as its loop owns it: socket, bytes on their way in and out, and what phase it is in.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::core::Core;
use super::timer_wheel::Tick;
use super::{Closed, ConnectionId};
use crate::buf::WriteQueue;
use crate::frame::{CloseCode, find_frame_boundary};
use crate::handshake::{AcceptKey, RequestDecoder};
use crate::protocol::Endpoint;
use crate::pubsub::{Parcel, TopicId};
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
    queue: Option<Box<WriteQueue>>,
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

    /// Sends what the cork holds: in one write if the socket takes it, else the rest is queued.
    #[inline]
    pub(super) fn uncork(&mut self, core: &mut Core) {
        if !core.cork.is_empty() {
            let frames = std::mem::take(&mut core.cork);
            self.send_frames(core, &frames);
            core.cork = frames;
            core.cork.clear();
        }
    }

    /// Sends whole frames: directly if nothing waits; only what the socket did not take is copied
    /// into the queue. What ends with our close frame goes behind everything there.
    pub(super) fn send_frames(&mut self, core: &mut Core, frames: &[u8]) {
        let written = self.write_directly(core, frames);
        if written < frames.len() && !self.flags.broken {
            let is_last = self.flags.close_encoded;
            self.enqueue(core, |queue, at| {
                if is_last {
                    queue.push_last(frames, written, at);
                } else {
                    queue.push_direct(frames, written, at);
                }
            });
        }
    }

    /// Sends one frame in shared memory to this connection alone; what the socket did not take is
    /// queued, without a copy if it is large.
    pub(super) fn send_shared(&mut self, core: &mut Core, frame: &Bytes) {
        let written = self.write_directly(core, frame);
        if written < frame.len() && !self.flags.broken {
            self.enqueue(core, |queue, at| queue.push_direct_shared(frame, written, at));
        }
    }

    /// Sends publications: as [`send_shared`](Self::send_shared), but behind what is sent to this
    /// connection alone.
    #[inline]
    pub(super) fn send_publication(&mut self, core: &mut Core, parcel: &Parcel<'_>) {
        let written = self.write_directly(core, parcel.frames);
        if written < parcel.frames.len() && !self.flags.broken {
            self.enqueue(core, |queue, at| {
                let owner = owner(parcel);
                queue.push_publication(parcel.frames, written, owner, parcel.count, at);
            });
        }
    }

    /// Puts publications into the queue, to be offered to the socket later.
    pub(super) fn queue_publication(&mut self, core: &mut Core, parcel: &Parcel<'_>) {
        if !parcel.frames.is_empty() {
            self.enqueue(core, |queue, at| {
                let owner = owner(parcel);
                queue.push_publication(parcel.frames, 0, owner, parcel.count, at);
            });
        }
    }

    /// When the oldest of what waits was queued.
    #[allow(dead_code)]
    pub(super) fn oldest_queued(&self, core: &Core) -> Option<Tick> {
        self.queue.as_ref()?.oldest_at(core.now.as_u32()).map(Tick::from_u32)
    }

    /// Drops publications of a topic that have waited for longer than `max_age` and have not begun
    /// to leave; returns how many.
    pub(super) fn drop_aged(
        &mut self,
        core: &mut Core,
        TopicId(topic): TopicId,
        max_age: Duration,
    ) -> u64 {
        let Some(queue) = &mut self.queue else { return 0 };
        let mut dropped = 0;
        let is_expired = |owner, at| owner == topic && core.now.since(Tick::from_u32(at)) > max_age;
        let len = queue.drop_publications(is_expired, |_, count| dropped += u64::from(count));
        self.dequeued(core, len);
        dropped
    }

    /// Sends a large message from where it lies, behind what the cork holds.
    pub(super) fn send_split(
        &mut self,
        core: &mut Core,
        head: &[u8],
        payload: &[u8],
        shared: Option<&Bytes>,
    ) {
        let cork = std::mem::take(&mut core.cork);
        let total = cork.len() + head.len() + payload.len();
        let mut written = 0;
        if self.queue.is_none() {
            let slices = [IoSlice::new(&cork), IoSlice::new(head), IoSlice::new(payload)];
            let result = self.stream.write_vectored(&slices);
            written = self.judge_write(core, result);
        }
        if written < total && !self.flags.broken {
            self.block(core);
            let cork_written = written.min(cork.len());
            if cork_written < cork.len() {
                self.enqueue(core, |queue, at| queue.push_direct(&cork, cork_written, at));
            }
            let written = written - cork_written;
            let payload = shared.cloned().unwrap_or_else(|| Bytes::copy_from_slice(payload));
            self.enqueue(core, |queue, at| queue.push_split(head, payload, written, at));
        }
        core.cork = cork;
        core.cork.clear();
    }

    /// Sends a control frame ahead of queued data, at the next boundary between frames.
    pub(super) fn send_urgent(&mut self, core: &mut Core, frame: &[u8]) {
        if self.queue.is_none() {
            core.cork.extend_from_slice(frame);
        } else {
            self.enqueue(core, |queue, at| queue.push_urgent(frame, at));
        }
    }

    /// Sends what is no frame: an HTTP response.
    pub(super) fn send_opaque(&mut self, core: &mut Core, bytes: Vec<u8>) {
        let written = self.write_directly(core, &bytes);
        if written < bytes.len() && !self.flags.broken {
            self.enqueue(core, |queue, at| queue.push_opaque(bytes, written, at));
        }
    }

    /// Writes what the socket takes of the queue.
    pub(super) fn flush(&mut self, core: &mut Core) {
        const MAX_SLICES: usize = 64;
        while let Some(queue) = &mut self.queue {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = queue.fill_slices(&mut slices);
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let result = self.stream.write_vectored(&slices[..count]);
            let written = self.judge_write(core, result);
            if self.flags.broken {
                return;
            }
            self.dequeue(core, written);
            if written < offered {
                self.block(core);
                return;
            }
        }
    }

    /// Gives the queue and the carry back to the pools.
    pub(super) fn release(&mut self, core: &mut Core) {
        if let Some(mut queue) = self.queue.take() {
            core.counters.bytes_queued -= queue.len() as u64;
            queue.clear();
            core.queues.give(queue);
        }
        self.drop_carry(core);
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

    #[inline]
    fn write_directly(&mut self, core: &mut Core, bytes: &[u8]) -> usize {
        if self.queue.is_some() || self.flags.broken {
            return 0;
        }
        let result = self.stream.write(bytes);
        let written = self.judge_write(core, result);
        if written < bytes.len() {
            self.block(core);
        }
        written
    }

    /// The socket takes no more: whoever sends now is told so.
    #[cold]
    fn block(&mut self, core: &Core) {
        if !std::mem::replace(&mut self.flags.blocked, true) {
            core.link.directory.set_blocked(self.id.index, true);
            self.note_oldest(core);
        }
    }

    /// Lets other threads know since when the oldest byte waits. Not before the socket has refused
    /// bytes: where it takes everything, nobody asks.
    fn note_oldest(&self, core: &Core) {
        // What it refuses without having been queued before is queued now.
        let oldest = self.oldest_queued(core).unwrap_or(core.now);
        core.link.readers.note_oldest(self.id.index, oldest);
    }

    fn judge_write(&mut self, core: &mut Core, result: io::Result<usize>) -> usize {
        match result {
            Ok(written) => {
                core.counters.bytes_sent += written as u64;
                written
            }
            Err(error) => {
                self.flags.broken |= error.kind() != io::ErrorKind::WouldBlock;
                0
            }
        }
    }

    fn enqueue(&mut self, core: &mut Core, push: impl FnOnce(&mut WriteQueue, u32)) {
        let new = || Box::new(WriteQueue::new(find_frame_boundary));
        let queue = self.queue.get_or_insert_with(|| core.queues.take_or(new));
        let before = queue.len();
        push(queue, core.now.as_u32());
        // A flood of urgent frames replaces earlier ones: the queue may shrink too.
        if queue.len() >= before {
            let growth = queue.len() - before;
            core.counters.bytes_queued += growth as u64;
            core.link.directory.charge(self.id.index, growth);
        } else {
            let shrinkage = before - queue.len();
            core.counters.bytes_queued -= shrinkage as u64;
            core.link.directory.discharge(self.id.index, shrinkage);
        }
    }

    fn dequeue(&mut self, core: &mut Core, written: usize) {
        let Some(queue) = &mut self.queue else { return };
        queue.advance(written);
        self.dequeued(core, written);
    }

    /// The queue has become shorter by `len` bytes; it goes back to the pool when it is empty.
    fn dequeued(&mut self, core: &mut Core, len: usize) {
        let Some(queue) = &self.queue else { return };
        core.counters.bytes_queued -= len as u64;
        core.link.directory.discharge(self.id.index, len);
        if queue.is_empty() {
            if let Some(queue) = self.queue.take() {
                core.queues.give(queue);
            }
            if std::mem::take(&mut self.flags.blocked) {
                core.link.directory.set_blocked(self.id.index, false);
                core.link.readers.note_empty(self.id.index);
            }
        } else if self.flags.blocked {
            self.note_oldest(core);
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

/// Whose publications they are, for the queue. Those that do not grow old are nobody's, so that they
/// are not dropped with others of their topic: a replay, or a topic that leaves nothing out.
fn owner(parcel: &Parcel<'_>) -> u64 {
    let TopicId(topic) = parcel.topic;
    if parcel.ages { topic } else { u64::MAX }
}
