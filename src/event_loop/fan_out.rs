//! Publications to subscribers: encoded once, written from one memory to every socket, and in slices,
//! so that a long list of subscribers does not keep other connections waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use super::command::Command;
use super::connection::{Connection, Io, Phase, Session};
use super::flags::Flags;
use super::outlet::Outlet;
use super::service::Service;
use super::sockets::{Sockets, Write};
use super::timer_wheel::Tick;
use crate::pubsub::{Batch, FanOut, SubscriberTable, TopicCore};

/// Publications of one topic in one turn are joined up to this many bytes, so that each subscriber
/// gets them in one write. Also up to half of what may wait for a connection, for an empty queue takes
/// them whatever they are.
const MAX_JOINED_LEN: usize = 64 * 1024;

/// Writes of one turn for publications, before sockets get theirs again: a millisecond or two.
const MAX_WRITES_PER_TURN: usize = 256;

/// Deliveries of one turn that only go into queues, to be written together.
const MAX_QUEUED_PER_TURN: usize = 16 * MAX_WRITES_PER_TURN;

/// Lagging subscriptions that are looked at in one turn; one that gets a piece counts as
/// [`CATCH_UP_COST`] of them.
const MAX_LOOKS_BEHIND_PER_TURN: usize = 1024;

/// What a piece costs, beside a look at a subscription that takes none now.
const CATCH_UP_COST: usize = 16;

/// Publications on their way through this loop.
pub(super) struct Outbound {
    /// Taken from the mailbox, and not followed by anything else yet.
    gathered: Vec<Batch>,
    joined: VecDeque<Batch>,
    current: Option<FanOut>,
    write: Write,
    /// The command behind them, which must not overtake them.
    held: Option<Command>,
    /// What this turn may still spend, in deliveries that go into queues; a write is 16 of them.
    budget: usize,
    pub(super) errands: Errands,
}

/// What a delivery leaves to be done when it does not hold the subscribers any more.
#[derive(Default)]
pub(super) struct Errands {
    /// Connections that are closing or broken.
    pub(super) finished: Vec<u32>,
    /// Connections whose handlers are to be told that they are slow.
    pub(super) slow: Vec<u32>,
    /// Connections with lagging subscriptions to be brought up to date.
    pub(super) behind: VecDeque<u32>,
    /// Connections to be looked at again at a time.
    pub(super) wakes: Vec<(u32, Duration)>,
    /// Topics whose sources are to be asked for a snapshot, and for whom.
    pub(super) wanted: Vec<(u32, Arc<TopicCore>)>,
}

impl Errands {
    /// At least so many of the subscriptions in which a connection lags are to be looked at.
    pub(super) fn look_behind(&mut self, io: &mut Io, session: &mut Session, count: usize) {
        if session.lags() {
            session.call_lagging(count);
            if io.flags.raise(Flags::BEHIND) {
                self.behind.push_back(io.id.index);
            }
        }
    }
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self {
            gathered: Vec::new(),
            joined: VecDeque::new(),
            current: None,
            write: Write::Now,
            held: None,
            budget: 0,
            errands: Errands::default(),
        }
    }

    /// Whether there is something to go on with in the next turn.
    pub(super) fn is_pending(&self) -> bool {
        self.current.is_some()
            || !self.joined.is_empty()
            || self.held.is_some()
            || !self.errands.behind.is_empty()
    }

    pub(super) fn gather(&mut self, batch: Batch) {
        self.gathered.push(batch);
    }

    pub(super) fn hold(&mut self, command: Command) {
        self.held = Some(command);
    }

    pub(super) fn take_held(&mut self) -> Option<Command> {
        self.held.take()
    }

    pub(super) fn begin_turn(&mut self) {
        self.budget = MAX_QUEUED_PER_TURN;
    }

    /// Puts what has been gathered in line. Of one topic it is joined, and written at once; if there
    /// are several, a subscriber gets all of the turn in one write.
    fn line_up(&mut self, subscribers: &SubscriberTable, max_backpressure: usize) {
        let max_len = MAX_JOINED_LEN.min(max_backpressure / 2);
        let max_len_of = |topic| max_len.min(subscribers.max_joined_len(topic));
        Batch::line_up(&mut self.gathered, max_len_of, &mut self.joined);
        let topic = self.joined.front().map(|batch| batch.topic);
        let one_topic = self.joined.iter().all(|batch| Some(batch.topic) == topic);
        self.write = if one_topic { Write::Now } else { Write::Later };
    }
}

impl<S: Service> EventLoop<S> {
    /// Hands out what has been gathered, as far as the turn's budget allows; says whether all of it
    /// is on its way.
    pub(super) fn hand_out_publications(&mut self) -> bool {
        loop {
            if let Some(mut fan_out) = self.outbound.current.take() {
                let cost = self.outbound.write.cost();
                let mut budget = self.outbound.budget.div_ceil(cost);
                let done = self.with_subscribers(|subscribers, now, sockets| {
                    subscribers.go_on(&mut fan_out, now, sockets, &mut budget)
                });
                self.outbound.budget = budget * cost;
                if !done {
                    self.outbound.current = Some(fan_out);
                    return false;
                }
            }
            if self.outbound.joined.is_empty() {
                if self.outbound.gathered.is_empty() {
                    return true;
                }
                self.outbound.line_up(&self.subscribers, self.core.config.max_backpressure);
            }
            if self.outbound.budget == 0 {
                // Spent to the last on those that lag.
                return false;
            }
            if let Some(batch) = self.outbound.joined.pop_front() {
                let count = batch.count();
                self.outbound.current = self.subscribers.begin(batch);
                if self.outbound.current.is_some() {
                    self.core.counters.publications += count;
                }
            }
        }
    }

    /// Brings lagging subscribers up to date whose time has come; each subscription gets one piece, and
    /// what one turn has no time for goes behind all others: nobody keeps them waiting, however many
    /// topics it lags in.
    pub(super) fn catch_up(&mut self) {
        if self.outbound.errands.behind.is_empty() {
            return;
        }
        self.heed_lateness();
        let mut budget = MAX_LOOKS_BEHIND_PER_TURN;
        for _ in 0..self.outbound.errands.behind.len() {
            if budget == 0 {
                return;
            }
            let Some(key) = self.outbound.errands.behind.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(key as usize) {
                connection.io.flags.remove(Flags::BEHIND);
            }
            self.catch_up_one(key, &mut budget);
        }
    }

    fn catch_up_one(&mut self, key: u32, budget: &mut usize) {
        // What is called for meanwhile is for the next time.
        let mut due_count = self.session(key).map_or(0, Session::take_due);
        while due_count > 0 && *budget > 0 {
            let Some(topic) = self.session(key).and_then(Session::next_lagging) else { return };
            let moves = self.with_subscribers(|subscribers, now, sockets| {
                subscribers.catch_up(topic, key, now, sockets)
            });
            due_count -= 1;
            *budget = budget.saturating_sub(if moves { CATCH_UP_COST } else { 1 });
        }
        if let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        {
            if due_count > 0 {
                self.outbound.errands.look_behind(io, &mut open.session, due_count);
            }
        }
    }

    fn session(&mut self, key: u32) -> Option<&mut Session> {
        match self.connections.get_mut(key as usize) {
            Some(Connection { phase: Phase::Open(open), .. }) => Some(&mut open.session),
            _ => None,
        }
    }

    /// Calls `act` with the subscribers and their sockets, and does what that leaves to be done.
    pub(super) fn with_subscribers<R>(
        &mut self,
        act: impl FnOnce(&mut SubscriberTable, Duration, &mut Sockets<'_, S::State>) -> R,
    ) -> R {
        let now = self.core.now.elapsed();
        let mut sockets = Sockets {
            connections: &mut self.connections,
            core: &mut self.core,
            write: self.outbound.write,
            errands: &mut self.outbound.errands,
        };
        let result = act(&mut self.subscribers, now, &mut sockets);
        self.run_errands();
        result
    }

    fn run_errands(&mut self) {
        while let Some((key, time)) = self.outbound.errands.wakes.pop() {
            let wait = time.saturating_sub(self.core.now.elapsed());
            self.wake_at(key, self.core.now.after(wait));
        }
        while let Some(key) = self.outbound.errands.slow.pop() {
            self.tell_slow(key);
        }
        while let Some((key, topic)) = self.outbound.errands.wanted.pop() {
            if let Some(connection) = self.connections.get(key as usize) {
                self.service.snapshot(connection.io.id, &topic);
                self.service.hand_over();
            }
        }
        while let Some(key) = self.outbound.errands.finished.pop() {
            self.finish_turn(key);
        }
    }

    fn tell_slow(&mut self, key: u32) {
        self.core.counters.slow_consumers += 1;
        if let Some(Connection { io, phase: Phase::Open(open) }) =
            self.connections.get_mut(key as usize)
        {
            if !open.session.is_closing(io.flags) {
                io.flags.insert(Flags::DRAIN_OWED);
                let (session, core) = (&mut open.session, &mut self.core);
                self.service.slow(&mut Outlet { io, session, core }, &mut open.state);
                // The cork is shared: the next one may be told too.
                io.uncork(core);
                self.service.hand_over();
                self.outbound.errands.finished.push(key);
            }
        }
    }

    /// Looks at a connection's lagging subscriptions at a time, or earlier.
    fn wake_at(&mut self, key: u32, tick: Tick) {
        if let Some(Connection { phase: Phase::Open(open), .. }) =
            self.connections.get_mut(key as usize)
        {
            let earlier = open.session.wake().is_none_or(|wake| wake.is_at_or_after(tick));
            if earlier {
                open.session.subscriptions_mut().wake = Some(tick);
                self.schedule(key);
            }
        }
    }

    /// Offers what has been queued to the sockets, as far as one turn may.
    pub(super) fn flush_dirty(&mut self) {
        for _ in 0..MAX_WRITES_PER_TURN.min(self.core.dirty.len()) {
            let Some(key) = self.core.dirty.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(key as usize) {
                connection.io.flags.remove(Flags::DIRTY);
                self.on_writable(key);
            }
        }
    }
}
