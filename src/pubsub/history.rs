//! What a topic remembers of its publications, for those that come later or lag behind.

use super::log::{Log, Plan, Snapshot};
use super::values::Values;
use super::{Delivery, Publication, SharedFrame, Start, Subscribed, TopicOptions};

/// A topic's sequence number and what it retains. Publishers and subscribers take turns with it.
#[derive(Debug)]
pub(super) struct History {
    sequence: u64,
    retained: Retained,
}

#[derive(Debug)]
enum Retained {
    Values(Values),
    Log(Log),
}

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The topic's sequence number when it subscribed: later publications are its due.
    pub sequence: u64,
    /// What it has: everything up to this number, or nothing at all.
    pub delivered: Option<u64>,
}

/// Where a subscriber is that is to be brought up to date.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// What it has: everything up to this number, or nothing at all.
    pub(super) delivered: Option<u64>,
    /// Up to which number it is to be brought.
    pub(super) upto: u64,
    /// It asked for the publications themselves.
    pub(super) wants_replay: bool,
}

/// The next piece of what brings a subscriber up to date.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) snapshot: Option<Snapshot>,
    /// Publications or latest values with their sequence numbers, in their order.
    pub(super) frames: Vec<(u64, SharedFrame)>,
    /// Where the subscriber is once it has them.
    pub(super) delivered: u64,
}

/// Why there is no next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacking {
    /// A snapshot is needed.
    Snapshot,
    /// There is a snapshot, which is ahead of the subscriber's loop: it will do shortly.
    Patience,
    /// The publications up to this number are gone, and the topic has no snapshots.
    Publications(u64),
}

impl History {
    pub(super) fn new(options: &TopicOptions) -> Self {
        let retained = match options.delivery {
            Delivery::Latest => Retained::Values(Values::new(options.max_key_count)),
            Delivery::Every { .. } | Delivery::Resync => Retained::Log(Log::new(options.replay)),
        };
        Self { sequence: 0, retained }
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the publications can be retained.
    pub(super) fn has_room(&self, publications: &[Publication]) -> bool {
        match &self.retained {
            Retained::Values(values) => values.has_room(publications.iter().map(|p| &p.key)),
            Retained::Log(_) => true,
        }
    }

    pub(super) fn record(&mut self, publications: &[Publication]) {
        for publication in publications {
            self.sequence += 1;
            match &mut self.retained {
                Retained::Values(values) => {
                    values.insert(self.sequence, &publication.key, publication.frame.clone());
                }
                Retained::Log(log) => log.push(&publication.frame),
            }
        }
    }

    pub(super) fn supply(&mut self, snapshot: Snapshot) -> bool {
        match &mut self.retained {
            Retained::Log(log) if snapshot.sequence <= self.sequence => log.supply(snapshot),
            Retained::Log(_) | Retained::Values(_) => false,
        }
    }

    pub(super) fn remove_key(&mut self, key: &[u8]) -> bool {
        match &mut self.retained {
            Retained::Values(values) => values.remove(key),
            Retained::Log(_) => false,
        }
    }

    pub(super) fn has_key(&self, key: &[u8]) -> bool {
        match &self.retained {
            Retained::Values(values) => values.has(key),
            Retained::Log(_) => false,
        }
    }

    pub(super) fn is_snapshot_stale(&self) -> bool {
        match &self.retained {
            Retained::Values(_) => false,
            Retained::Log(log) => log.is_snapshot_stale(),
        }
    }

    pub(super) fn has_snapshot(&self, upto: u64) -> bool {
        match &self.retained {
            Retained::Values(_) => true,
            Retained::Log(log) => log.snapshot(upto).is_some(),
        }
    }

    pub(super) fn key_count(&self) -> usize {
        match &self.retained {
            Retained::Values(values) => values.key_count(),
            Retained::Log(_) => 0,
        }
    }

    /// Where a subscriber begins that asks for `start`, and what it is told.
    pub(super) fn begin(&self, delivery: Delivery, start: Start) -> (Begin, Subscribed) {
        let (delivered, subscribed) = match &self.retained {
            Retained::Values(values) => self.begin_with_values(values, start),
            Retained::Log(log) => self.begin_with_log(log, delivery, start),
        };
        (Begin { sequence: self.sequence, delivered }, subscribed)
    }

    fn begin_with_values(&self, values: &Values, start: Start) -> (Option<u64>, Subscribed) {
        match start {
            Start::After(sequence) if sequence == self.sequence => {
                (Some(sequence), Subscribed::Replayed)
            }
            Start::After(sequence) if sequence < self.sequence => {
                (Some(sequence), Subscribed::Snapshot)
            }
            Start::Now => (Some(self.sequence), Subscribed::Live),
            Start::Retained if values.is_empty() => (Some(self.sequence), Subscribed::Live),
            Start::Retained | Start::After(_) => (Some(0), Subscribed::Snapshot),
        }
    }

    fn begin_with_log(
        &self,
        log: &Log,
        delivery: Delivery,
        start: Start,
    ) -> (Option<u64>, Subscribed) {
        let resync = delivery == Delivery::Resync;
        let from_snapshot = || {
            // A topic that nobody has given a state begins with none.
            let from_nothing = log.covers(0) && log.snapshot(u64::MAX).is_none();
            (from_nothing.then_some(0), Subscribed::Snapshot)
        };
        match start {
            Start::Now => (Some(self.sequence), Subscribed::Live),
            Start::Retained if resync => from_snapshot(),
            Start::Retained => (Some(self.sequence), Subscribed::Live),
            Start::After(sequence) if sequence <= self.sequence && log.covers(sequence) => {
                (Some(sequence), Subscribed::Replayed)
            }
            Start::After(_) if resync || log.snapshot(u64::MAX).is_some() => from_snapshot(),
            Start::After(_) => {
                let missed_upto = log.base();
                (Some(missed_upto), Subscribed::Gap { missed_upto })
            }
        }
    }

    /// The next piece of what a subscriber needs, of about `max_len` bytes: at least one publication,
    /// unless there is none.
    pub(super) fn next_piece(
        &self,
        delivery: Delivery,
        position: Position,
        max_len: usize,
    ) -> Result<Piece, Lacking> {
        let Position { delivered, upto, wants_replay } = position;
        if delivered == Some(upto) {
            // Whatever the ring holds: it may be ahead.
            return Ok(Piece { delivered: upto, ..Piece::default() });
        }
        let log = match &self.retained {
            Retained::Values(values) => {
                return Ok(value_piece(values, delivered.unwrap_or(0), upto, max_len));
            }
            Retained::Log(log) => log,
        };
        let plan = match delivered {
            Some(delivered) if wants_replay && log.covers(delivered) => Plan::Replay,
            Some(delivered) if delivery != Delivery::Resync && log.covers(delivered) => {
                Plan::Replay
            }
            _ => log.plan(delivered, upto),
        };
        match plan {
            Plan::Replay => Ok(log_piece(log, None, delivered.unwrap_or(0), upto, max_len)),
            Plan::Snapshot => match log.snapshot(upto) {
                Some(held) => Ok(log_piece(log, Some(held), held.sequence, upto, max_len)),
                None => Err(Lacking::Snapshot),
            },
            Plan::Wait if delivery == Delivery::Resync || delivered.is_none() => {
                let ahead = log.snapshot(u64::MAX).is_some();
                Err(if ahead { Lacking::Patience } else { Lacking::Snapshot })
            }
            Plan::Wait => Err(Lacking::Publications(log.base())),
        }
    }
}

fn value_piece(values: &Values, after: u64, upto: u64, max_len: usize) -> Piece {
    let mut piece = Piece { delivered: upto, ..Piece::default() };
    let mut len = 0;
    for (sequence, frame) in values.between(after, upto) {
        if len > 0 && len + frame.len() > max_len {
            piece.delivered = piece.frames.last().map_or(after, |(last, _)| *last);
            break;
        }
        len += frame.len();
        piece.frames.push((sequence, frame.clone()));
    }
    piece
}

fn log_piece(
    log: &Log,
    snapshot: Option<&Snapshot>,
    after: u64,
    upto: u64,
    max_len: usize,
) -> Piece {
    let mut piece = Piece { snapshot: snapshot.cloned(), frames: Vec::new(), delivered: upto };
    let mut len = snapshot.map_or(0, |snapshot| snapshot.frame.len());
    for sequence in after + 1..=upto {
        let Some(frame) = log.entry(sequence) else { break };
        if len > 0 && len + frame.len() > max_len {
            piece.delivered = sequence - 1;
            break;
        }
        len += frame.len();
        piece.frames.push((sequence, frame.clone()));
    }
    piece
}
