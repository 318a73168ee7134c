//! From readiness to messages.

use std::io;

use super::connection::{Connection, Flags, Io, Open, Phase};
use super::core::Core;
use super::outlet::Outlet;
use super::service::Service;
use super::{Closed, EventLoop};
use crate::protocol::{Event, ProtocolError};

/// A payload of which at least this much is missing is received straight into its message.
const DIRECT_FROM_LEN: usize = 16 * 1024;

/// Reads of one connection before others get their turn.
const MAX_READS_PER_TURN: u32 = 16;

/// What a read came to.
#[derive(PartialEq, Eq)]
enum Progress {
    /// The socket has no more for now.
    Drained,
    /// There may be more.
    More,
    /// Nothing was read because something else must happen first.
    Held,
}

impl<S: Service> EventLoop<S> {
    /// Reads what the turn's budget allows. `ended` says that the end of the stream or an error has
    /// been announced: from then on reading goes on until it is met, in later turns too, for no
    /// readiness will announce it again.
    pub(super) fn on_readable(&mut self, key: u32, ended: bool) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.io.flags.end_announced |= ended;
        }
        let mut budget = self.core.config.max_bytes_per_turn;
        let mut reads_left = MAX_READS_PER_TURN;
        loop {
            let before = self.core.counters.bytes_received;
            let progress = self.read_once(key);
            let Some(connection) = self.connections.get_mut(key as usize) else { return };
            let flags = &mut connection.io.flags;
            if flags.broken {
                break;
            }
            match progress {
                Progress::Held => {
                    flags.unread = true;
                    break;
                }
                Progress::Drained if !flags.end_announced => break,
                Progress::Drained | Progress::More => {}
            }
            let read = (self.core.counters.bytes_received - before) as usize;
            budget = budget.saturating_sub(read);
            reads_left -= 1;
            if budget == 0 || reads_left == 0 {
                flags.unread = true;
                self.list(key);
                break;
            }
        }
        self.service.hand_over();
        self.finish_turn(key);
    }

    /// Reads on what was held back, if there is a reason to.
    pub(super) fn release(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            let io = &mut connection.io;
            let low = self.core.config.max_backpressure / 4;
            io.flags.held &= io.answers_len() > low;
            let Flags { unread, held, stalled, .. } = io.flags;
            if unread && !held && !stalled && io.queued_len() <= low {
                self.list(key);
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
        if connection.io.flags.fin_received {
            return Progress::Held;
        }
        match &mut connection.phase {
            Phase::Deciding(_) => Progress::Held,
            Phase::Request(_) if connection.io.queued_len() > 0 => Progress::Held,
            Phase::Open(_) if connection.io.flags.held => Progress::Held,
            Phase::Open(open) => {
                // Behind our close frame nothing more goes to the lane: only the peer's is awaited.
                let goes_to_lane = !open.session.endpoint.is_close_sent();
                let stalled = self.service.stalled_lane(&open.state).filter(|_| goes_to_lane);
                if let Some(lane) = stalled {
                    if !std::mem::replace(&mut connection.io.flags.stalled, true) {
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
        let carried = io.carry.len();
        if carried > 0 {
            self.read_buffer[..carried].copy_from_slice(&io.carry);
        }
        let room = self.read_buffer.len() - carried;
        // What an earlier turn left over is used before the socket is asked for more: behind it
        // there may be the end of the stream.
        let left_over = std::mem::take(&mut io.flags.unread) && carried > 0;
        let (len, progress) = if left_over {
            (0, Progress::More)
        } else {
            match io.read(&mut self.core, &mut self.read_buffer[carried..]) {
                None => return self.nothing_read(key),
                Some(len) if len < room => (len, Progress::Drained),
                Some(len) => (len, Progress::More),
            }
        };
        if let Connection { io, phase: Phase::Open(open) } = connection {
            let input = &mut self.read_buffer[..carried + len];
            let used = consume_frames(&mut self.service, io, &mut self.core, open, input);
            io.carry_over(&mut self.core, &input[used..]);
            return progress;
        }
        self.use_up(key, carried + len);
        progress
    }

    /// Uses up the first `len` bytes of the read buffer; a connection that is open from the start
    /// does not come here.
    fn use_up(&mut self, key: u32, len: usize) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let used = self.consume(key, &mut buffer[..len]);
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.io.carry_over(&mut self.core, &buffer[used..len]);
        }
        self.read_buffer = buffer;
    }

    /// The socket has nothing, or has ended: then the connection is over, but for one that only
    /// waits for its last bytes: to be written, or to be sent by callbacks.
    fn nothing_read(&mut self, key: u32) -> Progress {
        if let Some(Connection { io, phase }) = self.connections.get_mut(key as usize) {
            // A false alarm must not make the loop look for the end for ever.
            io.flags.end_announced &= io.flags.fin_received;
            let waits = match phase {
                Phase::Lingering => io.queued_len() > 0,
                Phase::Open(open) => open.session.endpoint.is_input_ended(),
                Phase::Request(_) | Phase::Deciding(_) => false,
            };
            if io.flags.fin_received && !waits {
                // The peer may still read: it gets what its last messages were answered.
                io.uncork(&mut self.core);
                io.flags.broken = true;
            }
        }
        Progress::Drained
    }

    /// Uses `input` up as far as possible; returns how far that was. A request that becomes an
    /// upgrade is followed by frames in the same input.
    fn consume(&mut self, key: u32, input: &mut [u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            let Some(connection) = self.connections.get_mut(key as usize) else {
                return input.len();
            };
            if connection.io.flags.broken {
                return input.len();
            }
            let used = match connection.phase {
                // The response before it comes first, or a handler thread decides: later.
                Phase::Request(_) if connection.io.queued_len() > 0 => 0,
                Phase::Deciding(_) => 0,
                Phase::Request(_) => match self.consume_head(key, &input[at..]) {
                    0 => return at,
                    used => used,
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
                    connection.io.flags.unread = true;
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
        io.flags.unread = false;
        let Some(len) = io.read(core, spare) else { return self.nothing_read(key) };
        io.heard(core);
        match open.session.endpoint.payload_received(&mut core.workspace, len) {
            Ok(None) => {}
            Ok(Some(message)) => {
                handle(&mut self.service, io, core, open, Event::Assembled(message));
            }
            Err(error) => fail(&mut self.service, io, core, open, &error),
        }
        if len < room { Progress::Drained } else { Progress::More }
    }
}

impl Io {
    /// Sees to it that the connection is read in the next turn.
    fn list(&mut self, core: &mut Core) {
        if !std::mem::replace(&mut self.flags.listed, true) {
            core.ready.push(self.id.index);
        }
    }

    /// What its own messages have brought to its queue, or will if each is answered by as much.
    fn answers_len(&self) -> usize {
        let queued = if self.flags.answers { self.queued_len() } else { 0 };
        self.unhandled_len + queued
    }

    /// The peer of an open connection has been heard: its silence begins anew, unless what is timed
    /// is how long it takes to close.
    fn heard(&mut self, core: &Core) {
        if !self.flags.closing_timed {
            self.since = core.now;
            self.flags.pinged = false;
        }
    }

    /// One receive. `None`: nothing there, or the stream has ended and the connection is marked.
    fn read(&mut self, core: &mut Core, buffer: &mut [u8]) -> Option<usize> {
        if buffer.is_empty() {
            return Some(0);
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                self.flags.fin_received = true;
                None
            }
            Ok(len) => {
                core.counters.bytes_received += len as u64;
                Some(len)
            }
            Err(error) => {
                self.flags.broken |= error.kind() != io::ErrorKind::WouldBlock;
                None
            }
        }
    }
}

/// Decodes frames and calls the service, up to the turn's budget of messages; returns how far it
/// came.
fn consume_frames<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    input: &mut [u8],
) -> usize {
    io.heard(core);
    let mut at = 0;
    let mut messages_left = core.config.max_messages_per_turn;
    while at < input.len() {
        if messages_left == 0 || must_hold(io, core) {
            io.flags.unread = true;
            break;
        }
        match open.session.endpoint.decode(&mut core.workspace, &mut input[at..]) {
            Ok((used, event)) => {
                at += used;
                let Some(event) = event else { break };
                messages_left -= 1;
                handle(service, io, core, open, event);
            }
            Err(error) => {
                fail(service, io, core, open, &error);
                at = input.len();
            }
        }
        if io.flags.broken {
            return input.len();
        }
    }
    if messages_left == 0 && at < input.len() {
        io.list(core);
    }
    at
}

/// The connection's own answers fill its queue, or will: what asks for more of them waits until they
/// have drained, and TCP pushes back on the peer.
fn must_hold(io: &mut Io, core: &Core) -> bool {
    io.flags.held |= io.answers_len() > core.config.max_backpressure / 2;
    io.flags.held
}

/// Does what an event calls for.
#[inline]
fn handle<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    event: Event<'_>,
) {
    let Open { state, session } = open;
    match event {
        Event::Message(_) if session.close_posted => {}
        Event::Assembled(message) if session.close_posted => core.workspace.recycle(message),
        Event::Message(message) => {
            core.counters.messages_received += 1;
            service.message(&mut Outlet { io, session, core }, state, message);
        }
        Event::Assembled(message) => {
            core.counters.messages_received += 1;
            let mut outlet = Outlet { io, session, core };
            if let Some(message) = service.assembled(&mut outlet, state, message) {
                core.workspace.recycle(message);
            }
        }
        Event::Ping(payload) => {
            Outlet { io, session, core }.pong(payload);
        }
        Event::Pong(_) => {}
        Event::Close(frame) => {
            let (code, reason) = (frame.code, frame.reason.to_owned());
            end_input(service, io, core, open, Closed { code, reason, was_clean: true });
        }
    }
}

fn fail<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    error: &ProtocolError,
) {
    core.counters.protocol_errors += 1;
    let (code, reason) = (error.close_code(), error.to_string());
    end_input(service, io, core, open, Closed { code, reason, was_clean: false });
}

/// Nothing more is taken in. Our close frame goes behind the replies to the messages before it,
/// which callbacks may be at yet.
fn end_input<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    closed: Closed,
) {
    let Open { state, session } = open;
    session.endpoint.end_input(&mut core.workspace);
    session.closed = Some(Box::new(closed));
    if session.owes_close() {
        let (code, reason) = session.owed_close();
        if service.end_input(io.id, state, code, &reason) {
            Outlet { io, session, core }.close(code, &reason);
        }
    }
}
