//! How connections end.

use super::EventLoop;
use super::connection::{Connection, Io, Phase};
use super::flags::Flags;
use super::outlet::Outlet;
use super::service::Service;
use crate::frame::CloseCode;

/// How a connection ended, in the words of the browsers' `CloseEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The peer's close code; [`CloseCode::NO_STATUS`] when its close frame had none,
    /// [`CloseCode::ABNORMAL`] when it sent no close frame at all, our own code when we failed the
    /// connection (1002, 1007, 1009, 1011, ...).
    pub code: CloseCode,
    /// The peer's reason, or ours when we failed the connection. Empty when nobody gave one.
    pub reason: String,
    /// Both sides exchanged close frames (RFC 6455 §7.1.4).
    pub was_clean: bool,
}

/// Why a connection has ended of which nothing else is known.
pub(super) const LOST: &str = "the connection was lost";

impl Closed {
    /// The connection ended without a closing handshake.
    pub(crate) fn abnormal(reason: impl Into<String>) -> Self {
        Self { code: CloseCode::ABNORMAL, reason: reason.into(), was_clean: false }
    }
}

impl<S: Service> EventLoop<S> {
    /// A connection's turn is over: what it sends leaves, and if it is done it goes.
    pub(super) fn finish_turn(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let io = &mut connection.io;
        io.uncork(&mut self.core);
        if io.queued_len() == 0 {
            io.flags.remove(Flags::ANSWERS);
            // What is on its way in the mailbox counts as waiting too.
            let drained = |io: &Io| self.core.link.directory.buffered(io.id) == Some(0);
            if io.flags.contains(Flags::DRAIN_OWED)
                && !io.flags.contains(Flags::BROKEN)
                && drained(io)
            {
                io.flags.remove(Flags::DRAIN_OWED);
                self.tell_drained(key);
            }
        }
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.io.flags.contains(Flags::BROKEN) {
            return self.lose(key);
        }
        match &connection.phase {
            Phase::Open(open) if open.session.endpoint.is_closed() => self.conclude(key),
            Phase::Open(open) if open.session.is_cut_off(connection.io.flags) => self.see_off(key),
            Phase::Open(open)
                if open.session.endpoint.is_close_sent() || open.session.owes_close() =>
            {
                self.time_closing(key);
            }
            Phase::Lingering => self.linger(key),
            Phase::Proxied(_) | Phase::Open(_) | Phase::Request(_) | Phase::Deciding(_) => {}
        }
    }

    /// The socket takes more: the queue goes on, and what waited for it.
    pub(super) fn on_writable(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let io = &mut connection.io;
        let before = io.queued_len();
        if before == 0 && !connection.awaits_room() {
            return;
        }
        let io = &mut connection.io;
        if io.flags.contains(Flags::AGES) {
            self.drop_aged(key);
        }
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let io = &mut connection.io;
        io.flush_stream(&mut self.core);
        io.flush(&mut self.core);
        if io.queued_len() < before && is_timed_by_progress(&connection.phase, &io.flags) {
            io.since = self.core.now;
        }
        io.flags.keep_if(Flags::SLOW, io.queued_len() > 0);
        self.finish_turn(key);
        self.release(key);
        self.look_behind(key);
    }

    /// Takes publications that have grown too old out of the queue.
    #[cold]
    fn drop_aged(&mut self, key: u32) {
        self.with_subscribers(|subscribers, _, sockets| subscribers.drop_aged(key, sockets));
    }

    /// The queue has drained, at least in part: lagging subscriptions may go on.
    pub(super) fn look_behind(&mut self, key: u32) {
        if let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        {
            self.outbound.errands.look_behind(io, &mut open.session, usize::MAX);
        }
    }

    fn tell_drained(&mut self, key: u32) {
        if let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        {
            if !open.session.is_closing(io.flags) {
                let (session, core) = (&mut open.session, &mut self.core);
                self.service.drain(&mut Outlet { io, session, core }, &mut open.state);
                io.uncork(core);
                self.service.hand_over();
            }
        }
    }

    /// Our close frame waits for the peer's, or for the callbacks before it: from now on for so long
    /// and no longer.
    fn time_closing(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.io.flags.raise(Flags::CLOSING_TIMED) {
            connection.io.since = self.core.now;
            self.schedule(key);
            // What a stalled lane kept from being read may hold the peer's close frame.
            self.list(key);
        }
    }

    /// The peer's direction has ended without a close frame. It may still read: it gets what its last
    /// messages are answered, by callbacks that are at them yet too, and all that waits.
    fn see_off(&mut self, key: u32) {
        let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        else {
            return;
        };
        // So are those that are in the mailbox, and our close frame.
        let buffered = self.core.link.directory.buffered(io.id).unwrap_or(0);
        let closes =
            io.flags.contains(Flags::CLOSE_POSTED) && !open.session.endpoint.is_close_sent();
        if io.unhandled_len > 0 || buffered > io.queued_len() || closes {
            return self.time_closing(key);
        }
        if io.stream.fault().is_some() {
            return self.lose(key);
        }
        open.session.closed.get_or_insert_with(|| Closed::abnormal(LOST).into());
        self.conclude(key);
    }

    /// Both close frames are exchanged, or the connection has failed: the handler hears of it, and
    /// the socket is brought to its end.
    pub(super) fn conclude(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let id = connection.io.id;
        let phase = std::mem::replace(&mut connection.phase, Phase::Lingering);
        connection.io.since = self.core.now;
        connection.io.drop_carry(&mut self.core);
        // The handler will have heard of the end: what it or others send from here on is gone.
        self.core.link.directory.leave(key);
        if let Phase::Open(mut open) = phase {
            self.unsubscribe_all(key, &open.session);
            open.session.endpoint.end_input(&mut self.core.workspace);
            self.core.counters.closed += 1;
            let closed = open
                .session
                .closed
                .map_or_else(|| Closed::abnormal("closed without a reason"), |closed| *closed);
            self.service.close(id, open.state, closed);
            self.service.hand_over();
        }
        self.schedule(key);
        self.linger(key);
    }

    /// Ends our direction once everything is written.
    fn linger(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let io = &mut connection.io;
        if io.queued_len() > 0 {
            return;
        }
        if io.flags.raise(Flags::FIN_SENT) {
            if io.stream.shutdown_write().is_err() {
                return self.remove(key, LOST);
            }
            // What the peer has sent already is read on; its end may have been announced before.
            io.list(&mut self.core);
        }
        // TLS's goodbye may be left for the socket to take.
        if io.flags.contains(Flags::FIN_RECEIVED) && io.queued_len() == 0 {
            self.remove(key, LOST);
        }
    }
}

/// While a connection is not read, or only ends, it is what the peer takes that shows it to be alive:
/// a slow reader gets everything, one that takes nothing is given up in time.
fn is_timed_by_progress<S>(phase: &Phase<S>, flags: &Flags) -> bool {
    match phase {
        Phase::Open(open) => open.session.endpoint.is_close_sent() || flags.contains(Flags::HELD),
        Phase::Proxied(_) | Phase::Request(_) | Phase::Deciding(_) | Phase::Lingering => true,
    }
}
