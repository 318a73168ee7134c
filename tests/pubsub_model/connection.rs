//! A connection without a socket: a queue, a reader that may stall, and what it has read.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::time::Duration;

use bytes::Bytes;
use tickwire::buf::WriteQueue;
use tickwire::frame::{CloseCode, encode_close, find_frame_boundary};
use tickwire::pubsub::{Note, Parcel};

use super::frames::{Received, take_frames};
use super::subscription::Subscription;
use super::topic::Topic;

/// What belongs to no topic in a queue.
const NO_OWNER: u64 = u64::MAX;

pub(crate) struct Connection {
    pub(crate) generation: u32,
    pub(crate) queue: WriteQueue,
    /// Bytes that the peer's socket still takes.
    pub(crate) credit: usize,
    /// It has taken less than it was offered: once it takes more, the loop hears of it.
    pub(crate) blocked: bool,
    pub(crate) dirty: bool,
    pub(crate) behind: bool,
    pub(crate) ages: bool,
    pub(crate) closing: bool,
    /// The topics that it subscribes to, by their places, with the subscriptions' numbers.
    pub(crate) topics: Vec<(usize, u64)>,
    /// Those that it lags in, the one first whose turn is next, and how many of them are to be looked at.
    pub(crate) lagging: VecDeque<usize>,
    pub(crate) due_count: usize,
    pub(crate) wake: Option<Duration>,
    /// Also those that have ended, as long as something may come.
    pub(crate) subscriptions: HashMap<u64, Subscription>,
    /// What the peer has got and not looked at.
    wire: Vec<u8>,
    /// The subscription that what comes of a topic belongs to.
    reading: HashMap<u8, u64>,
    close_received: bool,
}

impl Connection {
    pub(crate) fn new(generation: u32) -> Self {
        Self {
            generation,
            queue: WriteQueue::new(find_frame_boundary),
            credit: usize::MAX,
            blocked: false,
            dirty: false,
            behind: false,
            ages: false,
            closing: false,
            topics: Vec::new(),
            lagging: VecDeque::new(),
            due_count: 0,
            wake: None,
            subscriptions: HashMap::new(),
            wire: Vec::new(),
            reading: HashMap::new(),
            close_received: false,
        }
    }

    pub(crate) fn subscription(&mut self, topic: usize) -> Option<&mut Subscription> {
        let number = self.number(topic)?;
        self.subscriptions.get_mut(&number)
    }

    pub(crate) fn set_lagging(&mut self, topic: usize, lagging: bool) {
        let at = self.lagging.iter().position(|&other| other == topic);
        assert_eq!(at.is_none(), lagging);
        match at {
            Some(at) => drop(self.lagging.remove(at)),
            None => self.lagging.push_back(topic),
        }
    }

    fn number(&self, topic: usize) -> Option<u64> {
        let subscribed = self.topics.iter().find(|(subscribed, _)| *subscribed == topic);
        subscribed.map(|(_, number)| *number)
    }

    /// Sends publications directly; what the socket does not take is queued.
    pub(crate) fn send(&mut self, topic: usize, parcel: &Parcel<'_>, now: Duration) {
        let mut written = 0;
        if self.queue.is_empty() {
            written = parcel.frames.len().min(self.credit);
            self.wire.extend_from_slice(&parcel.frames[..written]);
            self.spend(written);
            self.blocked |= written < parcel.frames.len();
        }
        if written < parcel.frames.len() {
            self.push(topic, parcel, written, now);
        }
    }

    /// Puts publications into the queue, to be offered to the socket later.
    pub(crate) fn enqueue(&mut self, topic: usize, parcel: &Parcel<'_>, now: Duration) {
        self.push(topic, parcel, 0, now);
    }

    fn push(&mut self, topic: usize, parcel: &Parcel<'_>, written: usize, now: Duration) {
        // What does not grow old is not to be found by its subscription.
        let owner = self.number(topic).filter(|_| parcel.ages).unwrap_or(NO_OWNER);
        self.queue.push_publication(parcel.frames, written, owner, parcel.count, millis(now));
    }

    /// Tells the peer where another subscription begins. In order with the publications.
    pub(crate) fn send_mark(&mut self, frame: &Bytes) {
        let was_empty = self.queue.is_empty();
        self.queue.push_publication(frame, 0, NO_OWNER, 0, 0);
        if was_empty {
            self.flush();
        }
    }

    pub(crate) fn flush(&mut self) {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = self.queue.fill_slices(&mut slices);
            let (mut offered, mut written) = (0, 0);
            for slice in &slices[..count] {
                let taken = slice.len().min(self.credit - written);
                self.wire.extend_from_slice(&slice[..taken]);
                offered += slice.len();
                written += taken;
            }
            self.queue.advance(written);
            self.spend(written);
            if written < offered {
                self.blocked = true;
                return;
            }
        }
    }

    /// What has waited for longer than `max_age` says of its topic is gone; returns the topics and how
    /// many of each.
    pub(crate) fn drop_aged(
        &mut self,
        max_age: impl Fn(usize) -> Option<Duration>,
        now: Duration,
    ) -> HashMap<usize, u64> {
        let now = millis(now);
        let Self { queue, subscriptions, .. } = self;
        let topic = |owner: u64| subscriptions.get(&owner).map(|former| former.topic);
        let mut dropped = HashMap::new();
        let mut ages = false;
        queue.drop_publications(
            |owner, at| {
                let max_age = topic(owner).and_then(&max_age);
                let expired = max_age.is_some_and(|max_age| now - at > millis(max_age));
                ages |= owner != NO_OWNER && !expired;
                expired
            },
            |owner, count| {
                *dropped.entry((topic(owner).unwrap(), owner)).or_default() += u64::from(count);
            },
        );
        self.ages &= ages;
        let mut by_topic = HashMap::new();
        for ((topic, number), count) in dropped {
            *by_topic.entry(topic).or_default() += count;
            let own = self.number(topic) == Some(number);
            if let Some(subscription) = self.subscription(topic) {
                subscription.note(Note::Dropped(count));
                subscription.expect_foreign(if own { 0 } else { count });
            }
        }
        by_topic
    }

    pub(crate) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            let mut frame = Vec::new();
            encode_close(&mut frame, CloseCode::TRY_AGAIN_LATER, "too slow", None);
            self.queue.push_last(&frame, 0, 0);
            self.flush();
        }
    }

    /// The peer looks at what it has got.
    pub(crate) fn read(&mut self, topics: &[Topic]) {
        for received in take_frames(&mut self.wire) {
            assert!(!self.close_received, "something behind a close frame");
            let Received::Message(content) = received else {
                self.close_received = true;
                continue;
            };
            if content.kind == super::frames::Kind::Begin {
                self.reading.insert(content.topic, content.value);
                continue;
            }
            let number = self.reading[&content.topic];
            let subscription = self.subscriptions.get_mut(&number).unwrap();
            subscription.receive(&content, &topics[usize::from(content.topic)]);
        }
    }

    fn spend(&mut self, len: usize) {
        if self.credit < usize::MAX {
            self.credit -= len;
        }
    }
}

/// Connections by key; a key is used again.
#[derive(Default)]
pub(crate) struct Connections(Vec<Option<Connection>>);

impl Connections {
    pub(crate) fn insert(&mut self, connection: Connection) -> u32 {
        let vacant = self.0.iter().position(Option::is_none);
        let key = vacant.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        self.0[key] = Some(connection);
        key as u32
    }

    pub(crate) fn get(&mut self, key: u32) -> Option<&mut Connection> {
        self.0.get_mut(key as usize)?.as_mut()
    }

    pub(crate) fn queued_len(&self, key: u32) -> usize {
        let connection = self.0.get(key as usize).and_then(Option::as_ref);
        connection.map_or(0, |connection| connection.queue.len())
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<Connection> {
        self.0.get_mut(key as usize)?.take()
    }

    pub(crate) fn keys(&self) -> Vec<u32> {
        (0..self.0.len() as u32).filter(|&key| self.0[key as usize].is_some()).collect()
    }
}

fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}
