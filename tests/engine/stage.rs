//! A topic, and subscribers that stop reading.

use std::sync::mpsc::{Receiver, channel};

use tickwire::{
    Builder, ConnectionId, Outcome, SlowConsumer, SocketOptions, SubscribeOptions, Subscribed,
    Topic, TopicOptions, TopicStats,
};

use super::support::{Client, Received, Running, Script, eventually, soon};

/// Payload bytes of every publication.
pub(super) const LEN: usize = 4000;

/// The steps of topics on which a subscriber is to lag soon.
pub(super) const STEPS: SlowConsumer =
    SlowConsumer { warn_len: 16 << 10, lag_len: 32 << 10, max_age: None, max_lag: None };

pub(super) struct Stage {
    pub(super) server: Running,
    pub(super) topic: Topic,
    opened: Receiver<ConnectionId>,
}

impl Stage {
    /// `script` is not asked about `open`.
    pub(super) fn new(builder: Builder, options: TopicOptions, script: Script) -> Self {
        let (ids, opened) = channel();
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        // What has not been sent stays where policies can act on it.
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let server = Running::start(builder.socket_options(socket_options), script);
        let topic = server.handle().topic_with("t", options);
        Self { server, topic, opened }
    }

    pub(super) fn connect(&self) -> (Client, ConnectionId) {
        let client = self.server.dial().receive_len(16 << 10).connect();
        (client, soon(&self.opened))
    }

    pub(super) fn subscribe(&self) -> (Client, ConnectionId) {
        let (client, id) = self.connect();
        assert_ne!(self.server.handle().subscribe(id, &self.topic), Subscribed::Gone);
        (client, id)
    }

    /// A subscriber that wants no more updates a second than `max_rate`.
    pub(super) fn subscribe_at(&self, max_rate: f64) -> Client {
        let (client, id) = self.connect();
        let options = SubscribeOptions { max_rate: Some(max_rate), ..SubscribeOptions::default() };
        let subscribed = self.server.handle().subscribe_with(id, &self.topic, options);
        assert!(subscribed.is_subscribed(), "{subscribed:?}");
        client
    }

    /// Publishes so many, of keys in no order.
    pub(super) fn publish(&self, count: u64, key_count: u64) {
        for _ in 0..count {
            let mixed = (self.topic.sequence() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let key = [(mixed % key_count) as u8];
            let outcome = self.topic.publish_keyed_with(key, |sequence| payload(sequence, &key));
            assert_eq!(outcome, Outcome::Sent);
        }
    }

    /// Publishes so many to one subscriber: each in a turn of its own, so that what the socket has no
    /// room for fills the queue as far as may be before the subscriber lags.
    pub(super) fn publish_one_by_one(&self, count: u64, key_count: u64) {
        for _ in 0..count {
            self.publish(1, key_count);
            self.settled(1);
        }
    }

    /// The topic's numbers, once its loops have seen all publications.
    pub(super) fn settled(&self, subscriber_count: u64) -> TopicStats {
        self.numbers(subscriber_count, |_| true)
    }

    /// The same once nobody lacks anything.
    pub(super) fn drained(&self, subscriber_count: u64) -> TopicStats {
        self.numbers(subscriber_count, |stats| stats.pending == 0)
    }

    fn numbers(&self, subscriber_count: u64, are_due: impl Fn(&TopicStats) -> bool) -> TopicStats {
        let offered = self.topic.sequence() * subscriber_count;
        let mut stats = self.topic.stats();
        eventually("the numbers add up", || {
            stats = self.topic.stats();
            let met = stats.delivered + stats.conflated + stats.dropped + stats.pending;
            stats.offered == offered && met == offered && are_due(&stats)
        });
        stats
    }
}

fn payload(sequence: u64, key: &[u8]) -> Vec<u8> {
    let mut payload = sequence.to_le_bytes().to_vec();
    payload.extend(key);
    payload.resize(LEN, key[0]);
    payload
}

/// The sequence number of a publication that is whole.
#[track_caller]
pub(super) fn sequence_of(received: &Received) -> u64 {
    let Received::Binary(payload) = received else { panic!("not a publication: {received:?}") };
    let (sequence, filler) = payload.split_first_chunk().expect("eight bytes");
    assert!(payload.len() == LEN && filler.iter().all(|&byte| byte == filler[0]), "damaged");
    u64::from_le_bytes(*sequence)
}
