//! What a connection subscribes to, and how far it lags behind.

use std::collections::VecDeque;

use super::connection::Session;
use super::timer_wheel::Tick;
use crate::pubsub::TopicId;

/// Only connections that have subscribed have this: an idle one is to be small.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    pub(super) topics: Vec<TopicId>,
    /// What it subscribes to beside, whenever there is a topic that begins so.
    pub(super) prefixes: Vec<Box<str>>,
    /// The topics that it lags in, the one first whose turn is next.
    pub(super) lagging: VecDeque<TopicId>,
    /// How many of these are to be looked at, one after another.
    pub(super) due_count: usize,
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
        self.subscriptions.as_ref().is_some_and(|subscriptions| !subscriptions.lagging.is_empty())
    }

    /// When its lagging subscriptions are to be looked at.
    pub(super) fn wake(&self) -> Option<Tick> {
        self.subscriptions.as_ref().and_then(|subscriptions| subscriptions.wake)
    }

    /// It has begun to lag in one more topic, or has caught up in one.
    pub(super) fn set_lagging(&mut self, topic: TopicId, lagging: bool) {
        let topics = &mut self.subscriptions_mut().lagging;
        if lagging {
            topics.push_back(topic);
        } else if let Some(at) = topics.iter().rposition(|&other| other == topic) {
            // Whose turn it was stands last.
            topics.remove(at);
        }
    }

    /// At least so many of the topics that it lags in are to be looked at.
    pub(super) fn call_lagging(&mut self, count: usize) {
        if let Some(subscriptions) = &mut self.subscriptions {
            let count = count.min(subscriptions.lagging.len());
            subscriptions.due_count = subscriptions.due_count.max(count);
        }
    }

    /// How many were called for.
    pub(super) fn take_due(&mut self) -> usize {
        self.subscriptions.as_mut().map_or(0, |it| std::mem::take(&mut it.due_count))
    }

    /// The next one, to be looked at: they take turns.
    pub(super) fn next_lagging(&mut self) -> Option<TopicId> {
        let topics = &mut self.subscriptions.as_mut()?.lagging;
        let topic = topics.pop_front()?;
        topics.push_back(topic);
        Some(topic)
    }

    /// For a change; there from now on.
    pub(super) fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        self.subscriptions.get_or_insert_default()
    }
}
