//! A publication in memory: encoded, put in order, retained, and handed to each subscriber of a loop.
//! What a connection does with it then is left out: sockets are counters.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use tickwire::frame::{OpCode, encode_frame};
use tickwire::pubsub::{
    Batch, Note, Offer, Parcel, Publication, Sink, SubscriberTable, Subscription, TopicCore,
    TopicId, TopicRegistry,
};
use tickwire::{Overflow, SlowConsumer, Start, TopicOptions};

const PAYLOAD: &[u8] = &[b'x'; 128];

const SUBSCRIBER_COUNTS: [u32; 3] = [1, 100, 10_000];

type Setup = (&'static str, fn() -> TopicOptions);

const TOPICS: [Setup; 3] = [
    ("every", || TopicOptions::every(Overflow::Close)),
    ("latest", TopicOptions::latest),
    ("resync", TopicOptions::resync),
];

pub(crate) fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publication");
    for (delivery, options) in TOPICS {
        for count in SUBSCRIBER_COUNTS {
            let mut event_loop = Loop::with_subscribers(count, options());
            group.throughput(Throughput::Elements(u64::from(count)));
            group.bench_function(BenchmarkId::new(delivery, count), |bencher| {
                bencher.iter(|| event_loop.publish());
            });
            event_loop.assert_all_are_served();
        }
    }
    group.finish();
}

/// The part of an event loop that has to do with one topic.
struct Loop {
    topic: Arc<TopicCore>,
    table: SubscriberTable,
    sockets: Sockets,
}

impl Loop {
    fn with_subscribers(count: u32, options: TopicOptions) -> Self {
        let registry = TopicRegistry::new(1, SlowConsumer::default());
        let topic = registry.topic("topic", options, |_, _| {});
        let mut table = SubscriberTable::new(0);
        let mut sockets = Sockets { taken_lens: vec![0; count as usize] };
        for key in 0..count {
            let (begin, _) = topic.take_turn().begin(Start::Now);
            topic.add_interest(0);
            let subscription = Subscription { begin, wants_replay: false, interval: None };
            table.insert(&topic, key, &subscription, Duration::ZERO, &mut sockets);
        }
        Self { topic, table, sockets }
    }

    fn publish(&mut self) {
        let mut frame = Vec::with_capacity(4 + PAYLOAD.len());
        encode_frame(&mut frame, true, OpCode::Binary, None, PAYLOAD);
        let publication = Publication { key: Bytes::new(), frame: Bytes::from(frame).into() };
        let batch = self.put_in_order(publication);
        let mut fan_out = self.table.begin(batch).expect("there are subscribers");
        let mut budget = self.sockets.taken_lens.len();
        let done = self.table.go_on(&mut fan_out, Duration::ZERO, &mut self.sockets, &mut budget);
        assert!(done, "the budget is for all");
    }

    fn put_in_order(&self, publication: Publication) -> Batch {
        let mut turn = self.topic.take_turn();
        turn.record(std::slice::from_ref(&publication));
        let sequence = turn.sequence();
        Batch {
            topic: self.topic.id(),
            first: sequence,
            last: sequence,
            frames: publication.frame,
            parts: None,
        }
    }

    fn assert_all_are_served(&self) {
        let expected = self.topic.sequence() * (4 + PAYLOAD.len()) as u64;
        assert!(self.sockets.taken_lens.iter().all(|&len| len == expected));
    }
}

/// They take everything.
struct Sockets {
    /// By key: bytes so far.
    taken_lens: Vec<u64>,
}

impl Sink for Sockets {
    fn offer(&mut self, key: u32, parcel: &Parcel<'_>) -> Offer {
        self.taken_lens[key as usize] += parcel.frames.len() as u64;
        Offer::Taken
    }

    fn queued_len(&self, _: u32) -> usize {
        0
    }

    fn drop_aged(
        &mut self,
        _: u32,
        _: &dyn Fn(TopicId) -> Option<Duration>,
        _: &mut dyn FnMut(TopicId, u64),
    ) {
        unreachable!("nothing ages");
    }

    fn close(&mut self, _: u32) {
        unreachable!("nobody is slow");
    }

    fn set_lagging(&mut self, _: u32, _: TopicId, _: bool) {
        unreachable!("nobody lags");
    }

    fn catch_up_soon(&mut self, _: u32) {
        unreachable!("nobody lags");
    }

    fn look_again_at(&mut self, _: u32, _: Duration) {
        unreachable!("nobody lags");
    }

    fn ask_for_snapshot(&mut self, _: u32, _: &Arc<TopicCore>) {
        unreachable!("everybody begins with the next publication");
    }

    fn note(&mut self, _: u32, _: Note) {}
}
