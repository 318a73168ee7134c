//! What a connection subscribes to, and how far it lags behind.

use super::connection::Session;
use super::timer_wheel::Tick;
use crate::pubsub::TopicId;

/// Only connections that have subscribed have this: an idle one is to be small.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    pub(super) topics: Vec<TopicId>,
    /// What it subscribes to beside, whenever there is a topic that begins so.
    pub(super) prefixes: Vec<Box<str>>,
    /// How many of the topics it lags in.
    pub(super) lagging_count: u32,
    /// When its lagging subscriptions are to be looked at.
    pub(super) wake: Option<Tick>,
}

impl Session {
    pub(super) fn topics(&self) -> &[TopicId] {
        self.subscriptions.as_ref().map_or(&[], |subscriptions| &subscriptions.topics)
    }

    /// Whether there is a topic in which it lags.
    #[inline]
    pub(super) fn lags(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.lagging_count > 0)
    }

    /// When its lagging subscriptions are to be looked at.
    pub(super) fn wake(&self) -> Option<Tick> {
        self.subscriptions.as_ref().and_then(|subscriptions| subscriptions.wake)
    }

    /// For a change; there from now on.
    pub(super) fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        self.subscriptions.get_or_insert_default()
    }
}
