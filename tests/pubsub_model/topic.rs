//! A topic and its reference: all that was ever published, and what should be retained of it, found
//! the slow way.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tickwire::pubsub::{
    Delivery, Missed, Notice, Overflow, ReplayLimits, SlowConsumer, Start, Subscribed, TopicCore,
    TopicOptions, TopicRegistry,
};
use tickwire::{Message, Outgoing};

use super::frames::{Content, Kind};

/// How a topic is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) delivery: Delivery,
    pub(crate) replay: ReplayLimits,
    pub(crate) max_key_count: usize,
    pub(crate) slow_consumer: SlowConsumer,
    /// Values are summed up.
    pub(crate) merges: bool,
    pub(crate) notices: bool,
    pub(crate) source: Option<Source>,
}

/// What a topic's snapshot source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The state as it is.
    Current,
    /// The state as it was so many publications ago.
    Old(u64),
    /// That there is none.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) key: u8,
    pub(crate) value: u64,
    pub(crate) len: usize,
}

/// What the sink has seen of the topic's publications, to hold the topic's own numbers against.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) offered: u64,
    pub(crate) delivered: u64,
    pub(crate) replayed: u64,
    pub(crate) snapshots: u64,
    pub(crate) conflated: u64,
    pub(crate) resyncs: u64,
    pub(crate) lags: u64,
    pub(crate) closed: u64,
}

pub(crate) struct Topic {
    pub(crate) core: Arc<TopicCore>,
    pub(crate) setup: Setup,
    pub(crate) published: Vec<Published>,
    /// The state after each publication, and at the beginning.
    states: Vec<u64>,
    /// The keys that have a value, and which publication it was.
    pub(crate) retained: BTreeMap<u8, u64>,
    /// A key has been removed.
    pub(crate) has_lost_keys: bool,
    /// The snapshot at hand is of this publication.
    snapshot: Option<u64>,
    pub(crate) sums: Sums,
}

impl Topic {
    pub(crate) fn new(registry: &Arc<TopicRegistry>, index: u8, setup: Setup) -> Self {
        let core = registry.topic(&index.to_string(), options(index, setup), |_, _| {});
        Self {
            core,
            setup,
            published: Vec::new(),
            states: vec![0],
            retained: BTreeMap::new(),
            has_lost_keys: false,
            snapshot: None,
            sums: Sums::default(),
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.published.len() as u64
    }

    pub(crate) fn record(&mut self, published: Published) {
        self.published.push(published);
        let state = self.states[self.states.len() - 1];
        self.states.push(state.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(published.value));
        if self.setup.delivery == Delivery::Latest {
            self.retained.insert(published.key, self.sequence());
        }
    }

    /// Whether a subscriber may be brought up to date by less than each publication.
    pub(crate) fn may_leave_out(&self) -> bool {
        matches!(self.setup.delivery, Delivery::Latest | Delivery::Resync)
    }

    /// Whether publications may be dropped for a subscriber that stays.
    pub(crate) fn may_drop(&self) -> bool {
        match self.setup.delivery {
            Delivery::Every { overflow: Overflow::Close } => {
                self.setup.slow_consumer.max_age.is_some()
            }
            Delivery::Every { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn state(&self, sequence: u64) -> u64 {
        self.states[sequence as usize]
    }

    pub(crate) fn at(&self, sequence: u64) -> Published {
        self.published[sequence as usize - 1]
    }

    /// The sum of the last `count` values of a key up to a publication of it.
    pub(crate) fn sum(&self, key: u8, upto: u64, count: u64) -> u64 {
        let values = self.published[..upto as usize].iter().rev().filter(|p| p.key == key);
        values.take(count as usize).map(|p| p.value).sum()
    }

    /// What the replay ring begins after.
    pub(crate) fn ring_start(&self) -> u64 {
        let ReplayLimits { max_count, max_len } = self.setup.replay;
        let mut len = 0;
        let fits = self.published.iter().rev().take(max_count).take_while(|published| {
            len += published.len;
            len <= max_len
        });
        self.sequence() - fits.count() as u64
    }

    /// Whether a subscriber can begin with the snapshot at hand.
    pub(crate) fn has_usable_snapshot(&self) -> bool {
        self.snapshot.is_some_and(|sequence| sequence >= self.ring_start())
    }

    /// What a subscriber should be told that subscribes now, and what it has then: everything up to
    /// a publication, or nothing.
    pub(crate) fn begin(&self, start: Start) -> (Subscribed, Option<u64>) {
        let now = self.sequence();
        let resync = self.setup.delivery == Delivery::Resync;
        let from_state = || {
            let from_nothing = self.ring_start() == 0 && self.snapshot.is_none();
            (Subscribed::Snapshot, from_nothing.then_some(0))
        };
        match (self.setup.delivery, start) {
            (_, Start::Now) => (Subscribed::Live, Some(now)),
            (Delivery::Latest, Start::Retained) if self.retained.is_empty() => {
                (Subscribed::Live, Some(now))
            }
            (Delivery::Latest, Start::After(n)) if n == now => (Subscribed::Replayed, Some(n)),
            (Delivery::Latest, Start::After(n)) if n < now => (Subscribed::Snapshot, Some(n)),
            (Delivery::Latest, _) => (Subscribed::Snapshot, Some(0)),
            (Delivery::Resync, Start::Retained) => from_state(),
            (_, Start::Retained) => (Subscribed::Live, Some(now)),
            (_, Start::After(n)) if n <= now && n >= self.ring_start() => {
                (Subscribed::Replayed, Some(n))
            }
            (_, Start::After(_)) if resync || self.has_usable_snapshot() => from_state(),
            (_, Start::After(_)) => {
                let missed_upto = self.ring_start();
                (Subscribed::Gap { missed_upto }, Some(missed_upto))
            }
        }
    }

    /// Notes that a snapshot is supplied; says whether it should be of use.
    pub(crate) fn supply(&mut self, sequence: u64) -> bool {
        let of_use = self.setup.delivery != Delivery::Latest
            && (self.ring_start()..=self.sequence()).contains(&sequence)
            && self.snapshot.is_none_or(|held| held <= sequence);
        if of_use {
            self.snapshot = Some(sequence);
        }
        of_use
    }

    pub(crate) fn snapshot_frame(&self, index: u8, sequence: u64, pad: usize) -> Bytes {
        // There never was a later state.
        let value = self.states.get(sequence as usize).copied().unwrap_or(0);
        Content { kind: Kind::Snapshot, topic: index, key: 0, sequence, value, count: 0 }.frame(pad)
    }

    /// Holds the topic's numbers against what the sink has seen.
    pub(crate) fn check_stats(&self) {
        let stats = self.core.stats();
        let accounted = stats.delivered + stats.conflated + stats.dropped + stats.pending;
        assert_eq!(stats.offered, accounted, "the numbers do not add up: {stats:?}");
        assert_eq!(stats.publications, self.sequence());
        assert_eq!(stats.keys, self.retained.len());
        let seen = Sums {
            offered: stats.offered,
            delivered: stats.delivered,
            replayed: stats.replayed,
            snapshots: stats.snapshots,
            conflated: stats.conflated,
            resyncs: stats.resyncs,
            lags: stats.lags,
            closed: stats.closed,
        };
        assert_eq!(seen, self.sums, "counted, and seen");
    }
}

fn options(index: u8, setup: Setup) -> TopicOptions {
    let mut options = TopicOptions::from(setup.delivery)
        .replay(setup.replay.max_count, setup.replay.max_len)
        .max_keys(setup.max_key_count)
        .slow_consumer(setup.slow_consumer);
    if setup.merges {
        options = options.merge(merge);
    }
    if setup.notices {
        options = options.notice(move |notice| Some(notice_message(index, notice)));
    }
    if setup.source.is_some() {
        // Asked by the harness, which knows the state.
        options = options.snapshot_source(|| None);
    }
    options
}

fn merge(older: Message<'_>, newer: Message<'_>) -> Outgoing<'static> {
    let pad = newer.len().saturating_sub(Content::LEN);
    let (older, newer) = (Content::decode(older.as_bytes()), Content::decode(newer.as_bytes()));
    assert!(older.key == newer.key && older.sequence < newer.sequence);
    let (value, count) = (older.value + newer.value, older.count + newer.count);
    Content { value, count, ..newer }.encode(pad).into()
}

fn notice_message(index: u8, notice: &Notice<'_>) -> Outgoing<'static> {
    assert_eq!(notice.topic, index.to_string());
    let value = match notice.missed {
        Missed::Conflated => 0,
        Missed::Resynced => 1,
        other => panic!("what is {other:?}?"),
    };
    let (sequence, count) = (notice.sequence, notice.count);
    Content { kind: Kind::Notice, topic: index, key: 0, sequence, value, count }.encode(0).into()
}
