//! Topics, who subscribes to them, and what happens to a subscriber that lags.
//!
//! A [`TopicCore`] is shared by all threads; each loop keeps its own [`SubscriberTable`]. Nothing
//! here knows a socket or a clock: subscribers are keys, where publications go is a [`Sink`], and
//! time is an argument.

mod catch_up;
mod delivery;
mod fan_out;
mod history;
mod lag;
mod log;
#[cfg(all(test, tickwire_loom))]
mod loom_tests;
mod notice;
mod options;
mod prefixes;
mod publication;
mod registry;
mod shared_frame;
mod sink;
mod start;
mod stats;
mod subscribers;
mod topic;
mod values;

pub use delivery::{Delivery, Overflow};
pub use fan_out::FanOut;
pub use history::Begin;
pub use notice::{Missed, Notice};
pub use options::{ReplayLimits, SlowConsumer, TopicOptions};
pub use prefixes::PrefixTable;
pub use publication::{Batch, Publication};
pub use registry::TopicRegistry;
pub use shared_frame::SharedFrame;
pub use sink::{Note, Offer, Parcel, Sink};
pub use start::{Start, SubscribeOptions, Subscribed};
pub use stats::TopicStats;
pub use subscribers::{Removed, SubscriberTable, Subscription};
pub use topic::{TopicCore, TopicId, Turn};
