//! Connections that take in more than they may: not read for a while, so that TCP pushes back on their
//! peers and nothing is lost. Who goes on like that for too long is closed.

use std::time::Duration;

use http::StatusCode;

use super::connection::{Connection, Io, Phase};
use super::core::Core;
use super::flags::Flags;
use super::frames::end_input;
use super::limits::Limits;
use super::meter::{Excess, Meter};
use super::service::Service;
use super::timer_wheel::{TICK, Tick};
use super::{Closed, EventLoop};
use crate::frame::CloseCode;

/// Whoever has not been made to wait for so long begins anew.
const CALM: Duration = Duration::from_secs(1);

const UNLIMITED: Limits = Limits::trusted();

/// A connection that is made to wait, or was so not long ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttling {
    /// When it was first made to wait, and again and again since.
    since: Tick,
    /// When it is read again.
    pub(super) until: Tick,
    excess: Excess,
}

impl Io {
    /// Something that the connection may take in has run out: if it has not saved up any since, it waits.
    /// Says whether it goes on.
    #[cold]
    pub(super) fn settle(&mut self, core: &mut Core) -> bool {
        let (limits, max_messages) = (&core.config.limits, core.config.max_messages_per_turn);
        if self.flags.contains(Flags::CLOSE_ENCODED) {
            // Of a connection that we have closed nothing is awaited but the peer's close frame.
            self.meter = Meter::new(&UNLIMITED, max_messages, core.now);
            return true;
        }
        let Some(excess) = self.meter.settle(limits, max_messages, core.now) else { return true };
        if self.flags.raise(Flags::THROTTLED) {
            core.counters.throttled += 1;
            let now = core.now;
            let new = Throttling { since: now, until: now, excess };
            let throttling = core.throttled.entry(self.id.index).or_insert(new);
            if now.since(throttling.until) >= CALM {
                throttling.since = now;
            }
            throttling.excess = excess;
            self.wait(core);
        }
        false
    }

    /// Whether it is not read now.
    #[inline]
    pub(super) fn must_wait(&self) -> bool {
        self.flags & (Flags::THROTTLED | Flags::CLOSE_ENCODED) == Flags::THROTTLED
    }

    /// Messages are used up that had been granted. What is `unfinished` goes on in the next turn, or when
    /// it may.
    #[cold]
    pub(super) fn renew(&mut self, core: &mut Core, unfinished: bool) {
        if self.settle(core) && unfinished {
            self.list(core);
        }
    }

    /// Counts bytes that a message was inflated to, beside those that were read.
    pub(super) fn count_inflated(&mut self, core: &mut Core, len: u64) {
        self.meter.take_bytes(len);
        if self.meter.bytes < 0 {
            self.settle(core);
        }
    }

    /// Counts a request as a message.
    pub(super) fn count_request(&mut self, core: &mut Core) {
        self.meter.messages = self.meter.messages.saturating_sub(1);
        if self.meter.messages == 0 {
            self.settle(core);
        }
    }

    /// Plans when the connection is looked at again.
    fn wait(&mut self, core: &mut Core) {
        let limits = &core.config.limits;
        let Some(throttling) = core.throttled.get_mut(&self.id.index) else { return };
        // Who owes much is not waited for longer than it takes to lose patience.
        let patience = (throttling.since.after(limits.max_excess_time)).since(core.now);
        let wait = self.meter.time_to_recover(limits).min(patience).max(TICK);
        throttling.until = core.now.after(wait);
        let until = throttling.until;
        self.look_at(core, until);
    }
}

impl Core {
    /// A connection is gone.
    pub(super) fn forget(&mut self, key: u32) {
        if !self.throttled.is_empty() {
            self.throttled.remove(&key);
        }
    }
}

impl<S: Service> EventLoop<S> {
    /// A connection has waited for as long as it had to.
    pub(super) fn readmit(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let (io, core) = (&mut connection.io, &mut self.core);
        let Some(throttling) = core.throttled.get_mut(&key) else { return };
        let late = core.now.since(throttling.until);
        if late > TICK {
            // The loop was kept from looking, or callbacks had enough of it: that is not the peer's excess.
            throttling.since = throttling.since.after(late);
        }
        let Throttling { since, excess, .. } = *throttling;
        if core.now.since(since) >= core.config.limits.max_excess_time {
            return self.lose_patience(key, excess);
        }
        let (limits, max_messages) = (&core.config.limits, core.config.max_messages_per_turn);
        if io.meter.settle(limits, max_messages, core.now).is_some() {
            return io.wait(core);
        }
        io.flags.remove(Flags::THROTTLED);
        io.since = core.now;
        io.list(core);
        self.schedule(key);
    }

    /// Its peer does not slow down.
    fn lose_patience(&mut self, key: u32, excess: Excess) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.io.flags.remove(Flags::THROTTLED);
        let (counter, reason) = match excess {
            Excess::Messages => (&mut self.core.counters.message_floods, "too many messages"),
            Excess::Bytes => (&mut self.core.counters.byte_floods, "too many bytes"),
            Excess::ControlFrames => {
                (&mut self.core.counters.control_frame_floods, "too many control frames")
            }
        };
        *counter += 1;
        let Connection { io, phase: Phase::Open(open) } = connection else {
            return self.refuse_with(key, StatusCode::TOO_MANY_REQUESTS);
        };
        let closed = Closed {
            code: CloseCode::POLICY_VIOLATION,
            reason: reason.to_owned(),
            was_clean: false,
        };
        end_input(&mut self.service, io, &mut self.core, open, closed);
        self.service.hand_over();
        self.finish_turn(key);
    }
}
