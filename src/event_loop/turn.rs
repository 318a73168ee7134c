//! The thread's body and the order of a turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;

use super::accept::Acceptor;
use super::addresses::{Addresses, Visit};
use super::command::Command;
use super::config::LoopConfig;
use super::connection::{Connection, Io, Phase};
use super::core::Core;
use super::fan_out::Outbound;
use super::flags::Flags;
use super::handshakes::Handshakes;
use super::link::{LoopLink, Loops};
use super::meter::Meter;
use super::post::stand_at_loop;
use super::service::Service;
use super::timer_wheel::Entry;
use super::withdraw::Withdrawing;
use super::{Closed, ConnectionId};
use crate::mailbox::Inbox;
use crate::pubsub::{PrefixTable, SubscriberTable, TopicRegistry};
use crate::scheduling;
use crate::transport::{Accepted, Listener};

const WAKER: Token = Token(usize::MAX);
/// Listeners count down from here; connections' tokens are their places, far below.
const FIRST_LISTENER: usize = usize::MAX - 1;

/// Readiness events taken from the kernel at once.
const EVENTS_CAPACITY: usize = 1024;

/// Commands carried out in one turn before sockets get theirs.
const MAX_COMMANDS_PER_TURN: usize = 4096;

/// For how long sockets are served, one after another, before commands that have come meanwhile have their
/// turn: replies of handler threads do not wait for whatever else is to be read.
const MAX_WAIT_OF_COMMANDS: Duration = Duration::from_micros(150);

/// A loop that has been set up; [`run`](Self::run) is its thread's body.
pub(crate) struct EventLoop<S: Service> {
    pub(super) poll: Poll,
    pub(super) inbox: Inbox<Command>,
    pub(super) loops: Loops,
    pub(super) connections: Slab<Connection<S::State>>,
    pub(super) service: S,
    pub(super) core: Core,
    pub(super) read_buffer: Vec<u8>,
    pub(super) acceptor: Acceptor,
    /// Empty but within a turn: memory for the list of those that stopped early in the turn before.
    pub(super) listed_before: Vec<u32>,
    /// Per lane, the connections that wait for it to drain.
    pub(super) stalled: Vec<Vec<u32>>,
    pub(super) subscribers: SubscriberTable,
    pub(super) prefixes: PrefixTable,
    pub(super) topics: Arc<TopicRegistry>,
    pub(super) outbound: Outbound,
    pub(super) handshakes: Handshakes,
    /// Once its clients are sent away, one after another.
    pub(super) withdrawing: Option<Withdrawing>,
    /// When to end, once shutting down.
    pub(super) deadline: Option<Instant>,
}

/// What a loop is started with.
pub(crate) struct Seat {
    pub(crate) unstarted: Unstarted,
    pub(crate) loops: Loops,
    pub(crate) topics: Arc<TopicRegistry>,
    pub(crate) config: LoopConfig,
}

/// A poller and the link that other threads reach the loop by.
pub(crate) struct Unstarted {
    poll: Poll,
    inbox: Inbox<Command>,
    listeners: Vec<Listener>,
    pub(crate) link: Arc<LoopLink>,
}

/// How commands and sockets share a turn.
struct CommandBudget {
    left: usize,
    /// When commands had their turn.
    taken_at: Instant,
}

impl Unstarted {
    pub(crate) fn new(
        index: u16,
        max_connections: usize,
        addresses: &Arc<Addresses>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (link, inbox) = LoopLink::new(index, waker, max_connections, addresses.clone());
        Ok(Self { poll, inbox, listeners: Vec::new(), link: Arc::new(link) })
    }

    /// Makes the loop the one that accepts.
    pub(crate) fn listen(&mut self, listeners: Vec<Listener>) -> io::Result<()> {
        self.listeners = listeners;
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            listener.register(self.poll.registry(), Token(FIRST_LISTENER - i))?;
        }
        Ok(())
    }
}

impl<S: Service> EventLoop<S> {
    /// Sets the loop up, on its own thread.
    pub(crate) fn new(seat: Seat, service: S, lane_count: usize) -> Self {
        let Seat { unstarted, loops, topics, config } = seat;
        let Unstarted { poll, inbox, link, listeners } = unstarted;
        let (accept_rate, loop_count) = (config.limits.accept_rate, loops.len());
        if lane_count > 0 {
            scheduling::shorten_slice();
        }
        Self {
            poll,
            inbox,
            loops,
            connections: Slab::new(),
            service,
            read_buffer: vec![0; config.read_buffer_len],
            subscribers: SubscriberTable::new(usize::from(link.index)),
            prefixes: PrefixTable::default(),
            topics,
            core: Core::new(link, config, loop_count),
            acceptor: Acceptor::new(listeners, accept_rate),
            listed_before: Vec::new(),
            stalled: vec![Vec::new(); lane_count],
            outbound: Outbound::new(),
            handshakes: Handshakes::default(),
            withdrawing: None,
            deadline: None,
        }
    }

    /// Runs until shut down.
    pub(crate) fn run(mut self) {
        stand_at_loop(self.core.own_mail.clone());
        let mut events = Events::with_capacity(EVENTS_CAPACITY);
        let mut due = Vec::new();
        while !self.is_finished() {
            self.wait(&mut events, due.is_empty());
            self.turn(&events, &mut due);
        }
        self.end();
    }

    /// One turn: sockets first, then those left over from the last turn and handshakes, then what other
    /// threads want, unless they had to wait for too long, then what that has to write, then deadlines.
    fn turn(&mut self, events: &Events, due: &mut Vec<Entry>) {
        let now = Instant::now();
        self.core.now = self.core.clock.tick(now);
        // What is listed meanwhile is for the next turn.
        let mut leftover = std::mem::take(&mut self.listed_before);
        std::mem::swap(&mut leftover, &mut self.core.ready);
        let mut commands = CommandBudget { left: MAX_COMMANDS_PER_TURN, taken_at: now };
        self.outbound.begin_turn();
        for event in events {
            self.dispatch(event, now);
            self.take_waiting_commands(&mut commands);
        }
        for &key in &leftover {
            self.come_back(key);
            self.take_waiting_commands(&mut commands);
        }
        leftover.clear();
        self.listed_before = leftover;
        self.shake_hands();
        self.accept_leftover(now);
        self.take_commands(&mut commands.left);
        self.catch_up();
        self.flush_dirty();
        self.expire(due);
        if self.withdrawing.is_some() {
            self.withdraw(now);
        }
        self.shed();
        self.shed_unfinished();
        // Behind all that gives buffers back, and behind the last look at them.
        self.core.plan_retirement();
        self.core.counters.turns += 1;
        self.core.count_deflated();
        self.core.link.counters.publish(&self.core.counters);
    }

    fn dispatch(&mut self, event: &Event, now: Instant) {
        let Token(token) = event.token();
        if event.token() == WAKER {
            return;
        }
        if token > FIRST_LISTENER - self.acceptor.listener_count() {
            return self.accept(FIRST_LISTENER - token, now);
        }
        let Ok(key) = u32::try_from(token) else { return };
        let (readable, ended) = (event.is_readable(), event.is_read_closed() || event.is_error());
        if readable && !ended && self.serve(key) {
            return;
        }
        if event.is_writable() {
            self.on_writable(key);
        }
        if readable || ended {
            self.on_readable(key, ended);
        }
    }

    /// A connection that stopped early in the last turn.
    fn come_back(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            if connection.io.flags.lower(Flags::LISTED) {
                self.on_readable(key, false);
            }
        }
    }

    /// Commands in the midst of a turn, if they have waited for long.
    #[inline]
    fn take_waiting_commands(&mut self, commands: &mut CommandBudget) {
        // The clock is looked at only if there are any.
        if !self.inbox.is_awaited() || commands.taken_at.elapsed() < MAX_WAIT_OF_COMMANDS {
            return;
        }
        self.take_commands(&mut commands.left);
        commands.taken_at = Instant::now();
    }

    /// Carries out what other threads want, in order: publications that follow one another are
    /// handed out together, and nothing overtakes them.
    fn take_commands(&mut self, left: &mut usize) {
        if !self.hand_out_publications() {
            return;
        }
        if let Some(command) = self.outbound.take_held() {
            self.carry_out(command);
        }
        while *left > 0 {
            *left -= 1;
            let command = self.inbox.take();
            let publishes = matches!(command, Some(Command::Publish(_)));
            if !publishes && !self.hand_out_publications() {
                if let Some(command) = command {
                    self.outbound.hold(command);
                }
                return;
            }
            match command {
                Some(command) => self.carry_out(command),
                None => return self.core.own_mail.settle(),
            }
        }
        self.hand_out_publications();
    }

    /// Sleeps until there is something to do; not at all if something is left of the last turn.
    fn wait(&mut self, events: &mut Events, all_done: bool) {
        let idle = all_done
            && self.core.ready.is_empty()
            && self.core.dirty.is_empty()
            && self.handshakes.is_empty()
            && !self.outbound.is_pending();
        let timeout = if idle && self.inbox.prepare_to_sleep() {
            self.timeout()
        } else {
            Some(Duration::ZERO)
        };
        if let Err(error) = self.poll.poll(events, timeout) {
            // Interrupted by a signal; the kernel has no other complaint about a valid poller.
            if error.kind() != io::ErrorKind::Interrupted {
                log::error!("event loop {}: poll failed: {error}", self.core.link.index);
            }
            events.clear();
        }
        self.inbox.wake_up();
    }

    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let timers = self.core.wheel.timeout(&self.core.clock, now);
        let deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        let accept = self.acceptor.timeout(now);
        let withdrawal = self.withdrawal_timeout(now);
        let memory = [self.shed_timeout(), self.unfinished_timeout()];
        [timers, deadline, accept, withdrawal].into_iter().chain(memory).flatten().min()
    }

    /// Takes a connection in: it has been counted already.
    pub(super) fn adopt(&mut self, accepted: Accepted, visit: Visit) {
        let Accepted { mut stream, peer, route } = accepted;
        let key = self.connections.vacant_key();
        let registered = u32::try_from(key).map_err(io::Error::other).and_then(|key| {
            stream.register(self.poll.registry(), Token(key as usize))?;
            Ok(key)
        });
        let index = match registered {
            Ok(index) if self.deadline.is_none() && key < self.core.config.max_connections => index,
            refused => {
                if let Err(error) = refused {
                    log::warn!("a connection cannot be watched and is dropped: {error}");
                }
                self.core.link.connection_count.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        };
        self.core.link.readers.reset(index);
        let generation = self.core.link.directory.enter(index);
        let id = ConnectionId { index, generation, loop_index: self.core.link.index };
        let (config, now) = (&self.core.config, self.core.now);
        let meter = Meter::new(&config.limits, config.max_messages_per_turn, now);
        let mut io = Io::new(stream, id, visit.stay(), meter, now);
        io.ends_at = self.core.lifetimes.end(&config.limits, now);
        self.connections.insert(Connection::new(io, peer.into(), route));
        self.schedule(index);
    }

    /// The connection that `id` names, unless it is gone.
    pub(super) fn find(&mut self, id: ConnectionId) -> Option<u32> {
        let connection = self.connections.get(id.index as usize)?;
        (connection.io.id == id).then_some(id.index)
    }

    /// Lets a connection go; its handler hears of it if it was open or may become so.
    pub(super) fn remove(&mut self, key: u32, reason: &str) {
        let Some(mut connection) = self.connections.try_remove(key as usize) else { return };
        let id = connection.io.id;
        self.core.link.directory.leave(key);
        self.core.link.connection_count.fetch_sub(1, Ordering::Relaxed);
        if let Some(place) = connection.io.place.take() {
            self.core.link.addresses.leave(place);
        }
        self.core.forget(key);
        connection.io.part();
        connection.io.release(&mut self.core);
        match connection.phase {
            Phase::Open(mut open) => {
                self.unsubscribe_all(key, &open.session);
                open.session.endpoint.end_input(&mut self.core.workspace);
                self.core.counters.closed += 1;
                let closed =
                    open.session.closed.map_or_else(|| Closed::abnormal(reason), |closed| *closed);
                self.service.close(id, open.state, closed);
                self.service.hand_over();
            }
            Phase::Deciding(deciding) => {
                self.service.close(id, deciding.state, Closed::abnormal(reason));
                self.service.hand_over();
            }
            Phase::Proxied(_) | Phase::Request(_) | Phase::Lingering => {}
        }
    }

    fn is_finished(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| self.connections.is_empty() || Instant::now() >= deadline)
    }

    fn end(mut self) {
        let keys: Vec<u32> = self.connections.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            self.remove(key, "the server has shut down");
        }
        self.core.link.counters.publish(&self.core.counters);
        // From here on nobody waits for this loop, so it may wait for handler threads.
        drop(self.inbox);
        self.service.finish();
    }
}
