//! What all threads share: topics, mailboxes, and the ways to publish and to subscribe.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tickwire::pubsub::{
    Batch, Publication, SlowConsumer, Start, Subscribed, Subscription, TopicId, TopicRegistry,
};

use super::frames::{Content, Kind};
use super::subscription::Subscription as Record;
use super::topic::{Published, Setup, Source, Topic};

pub(crate) enum Command {
    Publish(Batch),
    Subscribe { key: u32, generation: u32, subscription: Subscription, record: Box<Record> },
    Unsubscribe { key: u32, generation: u32, topic: usize },
    SnapshotSupplied { topic: usize },
}

pub(crate) struct Shared {
    pub(crate) topics: Vec<Topic>,
    pub(crate) mailboxes: Vec<VecDeque<Command>>,
    pub(crate) now: Duration,
    pub(crate) max_backpressure: usize,
    /// Topics whose sources have been asked for a snapshot and have not answered.
    pub(crate) asked: VecDeque<usize>,
    /// Sources answer at once, on the loop.
    pub(crate) answers_at_once: bool,
    subscription_count: u64,
}

/// One message to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) key: u8,
    pub(crate) value: u8,
    pub(crate) pad: usize,
}

impl Shared {
    pub(crate) fn new(
        setups: &[Setup],
        loop_count: usize,
        max_backpressure: usize,
        answers_at_once: bool,
    ) -> Self {
        let registry = TopicRegistry::new(loop_count, SlowConsumer::default());
        let topic = |(i, &setup)| Topic::new(&registry, i as u8, setup);
        Self {
            topics: setups.iter().enumerate().map(topic).collect(),
            mailboxes: (0..loop_count).map(|_| VecDeque::new()).collect(),
            now: Duration::from_millis(16),
            max_backpressure,
            asked: VecDeque::new(),
            answers_at_once,
            subscription_count: 0,
        }
    }

    pub(crate) fn place(&self, id: TopicId) -> usize {
        self.topics.iter().position(|topic| topic.core.id() == id).unwrap()
    }

    pub(crate) fn publish(&mut self, index: usize, items: &[Item]) {
        let topic = &mut self.topics[index];
        let core = topic.core.clone();
        let publications: Vec<Publication> = (topic.sequence() + 1..)
            .zip(items)
            .map(|(sequence, &Item { key, value, pad })| {
                let content = Content {
                    kind: Kind::Publication,
                    topic: index as u8,
                    key,
                    sequence,
                    value: u64::from(value),
                    count: 1,
                };
                // The key of all publications without one.
                let key = if key == 0 { Bytes::new() } else { Bytes::copy_from_slice(&[key]) };
                Publication { key, frame: content.frame(pad).into() }
            })
            .collect();
        let mut frames = BytesMut::new();
        publications.iter().for_each(|publication| frames.extend_from_slice(&publication.frame));
        let mut turn = core.take_turn();
        let first = turn.sequence() + 1;
        assert_eq!(turn.sequence(), topic.sequence());
        if !turn.has_room(&publications) {
            let keys = topic.retained.len() + items.len();
            assert!(keys > topic.setup.max_key_count, "there is room");
            return;
        }
        turn.record(&publications);
        for (item, publication) in items.iter().zip(&publications) {
            let (key, value) = (item.key, u64::from(item.value));
            topic.record(Published { key, value, len: publication.frame.len() });
        }
        assert!(topic.retained.len() <= topic.setup.max_key_count);
        let parts = topic.setup.merges.then(|| publications.into());
        let frames = frames.freeze();
        let batch =
            Batch { topic: core.id(), first, last: turn.sequence(), frames: frames.into(), parts };
        for index in core.interested_loops() {
            self.mailboxes[index].push_back(Command::Publish(batch.clone()));
        }
    }

    pub(crate) fn subscribe(
        &mut self,
        loop_index: usize,
        (key, generation): (u32, u32),
        index: usize,
        start: Start,
        interval: Option<Duration>,
    ) {
        let topic = &self.topics[index];
        let turn = topic.core.take_turn();
        let (begin, answer) = turn.begin(start);
        assert_eq!((answer, begin.delivered), topic.begin(start), "at {}", topic.sequence());
        assert_eq!(begin.sequence, topic.sequence());
        topic.core.add_interest(loop_index);
        let wants_replay = answer == Subscribed::Replayed;
        let subscription = Subscription { begin, wants_replay, interval };
        self.subscription_count += 1;
        let record = Record::new(
            self.subscription_count,
            index,
            interval.filter(|_| topic.may_leave_out()),
            begin.sequence,
            (answer, begin.delivered),
        );
        let record = Box::new(record);
        let command = Command::Subscribe { key, generation, subscription, record };
        self.mailboxes[loop_index].push_back(command);
    }

    pub(crate) fn supply(&mut self, index: usize, sequence: u64, pad: usize) -> bool {
        let topic = &mut self.topics[index];
        let frame = topic.snapshot_frame(index as u8, sequence, pad);
        let supplied = topic.core.supply_snapshot(sequence, frame.into());
        assert_eq!(supplied, topic.supply(sequence));
        if supplied {
            for loop_index in topic.core.take_waiting_loops() {
                self.mailboxes[loop_index].push_back(Command::SnapshotSupplied { topic: index });
            }
        }
        supplied
    }

    /// Somebody asks a topic's source for a snapshot.
    pub(crate) fn ask(&mut self, index: usize) {
        if self.answers_at_once {
            self.answer(index);
        } else {
            self.asked.push_back(index);
        }
    }

    pub(crate) fn answer(&mut self, index: usize) {
        let now = self.topics[index].sequence();
        let sequence = match self.topics[index].setup.source.unwrap() {
            Source::Current => Some(now),
            Source::Old(age) => Some(now.saturating_sub(age)),
            Source::Nothing => None,
        };
        if !sequence.is_some_and(|sequence| self.supply(index, sequence, 10)) {
            self.topics[index].core.give_up_awaiting();
        }
    }

    pub(crate) fn remove_key(&mut self, index: usize, key: u8) {
        let topic = &mut self.topics[index];
        let bytes = if key == 0 { &[][..] } else { &[key] };
        assert_eq!(topic.core.remove_key(bytes), topic.retained.remove(&key).is_some());
        topic.has_lost_keys = true;
    }
}
