//! How a server ends bit by bit: its clients are sent away one after another, so that they do not
//! all come back at once to whoever takes over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ConnectionId;
use super::EventLoop;
use super::command::Command;
use super::connection::{Connection, Phase};
use super::flags::Flags;
use super::service::Service;

/// How a server is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdrawal {
    pub(crate) start: Instant,
    /// How long it takes to send everybody away.
    pub(crate) window: Duration,
    /// When to end, whoever is still there.
    pub(crate) deadline: Instant,
}

/// A withdrawal under way.
pub(super) struct Withdrawing {
    plan: Withdrawal,
    /// Who is yet to be sent away, in order.
    waiting: VecDeque<ConnectionId>,
    /// How many there were.
    count: usize,
    /// One that is waited for when all have been sent away: it has not come to its request yet.
    arriving: Option<ConnectionId>,
    /// How long that may take.
    handshake_timeout: Duration,
}

impl Withdrawing {
    /// Connections that should have been sent away by `now`.
    fn due_count(&self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.plan.start);
        if elapsed >= self.plan.window {
            return self.count;
        }
        let share = elapsed.as_secs_f64() / self.plan.window.as_secs_f64();
        // The first goes at once.
        (share * self.count as f64) as usize + 1
    }

    /// When nobody is waited for any more who has not come to a request.
    fn end(&self) -> Instant {
        let end = self.plan.start + self.plan.window.max(self.handshake_timeout);
        end.min(self.plan.deadline)
    }

    /// When the next one is to be sent away, or nobody is waited for any more.
    fn next(&self) -> Instant {
        if self.waiting.is_empty() {
            return self.end();
        }
        let gone_count = self.count - self.waiting.len();
        self.plan.start + self.plan.window.mul_f64(gone_count as f64 / self.count as f64)
    }
}

impl<S: Service> EventLoop<S> {
    /// Stops accepting, and begins to send everybody away. The loop that accepts tells the others, so
    /// that they hear of it behind the last connection that it has given them.
    pub(super) fn begin_to_withdraw(&mut self, plan: Withdrawal) {
        if self.deadline.is_some() || self.withdrawing.is_some() {
            return;
        }
        if self.acceptor.listener_count() > 0 {
            self.stop_accepting();
            let own = self.core.link.index;
            for link in self.loops.iter().filter(|link| link.index != own) {
                if link.mailbox.send_over(Command::Withdraw(plan)).is_err() {
                    let link = link.clone();
                    std::thread::spawn(move || link.mailbox.send(Command::Withdraw(plan)));
                }
            }
        }
        let waiting: VecDeque<ConnectionId> =
            self.connections.iter().map(|(_, connection)| connection.io.id).collect();
        let handshake_timeout = self.core.config.handshake_timeout;
        let (count, arriving) = (waiting.len(), None);
        self.withdrawing = Some(Withdrawing { plan, waiting, count, arriving, handshake_timeout });
        self.withdraw(Instant::now());
    }

    /// Sends those away whose time has come. In the end the rest, who have come meanwhile.
    pub(super) fn withdraw(&mut self, now: Instant) {
        let Some(withdrawing) = &mut self.withdrawing else { return };
        let plan = withdrawing.plan;
        let kept_count = withdrawing.count - withdrawing.due_count(now).min(withdrawing.count);
        let mut due = withdrawing.waiting.len().saturating_sub(kept_count);
        while due > 0 {
            due -= 1;
            let next =
                self.withdrawing.as_mut().and_then(|withdrawing| withdrawing.waiting.pop_front());
            let Some(id) = next else { break };
            if let Some(key) = self.find(id) {
                self.send_away(key);
            }
        }
        let Some(Withdrawing { waiting, .. }) = &self.withdrawing else { return };
        let all_told = waiting.is_empty();
        let is_over = self.withdrawing.as_ref().is_some_and(|withdrawing| now >= withdrawing.end());
        if all_told && (is_over || !self.is_anybody_arriving()) {
            self.shut_down(plan.deadline);
        }
    }

    /// When the loop must look again, if it withdraws.
    pub(super) fn withdrawal_timeout(&self, now: Instant) -> Option<Duration> {
        let withdrawing = self.withdrawing.as_ref()?;
        Some(withdrawing.next().saturating_duration_since(now))
    }

    /// Whoever has yet to come to a request is left alone.
    fn send_away(&mut self, key: u32) {
        let is_arriving = self.connections.get(key as usize).is_some_and(is_arriving);
        if !is_arriving {
            self.close_for_shutdown(key);
        }
    }

    /// Looks at all connections only when the one that it found last has arrived.
    fn is_anybody_arriving(&mut self) -> bool {
        let known = self.withdrawing.as_ref().and_then(|withdrawing| withdrawing.arriving);
        let known = known.and_then(|id| self.find(id));
        if known.and_then(|key| self.connections.get(key as usize)).is_some_and(is_arriving) {
            return true;
        }
        let mut arriving =
            self.connections.iter().filter(|(_, connection)| is_arriving(connection));
        let found = arriving.next().map(|(_, connection)| connection.io.id);
        if let Some(withdrawing) = &mut self.withdrawing {
            withdrawing.arriving = found;
        }
        found.is_some()
    }
}

/// Whether a connection has not come to its first request yet, or waits for its answer.
fn is_arriving<S>(connection: &Connection<S>) -> bool {
    match connection.phase {
        Phase::Proxied(_) | Phase::Deciding(_) => true,
        Phase::Request(_) => !connection.io.flags.contains(Flags::SERVED),
        Phase::Open(_) | Phase::Lingering => false,
    }
}
