//! Where a subscription begins.

use std::time::Duration;

/// What a new subscriber asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// What the topic retains for newcomers, then what follows: the latest value of every key, or the
    /// snapshot and the deltas since. A topic of [`Delivery::Every`](super::Delivery::Every) begins
    /// with the next publication.
    #[default]
    Retained,
    /// The next publication and those that follow it.
    Now,
    /// Everything after the publication with this sequence number.
    After(u64),
}

/// What a new subscriber begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// The next publication.
    Live,
    /// Every publication after the one that it named: no gap.
    Replayed,
    /// The topic's state, then every publication after that: no gap. It is also the answer to
    /// [`Start::After`] a publication that the replay ring holds no more, or that never was.
    Snapshot,
    /// The oldest publication that the replay ring still holds: what was published up to this
    /// sequence number is missed.
    Gap {
        /// The last publication that is missed.
        missed_upto: u64,
    },
    /// Nothing: the connection's loop has no room for the request. Only where waiting is not allowed,
    /// and thousands of commands behind.
    Dropped,
    /// Nothing: the connection has gone, or the server has ended.
    Gone,
}

impl Subscribed {
    /// Whether there is a subscription now.
    #[must_use]
    pub const fn is_subscribed(self) -> bool {
        !matches!(self, Self::Dropped | Self::Gone)
    }
}

/// How a connection subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct SubscribeOptions {
    /// Where the subscription begins.
    pub start: Start,
    /// The most updates a second that the subscriber wants of a topic of
    /// [`Delivery::Latest`](super::Delivery::Latest) or [`Delivery::Resync`](super::Delivery::Resync):
    /// in between it lags on purpose, so that an update brings the latest of every key, or all deltas
    /// since the last. A topic of [`Delivery::Every`](super::Delivery::Every) has nothing to leave out
    /// and ignores it. Rates above 60 a second are as good as none. Default: none.
    pub max_rate: Option<f64>,
}

impl SubscribeOptions {
    /// The time between two updates.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let rate = self.max_rate?;
        if rate > 60.0 || rate.is_nan() {
            return None;
        }
        // The slowest rate that counts is one update a day.
        Some(Duration::from_secs_f64((1.0 / rate.max(f64::MIN_POSITIVE)).min(86_400.0)))
    }
}
