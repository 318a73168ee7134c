//! Topics, as the service holds them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::event_loop::{Loops, MAX_SEND_LEN, Outcome, publish, supply_snapshot};
use crate::protocol::Outgoing;
use crate::pubsub::{Delivery, Publication, TopicCore, TopicStats};

/// Tries of [`Topic::publish_with`] before it gives up: so often others were quicker.
const MAX_TRY_COUNT: usize = 1000;

/// A named topic. Cheap to clone; every thread may publish, callbacks too.
///
/// A publication is encoded once for all subscribers, and compressed once for those that take it so. One publisher's publications arrive in order,
/// with no duplicate, and every gap is one that the topic's [`Delivery`] made and counted.
///
/// No call waits, but for [`publish_wait`](Self::publish_wait), and those of callbacks on handler threads,
/// where what they have sent before goes first. When an event loop with subscribers
/// is thousands of commands behind, a publication answers `Dropped`, and no subscriber gets it.
#[derive(Clone, Debug)]
pub struct Topic {
    core: Arc<TopicCore>,
    loops: Loops,
}

impl Topic {
    pub(super) fn new(core: Arc<TopicCore>, loops: Loops) -> Self {
        Self { core, loops }
    }

    pub(super) fn core(&self) -> &Arc<TopicCore> {
        &self.core
    }

    /// Sends a message to all subscribers: `Sent`, also when there are none. O(event loops).
    pub fn publish<'m>(&self, message: impl Into<Outgoing<'m>>) -> Outcome {
        self.publish_one(Bytes::new(), message.into())
    }

    /// Publishes the new value of a key: in a topic of [`Delivery::Latest`] it replaces that key's
    /// value before; elsewhere the key means nothing. O(event loops + log keys).
    pub fn publish_keyed<'m>(
        &self,
        key: impl AsRef<[u8]>,
        message: impl Into<Outgoing<'m>>,
    ) -> Outcome {
        self.publish_one(Bytes::copy_from_slice(key.as_ref()), message.into())
    }

    /// Publishes a message that holds its own sequence number in the topic: the first is 1.
    ///
    /// `message` is called again when another thread has published meanwhile, so it should only build
    /// the message. No lock is held meanwhile. If it publishes to this very topic, the answer is
    /// `Dropped` in the end.
    pub fn publish_with<'m, M: Into<Outgoing<'m>>>(
        &self,
        message: impl FnMut(u64) -> M,
    ) -> Outcome {
        self.publish_keyed_with([], message)
    }

    /// [`publish_with`](Self::publish_with) and [`publish_keyed`](Self::publish_keyed) in one.
    pub fn publish_keyed_with<'m, M: Into<Outgoing<'m>>>(
        &self,
        key: impl AsRef<[u8]>,
        mut message: impl FnMut(u64) -> M,
    ) -> Outcome {
        let key = Bytes::copy_from_slice(key.as_ref());
        for _ in 0..MAX_TRY_COUNT {
            let sequence = self.core.sequence() + 1;
            let Some(publication) = self.encode(key.clone(), &message(sequence).into()) else {
                return Outcome::Dropped;
            };
            let outcome = publish(&self.loops, &self.core, &mut [publication], Some(sequence));
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Outcome::Dropped
    }

    /// Publishes several messages, one behind another, with nobody else's in between: all or none.
    /// Cheaper than one by one; each has a sequence number of its own.
    pub fn publish_all<'m, M: Into<Outgoing<'m>>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Outcome {
        self.publish_all_keyed(messages.into_iter().map(|message| ([], message)))
    }

    /// Publishes the new values of several keys, as [`publish_all`](Self::publish_all) does.
    pub fn publish_all_keyed<'m, K: AsRef<[u8]>, M: Into<Outgoing<'m>>>(
        &self,
        values: impl IntoIterator<Item = (K, M)>,
    ) -> Outcome {
        let mut publications = Vec::new();
        let mut len = 0;
        for (key, message) in values {
            let key = Bytes::copy_from_slice(key.as_ref());
            let Some(publication) = self.encode(key, &message.into()) else {
                return Outcome::Dropped;
            };
            len += publication.frame.len();
            if len > MAX_SEND_LEN {
                return Outcome::Dropped;
            }
            publications.push(publication);
        }
        if publications.is_empty() {
            return Outcome::Sent;
        }
        self.publish_encoded(&mut publications)
    }

    /// As [`publish`](Self::publish), but waits up to `timeout` for event loops that are behind.
    ///
    /// Not for callbacks in inline mode: they run on the very loops that must catch up.
    pub fn publish_wait<'m>(&self, message: impl Into<Outgoing<'m>>, timeout: Duration) -> Outcome {
        self.publish_keyed_wait([], message, timeout)
    }

    /// [`publish_wait`](Self::publish_wait) and [`publish_keyed`](Self::publish_keyed) in one.
    pub fn publish_keyed_wait<'m>(
        &self,
        key: impl AsRef<[u8]>,
        message: impl Into<Outgoing<'m>>,
        timeout: Duration,
    ) -> Outcome {
        let key = Bytes::copy_from_slice(key.as_ref());
        let Some(publication) = self.encode(key, &message.into()) else { return Outcome::Dropped };
        let mut publications = [publication];
        let start = Instant::now();
        let mut pause = Duration::from_micros(20);
        loop {
            let outcome = self.publish_encoded(&mut publications);
            if outcome != Outcome::Dropped || start.elapsed() >= timeout {
                return outcome;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    fn publish_one(&self, key: Bytes, message: Outgoing<'_>) -> Outcome {
        match self.encode(key, &message) {
            Some(publication) => self.publish_encoded(&mut [publication]),
            None => Outcome::Dropped,
        }
    }

    fn encode(&self, key: Bytes, message: &Outgoing<'_>) -> Option<Publication> {
        let fits = message.as_bytes().len() <= MAX_SEND_LEN;
        fits.then(|| Publication { key, frame: self.core.encode(message) })
    }

    fn publish_encoded(&self, publications: &mut [Publication]) -> Outcome {
        // Nothing was expected, so there is always an answer.
        publish(&self.loops, &self.core, publications, None).unwrap_or(Outcome::Dropped)
    }

    /// Supplies the topic's state as it is once every publication up to `sequence` has been applied.
    /// Newcomers and lagging subscribers of a topic of [`Delivery::Resync`] begin with it.
    ///
    /// How often is up to the publisher: when [`wants_snapshot`](Self::wants_snapshot) says so, or
    /// every so many publications. The replay ring must reach from one to the next. Says whether it
    /// was of use: no, if a newer one is there already, there was no such publication yet, or the
    /// replay ring has lost some of those after it.
    pub fn supply_snapshot<'m>(&self, sequence: u64, message: impl Into<Outgoing<'m>>) -> bool {
        let message = message.into();
        let fits = message.as_bytes().len() <= MAX_SEND_LEN;
        fits && supply_snapshot(&self.loops, &self.core, sequence, self.core.encode(&message))
    }

    /// Whether a subscriber waits for a snapshot, or a new one would be shorter than the one at hand
    /// together with the publications since.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.core.wants_snapshot()
    }

    /// Forgets the latest value of a key, so that newcomers do not begin with it; says whether there
    /// was one.
    pub fn remove_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.core.remove_key(key.as_ref())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// How publications reach subscribers.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.core.delivery()
    }

    /// Publications so far: the last one's sequence number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.core.sequence()
    }

    /// Subscribers now, those under way included.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.core.subscriber_count()
    }

    /// What has become of its publications.
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        self.core.stats()
    }
}
