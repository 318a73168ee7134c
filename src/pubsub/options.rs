//! How a topic is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::notice::Notice;
use super::{Delivery, Overflow, SharedFrame, TopicCore};
use crate::protocol::{Message, Outgoing};

/// The settings of a topic. The thread that first asks for it by name decides them.
///
/// ```
/// use tickwire::{Message, TopicOptions};
///
/// let volumes = TopicOptions::latest().max_keys(500).merge(|older, newer| {
///     let number = |message: Message<'_>| message.as_text().and_then(|text| text.parse().ok());
///     let (older, newer): (u64, u64) = (number(older).unwrap_or(0), number(newer).unwrap_or(0));
///     (older + newer).to_string().into()
/// });
/// # drop(volumes);
/// ```
#[derive(Clone, Debug)]
pub struct TopicOptions {
    pub(crate) delivery: Delivery,
    pub(crate) replay: ReplayLimits,
    pub(crate) max_key_count: usize,
    pub(crate) slow_consumer: Option<SlowConsumer>,
    pub(crate) merge: Option<Merge>,
    pub(crate) notice: Option<NoticeMaker>,
    pub(crate) snapshot_source: Option<SnapshotSource>,
}

/// The size of a topic's replay ring: the last publications, kept for subscribers that come back or
/// that lag. The oldest go first. Where subscribers take them compressed, that form is kept beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Publications kept at most.
    pub max_count: usize,
    /// Bytes kept at most.
    pub max_len: usize,
}

impl ReplayLimits {
    /// Nothing is kept.
    pub const NONE: Self = Self { max_count: 0, max_len: 0 };
}

/// What happens to a subscriber step by step, the less it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowConsumer {
    /// Once more bytes than this wait for a connection, its handler is told and it is counted: see
    /// [`Handler::slow`](crate::Handler::slow). Default: 32 KiB.
    pub warn_len: usize,
    /// Once more bytes than this wait for a connection, its subscriptions of [`Delivery::Latest`] and
    /// [`Delivery::Resync`] lag: nothing more of the topic is queued until the queue has drained to a
    /// quarter. No more than `max_backpressure`, whatever it says. Default: 64 KiB.
    pub lag_len: usize,
    /// A publication of [`Delivery::Every`] that has waited for longer than this is dropped for its
    /// subscriber. The others never let more than `lag_len` bytes wait. Default: none.
    pub max_age: Option<Duration>,
    /// A subscriber that lags for longer than this is closed with 1013. While it waits for a snapshot
    /// that nobody supplies no time passes for it; for one of a
    /// [`max_rate`](crate::SubscribeOptions::max_rate), only while it does not take an update that is
    /// due. Default: none.
    pub max_lag: Option<Duration>,
}

impl Default for SlowConsumer {
    fn default() -> Self {
        Self { warn_len: 32 << 10, lag_len: 64 << 10, max_age: None, max_lag: None }
    }
}

impl SlowConsumer {
    /// The same for connections for which no more than this may wait.
    pub(crate) fn within(self, max_backpressure: usize) -> Self {
        Self { lag_len: self.lag_len.min(max_backpressure), ..self }
    }
}

impl TopicOptions {
    /// Each publication, in order, or the `overflow` policy: [`Delivery::Every`]. No replay ring.
    #[must_use]
    pub fn every(overflow: Overflow) -> Self {
        Self::new(Delivery::Every { overflow }, ReplayLimits::NONE)
    }

    /// The latest value of each key for those that lag: [`Delivery::Latest`]. At most 65,536 keys.
    #[must_use]
    pub fn latest() -> Self {
        Self::new(Delivery::Latest, ReplayLimits::NONE)
    }

    /// A snapshot for those that lag: [`Delivery::Resync`]. A replay ring of 1,024 publications and
    /// 1 MiB lies between one snapshot and the next.
    #[must_use]
    pub fn resync() -> Self {
        Self::new(Delivery::Resync, ReplayLimits { max_count: 1024, max_len: 1 << 20 })
    }

    fn new(delivery: Delivery, replay: ReplayLimits) -> Self {
        Self {
            delivery,
            replay,
            max_key_count: 1 << 16,
            slow_consumer: None,
            merge: None,
            notice: None,
            snapshot_source: None,
        }
    }

    /// Keeps the last publications for [`subscribe_from`](crate::Context::subscribe_from): at most
    /// `max_count` of them, and `max_len` bytes. Topics of latest values need none.
    #[must_use]
    pub fn replay(mut self, max_count: usize, max_len: usize) -> Self {
        self.replay = ReplayLimits { max_count, max_len };
        self
    }

    /// Allows so many keys in a topic of latest values. A publication with one more answers
    /// `Dropped`.
    #[must_use]
    pub fn max_keys(mut self, max_count: usize) -> Self {
        self.max_key_count = max_count;
        self
    }

    /// The steps for slow consumers of this topic, instead of the server's.
    #[must_use]
    pub fn slow_consumer(mut self, steps: SlowConsumer) -> Self {
        self.slow_consumer = Some(steps);
        self
    }

    /// Makes one value out of two of the same key that a lagging subscriber of latest values has not
    /// got, the older one first: their sum, for example. Without this the newer one stays.
    ///
    /// Once more values wait for a subscriber than there may be keys, those go whose keys have been
    /// removed; they count as conflated.
    ///
    /// It is called on event loops, for each lagging subscriber and each publication, and must be
    /// quick. If it panics the newer value stays.
    #[must_use]
    pub fn merge(
        mut self,
        merge: impl Fn(Message<'_>, Message<'_>) -> Outgoing<'static> + Send + Sync + 'static,
    ) -> Self {
        self.merge = Some(Merge(Arc::new(merge)));
        self
    }

    /// Tells a subscriber of [`Delivery::Latest`] or [`Delivery::Resync`] in band that it did not get
    /// everything: the message that this makes goes ahead of what it gets instead. `None` sends
    /// nothing.
    ///
    /// It is called on event loops and must be quick. If it panics nothing is sent.
    #[must_use]
    pub fn notice(
        mut self,
        notice: impl Fn(&Notice<'_>) -> Option<Outgoing<'static>> + Send + Sync + 'static,
    ) -> Self {
        self.notice = Some(NoticeMaker(Arc::new(notice)));
        self
    }

    /// Where snapshots come from when a subscriber needs one and none at hand will do: a call that
    /// returns the topic's state and the sequence number of the last publication in it. Instead of
    /// this, or beside it, a publisher may supply them: see
    /// [`Topic::supply_snapshot`](crate::Topic::supply_snapshot).
    ///
    /// It is called where the handler's callbacks run: on the handler thread that has the least to do
    /// or, in inline mode, on an event loop. `None`: there is none now; subscribers wait.
    #[must_use]
    pub fn snapshot_source(
        mut self,
        source: impl Fn() -> Option<(u64, Outgoing<'static>)> + Send + Sync + 'static,
    ) -> Self {
        self.snapshot_source = Some(SnapshotSource(Arc::new(source)));
        self
    }
}

impl Default for TopicOptions {
    fn default() -> Self {
        Delivery::default().into()
    }
}

impl From<Delivery> for TopicOptions {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Every { overflow } => Self::every(overflow),
            Delivery::Latest => Self::latest(),
            Delivery::Resync => Self::resync(),
        }
    }
}

type MergeFn = dyn Fn(Message<'_>, Message<'_>) -> Outgoing<'static> + Send + Sync;
type NoticeFn = dyn Fn(&Notice<'_>) -> Option<Outgoing<'static>> + Send + Sync;
type SnapshotFn = dyn Fn() -> Option<(u64, Outgoing<'static>)> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Merge(Arc<MergeFn>);

#[derive(Clone)]
pub(crate) struct NoticeMaker(Arc<NoticeFn>);

#[derive(Clone)]
pub(crate) struct SnapshotSource(Arc<SnapshotFn>);

impl Merge {
    /// One frame out of two; the newer one if user code fails.
    pub(super) fn merge(&self, older: &SharedFrame, newer: &SharedFrame) -> SharedFrame {
        let merged = match (Message::of_server_frame(older), Message::of_server_frame(newer)) {
            (Some(older), Some(newer)) => guard("merge", || (self.0)(older, newer)),
            _ => None,
        };
        // For one subscriber alone.
        merged.map_or_else(|| newer.clone(), |message| SharedFrame::new(&message, false))
    }
}

impl NoticeMaker {
    pub(super) fn make(&self, notice: &Notice<'_>) -> Option<SharedFrame> {
        let message = guard("notice", || (self.0)(notice))??;
        Some(SharedFrame::new(&message, false))
    }
}

impl SnapshotSource {
    /// The state's sequence number and frame. Called by whoever may run user code.
    pub(crate) fn take(&self, topic: &TopicCore) -> Option<(u64, SharedFrame)> {
        let (sequence, message) = guard("snapshot source", || (self.0)())??;
        Some((sequence, topic.encode(&message)))
    }
}

/// Runs user code; `None` when it panicked.
fn guard<R>(what: &str, run: impl FnOnce() -> R) -> Option<R> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    if result.is_err() {
        log::error!("the {what} of a topic panicked");
    }
    result.ok()
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Merge")
    }
}

impl fmt::Debug for NoticeMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoticeMaker")
    }
}

impl fmt::Debug for SnapshotSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotSource")
    }
}
