//! What a topic promises its subscribers.

/// How a topic's publications reach a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Each publication, in order. A subscriber that cannot take one meets the [`Overflow`] policy.
    Every {
        /// What happens to a subscriber whose queue is full.
        overflow: Overflow,
    },
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Every { overflow: Overflow::Close }
    }
}

/// What happens when a publication would take a subscriber's queue past `max_backpressure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The subscriber is closed with 1013 and a reason, so that it knows that it missed something.
    #[default]
    Close,
    /// The publication is dropped for this subscriber and counted.
    DropNewest,
}
