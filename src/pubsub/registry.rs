//! Topics by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{SlowConsumer, TopicCore, TopicOptions};

/// All topics of a server that somebody holds or subscribes to; others are forgotten, so that names
/// made up by clients do not pile up.
#[derive(Debug)]
pub struct TopicRegistry {
    names: Mutex<Names>,
    loop_count: usize,
    /// For topics that do not say otherwise.
    slow_consumer: SlowConsumer,
    deflates: bool,
}

#[derive(Debug, Default)]
struct Names {
    topics: HashMap<String, Weak<TopicCore>>,
    /// How many connections of each loop subscribe to a prefix.
    prefixes: HashMap<Box<str>, Box<[usize]>>,
}

impl TopicRegistry {
    /// A registry for a server with `loop_count` event loops.
    #[must_use]
    pub fn new(loop_count: usize, slow_consumer: SlowConsumer) -> Arc<Self> {
        Self::with_compression(loop_count, slow_consumer, false)
    }

    /// The same for a server whose connections take publications compressed, if it `deflates`.
    #[must_use]
    pub fn with_compression(
        loop_count: usize,
        slow_consumer: SlowConsumer,
        deflates: bool,
    ) -> Arc<Self> {
        Arc::new(Self { names: Mutex::default(), loop_count, slow_consumer, deflates })
    }

    /// The topic called `name`; a new one is set up by `options`, one that exists stays as it is.
    ///
    /// `tell` is called for each loop that has a subscriber of a prefix of a new one: nobody gets hold
    /// of the topic before it has returned. Its interest has been counted once, for the loop to take
    /// back.
    #[must_use]
    pub fn topic(
        self: &Arc<Self>,
        name: &str,
        options: TopicOptions,
        mut tell: impl FnMut(usize, &Arc<TopicCore>),
    ) -> Arc<TopicCore> {
        let mut names = self.lock();
        if let Some(topic) = names.topics.get(name).and_then(Weak::upgrade) {
            return topic;
        }
        let registry = Arc::downgrade(self);
        let (slow_consumer, deflates, loop_count) =
            (self.slow_consumer, self.deflates, self.loop_count);
        let topic = TopicCore::new(name, options, slow_consumer, deflates, loop_count, registry);
        let topic = Arc::new(topic);
        for loop_index in names.loops_with_prefix_of(name, self.loop_count) {
            topic.add_interest(loop_index);
            tell(loop_index, &topic);
        }
        names.topics.insert(name.to_owned(), Arc::downgrade(&topic));
        topic
    }

    /// A connection of a loop subscribes to a prefix. Returns the topics that there are already; any
    /// other is told of when it is made. `tell` is called before the next one can be made.
    pub fn add_prefix(
        &self,
        prefix: &str,
        loop_index: usize,
        tell: impl FnOnce(),
    ) -> Vec<Arc<TopicCore>> {
        let mut names = self.lock();
        let counts = names.prefixes.entry(prefix.into());
        counts.or_insert_with(|| vec![0; self.loop_count].into())[loop_index] += 1;
        tell();
        let matching = names.topics.iter().filter(|(name, _)| name.starts_with(prefix));
        matching.filter_map(|(_, topic)| topic.upgrade()).collect()
    }

    /// A connection of a loop does not subscribe to a prefix any more.
    pub fn remove_prefix(&self, prefix: &str, loop_index: usize) {
        let mut names = self.lock();
        if let Some(counts) = names.prefixes.get_mut(prefix) {
            counts[loop_index] -= 1;
            if counts.iter().all(|&count| count == 0) {
                names.prefixes.remove(prefix);
            }
        }
    }

    /// How many topics there are.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.lock().topics.len()
    }

    /// A topic of this name has been dropped. Another may have taken the name meanwhile: it stays.
    pub(super) fn forget(&self, name: &str) {
        let mut names = self.lock();
        if names.topics.get(name).is_some_and(|topic| topic.strong_count() == 0) {
            names.topics.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        // Every change under the lock leaves it whole.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn loops_with_prefix_of(&self, name: &str, loop_count: usize) -> Vec<usize> {
        if self.prefixes.is_empty() {
            return Vec::new();
        }
        let matching = || self.prefixes.iter().filter(|(prefix, _)| name.starts_with(&***prefix));
        (0..loop_count).filter(|&index| matching().any(|(_, counts)| counts[index] > 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody(_: usize, _: &Arc<TopicCore>) {}

    #[test]
    fn a_name_is_one_topic_while_somebody_holds_it_and_is_forgotten_after() {
        let registry = TopicRegistry::new(2, SlowConsumer::default());
        let first = registry.topic("book", TopicOptions::default(), nobody);
        let again = registry.topic("book", TopicOptions::default(), nobody);
        assert_eq!(first.id(), again.id());
        assert_eq!(registry.topic_count(), 1);
        let id = first.id();
        drop((first, again));
        assert_eq!(registry.topic_count(), 0);
        assert_ne!(registry.topic("book", TopicOptions::default(), nobody).id(), id);
    }

    #[test]
    fn interest_names_the_loops_with_subscribers() {
        let topic = TopicRegistry::new(3, SlowConsumer::default()).topic(
            "t",
            TopicOptions::default(),
            nobody,
        );
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

    #[test]
    fn a_new_topic_is_told_to_the_loops_with_a_prefix_of_it() {
        let registry = TopicRegistry::new(3, SlowConsumer::default());
        let old = registry.topic("book.BTC", TopicOptions::default(), nobody);
        let found = registry.add_prefix("book.", 2, || {});
        assert_eq!(found.iter().map(|topic| topic.id()).collect::<Vec<_>>(), [old.id()]);
        assert!(registry.add_prefix("book.E", 0, || {}).is_empty());
        let told = |name| {
            let mut told = Vec::new();
            let options = TopicOptions::default();
            let topic = registry.topic(name, options, |index, _| told.push(index));
            assert_eq!(topic.interested_loops().collect::<Vec<_>>(), told);
            told
        };
        assert_eq!(told("book.ETH"), [0, 2]);
        assert_eq!(told("book.BTC"), [], "it exists");
        assert_eq!(told("trades"), []);
        registry.remove_prefix("book.", 2);
        assert_eq!(told("book.E2"), [0]);
    }
}
