//! What happens: random steps, and random topics that they happen to.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tickwire::pubsub::{Delivery, Overflow, ReplayLimits, SlowConsumer, Start};

use super::event_loop::Limits;
use super::shared::Item;
use super::topic::{Setup, Source};

/// A case: what there is, and what happens.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) topics: Vec<Setup>,
    pub(crate) loop_count: usize,
    pub(crate) max_backpressure: usize,
    pub(crate) answers_at_once: bool,
    pub(crate) steps: Vec<Step>,
}

/// Clients and topics are named by numbers that are taken modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        topic: usize,
        items: Vec<Item>,
    },
    Subscribe {
        client: usize,
        topic: usize,
        start: Origin,
        interval: Option<u64>,
    },
    Unsubscribe {
        client: usize,
        topic: usize,
    },
    /// A client takes nothing more.
    Stall {
        client: usize,
    },
    /// A client takes so many bytes more, or as much as it gets.
    Drain {
        client: usize,
        len: Option<usize>,
    },
    Connect {
        client: usize,
    },
    Disconnect {
        client: usize,
    },
    Advance {
        millis: u64,
    },
    /// The state as it was so many publications before the next one.
    Supply {
        topic: usize,
        age: u64,
        pad: usize,
    },
    /// A source that was asked answers.
    Answer,
    RemoveKey {
        topic: usize,
        key: u8,
    },
    Turn {
        event_loop: usize,
        limits: Limits,
    },
    /// Everything comes to rest; before that, all clients take what they get, or not.
    Rest {
        resume: bool,
    },
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Retained,
    Now,
    /// After the publication so many before the last one.
    Recent(u64),
    Future,
}

impl Origin {
    pub(crate) fn start(self, sequence: u64) -> Start {
        match self {
            Self::Retained => Start::Retained,
            Self::Now => Start::Now,
            Self::Recent(age) => Start::After(sequence.saturating_sub(age)),
            Self::Future => Start::After(sequence + 1),
        }
    }
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let backpressure = prop_oneof![Just(300), Just(1000), Just(5000)];
    (vec(setup(), 1..4), 1..3usize, backpressure, any::<bool>(), vec(step(), 1..90)).prop_map(
        |(topics, loop_count, max_backpressure, answers_at_once, steps)| Case {
            topics,
            loop_count,
            max_backpressure,
            answers_at_once,
            steps,
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let delivery = prop_oneof![
        1 => Just(Delivery::Every { overflow: Overflow::Close }),
        1 => Just(Delivery::Every { overflow: Overflow::DropNewest }),
        2 => Just(Delivery::Latest),
        2 => Just(Delivery::Resync),
    ];
    let source = prop_oneof![
        3 => Just(None),
        2 => Just(Some(Source::Current)),
        1 => (1..5u64).prop_map(|age| Some(Source::Old(age))),
        1 => Just(Some(Source::Nothing)),
    ];
    let max_key_count = prop_oneof![1 => 2..4usize, 5 => Just(100)];
    (delivery, replay(), slow_consumer(), max_key_count, any::<bool>(), any::<bool>(), source)
        .prop_map(|(delivery, replay, slow_consumer, max_key_count, merges, notices, source)| {
            Setup {
                delivery,
                replay,
                max_key_count,
                slow_consumer,
                merges: merges && delivery == Delivery::Latest,
                notices,
                source,
            }
        })
}

fn replay() -> impl Strategy<Value = ReplayLimits> {
    prop_oneof![
        1 => Just(ReplayLimits::NONE),
        2 => (1..6usize).prop_map(|max_count| ReplayLimits { max_count, max_len: 10_000 }),
        1 => (50..800usize).prop_map(|max_len| ReplayLimits { max_count: 1000, max_len }),
        2 => Just(ReplayLimits { max_count: 1000, max_len: 1 << 20 }),
    ]
}

fn slow_consumer() -> impl Strategy<Value = SlowConsumer> {
    let lag_len = prop_oneof![Just(0usize), Just(100), Just(400), Just(1500), Just(6000)];
    let time = || option::weighted(0.3, (1..200u64).prop_map(Duration::from_millis));
    (lag_len, time(), time()).prop_map(|(lag_len, max_age, max_lag)| SlowConsumer {
        warn_len: 200,
        lag_len,
        max_age,
        max_lag,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..5usize;
    let topic = || 0..3usize;
    let item = (0..5u8, any::<u8>(), prop_oneof![4 => 0..40usize, 1 => 40..400usize])
        .prop_map(|(key, value, pad)| Item { key, value, pad });
    let from = prop_oneof![
        3 => Just(Origin::Retained),
        2 => Just(Origin::Now),
        4 => (0..8u64).prop_map(Origin::Recent),
        1 => Just(Origin::Future),
    ];
    let limits = (
        prop_oneof![Just(1usize), 2..5usize, Just(256)],
        prop_oneof![1 => 1..4usize, 3 => Just(4096)],
        prop_oneof![1 => Just(200usize), 3 => Just(64 * 1024)],
        prop_oneof![1 => 1..3usize, 3 => Just(64)],
        prop_oneof![1 => 1..3usize, 3 => Just(256)],
    )
        .prop_map(
            |(delivery_count, command_count, joined_len, catch_up_count, flush_count)| Limits {
                delivery_count,
                command_count,
                joined_len,
                catch_up_count,
                flush_count,
            },
        );
    prop_oneof![
        12 => (topic(), vec(item, 1..5)).prop_map(|(topic, items)| Step::Publish { topic, items }),
        6 => (client(), topic(), from, option::weighted(0.2, 1..100u64)).prop_map(
            |(client, topic, start, interval)| Step::Subscribe { client, topic, start, interval }
        ),
        2 => (client(), topic()).prop_map(|(client, topic)| Step::Unsubscribe { client, topic }),
        3 => client().prop_map(|client| Step::Stall { client }),
        4 => (client(), option::weighted(0.7, 1..1500usize))
            .prop_map(|(client, len)| Step::Drain { client, len }),
        2 => client().prop_map(|client| Step::Connect { client }),
        2 => client().prop_map(|client| Step::Disconnect { client }),
        3 => (1..120u64).prop_map(|millis| Step::Advance { millis }),
        3 => (topic(), 0..7u64, 0..200usize)
            .prop_map(|(topic, age, pad)| Step::Supply { topic, age, pad }),
        2 => Just(Step::Answer),
        1 => (topic(), 0..5u8).prop_map(|(topic, key)| Step::RemoveKey { topic, key }),
        14 => (0..2usize, limits)
            .prop_map(|(event_loop, limits)| Step::Turn { event_loop, limits }),
        1 => any::<bool>().prop_map(|resume| Step::Rest { resume }),
    ]
}
