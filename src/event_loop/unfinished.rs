//! What has come of requests and messages that are not whole, of all connections together.
//!
//! It is added up only once so much has come since the last time that it may matter: messages that come
//! whole cost a comparison a turn.

use std::time::Duration;

use super::Closed;
use super::EventLoop;
use super::config::LoopConfig;
use super::connection::{Connection, Open, Phase};
use super::counters::PublishedCounters;
use super::frames::end_input;
use super::memory::share_of;
use super::service::Service;
use super::timer_wheel::Tick;
use crate::frame::CloseCode;

/// The part of a loop's share that comes until it is added up again, and that is made room for.
const STEP_DIVISOR: u64 = 8;

/// How soon a loop that had something that others must reckon with looks again, though nothing comes to it:
/// it may have gone.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// When a loop looks, and what it may have then.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// While no loop has more, all together are within the limit.
    share: u64,
    /// It is added up when the loop has taken in so much.
    look_at: u64,
    /// When it was added up last.
    looked_at: Tick,
}

impl Unfinished {
    pub(super) fn new(config: &LoopConfig, loop_count: usize, now: Tick) -> Self {
        let share = share_of(config.limits.max_unfinished_len, loop_count);
        Self { share, look_at: share / STEP_DIVISOR, looked_at: now }
    }
}

impl<S: Service> EventLoop<S> {
    /// Closes those of whom the most has come while more has come than may.
    #[inline]
    pub(super) fn shed_unfinished(&mut self) {
        let is_stale = self.unfinished_timeout() == Some(Duration::ZERO);
        if is_stale || self.core.taken_in() > self.core.unfinished.look_at {
            self.add_up_unfinished();
        }
    }

    /// How soon it must be added up again, though nothing comes.
    #[inline]
    pub(super) fn unfinished_timeout(&self) -> Option<Duration> {
        let Unfinished { share, looked_at, .. } = self.core.unfinished;
        let matters = self.core.counters.bytes_unfinished > share / STEP_DIVISOR;
        matters.then(|| LOOK_INTERVAL.saturating_sub(self.core.now.since(looked_at)))
    }

    #[cold]
    fn add_up_unfinished(&mut self) {
        let share = self.core.unfinished.share;
        self.core.unfinished.looked_at = self.core.now;
        self.core.unfinished.look_at = self.core.taken_in().saturating_add(share / STEP_DIVISOR);
        let others = self.elsewhere(PublishedCounters::bytes_unfinished);
        let max = share_of(self.core.config.limits.max_unfinished_len, 1);
        let is_too_much = |own: u64| own > share && own.saturating_add(others) > max;
        let (mut own, mut longest) = self.weigh_unfinished();
        if is_too_much(own) {
            // Buffers that were of use before may hold much more than has come: nobody has to go for those.
            self.connections.iter_mut().for_each(|(_, connection)| connection.tighten());
            (own, longest) = self.weigh_unfinished();
        }
        if is_too_much(own) {
            longest.sort_unstable_by(|a, b| b.cmp(a));
            for (len, key) in longest {
                if own <= share - share / STEP_DIVISOR {
                    break;
                }
                own -= len as u64;
                self.core.counters.unfinished_shed += 1;
                self.shed_unfinished_one(key);
            }
        }
        self.core.counters.bytes_unfinished = own;
    }

    /// What all connections hold, and who holds some of it.
    fn weigh_unfinished(&self) -> (u64, Vec<(usize, u32)>) {
        let all = self.connections.iter();
        let who: Vec<(usize, u32)> = all
            .map(|(key, connection)| (connection.unfinished_len(), key as u32))
            .filter(|&(len, _)| len > 0)
            .collect();
        (who.iter().map(|&(len, _)| len as u64).sum(), who)
    }

    fn shed_unfinished_one(&mut self, key: u32) {
        const REASON: &str = "too long to come while too much comes for all";
        let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        else {
            return self.remove(key, REASON);
        };
        if open.session.endpoint.is_input_ended() {
            return self.remove(key, REASON);
        }
        let core = &mut self.core;
        let (code, reason) = (CloseCode::TRY_AGAIN_LATER, REASON.to_owned());
        let closed = Closed { code, reason, was_clean: false };
        end_input(&mut self.service, io, core, open, closed);
        io.drop_carry(core);
        self.service.hand_over();
        self.finish_turn(key);
    }
}

impl<S> Connection<S> {
    /// Bytes of memory for what has come and is no whole request or message, or has not been looked at.
    fn unfinished_len(&self) -> usize {
        let message = match &self.phase {
            Phase::Open(Open { session, .. }) => session.endpoint.held_len(),
            _ => 0,
        };
        message + self.io.carried_held_len() + self.io.stream.unread_len()
    }

    /// Gives the memory back that is not needed for that.
    fn tighten(&mut self) {
        if let Phase::Open(Open { session, .. }) = &mut self.phase {
            session.endpoint.tighten();
        }
        self.io.tighten_carry();
    }
}
