//! Topics, who subscribes to them, and what happens to a subscriber that lags.
//!
//! A [`TopicCore`] is shared by all threads; each loop keeps its own [`SubscriberTable`]. Nothing
//! here knows a socket: subscribers are keys.

mod delivery;
mod registry;
mod subscribers;
mod topic;

pub use delivery::{Delivery, Overflow};
pub use registry::TopicRegistry;
pub use subscribers::SubscriberTable;
pub use topic::{TopicCore, TopicId};
