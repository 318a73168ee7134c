//! Who subscribes to what, on one loop.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Delivery, TopicCore, TopicId};

/// The topics that have subscribers on one loop, with the subscribers' keys.
#[derive(Debug)]
pub struct SubscriberTable {
    loop_index: usize,
    by_topic: HashMap<TopicId, Subscribers>,
}

#[derive(Debug)]
struct Subscribers {
    topic: Arc<TopicCore>,
    keys: Vec<u32>,
}

impl SubscriberTable {
    /// The table of the loop with this index.
    #[must_use]
    pub fn new(loop_index: usize) -> Self {
        Self { loop_index, by_topic: HashMap::new() }
    }

    /// Adds a subscriber that is known not to be one yet. Its interest was counted by who asked.
    pub fn insert(&mut self, topic: &Arc<TopicCore>, key: u32) {
        let subscribers = self
            .by_topic
            .entry(topic.id())
            .or_insert_with(|| Subscribers { topic: topic.clone(), keys: Vec::new() });
        subscribers.keys.push(key);
    }

    /// Removes a subscriber and its interest; says whether it was one. O(subscribers of the topic).
    pub fn remove(&mut self, topic: TopicId, key: u32) -> bool {
        let Some(subscribers) = self.by_topic.get_mut(&topic) else { return false };
        let Some(at) = subscribers.keys.iter().position(|&subscriber| subscriber == key) else {
            return false;
        };
        subscribers.keys.swap_remove(at);
        subscribers.topic.remove_interest(self.loop_index);
        if subscribers.keys.is_empty() {
            self.by_topic.remove(&topic);
        }
        true
    }

    /// A topic's subscribers, for the while of a delivery: put them back with
    /// [`put_back`](Self::put_back). Nothing may subscribe in between.
    #[must_use]
    pub fn lend(&mut self, topic: TopicId) -> Vec<u32> {
        self.by_topic.get_mut(&topic).map(|s| std::mem::take(&mut s.keys)).unwrap_or_default()
    }

    /// Ends [`lend`](Self::lend).
    pub fn put_back(&mut self, topic: TopicId, keys: Vec<u32>) {
        if let Some(subscribers) = self.by_topic.get_mut(&topic) {
            debug_assert!(subscribers.keys.is_empty(), "nothing subscribes during a delivery");
            subscribers.keys = keys;
        }
    }

    /// A topic's policy; `None` when it has no subscriber here.
    #[must_use]
    pub fn delivery(&self, topic: TopicId) -> Option<Delivery> {
        self.by_topic.get(&topic).map(|subscribers| subscribers.topic.delivery())
    }

    /// How many subscriptions there are in all.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.by_topic.values().map(|subscribers| subscribers.keys.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::TopicRegistry;

    #[test]
    fn subscribers_come_and_go_and_an_empty_topic_is_let_go() {
        let registry = TopicRegistry::new(1);
        let mut table = SubscriberTable::new(0);
        let topic = registry.topic("t", Delivery::default());
        for key in [5, 6, 7] {
            topic.add_interest(0);
            table.insert(&topic, key);
        }
        assert!(table.remove(topic.id(), 5));
        assert!(!table.remove(topic.id(), 5));
        let keys = table.lend(topic.id());
        assert_eq!(keys, [7, 6]);
        table.put_back(topic.id(), keys);
        assert!(table.remove(topic.id(), 6) && table.remove(topic.id(), 7));
        assert_eq!(topic.subscriber_count(), 0);
        assert_eq!(table.subscription_count(), 0);
        drop(topic);
        assert_eq!(registry.topic_count(), 0);
    }
}
