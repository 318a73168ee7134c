//! What became of a topic's publications, subscriber by subscriber, in sums that add up.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! loop_stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The numbers of a topic. A publication to `n` subscribers counts `n` times in all of them
        /// but the first three:
        ///
        /// `offered = delivered + conflated + dropped + pending`, whenever the event loops are between
        /// two publications.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TopicStats {
            /// Publications so far: the last one's sequence number.
            pub publications: u64,
            /// Subscribers now, those under way included.
            pub subscribers: usize,
            /// Keys with a value, in a topic of latest values.
            pub keys: usize,
            $($(#[$doc])* pub $name: u64,)*
        }

        /// One loop's share of the numbers. Only the loop writes them.
        #[derive(Debug, Default)]
        pub(super) struct LoopStats {
            $(pub(super) $name: Number,)*
        }

        impl LoopStats {
            pub(super) fn add_to(&self, stats: &mut TopicStats) {
                $(stats.$name += self.$name.get();)*
            }
        }
    };
}

loop_stats! {
    /// Publications that reached a loop, times the subscribers there.
    offered,
    /// Publications handed to a subscriber's socket or queue.
    delivered,
    /// Publications that a lagging subscriber got a newer value instead of, or merged with one.
    conflated,
    /// Publications dropped for a subscriber: its queue was full, they were too old, a snapshot made
    /// up for them, or it went away before it got them.
    dropped,
    /// Publications that lagging subscribers have not got yet, and may still get.
    pending,
    /// Publications that were made before their receiver subscribed, and that it began with.
    replayed,
    /// Snapshots sent, to newcomers and to lagging subscribers.
    snapshots,
    /// Times that a lagging subscriber was brought up to date by a snapshot.
    resyncs,
    /// Times that a subscriber began to lag.
    lags,
    /// Subscribers closed because they were too slow.
    closed,
}

/// A number that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(super) struct Number(AtomicU64);

impl Number {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    pub(super) fn subtract(&self, count: u64) {
        self.set(self.get().wrapping_sub(count));
    }
}
