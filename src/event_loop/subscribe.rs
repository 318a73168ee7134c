//! Connections come to topics and leave them.

use std::sync::Arc;

use super::connection::Session;
use super::outlet::Outlet;
use super::service::Service;
use super::{ConnectionId, EventLoop};
use crate::frame::CloseCode;
use crate::pubsub::{Begin, Removed, SubscribeOptions, Subscription, TopicCore, TopicId};

impl<S: Service> EventLoop<S> {
    /// Subscribes; the interest has been counted, and is taken back if nothing comes of it.
    pub(super) fn subscribe(
        &mut self,
        id: ConnectionId,
        topic: &Arc<TopicCore>,
        subscription: &Subscription,
    ) {
        let new = self.with_open(id, |outlet| {
            let new = !outlet.session.topics().contains(&topic.id()) && may_subscribe(outlet);
            if new {
                outlet.session.subscriptions_mut().topics.push(topic.id());
            }
            new
        });
        if new == Some(true) {
            self.with_subscribers(|subscribers, now, sockets| {
                subscribers.insert(topic, id.index, subscription, now, sockets);
            });
        } else {
            topic.remove_interest(usize::from(self.core.link.index));
            if new == Some(false) {
                // It may have been closed for that.
                self.finish_turn(id.index);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, topic: TopicId) {
        let was_one = self.with_open(id, |outlet| {
            let topics = &mut outlet.session.subscriptions_mut().topics;
            let at = topics.iter().position(|&subscribed| subscribed == topic);
            at.map(|at| topics.swap_remove(at)).is_some()
        });
        if was_one == Some(true) && self.subscribers.remove(topic, id.index) == Removed::Lagging {
            self.with_open(id, |outlet| outlet.session.set_lagging(topic, false));
        }
    }

    /// Subscribes to a prefix, which has been counted; taken back if nothing comes of it.
    pub(super) fn subscribe_prefix(
        &mut self,
        id: ConnectionId,
        prefix: &str,
        options: SubscribeOptions,
    ) {
        let new = self.with_open(id, |outlet| {
            let prefixes = &outlet.session.subscriptions_mut().prefixes;
            let is_one = prefixes.iter().any(|subscribed| **subscribed == *prefix);
            let new = !is_one && may_subscribe(outlet);
            if new {
                outlet.session.subscriptions_mut().prefixes.push(prefix.into());
            }
            new
        });
        if new == Some(true) {
            self.prefixes.insert(prefix, id.index, options);
        } else {
            self.topics.remove_prefix(prefix, usize::from(self.core.link.index));
            if new == Some(false) {
                self.finish_turn(id.index);
            }
        }
    }

    /// Ends a prefix and all subscriptions to topics that it matches.
    pub(super) fn unsubscribe_prefix(&mut self, id: ConnectionId, prefix: &str) {
        let topics = self.with_open(id, |outlet| {
            let subscriptions = outlet.session.subscriptions_mut();
            subscriptions.prefixes.retain(|subscribed| **subscribed != *prefix);
            subscriptions.topics.clone()
        });
        if let Some(topics) = topics {
            self.forget_prefix(prefix, id.index);
            for topic in topics {
                if self.subscribers.name(topic).is_some_and(|name| name.starts_with(prefix)) {
                    self.unsubscribe(id, topic);
                }
            }
        }
    }

    /// A topic has been made: whoever has a prefix of its name gets all of its publications.
    pub(super) fn topic_made(&mut self, topic: &Arc<TopicCore>) {
        let loop_index = usize::from(self.core.link.index);
        let matching: Vec<_> = self.prefixes.matching(topic.name()).collect();
        for (key, options) in matching {
            let Some(id) = self.connections.get(key as usize).map(|it| it.io.id) else { continue };
            let begin = Begin { sequence: 0, delivered: Some(0) };
            let interval = options.interval();
            topic.add_interest(loop_index);
            self.subscribe(id, topic, &Subscription { begin, wants_replay: false, interval });
        }
        topic.remove_interest(loop_index);
    }

    /// A connection is over.
    pub(super) fn unsubscribe_all(&mut self, key: u32, session: &Session) {
        let Some(subscriptions) = &session.subscriptions else { return };
        for &topic in &subscriptions.topics {
            self.subscribers.remove(topic, key);
        }
        for prefix in &subscriptions.prefixes {
            self.forget_prefix(prefix, key);
        }
    }

    fn forget_prefix(&mut self, prefix: &str, key: u32) {
        if self.prefixes.remove(prefix, key) {
            self.topics.remove_prefix(prefix, usize::from(self.core.link.index));
        }
    }
}

/// Whether the connection may have one more subscription; if it has as many as it may, it is closed.
fn may_subscribe(outlet: &mut Outlet<'_>) -> bool {
    if outlet.session.endpoint.is_close_sent() {
        return false;
    }
    let subscriptions = outlet.session.subscriptions_mut();
    let count = subscriptions.topics.len() + subscriptions.prefixes.len();
    let limit = outlet.core.config.limits.max_subscriptions;
    let may = limit.is_none_or(|limit| count < limit as usize);
    if !may {
        outlet.core.counters.subscription_floods += 1;
        outlet.fail(CloseCode::POLICY_VIOLATION, "too many subscriptions");
    }
    may
}
