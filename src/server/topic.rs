//! Topics, as the service holds them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::event_loop::{Loops, MAX_SEND_LEN, Outcome, publish};
use crate::protocol::Outgoing;
use crate::pubsub::{Delivery, TopicCore};

/// A named topic. Cheap to clone; every thread may publish, callbacks too.
///
/// A publication is encoded once for all subscribers. One publisher's publications arrive in order,
/// with no duplicate, and every gap is one that the topic's [`Delivery`] made and counted.
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

    /// Sends a message to all subscribers: `Sent`, also when there are none.
    ///
    /// Never waits. When an event loop with subscribers is thousands of commands behind, it answers
    /// `Dropped`, and no subscriber gets the message. O(event loops).
    pub fn publish<'m>(&self, message: impl Into<Outgoing<'m>>) -> Outcome {
        match self.encode(message.into()) {
            Some(frame) => publish(&self.loops, &self.core, &frame),
            None => Outcome::Dropped,
        }
    }

    /// As [`publish`](Self::publish), but waits up to `timeout` for event loops that are behind.
    ///
    /// Not for callbacks in inline mode: they run on the very loops that must catch up.
    pub fn publish_wait<'m>(&self, message: impl Into<Outgoing<'m>>, timeout: Duration) -> Outcome {
        let Some(frame) = self.encode(message.into()) else { return Outcome::Dropped };
        let start = Instant::now();
        let mut pause = Duration::from_micros(20);
        loop {
            let outcome = publish(&self.loops, &self.core, &frame);
            if outcome != Outcome::Dropped || start.elapsed() >= timeout {
                return outcome;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    fn encode(&self, message: Outgoing<'_>) -> Option<Bytes> {
        (message.as_bytes().len() <= MAX_SEND_LEN).then(|| message.encode_shared())
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

    /// Publications so far.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.core.sequence()
    }

    /// Subscribers now, those under way included.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.core.subscriber_count()
    }
}
