//! Topics by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{SlowConsumer, TopicCore, TopicOptions};

/// All topics of a server that somebody holds or subscribes to; others are forgotten, so that names
/// made up by clients do not pile up.
#[derive(Debug)]
pub struct TopicRegistry {
    topics: Mutex<HashMap<String, Weak<TopicCore>>>,
    loop_count: usize,
    /// For topics that do not say otherwise.
    slow_consumer: SlowConsumer,
}

impl TopicRegistry {
    /// A registry for a server with `loop_count` event loops.
    #[must_use]
    pub fn new(loop_count: usize, slow_consumer: SlowConsumer) -> Arc<Self> {
        Arc::new(Self { topics: Mutex::default(), loop_count, slow_consumer })
    }

    /// The topic called `name`; a new one is set up by `options`, one that exists stays as it is.
    #[must_use]
    pub fn topic(self: &Arc<Self>, name: &str, options: TopicOptions) -> Arc<TopicCore> {
        let mut topics = self.lock();
        if let Some(topic) = topics.get(name).and_then(Weak::upgrade) {
            return topic;
        }
        let registry = Arc::downgrade(self);
        let topic = TopicCore::new(name, options, self.slow_consumer, self.loop_count, registry);
        let topic = Arc::new(topic);
        topics.insert(name.to_owned(), Arc::downgrade(&topic));
        topic
    }

    /// How many topics there are.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.lock().len()
    }

    /// A topic of this name has been dropped. Another may have taken the name meanwhile: it stays.
    pub(super) fn forget(&self, name: &str) {
        let mut topics = self.lock();
        if topics.get(name).is_some_and(|topic| topic.strong_count() == 0) {
            topics.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<TopicCore>>> {
        // Every change under the lock is one call on the map: a panic leaves it whole.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_topic_while_somebody_holds_it_and_is_forgotten_after() {
        let registry = TopicRegistry::new(2, SlowConsumer::default());
        let first = registry.topic("book", TopicOptions::default());
        let again = registry.topic("book", TopicOptions::default());
        assert_eq!(first.id(), again.id());
        assert_eq!(registry.topic_count(), 1);
        let id = first.id();
        drop((first, again));
        assert_eq!(registry.topic_count(), 0);
        assert_ne!(registry.topic("book", TopicOptions::default()).id(), id);
    }

    #[test]
    fn interest_names_the_loops_with_subscribers() {
        let topic =
            TopicRegistry::new(3, SlowConsumer::default()).topic("t", TopicOptions::default());
        assert_eq!(topic.interested_loops().count(), 0);
        topic.add_interest(2);
        topic.add_interest(0);
        topic.add_interest(2);
        assert_eq!(topic.interested_loops().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(topic.subscriber_count(), 3);
        topic.remove_interest(2);
        topic.remove_interest(2);
        assert_eq!(topic.interested_loops().collect::<Vec<_>>(), [0]);
    }
}
