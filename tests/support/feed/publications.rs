//! What is published: made by the publisher, checked by every reader, from the same few rules.
//!
//! A publication's bytes follow from its kind and its sequence number. So a reader knows one that was
//! damaged, came twice, or came out of order, without being told what was sent.

use tickwire::{Delivery, Overflow, SlowConsumer, TopicOptions};

/// Payload bytes of every publication.
pub(crate) const LEN: usize = 300;
/// The same with its frame's header.
pub(crate) const FRAME_LEN: usize = 4 + LEN;

/// Bytes that may wait for a subscriber of a topic that leaves something out.
pub(crate) const LAG_LEN: usize = 32 << 10;
/// Publications and bytes that the topic of deltas keeps.
pub(crate) const RING: (usize, usize) = (256, 64 << 10);
/// More values than a lagging subscriber gets at once.
pub(crate) const KEY_COUNT: usize = 240;
/// A snapshot is as long as a dozen deltas: there are some between one and the next.
const LEVEL_COUNT: usize = 1024;

/// The topics, one for each way to treat slow subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Latest,
    Resync,
    Closing,
    Dropping,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Latest, Self::Resync, Self::Closing, Self::Dropping];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Resync => "resync",
            Self::Closing => "closing",
            Self::Dropping => "dropping",
        }
    }

    pub(crate) fn by_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).expect("a topic of the test")
    }

    pub(crate) fn options(self) -> TopicOptions {
        let steps = SlowConsumer { lag_len: LAG_LEN, ..SlowConsumer::default() };
        let every = |overflow| TopicOptions::from(Delivery::Every { overflow });
        let options = match self {
            Self::Latest => TopicOptions::latest().max_keys(KEY_COUNT),
            Self::Resync => TopicOptions::resync().replay(RING.0, RING.1),
            Self::Closing => every(Overflow::Close),
            Self::Dropping => every(Overflow::DropNewest),
        };
        options.slow_consumer(steps)
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Publication,
    /// The last publication of the topic.
    Final,
    Snapshot,
}

/// A payload, taken apart: the mark and the topic's kind, the sequence number, and what follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) kind: Kind,
    pub(crate) mark: Mark,
    pub(crate) sequence: u64,
    pub(crate) body: &'a [u8],
}

const HEAD_LEN: usize = 10;

fn head(kind: Kind, mark: Mark, sequence: u64) -> Vec<u8> {
    let mut payload = Vec::with_capacity(LEN);
    payload.extend([kind as u8, mark as u8]);
    payload.extend(sequence.to_le_bytes());
    payload
}

impl<'a> Parts<'a> {
    pub(crate) fn of(payload: &'a [u8]) -> Self {
        let mark = [Mark::Publication, Mark::Final, Mark::Snapshot][usize::from(payload[1])];
        let sequence = u64_at(payload, 2);
        let kind = Kind::ALL[usize::from(payload[0])];
        Self { kind, mark, sequence, body: &payload[HEAD_LEN..] }
    }
}

/// A publication whose body is no more than filler.
pub(crate) fn plain(kind: Kind, mark: Mark, sequence: u64) -> Vec<u8> {
    let mut payload = head(kind, mark, sequence);
    fill(&mut payload, sequence);
    payload
}

/// The new value of the key that its sequence number falls to.
pub(crate) fn value(mark: Mark, sequence: u64) -> Vec<u8> {
    let mut payload = head(Kind::Latest, mark, sequence);
    payload.push(key(sequence));
    fill(&mut payload, sequence);
    payload
}

pub(crate) fn key(sequence: u64) -> u8 {
    (mix(sequence) % KEY_COUNT as u64) as u8
}

/// Checks a body of [`plain`] or [`value`], behind the key.
pub(crate) fn check_filler(body: &[u8], sequence: u64) {
    let at = mix(sequence) as usize % LEN;
    assert!(*body == FILLER[at..at + body.len()], "publication {sequence} is damaged");
}

fn fill(payload: &mut Vec<u8>, sequence: u64) {
    let at = mix(sequence) as usize % LEN;
    let len = LEN - payload.len();
    payload.extend(&FILLER[at..at + len]);
}

static FILLER: [u8; 2 * LEN] = {
    let mut filler = [0; 2 * LEN];
    let mut i = 0;
    while i < filler.len() {
        filler[i] = (mix(i as u64) >> 16) as u8;
        i += 1;
    }
    filler
};

/// Quantities by price level, which every delta changes one of; a delta holds the sum of what the
/// whole book is once it has been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    quantities: [u32; LEVEL_COUNT],
    sum: u64,
}

impl Book {
    pub(crate) fn empty() -> Self {
        let mut book = Self { quantities: [0; LEVEL_COUNT], sum: 0 };
        book.sum = book.summed_up();
        book
    }

    /// The next delta, applied.
    pub(crate) fn delta(&mut self, mark: Mark, sequence: u64) -> Vec<u8> {
        let level = (mix(sequence) % LEVEL_COUNT as u64) as usize;
        self.set(level, (mix(sequence) >> 32) as u32);
        let mut payload = head(Kind::Resync, mark, sequence);
        payload.extend((level as u16).to_le_bytes());
        payload.extend(self.quantities[level].to_le_bytes());
        payload.extend(self.sum.to_le_bytes());
        fill(&mut payload, sequence);
        payload
    }

    pub(crate) fn apply(&mut self, parts: &Parts<'_>) {
        let level = u16::from_le_bytes(parts.body[..2].try_into().expect("two bytes"));
        let quantity = u32::from_le_bytes(parts.body[2..6].try_into().expect("four bytes"));
        self.set(usize::from(level), quantity);
        assert_eq!(self.sum, u64_at(parts.body, 6), "the book is wrong after {}", parts.sequence);
        check_filler(&parts.body[14..], parts.sequence);
    }

    pub(crate) fn snapshot(&self, sequence: u64) -> Vec<u8> {
        let mut payload = head(Kind::Resync, Mark::Snapshot, sequence);
        payload.extend(self.quantities.iter().flat_map(|quantity| quantity.to_le_bytes()));
        payload
    }

    pub(crate) fn replace(&mut self, parts: &Parts<'_>) {
        let quantities = parts.body.chunks(4).map(|it| it.try_into().expect("four bytes"));
        for (quantity, bytes) in self.quantities.iter_mut().zip(quantities) {
            *quantity = u32::from_le_bytes(bytes);
        }
        self.sum = self.summed_up();
    }

    fn set(&mut self, level: usize, quantity: u32) {
        self.sum = self.sum.wrapping_sub(level_sum(level, self.quantities[level]));
        self.quantities[level] = quantity;
        self.sum = self.sum.wrapping_add(level_sum(level, quantity));
    }

    fn summed_up(&self) -> u64 {
        let sums = self.quantities.iter().enumerate().map(|(level, &it)| level_sum(level, it));
        sums.fold(0, u64::wrapping_add)
    }
}

fn level_sum(level: usize, quantity: u32) -> u64 {
    mix((level as u64) << 32 | u64::from(quantity))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Spreads a number over 64 bits: SplitMix64's finalizer.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
