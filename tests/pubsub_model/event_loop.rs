//! An event loop without sockets: it takes commands and hands out publications in the order and in
//! the slices of the real one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tickwire::pubsub::{Batch, FanOut, Removed, SubscriberTable, TopicId};

use super::connection::{Connection, Connections};
use super::frames::{Content, Kind};
use super::shared::{Command, Shared};
use super::sockets::{Errands, Sockets, Write};

pub(crate) struct EventLoop {
    index: usize,
    table: SubscriberTable,
    pub(crate) connections: Connections,
    gathered: Vec<Batch>,
    joined: VecDeque<Batch>,
    current: Option<(usize, FanOut)>,
    write: Write,
    held: Option<Command>,
    errands: Errands,
    /// The last publication of each topic that was handed out.
    handed_out: HashMap<usize, u64>,
}

/// How much a turn does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) delivery_count: usize,
    pub(crate) command_count: usize,
    pub(crate) joined_len: usize,
    pub(crate) catch_up_count: usize,
    pub(crate) flush_count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            delivery_count: 256,
            command_count: 4096,
            joined_len: 64 * 1024,
            catch_up_count: 64,
            flush_count: 256,
        }
    }
}

impl EventLoop {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            table: SubscriberTable::new(index),
            connections: Connections::default(),
            gathered: Vec::new(),
            joined: VecDeque::new(),
            current: None,
            write: Write::Now,
            held: None,
            errands: Errands::default(),
            handed_out: HashMap::new(),
        }
    }

    pub(crate) fn is_delivering(&self) -> bool {
        self.current.is_some()
    }

    /// Whether another turn would do something before time passes.
    pub(crate) fn is_idle(&mut self, shared: &Shared) -> bool {
        let at_rest = self.current.is_none()
            && self.joined.is_empty()
            && self.held.is_none()
            && self.errands.behind.is_empty()
            && self.errands.dirty.is_empty()
            && shared.mailboxes[self.index].is_empty();
        at_rest
            && self.connections.keys().into_iter().all(|key| {
                let connection = self.connections.get(key).unwrap();
                let writable = connection.blocked && connection.credit > 0;
                let due = connection.wake.is_some_and(|wake| wake <= shared.now);
                let finished = connection.closing && connection.queue.is_empty();
                !(writable || due || finished)
            })
    }

    pub(crate) fn next_wake(&mut self) -> Option<Duration> {
        let keys = self.connections.keys().into_iter();
        keys.filter_map(|key| self.connections.get(key)?.wake).min()
    }

    pub(crate) fn subscription_count(&self) -> usize {
        self.table.subscription_count()
    }

    pub(crate) fn turn(&mut self, shared: &mut Shared, limits: &Limits) {
        for key in self.connections.keys() {
            let connection = self.connections.get(key).unwrap();
            if connection.closing && connection.queue.is_empty() {
                // The peer has answered the close frame.
                self.remove(key, shared);
            } else if connection.blocked && connection.credit > 0 {
                connection.blocked = false;
                self.on_writable(key, shared);
            }
        }
        self.take_commands(shared, limits);
        self.catch_up(shared, limits.catch_up_count);
        for _ in 0..limits.flush_count.min(self.errands.dirty.len()) {
            let Some(key) = self.errands.dirty.pop_front() else { break };
            if let Some(connection) = self.connections.get(key) {
                connection.dirty = false;
                self.on_writable(key, shared);
            }
        }
        self.expire(shared);
    }

    fn take_commands(&mut self, shared: &mut Shared, limits: &Limits) {
        let mut budget = limits.delivery_count;
        if !self.hand_out(shared, limits, &mut budget) {
            return;
        }
        if let Some(command) = self.held.take() {
            self.carry_out(command, shared);
        }
        for _ in 0..limits.command_count {
            let command = shared.mailboxes[self.index].pop_front();
            let publishes = matches!(command, Some(Command::Publish(_)));
            if !publishes && !self.hand_out(shared, limits, &mut budget) {
                self.held = command;
                return;
            }
            match command {
                Some(command) => self.carry_out(command, shared),
                None => return,
            }
        }
        self.hand_out(shared, limits, &mut budget);
    }

    fn carry_out(&mut self, command: Command, shared: &mut Shared) {
        match command {
            Command::Publish(batch) => self.gathered.push(batch),
            Command::Subscribe { key, generation, subscription, record } => {
                let topic = record.topic;
                let core = shared.topics[topic].core.clone();
                let connection = self.find(key, generation).filter(|it| !it.closing);
                let Some(connection) =
                    connection.filter(|it| it.topics.iter().all(|(other, _)| *other != topic))
                else {
                    return core.remove_interest(self.index);
                };
                let number = record.number;
                let mark = Content {
                    kind: Kind::Begin,
                    topic: topic as u8,
                    key: 0,
                    sequence: 0,
                    value: number,
                    count: 0,
                };
                connection.send_mark(&mark.frame(0));
                connection.topics.push((topic, number));
                connection.subscriptions.insert(number, *record);
                self.with_table(topic, shared, |table, sockets| {
                    table.insert(&core, key, &subscription, sockets.now, sockets);
                });
                let lagging = self.connections.get(key).unwrap().subscriptions[&number].lagging;
                // To begin with something is not to fall behind.
                shared.topics[topic].sums.lags -= u64::from(lagging);
            }
            Command::Unsubscribe { key, generation, topic } => {
                let Some(connection) = self.find(key, generation) else { return };
                let Some(at) = connection.topics.iter().position(|(it, _)| *it == topic) else {
                    return;
                };
                let (_, number) = connection.topics.swap_remove(at);
                let lagging = connection.subscriptions[&number].lagging;
                if lagging {
                    connection.set_lagging(topic, false);
                }
                let removed = self.table.remove(shared.topics[topic].core.id(), key);
                assert_eq!(removed, if lagging { Removed::Lagging } else { Removed::Live });
            }
            Command::SnapshotSupplied { topic } => {
                let id = shared.topics[topic].core.id();
                self.with_table(topic, shared, |table, sockets| {
                    table.snapshot_supplied(id, sockets);
                });
            }
        }
    }

    /// Lets a connection go.
    pub(crate) fn remove(&mut self, key: u32, shared: &Shared) {
        let Some(connection) = self.connections.remove(key) else { return };
        for (topic, number) in connection.topics {
            let removed = self.table.remove(shared.topics[topic].core.id(), key);
            let lagging = connection.subscriptions[&number].lagging;
            assert_eq!(removed, if lagging { Removed::Lagging } else { Removed::Live });
        }
    }

    fn hand_out(&mut self, shared: &mut Shared, limits: &Limits, budget: &mut usize) -> bool {
        loop {
            if let Some((topic, mut fan_out)) = self.current.take() {
                let done = self.with_table(topic, shared, |table, sockets| {
                    table.go_on(&mut fan_out, sockets.now, sockets, budget)
                });
                if !done {
                    self.current = Some((topic, fan_out));
                    return false;
                }
            }
            if self.joined.is_empty() {
                if self.gathered.is_empty() {
                    return true;
                }
                self.line_up(limits.joined_len);
            }
            if let Some(batch) = self.joined.pop_front() {
                let topic = shared.place(batch.topic);
                self.handed_out.insert(topic, batch.last);
                let count = batch.count() * self.subscriber_count(topic);
                shared.topics[topic].sums.offered += count;
                self.current = self.table.begin(batch).map(|fan_out| (topic, fan_out));
                assert_eq!(self.current.is_some(), count > 0);
            }
        }
    }

    fn line_up(&mut self, max_len: usize) {
        let max_len_of = |topic| max_len.min(self.table.max_joined_len(topic));
        Batch::line_up(&mut self.gathered, max_len_of, &mut self.joined);
        let topic: Option<TopicId> = self.joined.front().map(|batch| batch.topic);
        let one_topic = self.joined.iter().all(|batch| Some(batch.topic) == topic);
        self.write = if one_topic { Write::Now } else { Write::Later };
    }

    /// Each lagging subscription whose time has come gets one piece.
    fn catch_up(&mut self, shared: &mut Shared, max_count: usize) {
        let mut budget = max_count;
        for _ in 0..self.errands.behind.len() {
            if budget == 0 {
                return;
            }
            let Some(key) = self.errands.behind.pop_front() else { return };
            let Some(connection) = self.connections.get(key) else { continue };
            connection.behind = false;
            let mut due_count = std::mem::take(&mut connection.due_count);
            while due_count > 0 && budget > 0 {
                let Some(topic) = self.next_lagging(key) else { break };
                let id = shared.topics[topic].core.id();
                self.with_table(topic, shared, |table, sockets| {
                    table.catch_up(id, key, sockets.now, sockets);
                });
                (due_count, budget) = (due_count - 1, budget - 1);
            }
            if let Some(connection) = self.connections.get(key).filter(|_| due_count > 0) {
                self.errands.look_behind(key, connection, due_count);
            }
        }
    }

    fn next_lagging(&mut self, key: u32) -> Option<usize> {
        let topics = &mut self.connections.get(key)?.lagging;
        let topic = topics.pop_front()?;
        topics.push_back(topic);
        Some(topic)
    }

    fn on_writable(&mut self, key: u32, shared: &mut Shared) {
        let Some(connection) = self.connections.get(key) else { return };
        if connection.ages {
            self.with_table(0, shared, |table, sockets| table.drop_aged(key, sockets));
        }
        let Some(connection) = self.connections.get(key) else { return };
        connection.flush();
        self.look_behind(key);
    }

    fn look_behind(&mut self, key: u32) {
        let Some(connection) = self.connections.get(key) else { return };
        self.errands.look_behind(key, connection, usize::MAX);
    }

    fn expire(&mut self, shared: &Shared) {
        for key in self.connections.keys() {
            let connection = self.connections.get(key).unwrap();
            if connection.wake.is_some_and(|wake| wake <= shared.now) {
                connection.wake = None;
                self.look_behind(key);
            }
        }
    }

    fn with_table<R>(
        &mut self,
        topic: usize,
        shared: &mut Shared,
        act: impl FnOnce(&mut SubscriberTable, &mut Sockets<'_>) -> R,
    ) -> R {
        let mut sockets = Sockets {
            connections: &mut self.connections,
            errands: &mut self.errands,
            topic,
            write: self.write,
            max_backpressure: shared.max_backpressure,
            now: shared.now,
            handed_out: self.handed_out.get(&topic).copied().unwrap_or(0),
            topics: &mut shared.topics,
        };
        let result = act(&mut self.table, &mut sockets);
        while let Some((key, time)) = self.errands.wakes.pop() {
            if let Some(connection) = self.connections.get(key) {
                // One wake for a connection: the earliest.
                connection.wake = Some(connection.wake.map_or(time, |wake| wake.min(time)));
            }
        }
        while let Some(topic) = self.errands.wanted.pop() {
            shared.ask(topic);
        }
        result
    }

    fn subscriber_count(&mut self, topic: usize) -> u64 {
        let keys = self.connections.keys().into_iter();
        keys.filter(|&key| {
            let connection = self.connections.get(key).unwrap();
            connection.topics.iter().any(|(subscribed, _)| *subscribed == topic)
        })
        .count() as u64
    }

    fn find(&mut self, key: u32, generation: u32) -> Option<&mut Connection> {
        self.connections.get(key).filter(|connection| connection.generation == generation)
    }
}
