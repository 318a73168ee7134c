//! What a topic promises its subscribers.

/// How a topic's publications reach a subscriber that cannot keep up. One that can gets each of
/// them, in order, whatever the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Each publication, in order. A subscriber that cannot take one meets the [`Overflow`] policy.
    Every {
        /// What happens to a subscriber whose queue is full.
        overflow: Overflow,
    },
    /// Conflation: a subscriber that lags gets, for each key, only the latest value, once it can take
    /// more. However fast the publisher, nothing is held for it. A new subscriber begins with the
    /// latest value of every key.
    Latest,
    /// For streams of deltas: a subscriber that lags loses deltas, and once it can take more it gets
    /// the topic's snapshot and then the deltas that follow it, without gap or overlap. A new
    /// subscriber begins the same way.
    Resync,
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
    /// The close frame comes behind what waits; one that takes nothing for `close_timeout` is cut off
    /// without having seen it.
    #[default]
    Close,
    /// The publication is dropped for this subscriber and counted.
    DropNewest,
}

impl Delivery {
    /// Whether a subscriber may be brought up to date by less than each publication.
    pub(super) fn may_leave_out(self) -> bool {
        matches!(self, Self::Latest | Self::Resync)
    }
}
