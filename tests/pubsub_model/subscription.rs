//! A subscription, as its receiver sees it: each message is held against what was published, and
//! each gap against what the engine has said about it.

use std::collections::HashMap;
use std::time::Duration;

use tickwire::pubsub::{Delivery, Note, Subscribed};

use super::frames::{Content, Kind};
use super::topic::Topic;

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    pub(crate) topic: usize,
    pub(crate) answer: Subscribed,
    /// The topic's sequence number when it began: what was published since is its due.
    pub(crate) begun: u64,
    /// What it had then: everything up to a publication, or nothing.
    pub(crate) floor: Option<u64>,
    /// The time between two updates that it asked for.
    interval: Option<Duration>,
    /// When its last update was complete.
    updated_at: Option<Duration>,
    /// As the sink is told.
    pub(crate) lagging: bool,
    closed: bool,
    /// What the sink is told about it.
    noted: Noted,
    got: Got,
}

#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    conflated: u64,
    dropped: u64,
    /// Of those: what an earlier subscription of the connection has lost.
    foreign: u64,
    resynced: u64,
}

/// What has arrived.
#[derive(Clone, Debug, Default)]
struct Got {
    /// Everything up to this publication, or what makes up for it. `None`: nothing at all.
    upto: Option<u64>,
    state: Option<u64>,
    /// Messages of publications that are its due.
    due: u64,
    /// Publications in those.
    due_merged: u64,
    snapshots: u64,
    /// Publications that nothing made up for.
    gap: u64,
    /// What notices have told.
    told: u64,
    /// The latest value of each key.
    latest: HashMap<u8, u64>,
}

impl Subscription {
    pub(crate) fn new(
        number: u64,
        topic: usize,
        interval: Option<Duration>,
        begun: u64,
        (answer, floor): (Subscribed, Option<u64>),
    ) -> Self {
        let from_state = answer == Subscribed::Snapshot;
        let state = (from_state && floor == Some(0)).then_some(0);
        let got = Got { upto: floor, state, ..Got::default() };
        let noted = Noted::default();
        Self {
            number,
            topic,
            answer,
            begun,
            floor,
            interval,
            updated_at: None,
            lagging: false,
            closed: false,
            noted,
            got,
        }
    }

    pub(crate) fn is_paced(&self) -> bool {
        self.interval.is_some()
    }

    /// It is sent an update, or part of one; `complete` if nothing is left to be sent.
    pub(crate) fn update(&mut self, now: Duration, complete: bool) {
        if let (Some(interval), Some(updated_at)) = (self.interval, self.updated_at) {
            assert!(now >= updated_at + interval, "too soon: {self:?}");
        }
        self.updated_at = complete.then_some(now);
    }

    /// The topic has closed its connection.
    pub(crate) fn close(&mut self) {
        assert!(!std::mem::replace(&mut self.closed, true), "closed twice: {self:?}");
    }

    pub(crate) fn note(&mut self, note: Note) {
        match note {
            Note::Conflated(count) => self.noted.conflated += count,
            Note::Dropped(count) => self.noted.dropped += count,
            Note::Resynced => self.noted.resynced += 1,
        }
    }

    /// So much of what will be noted as dropped is an earlier subscription's.
    pub(crate) fn expect_foreign(&mut self, count: u64) {
        self.noted.foreign += count;
    }

    /// A message of the topic has arrived.
    pub(crate) fn receive(&mut self, content: &Content, topic: &Topic) {
        match content.kind {
            Kind::Publication => self.receive_publication(content, topic),
            Kind::Snapshot => self.receive_snapshot(content, topic),
            Kind::Notice => {
                assert!(topic.setup.notices && !self.is_paced() && content.count > 0);
                self.got.told += content.count;
            }
            Kind::Begin => unreachable!("read by the connection"),
        }
    }

    fn receive_publication(&mut self, content: &Content, topic: &Topic) {
        let Content { key, sequence, value, count, .. } = *content;
        let published = topic.at(sequence);
        assert_eq!(key, published.key, "{content:?} is not what was published");
        assert_eq!(value, topic.sum(key, sequence, count), "{content:?} is not what was published");
        assert!(count == 1 || topic.setup.merges, "{content:?} was merged");
        if sequence > self.begun {
            self.got.due += 1;
            self.got.due_merged += count;
        }
        let Some(upto) = self.got.upto else {
            panic!("{content:?} comes before the state that it builds upon: {self:?}");
        };
        assert!(sequence > upto, "{content:?} comes twice or too late: {self:?}");
        let skipped = sequence - upto - 1;
        match topic.setup.delivery {
            Delivery::Latest => {
                self.got.latest.insert(key, sequence);
            }
            _ if topic.may_drop() => self.got.gap += skipped,
            _ => assert_eq!(skipped, 0, "a gap before {content:?}: {self:?}"),
        }
        self.got.upto = Some(sequence);
        if topic.setup.delivery == Delivery::Resync && self.got.state.is_some() {
            // No gap before it, so this is the state that a subscriber gets by applying it.
            self.got.state = Some(topic.state(sequence));
        }
    }

    fn receive_snapshot(&mut self, content: &Content, topic: &Topic) {
        let sequence = content.sequence;
        assert_eq!(content.value, topic.state(sequence), "the state of another time: {content:?}");
        if let Some(upto) = self.got.upto {
            assert!(sequence >= upto, "back in time: {self:?}");
            let promised = self.answer == Subscribed::Replayed && upto < self.begun;
            let wants_each = !topic.may_leave_out() || promised;
            // The ring begins no earlier now than when this was sent.
            let is_needed = !wants_each || topic.ring_start() > upto;
            assert!(is_needed, "what it asked for was there: {self:?}");
        }
        self.got.upto = Some(sequence);
        self.got.state = Some(content.value);
        self.got.snapshots += 1;
    }

    /// Whether it has the last publication, or something in its place.
    pub(crate) fn has_everything(&self, topic: &Topic) -> bool {
        match topic.setup.delivery {
            Delivery::Latest => true,
            _ => self.got.upto == Some(topic.sequence()),
        }
    }

    /// Nothing is on its way any more: it has everything, or knows what it has not.
    pub(crate) fn check_settled(&self, topic: &Topic) {
        let now = topic.sequence();
        let due = now - self.begun;
        let Got { upto, due: got, due_merged, snapshots, gap, told, .. } = self.got;
        let Noted { conflated, dropped, foreign, resynced } = self.noted;
        let dropped = dropped - foreign;
        let context = || format!("at {now}: {self:#?}\n{:?}", topic.core.stats());
        assert!(resynced <= snapshots, "{}", context());
        match topic.setup.delivery {
            Delivery::Latest => {
                assert_eq!(got + conflated, due, "{}", context());
                assert_eq!(dropped, 0, "{}", context());
                if topic.setup.merges {
                    // Values of keys that are gone may be left out.
                    let is_whole = due_merged == due;
                    assert!(is_whole || topic.has_lost_keys && due_merged < due, "{}", context());
                }
                let floor = self.floor.unwrap_or(0);
                for (key, &sequence) in &topic.retained {
                    if sequence > floor {
                        assert_eq!(self.got.latest.get(key), Some(&sequence), "{}", context());
                    }
                }
                if topic.setup.notices && !self.is_paced() {
                    assert_eq!(told, conflated, "{}", context());
                }
            }
            Delivery::Resync => {
                assert_eq!(upto, Some(now), "{}", context());
                assert_eq!(got + dropped, due, "{}", context());
                if self.got.state.is_some() {
                    assert_eq!(self.got.state, Some(topic.state(now)), "{}", context());
                }
                let knows = self.answer != Subscribed::Snapshot || self.got.state.is_some();
                assert!(knows, "no state: {}", context());
                if topic.setup.notices && !self.is_paced() {
                    assert_eq!(told, dropped, "{}", context());
                }
            }
            _ if !topic.may_drop() => {
                assert_eq!(upto, Some(now), "{}", context());
                if snapshots == 0 {
                    assert_eq!((got, dropped), (due, 0), "{}", context());
                }
            }
            _ if snapshots == 0 => {
                let missed = gap + upto.map_or(0, |upto| now - upto);
                assert_eq!(missed, dropped, "{}", context());
            }
            _ => assert!(got + dropped >= due, "{}", context()),
        }
    }
}
