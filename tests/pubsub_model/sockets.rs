//! The loop's connections as the fan-out sees them, and what that adds up to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tickwire::pubsub::{Delivery, Note, Offer, Parcel, Sink, TopicCore, TopicId};

use super::connection::{Connection, Connections};
use super::frames::{Kind, messages};
use super::topic::Topic;

/// Whether a delivery is offered to the socket at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Now,
    Later,
}

/// What a delivery leaves to be done.
#[derive(Default)]
pub(crate) struct Errands {
    pub(crate) behind: VecDeque<u32>,
    pub(crate) wakes: Vec<(u32, Duration)>,
    /// Topics whose sources are to be asked.
    pub(crate) wanted: Vec<usize>,
    pub(crate) dirty: VecDeque<u32>,
}

impl Errands {
    /// At least so many of the topics that a connection lags in are to be looked at.
    pub(crate) fn look_behind(&mut self, key: u32, connection: &mut Connection, count: usize) {
        if !connection.lagging.is_empty() {
            connection.due_count = connection.due_count.max(count.min(connection.lagging.len()));
            if !std::mem::replace(&mut connection.behind, true) {
                self.behind.push_back(key);
            }
        }
    }
}

pub(crate) struct Sockets<'a> {
    pub(crate) connections: &'a mut Connections,
    pub(crate) errands: &'a mut Errands,
    pub(crate) topics: &'a mut [Topic],
    /// The topic that is at work, by its place.
    pub(crate) topic: usize,
    pub(crate) write: Write,
    pub(crate) max_backpressure: usize,
    pub(crate) now: Duration,
    /// The last publication of the topic that was handed out here.
    pub(crate) handed_out: u64,
}

impl Sockets<'_> {
    fn is_at_work(&self, topic: TopicId) -> bool {
        self.topics[self.topic].core.id() == topic
    }

    /// What is taken of a parcel adds up to the topic's numbers.
    fn count(&mut self, key: u32, parcel: &Parcel<'_>) {
        let subscription = self.connections.get(key).and_then(|it| it.subscription(self.topic));
        let subscription = subscription.expect("only a subscriber is sent something");
        let topic = &mut self.topics[self.topic];
        let leaves_out = topic.setup.delivery == Delivery::Latest && subscription.lagging;
        let sums = &mut topic.sums;
        let (mut due, mut last) = (0, 0);
        for content in messages(parcel.frames) {
            assert_eq!(usize::from(content.topic), self.topic);
            if leaves_out && content.kind == Kind::Publication && !topic.setup.merges {
                let latest = topic.retained.get(&content.key);
                assert_eq!(latest, Some(&content.sequence), "{content:?} has been replaced");
            }
            last = content.sequence;
            match content.kind {
                Kind::Publication if content.sequence > subscription.begun => due += 1,
                Kind::Publication => sums.replayed += 1,
                Kind::Snapshot => sums.snapshots += 1,
                Kind::Notice | Kind::Begin => {}
            }
        }
        assert_eq!(due, u64::from(parcel.count));
        sums.delivered += due;
        // Where nobody subscribed, nothing was handed out.
        let upto = self.handed_out.max(subscription.begun);
        subscription.update(self.now, last == upto);
    }
}

impl Sink for Sockets<'_> {
    fn offer(&mut self, key: u32, parcel: &Parcel<'_>) -> Offer {
        assert!(self.is_at_work(parcel.topic));
        let Some(connection) = self.connections.get(key).filter(|it| !it.closing) else {
            return Offer::Gone;
        };
        let limit = parcel.limit.min(self.max_backpressure);
        let is_full = |connection: &Connection| {
            let queued = connection.queue.len();
            queued > 0 && queued + parcel.frames.len() > limit
        };
        if is_full(connection) && connection.dirty {
            connection.flush();
        }
        if is_full(connection) {
            return Offer::Full;
        }
        let was_empty = connection.queue.is_empty();
        if self.write == Write::Now && was_empty {
            connection.send(self.topic, parcel, self.now);
        } else {
            connection.enqueue(self.topic, parcel, self.now);
            if was_empty && !std::mem::replace(&mut connection.dirty, true) {
                self.errands.dirty.push_back(key);
            }
        }
        connection.ages |= parcel.ages && !connection.queue.is_empty();
        self.count(key, parcel);
        Offer::Taken
    }

    fn queued_len(&self, key: u32) -> usize {
        self.connections.queued_len(key)
    }

    fn drop_aged(
        &mut self,
        key: u32,
        max_age: &dyn Fn(TopicId) -> Option<Duration>,
        dropped: &mut dyn FnMut(TopicId, u64),
    ) {
        let Some(connection) = self.connections.get(key) else { return };
        let topics = &mut *self.topics;
        let max_age = |topic: usize| max_age(topics[topic].core.id());
        for (topic, count) in connection.drop_aged(max_age, self.now) {
            topics[topic].sums.delivered -= count;
            dropped(topics[topic].core.id(), count);
        }
    }

    fn close(&mut self, key: u32) {
        if let Some(connection) = self.connections.get(key) {
            connection.close();
            connection.subscription(self.topic).unwrap().close();
            self.topics[self.topic].sums.closed += 1;
        }
    }

    fn set_lagging(&mut self, key: u32, topic: TopicId, lagging: bool) {
        assert!(self.is_at_work(topic));
        self.topics[self.topic].sums.lags += u64::from(lagging);
        let connection = self.connections.get(key).unwrap();
        connection.set_lagging(self.topic, lagging);
        let subscription = connection.subscription(self.topic).unwrap();
        assert_ne!(std::mem::replace(&mut subscription.lagging, lagging), lagging);
    }

    fn catch_up_soon(&mut self, key: u32) {
        if let Some(connection) = self.connections.get(key) {
            self.errands.look_behind(key, connection, usize::MAX);
        }
    }

    fn look_again_at(&mut self, key: u32, time: Duration) {
        self.errands.wakes.push((key, time));
    }

    fn ask_for_snapshot(&mut self, _: u32, topic: &Arc<TopicCore>) {
        assert!(self.is_at_work(topic.id()));
        assert!(self.topics[self.topic].setup.source.is_some());
        self.errands.wanted.push(self.topic);
    }

    fn note(&mut self, key: u32, note: Note) {
        let sums = &mut self.topics[self.topic].sums;
        match note {
            Note::Conflated(count) => sums.conflated += count,
            Note::Dropped(_) => {}
            Note::Resynced => sums.resyncs += 1,
        }
        let connection = self.connections.get(key).unwrap();
        connection.subscription(self.topic).unwrap().note(note);
    }
}
