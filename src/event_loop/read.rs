//! From readiness to bytes.

use std::io;

use super::EventLoop;
use super::connection::{Connection, Io, Phase};
use super::core::Core;
use super::flags::Flags;
use super::frames::{consume_frames, fail, receive_assembled};
use super::service::Service;

/// A payload of which at least this much is missing is received straight into its message.
const DIRECT_FROM_LEN: usize = 16 * 1024;

/// Reads of one connection before others get their turn. A large payload needs one; many small
/// messages, which cost more, come a read buffer at a time.
const MAX_READS_PER_TURN: u32 = 4;

/// HTTP requests of one connection that are answered in one go: each response is a write of its own.
const MAX_REQUESTS_AT_ONCE: usize = 8;

/// So much of each connection may wait for a handler thread, whatever else does.
const MIN_SHARE: usize = 16 * 1024;

/// What a read came to.
#[derive(PartialEq, Eq)]
pub(super) enum Progress {
    /// The socket has no more for now.
    Drained,
    /// There may be more.
    More,
    /// Nothing was read because something else must happen first.
    Held,
}

impl<S: Service> EventLoop<S> {
    /// The common case of a readiness: an open connection, for which nothing waits and of which nothing
    /// is remembered, has sent whole messages. One receive, one write, one look at the connection.
    ///
    /// Says whether that was all. If not, [`on_readable`](Self::on_readable) begins, or goes on.
    #[inline]
    pub(super) fn serve(&mut self, key: u32) -> bool {
        let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        else {
            return false;
        };
        let at_ease = io.is_at_ease() && open.session.endpoint.is_idle();
        if !at_ease || self.service.stalled_lane(&open.state).is_some() {
            return false;
        }
        let core = &mut self.core;
        let Some(len) = io.read(core, &mut self.read_buffer) else {
            if io.stream.is_interrupted() {
                return false;
            }
            self.nothing_read(key);
            self.finish_turn(key);
            return true;
        };
        let input = &mut self.read_buffer[..len];
        let used = consume_frames(&mut self.service, io, core, open, input);
        if used < len {
            io.carry_over(core, &input[used..]);
        }
        if len == self.read_buffer.len() || io.stream.is_interrupted() {
            return false;
        }
        self.service.hand_over();
        io.uncork(core);
        if !io.flags.is_at_ease() || open.session.endpoint.is_input_ended() {
            self.finish_turn(key);
        }
        true
    }

    /// A connection is to be read. `ended` says that the end of the stream or an error has been announced:
    /// from then on reading goes on until it is met, in later turns too, for no readiness will announce it
    /// again.
    pub(super) fn on_readable(&mut self, key: u32, ended: bool) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.io.flags.insert_if(Flags::END_ANNOUNCED, ended);
        if connection.io.stream.handshake_len().is_some() {
            return self.queue_handshake(key);
        }
        self.read_on(key);
    }

    /// Reads what the turn's budget allows.
    pub(super) fn read_on(&mut self, key: u32) {
        let mut budget = self.core.config.max_bytes_per_turn;
        let mut reads_left = MAX_READS_PER_TURN;
        loop {
            let before = self.core.taken_in();
            let progress = self.read_once(key);
            let Some(connection) = self.connections.get_mut(key as usize) else { return };
            let flags = &mut connection.io.flags;
            if flags.contains(Flags::BROKEN) {
                break;
            }
            match progress {
                Progress::Held => {
                    flags.insert(Flags::UNREAD);
                    break;
                }
                Progress::Drained if !flags.contains(Flags::END_ANNOUNCED) => break,
                Progress::Drained | Progress::More => {}
            }
            if flags.contains(Flags::UNREAD | Flags::LISTED) {
                // It has had its messages of this turn.
                break;
            }
            let read = (self.core.taken_in() - before) as usize;
            budget = budget.saturating_sub(read);
            reads_left -= 1;
            if budget == 0 || reads_left == 0 {
                flags.insert(Flags::UNREAD);
                self.list(key);
                break;
            }
        }
        self.service.hand_over();
        self.finish_turn(key);
    }

    /// Reads on what was held back, if there is a reason to.
    pub(super) fn release(&mut self, key: u32) {
        if let Some(Connection { io, phase }) = self.connections.get_mut(key as usize) {
            let low = self.core.config.max_backpressure / 4;
            let share = match phase {
                Phase::Open(open) => io.share(&self.service, &open.state) / 2,
                _ => usize::MAX,
            };
            let was_held = io.flags.contains(Flags::HELD);
            io.flags.keep_if(Flags::HELD, io.answers_len() > low || io.unhandled_len > share);
            let is_released = was_held && !io.flags.contains(Flags::HELD);
            let holds = Flags::HELD | Flags::STALLED | Flags::THROTTLED;
            let kept_back = io.flags & (Flags::UNREAD | holds);
            if kept_back == Flags::UNREAD && io.queued_len() <= low {
                self.list(key);
            }
            if is_released {
                // There is no deadline for who waits for callbacks: now there is one again.
                self.schedule(key);
            }
        }
    }

    /// Sees to it that the connection is read in the next turn.
    pub(super) fn list(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.io.list(&mut self.core);
        }
    }

    /// One read and what it brings.
    fn read_once(&mut self, key: u32) -> Progress {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return Progress::Drained;
        };
        if connection.io.flags.contains(Flags::FIN_RECEIVED) {
            return Progress::Held;
        }
        match &mut connection.phase {
            Phase::Proxied(_) => self.read_proxy_header(key),
            Phase::Deciding(_) => Progress::Held,
            Phase::Request(_) if connection.io.queued_len() > 0 => Progress::Held,
            Phase::Request(_) | Phase::Open(_) if connection.io.must_wait() => Progress::Held,
            Phase::Open(_) if connection.io.flags.contains(Flags::HELD) => Progress::Held,
            Phase::Open(open) => {
                // Behind our close frame nothing more goes to the lane: only the peer's is awaited.
                let goes_to_lane = !open.session.endpoint.is_close_sent();
                let stalled = self.service.stalled_lane(&open.state).filter(|_| goes_to_lane);
                if let Some(lane) = stalled {
                    if connection.io.flags.raise(Flags::STALLED) {
                        self.stalled[lane].push(key);
                    }
                    return Progress::Held;
                }
                if open.session.endpoint.payload_remaining() >= DIRECT_FROM_LEN {
                    self.read_payload(key)
                } else {
                    self.read_buffered(key)
                }
            }
            Phase::Request(_) | Phase::Lingering => self.read_buffered(key),
        }
    }

    /// Reads into the loop's buffer, behind what was carried over, and uses it up.
    fn read_buffered(&mut self, key: u32) -> Progress {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return Progress::Drained;
        };
        let io = &mut connection.io;
        let carried = io.carried().len();
        if carried > 0 {
            self.read_buffer[..carried].copy_from_slice(io.carried());
        }
        let room = self.read_buffer.len() - carried;
        // What an earlier turn left over is used before the socket is asked for more: behind it
        // there may be the end of the stream.
        let left_over = io.flags.lower(Flags::UNREAD) && carried > 0;
        let (len, progress) = if left_over {
            (0, Progress::More)
        } else {
            match io.read(&mut self.core, &mut self.read_buffer[carried..]) {
                None => return self.nothing_read(key),
                Some(len) => (len, io.progress(len, room)),
            }
        };
        if let Connection { io, phase: Phase::Open(open) } = connection {
            let input = &mut self.read_buffer[..carried + len];
            let used = consume_frames(&mut self.service, io, &mut self.core, open, input);
            io.carry_over(&mut self.core, &input[used..]);
            return progress;
        }
        self.use_up(key, carried + len);
        self.progress_behind(key, progress)
    }

    /// How to go on behind requests: some may be left that wait for nothing but their turn.
    pub(super) fn progress_behind(&self, key: u32, progress: Progress) -> Progress {
        let is_left = |connection: &Connection<_>| connection.io.flags.contains(Flags::UNREAD);
        if self.connections.get(key as usize).is_some_and(is_left) {
            Progress::More
        } else {
            progress
        }
    }

    /// Uses up the first `len` bytes of the read buffer; a connection that is open from the start
    /// does not come here.
    pub(super) fn use_up(&mut self, key: u32, len: usize) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let used = self.consume(key, &mut buffer[..len]);
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.io.carry_over(&mut self.core, &buffer[used..len]);
        }
        self.read_buffer = buffer;
    }

    /// The socket has nothing, or has ended: then the connection is over, but for one that only
    /// waits for its last bytes: to be written, or to be sent by callbacks.
    pub(super) fn nothing_read(&mut self, key: u32) -> Progress {
        if let Some(Connection { io, phase }) = self.connections.get_mut(key as usize) {
            if io.stream.is_interrupted() {
                return Progress::More;
            }
            // A false alarm must not make the loop look for the end for ever.
            io.flags.keep_if(Flags::END_ANNOUNCED, io.flags.contains(Flags::FIN_RECEIVED));
            let waits = match phase {
                Phase::Lingering => io.queued_len() > 0,
                // What becomes of it is seen to when its turn is over.
                Phase::Open(_) => true,
                Phase::Request(arriving) => {
                    arriving.time_handshake(io, &mut self.core);
                    false
                }
                Phase::Proxied(_) | Phase::Deciding(_) => false,
            };
            if io.flags.contains(Flags::FIN_RECEIVED) && !waits {
                io.flags.insert(Flags::BROKEN);
            }
        }
        Progress::Drained
    }

    /// Uses `input` up as far as possible; returns how far that was. A request that becomes an
    /// upgrade is followed by frames in the same input.
    fn consume(&mut self, key: u32, input: &mut [u8]) -> usize {
        let (mut at, mut request_count) = (0, 0);
        while at < input.len() {
            let Some(connection) = self.connections.get_mut(key as usize) else {
                return input.len();
            };
            if connection.io.flags.contains(Flags::BROKEN) {
                return input.len();
            }
            let used = match connection.phase {
                // The response before it comes first, or a handler thread decides: later.
                Phase::Request(_) if connection.io.queued_len() > 0 => 0,
                Phase::Request(_) if connection.io.must_wait() => 0,
                Phase::Request(_) if request_count == MAX_REQUESTS_AT_ONCE => 0,
                Phase::Proxied(_) | Phase::Deciding(_) => 0,
                Phase::Request(_) => match self.consume_head(key, &input[at..]) {
                    0 => return at,
                    used => {
                        request_count += 1;
                        used
                    }
                },
                Phase::Open(ref mut open) => {
                    let (io, input) = (&mut connection.io, &mut input[at..]);
                    let used = consume_frames(&mut self.service, io, &mut self.core, open, input);
                    return at + used;
                }
                Phase::Lingering => input.len() - at,
            };
            if used == 0 {
                if let Some(connection) = self.connections.get_mut(key as usize) {
                    connection.io.flags.insert(Flags::UNREAD);
                }
                break;
            }
            at += used;
        }
        at
    }

    /// Receives a large payload straight into its message.
    fn read_payload(&mut self, key: u32) -> Progress {
        let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        else {
            return Progress::Drained;
        };
        let core = &mut self.core;
        let max_len = core.config.max_bytes_per_turn;
        let Some(spare) = open.session.endpoint.payload_spare(max_len) else {
            return Progress::Drained;
        };
        let room = spare.len();
        io.flags.remove(Flags::UNREAD);
        let Some(len) = io.read(core, spare) else { return self.nothing_read(key) };
        io.heard(core);
        let taken_in = core.taken_in();
        match open.session.endpoint.payload_received(&mut core.workspace, len) {
            Ok(None) => {}
            Ok(Some(message)) => {
                io.count_inflated(core, core.taken_in() - taken_in);
                receive_assembled(&mut self.service, io, core, open, message);
            }
            Err(error) => fail(&mut self.service, io, core, open, &error),
        }
        io.progress(len, room)
    }
}

impl Io {
    /// Sees to it that the connection is read in the next turn.
    pub(super) fn list(&mut self, core: &mut Core) {
        if self.flags.raise(Flags::LISTED) {
            core.ready.push(self.id.index);
        }
    }

    /// Nothing waits, and nothing is remembered of earlier turns.
    #[inline]
    fn is_at_ease(&self) -> bool {
        self.flags.is_at_ease() && self.queue.is_none() && self.carry.is_none()
    }

    /// What its own messages have brought to its queue, or will if each is answered by as much.
    fn answers_len(&self) -> usize {
        let queued = if self.flags.contains(Flags::ANSWERS) { self.queued_len() } else { 0 };
        self.unhandled_len + queued
    }

    /// Its answers fill half of what may wait, or will: it is not read until they have drained.
    pub(super) fn hold_if_full(&mut self, core: &Core) -> bool {
        // Behind what waits, the cork will wait too.
        let corked = core.cork.len();
        let full = self.answers_len() + corked > core.config.max_backpressure / 2;
        self.flags.insert_if(Flags::HELD, full);
        full
    }

    /// It is not read, and whatever else it waits for, callbacks have not worked through what it has sent.
    pub(super) fn awaits_callbacks(&self) -> bool {
        self.flags.contains(Flags::HELD) && self.unhandled_len > 0
    }

    /// It has its share of a lane that others need too: it is not read until it has less.
    pub(super) fn hold_if_greedy<S: Service>(&mut self, service: &S, state: &S::State) -> bool {
        let greedy = self.unhandled_len > self.share(service, state);
        self.flags.insert_if(Flags::HELD, greedy);
        greedy
    }

    /// How much of it may wait for a handler thread. Who has little does not ask.
    fn share<S: Service>(&self, service: &S, state: &S::State) -> usize {
        if self.unhandled_len <= MIN_SHARE {
            MIN_SHARE
        } else {
            service.share(state).max(MIN_SHARE)
        }
    }

    /// The peer of an open connection has been heard: its silence begins anew, unless what is timed
    /// is how long it takes to close.
    #[inline]
    pub(super) fn heard(&mut self, core: &Core) {
        if !self.flags.contains(Flags::CLOSING_TIMED) {
            self.since = core.now;
            self.flags.remove(Flags::PINGED);
        }
    }

    /// One receive. `None`: nothing there, or the stream has ended and the connection is marked.
    #[inline]
    fn read(&mut self, core: &mut Core, buffer: &mut [u8]) -> Option<usize> {
        if buffer.is_empty() {
            return Some(0);
        }
        let result = self.stream.read(buffer);
        self.note_read(core, result)
    }

    /// What records cost beside what they bring, be it nothing.
    #[inline(never)]
    fn pay_toll(&mut self, core: &mut Core) {
        let toll = self.stream.take_toll();
        self.meter.take_bytes(toll as u64);
        if self.meter.bytes < 0 && toll > 0 {
            self.settle(core);
        }
    }

    /// What it says of the socket that `len` bytes have come where there was room for so many.
    #[inline]
    fn progress(&self, len: usize, room: usize) -> Progress {
        if len < room && !self.stream.is_interrupted() { Progress::Drained } else { Progress::More }
    }

    /// What a receive came to.
    #[inline]
    pub(super) fn note_read(
        &mut self,
        core: &mut Core,
        result: io::Result<usize>,
    ) -> Option<usize> {
        if self.stream.is_tls() {
            self.pay_toll(core);
        }
        match result {
            Ok(0) => {
                self.flags.insert(Flags::FIN_RECEIVED);
                None
            }
            Ok(len) => {
                core.counters.bytes_received += len as u64;
                // A buffer is at most 1 GiB long.
                self.meter.bytes = self.meter.bytes.wrapping_sub(len as i32);
                if self.meter.bytes < 0 {
                    self.settle(core);
                }
                Some(len)
            }
            Err(error) => {
                self.flags.insert_if(Flags::BROKEN, error.kind() != io::ErrorKind::WouldBlock);
                None
            }
        }
    }
}
