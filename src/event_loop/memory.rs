//! What waits for all connections together.
//!
//! Each loop counts what waits for its own and publishes that once a turn. Only one that has more than its
//! share looks at the others' numbers.

use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use super::connection::{Connection, Phase};
use super::counters::PublishedCounters;
use super::flags::Flags;
use super::link::LoopLink;
use super::outlet::Outlet;
use super::service::Service;
use crate::frame::CloseCode;

/// What has begun to leave must end before the close frame; who still has more of it than this to take is
/// not waited for.
const MAX_LAST_LEN: usize = 64 * 1024;

/// So much of its share a loop sheds beyond what it must, so that it does not look for the slowest in every
/// turn.
const HEADROOM_DIVISOR: u64 = 8;

/// How often one that sleeps looks at what waits for the others.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What one loop may have, while nothing is known of others, of what all together may.
pub(super) fn share_of(limit: Option<usize>, loop_count: usize) -> u64 {
    limit.map_or(u64::MAX, |len| (len / loop_count.max(1)) as u64)
}

impl<S: Service> EventLoop<S> {
    /// Closes the slowest connections while more waits for all of them than may.
    #[inline]
    pub(super) fn shed(&mut self) {
        if self.core.counters.bytes_queued > self.core.queued_share {
            self.shed_slowest();
        }
    }

    /// How soon a loop that has more than its share must look again what the others have, though nothing
    /// happens to it.
    pub(super) fn shed_timeout(&self) -> Option<Duration> {
        (self.core.counters.bytes_queued > self.core.queued_share).then_some(LOOK_INTERVAL)
    }

    #[cold]
    fn shed_slowest(&mut self) {
        let (own, share) = (self.core.counters.bytes_queued, self.core.queued_share);
        let others = self.elsewhere(PublishedCounters::bytes_queued);
        if own.saturating_add(others) <= share_of(self.core.config.limits.max_queued_len, 1) {
            return;
        }
        let goal = share - share / HEADROOM_DIVISOR;
        let mut slowest: Vec<(usize, u32)> = self
            .connections
            .iter()
            .map(|(key, connection)| (connection.io.queued_len(), key as u32))
            .filter(|&(len, _)| len > 0)
            .collect();
        slowest.sort_unstable_by(|a, b| b.cmp(a));
        for (_, key) in slowest {
            if self.core.counters.bytes_queued <= goal {
                break;
            }
            self.core.counters.queues_shed += 1;
            self.shed_one(key);
        }
    }

    /// The sum of what the other loops have published.
    pub(super) fn elsewhere(&self, number: impl Fn(&PublishedCounters) -> u64) -> u64 {
        let is_other = |link: &&Arc<LoopLink>| link.index != self.core.link.index;
        self.loops.iter().filter(is_other).map(|link| number(&link.counters)).sum()
    }

    fn shed_one(&mut self, key: u32) {
        const REASON: &str = "too slow while too much waits for all";
        let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        else {
            return self.remove(key, REASON);
        };
        let core = &mut self.core;
        if open.session.endpoint.is_close_sent() {
            return self.remove(key, REASON);
        }
        io.drop_unbegun(core);
        if io.queued_len() > MAX_LAST_LEN {
            io.flags.insert(Flags::BROKEN);
        }
        Outlet { io, session: &mut open.session, core }
            .close_now(CloseCode::TRY_AGAIN_LATER, REASON);
        self.finish_turn(key);
    }
}
