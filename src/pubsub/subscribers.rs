//! Who subscribes to what, on one loop.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use super::lag::{Lag, Pace};
use super::stats::LoopStats;
use super::topic::TopicIdHasher;
use super::{Begin, Sink, TopicCore, TopicId};

/// The topics that have subscribers on one loop, with the subscribers' keys.
#[derive(Debug)]
pub struct SubscriberTable {
    pub(super) loop_index: usize,
    pub(super) by_topic: HashMap<TopicId, Subscribers, BuildHasherDefault<TopicIdHasher>>,
}

/// A topic's subscribers on one loop.
///
/// Those that keep up are no more than keys in a list, and get each batch as it is. Those that lag
/// are not touched by a batch at all: when they can take more, what they lack is looked up by the
/// number of the last publication that they have.
#[derive(Debug)]
pub(super) struct Subscribers {
    pub(super) topic: Arc<TopicCore>,
    pub(super) loop_index: usize,
    /// The last publication that was handed out here.
    pub(super) sequence: u64,
    /// Subscribers that have everything up to it, or are about to get it.
    pub(super) live: Vec<u32>,
    /// Places in `live` that have become [`VACANT`] during a delivery.
    pub(super) vacant_count: usize,
    /// A delivery goes through `live`: its order must not change.
    pub(super) delivering: bool,
    /// Where the next delivery begins.
    pub(super) start: usize,
    pub(super) lagging: HashMap<u32, Lag>,
    /// The sum of their `counted`.
    counted_sum: u64,
    /// How many of them wait for a snapshot.
    pub(super) awaiting_count: usize,
    /// Those that lag on purpose and have everything: who else does is looked at in time.
    pub(super) idle: Vec<u32>,
}

/// No subscriber's key.
pub(super) const VACANT: u32 = u32::MAX;

/// How a connection subscribes, once its place in the order of publications is known.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// Where it begins.
    pub begin: Begin,
    /// It asked for the publications after one that it named.
    pub wants_replay: bool,
    /// The time between two updates that it wants.
    pub interval: Option<Duration>,
}

/// What a subscriber was that has been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// No subscriber.
    Nothing,
    /// One that kept up.
    Live,
    /// One that lagged.
    Lagging,
}

impl SubscriberTable {
    /// The table of the loop with this index.
    #[must_use]
    pub fn new(loop_index: usize) -> Self {
        Self { loop_index, by_topic: HashMap::default() }
    }

    /// Adds a subscriber that is known not to be one yet. Its interest was counted by who asked.
    pub fn insert(
        &mut self,
        topic: &Arc<TopicCore>,
        key: u32,
        subscription: &Subscription,
        now: Duration,
        sink: &mut impl Sink,
    ) {
        let Subscription { begin, wants_replay, interval } = *subscription;
        let subscribers = self
            .by_topic
            .entry(topic.id())
            .or_insert_with(|| Subscribers::new(topic, self.loop_index, begin.sequence));
        let interval = interval.filter(|_| topic.delivery().may_leave_out());
        if begin.delivered == Some(begin.sequence) && interval.is_none() {
            subscribers.live.push(key);
            return;
        }
        let merges = topic.options().merge.is_some();
        let mut lag = Lag::beginning(&begin, wants_replay, now, merges);
        lag.pace = interval.map(|interval| Pace::new(interval, now));
        subscribers.add_lagging(key, lag);
        sink.set_lagging(key, topic.id(), true);
        sink.catch_up_soon(key);
    }

    /// Removes a subscriber and its interest; says what it was. O(subscribers of the topic).
    pub fn remove(&mut self, topic: TopicId, key: u32) -> Removed {
        let Some(subscribers) = self.by_topic.get_mut(&topic) else { return Removed::Nothing };
        let removed = subscribers.remove(key);
        if removed != Removed::Nothing {
            subscribers.topic.remove_interest(self.loop_index);
            if subscribers.is_idle() {
                self.by_topic.remove(&topic);
            }
        }
        removed
    }

    /// The name of a topic that has subscribers here.
    #[must_use]
    pub fn name(&self, topic: TopicId) -> Option<&str> {
        self.by_topic.get(&topic).map(|subscribers| subscribers.topic.name())
    }

    /// How many bytes of a topic's publications may come to a subscriber at once: so few that nobody falls
    /// behind whose queue is not half full, and is at once to be brought up to date.
    #[must_use]
    pub fn max_joined_len(&self, topic: TopicId) -> usize {
        let topic = self.by_topic.get(&topic).map(|subscribers| &subscribers.topic);
        topic
            .filter(|topic| topic.delivery().may_leave_out())
            .map_or(usize::MAX, |topic| topic.slow_consumer().lag_len / 2)
    }

    /// How many subscriptions there are in all.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.by_topic.values().map(Subscribers::len).sum()
    }

    /// A snapshot has been supplied: whoever waits for one is to be brought up to date.
    pub fn snapshot_supplied(&mut self, topic: TopicId, sink: &mut impl Sink) {
        if let Some(subscribers) = self.by_topic.get_mut(&topic) {
            subscribers.wake_awaiting(sink);
        }
    }

    /// Takes what has grown too old out of a subscriber's queue, of whichever topics it is.
    pub fn drop_aged(&self, key: u32, sink: &mut impl Sink) {
        let of = |topic| self.by_topic.get(&topic);
        sink.drop_aged(
            key,
            &|topic| of(topic)?.topic.slow_consumer().max_age,
            &mut |topic, count| of(topic).into_iter().for_each(|it| it.count_aged(count)),
        );
    }
}

impl Subscribers {
    fn new(topic: &Arc<TopicCore>, loop_index: usize, sequence: u64) -> Self {
        Self {
            topic: topic.clone(),
            loop_index,
            sequence,
            live: Vec::new(),
            vacant_count: 0,
            delivering: false,
            start: 0,
            lagging: HashMap::new(),
            counted_sum: 0,
            awaiting_count: 0,
            idle: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len() - self.vacant_count + self.lagging.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0 && !self.delivering
    }

    pub(super) fn stats(&self) -> &LoopStats {
        self.topic.loop_stats(self.loop_index)
    }

    fn remove(&mut self, key: u32) -> Removed {
        if let Some(lag) = self.take_lagging(key) {
            if lag.pace.is_some_and(|pace| pace.idle) {
                self.idle.retain(|&idle| idle != key);
            }
            let missed = self.sequence.saturating_sub(lag.counted);
            self.stats().dropped.add(missed);
            self.publish_pending();
            return Removed::Lagging;
        }
        let Some(at) = self.live.iter().position(|&live| live == key) else {
            return Removed::Nothing;
        };
        if self.delivering {
            self.live[at] = VACANT;
            self.vacant_count += 1;
        } else {
            self.live.swap_remove(at);
        }
        Removed::Live
    }

    pub(super) fn add_lagging(&mut self, key: u32, lag: Lag) {
        self.counted_sum = self.counted_sum.wrapping_add(lag.counted);
        self.awaiting_count += usize::from(lag.awaits_snapshot);
        self.lagging.insert(key, lag);
    }

    pub(super) fn take_lagging(&mut self, key: u32) -> Option<Lag> {
        let lag = self.lagging.remove(&key)?;
        self.counted_sum = self.counted_sum.wrapping_sub(lag.counted);
        self.awaiting_count -= usize::from(lag.awaits_snapshot);
        Some(lag)
    }

    /// What the lagging ones have not got.
    pub(super) fn publish_pending(&self) {
        let due = (self.lagging.len() as u64).wrapping_mul(self.sequence);
        self.stats().pending.set(due.wrapping_sub(self.counted_sum));
    }

    pub(super) fn wake_awaiting(&mut self, sink: &mut impl Sink) {
        if self.awaiting_count > 0 {
            let awaiting = self.lagging.iter().filter(|(_, lag)| lag.awaits_snapshot);
            awaiting.for_each(|(&key, _)| sink.catch_up_soon(key));
        }
    }

    /// Takes what has grown too old of this topic out of a subscriber's queue; says whether there was
    /// anything.
    pub(super) fn drop_aged(&self, key: u32, sink: &mut impl Sink) -> bool {
        let (id, max_age) = (self.topic.id(), self.topic.slow_consumer().max_age);
        let mut total = 0;
        if max_age.is_some() {
            let of_this = |topic| max_age.filter(|_| topic == id);
            sink.drop_aged(key, &of_this, &mut |_, count| total += count);
            self.count_aged(total);
        }
        total > 0
    }

    /// So many had been counted as delivered when they were queued.
    fn count_aged(&self, count: u64) {
        self.stats().delivered.subtract(count);
        self.stats().dropped.add(count);
    }
}
