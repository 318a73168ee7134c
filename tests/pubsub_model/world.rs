//! All of it together: clients, loops, topics, and what must hold after each step and in the end.

use std::time::Duration;

use tickwire::pubsub::Delivery;

use super::connection::Connection;
use super::event_loop::{EventLoop, Limits};
use super::shared::{Command, Shared};
use super::steps::{Case, Step};
use super::topic::{Source, Topic};

const CLIENT_COUNT: usize = 5;

pub(crate) struct World {
    shared: Shared,
    loops: Vec<EventLoop>,
    /// Each client's connection: of which loop, its key and its generation. The last one, if it is
    /// gone: others may not know yet.
    clients: Vec<(usize, u32, u32)>,
    generation: u32,
}

impl World {
    pub(crate) fn new(case: &Case) -> Self {
        let Case { topics, loop_count, max_backpressure, answers_at_once, .. } = case;
        let mut world = Self {
            shared: Shared::new(topics, *loop_count, *max_backpressure, *answers_at_once),
            loops: (0..*loop_count).map(EventLoop::new).collect(),
            clients: (0..CLIENT_COUNT).map(|client| (client % loop_count, 0, 0)).collect(),
            generation: 0,
        };
        (0..CLIENT_COUNT).for_each(|client| world.connect(client));
        world
    }

    pub(crate) fn take(&mut self, step: &Step) {
        let topic_count = self.shared.topics.len();
        match step {
            Step::Publish { topic, items } => self.shared.publish(topic % topic_count, items),
            Step::Subscribe { client, topic, start, interval } => {
                let (loop_index, key, generation) = self.clients[*client];
                let topic = topic % topic_count;
                let start = start.start(self.shared.topics[topic].sequence());
                let interval = interval.map(Duration::from_millis);
                self.shared.subscribe(loop_index, (key, generation), topic, start, interval);
            }
            Step::Unsubscribe { client, topic } => {
                let (loop_index, key, generation) = self.clients[*client];
                let topic = topic % topic_count;
                let command = Command::Unsubscribe { key, generation, topic };
                self.shared.mailboxes[loop_index].push_back(command);
            }
            Step::Stall { client } => {
                if let Some(connection) = self.connection(*client) {
                    connection.credit = 0;
                }
            }
            Step::Drain { client, len } => {
                if let Some(connection) = self.connection(*client) {
                    let credit = len.map(|len| connection.credit.saturating_add(len));
                    connection.credit = credit.unwrap_or(usize::MAX);
                }
            }
            Step::Connect { client } => self.connect(*client),
            Step::Disconnect { client } => self.disconnect(*client),
            Step::Advance { millis } => self.shared.now += Duration::from_millis(*millis),
            Step::Supply { topic, age, pad } => {
                let topic = topic % topic_count;
                let sequence = (self.shared.topics[topic].sequence() + 1).saturating_sub(*age);
                self.shared.supply(topic, sequence, *pad);
            }
            Step::Answer => {
                if let Some(topic) = self.shared.asked.pop_front() {
                    self.shared.answer(topic);
                }
            }
            Step::RemoveKey { topic, key } => self.shared.remove_key(topic % topic_count, *key),
            Step::Turn { event_loop, limits } => {
                let event_loop = event_loop % self.loops.len();
                self.turn(event_loop, limits);
            }
            Step::Rest { resume: true } => self.settle(),
            Step::Rest { resume: false } => self.rest(),
        }
    }

    fn connection(&mut self, client: usize) -> Option<&mut Connection> {
        let (loop_index, key, generation) = self.clients[client];
        let connection = self.loops[loop_index].connections.get(key);
        connection.filter(|connection| connection.generation == generation)
    }

    fn connect(&mut self, client: usize) {
        if self.connection(client).is_some() {
            return;
        }
        self.generation += 1;
        let (loop_index, ..) = self.clients[client];
        let key = self.loops[loop_index].connections.insert(Connection::new(self.generation));
        self.clients[client] = (loop_index, key, self.generation);
    }

    fn disconnect(&mut self, client: usize) {
        if self.connection(client).is_some() {
            let (loop_index, key, _) = self.clients[client];
            self.loops[loop_index].remove(key, &self.shared);
        }
    }

    fn turn(&mut self, index: usize, limits: &Limits) {
        let event_loop = &mut self.loops[index];
        event_loop.turn(&mut self.shared, limits);
        for key in event_loop.connections.keys() {
            let connection = event_loop.connections.get(key).unwrap();
            connection.read(&self.shared.topics);
            let lagging = connection.topics.iter();
            let lagging = lagging.filter(|(_, number)| connection.subscriptions[number].lagging);
            assert_eq!(connection.lagging.len(), lagging.count());
        }
        if self.loops.iter().all(|event_loop| !event_loop.is_delivering()) {
            self.shared.topics.iter().for_each(Topic::check_stats);
        }
    }

    /// All clients take what they get, time passes, and everything comes to rest. Whoever then has
    /// not got everything has a reason.
    pub(crate) fn settle(&mut self) {
        (0..CLIENT_COUNT).for_each(|client| self.take(&Step::Drain { client, len: None }));
        self.rest();
        self.check_settled(false);
    }

    /// The same once each topic has a snapshot: then there is no reason left.
    pub(crate) fn supply_all(&mut self) {
        for topic in 0..self.shared.topics.len() {
            let sequence = self.shared.topics[topic].sequence();
            self.shared.supply(topic, sequence, 0);
        }
        self.rest();
        self.check_settled(true);
    }

    /// Everybody leaves, and nothing of them stays.
    pub(crate) fn end(&mut self) {
        (0..CLIENT_COUNT).for_each(|client| self.disconnect(client));
        self.rest();
        for topic in &self.shared.topics {
            assert_eq!(topic.core.subscriber_count(), 0);
            assert_eq!(topic.core.interested_loops().count(), 0);
            topic.check_stats();
            assert_eq!(topic.core.stats().pending, 0);
        }
        assert!(self.loops.iter().all(|event_loop| event_loop.subscription_count() == 0));
    }

    fn rest(&mut self) {
        const TURN_COUNT: usize = 500;
        let limits = Limits::default();
        for _ in 0..TURN_COUNT {
            while let Some(topic) = self.shared.asked.pop_front() {
                self.shared.answer(topic);
            }
            (0..self.loops.len()).for_each(|index| self.turn(index, &limits));
            let idle = self.loops.iter_mut().all(|event_loop| event_loop.is_idle(&self.shared));
            if idle && self.shared.asked.is_empty() {
                let wake = self.loops.iter_mut().filter_map(EventLoop::next_wake).min();
                // What is planned for later is planned for never.
                let soon = self.shared.now + Duration::from_secs(3600);
                match wake.filter(|&wake| wake < soon) {
                    Some(wake) => self.shared.now = wake,
                    None => return self.check_patience(),
                }
            }
        }
        panic!("no rest");
    }

    /// All the time in the world has passed: who lagged for too long is closed.
    fn check_patience(&mut self) {
        for event_loop in &mut self.loops {
            for key in event_loop.connections.keys() {
                let connection = event_loop.connections.get(key).unwrap();
                for (topic, number) in &connection.topics {
                    let subscription = &connection.subscriptions[number];
                    let topic = &self.shared.topics[*topic];
                    let max_lag = topic.setup.slow_consumer.max_lag;
                    let lags = subscription.lagging && !subscription.is_paced();
                    // No time passes for one that waits for a snapshot.
                    let may_wait =
                        topic.setup.delivery != Delivery::Latest && !topic.has_usable_snapshot();
                    let is_timed = max_lag.is_some() && !may_wait;
                    assert!(!lags || !is_timed || connection.closing, "{subscription:#?}");
                }
            }
        }
    }

    fn check_settled(&mut self, all_have_snapshots: bool) {
        let mut counts = vec![0; self.shared.topics.len()];
        for event_loop in &mut self.loops {
            let mut subscription_count = 0;
            for key in event_loop.connections.keys() {
                let connection = event_loop.connections.get(key).unwrap();
                assert!(connection.queue.is_empty() && !connection.closing);
                subscription_count += connection.topics.len();
                for &(topic, number) in &connection.topics {
                    counts[topic] += 1;
                    let subscription = &connection.subscriptions[&number];
                    let topic = &self.shared.topics[topic];
                    if subscription.lagging && !subscription.is_paced() {
                        assert!(!all_have_snapshots, "stuck: {subscription:#?}");
                    }
                    if subscription.lagging && !subscription.has_everything(topic) {
                        let has_none = !topic.has_usable_snapshot()
                            && topic.setup.source != Some(Source::Current);
                        assert!(
                            !all_have_snapshots && has_none && topic.core.wants_snapshot(),
                            "stuck at {}: {subscription:#?}",
                            topic.sequence()
                        );
                        continue;
                    }
                    subscription.check_settled(topic);
                }
            }
            assert_eq!(event_loop.subscription_count(), subscription_count);
        }
        for (topic, count) in self.shared.topics.iter().zip(counts) {
            assert_eq!(topic.core.subscriber_count(), count);
            topic.check_stats();
            let stats = topic.core.stats();
            assert!(!all_have_snapshots || stats.pending == 0, "{stats:?}");
        }
    }
}
