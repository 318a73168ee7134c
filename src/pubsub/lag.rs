//! A subscriber that does not get publications as they come.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;

use super::options::Merge;
use super::{Begin, Publication, SharedFrame};

/// Where a lagging subscriber is.
#[derive(Debug)]
pub(super) struct Lag {
    /// What it has: everything up to this number, or nothing at all.
    pub(super) delivered: Option<u64>,
    /// Publications up to this number have been counted as delivered, conflated or dropped. In a
    /// topic that merges it only counts how many.
    pub(super) counted: u64,
    /// Since when it lags.
    pub(super) since: Duration,
    /// It asked for the publications themselves, not for what makes up for them.
    pub(super) wants_replay: bool,
    /// It has just subscribed: what it lacks was no publication to it.
    pub(super) new: bool,
    /// Its connection has been closed on its account: it stays a subscriber until that is gone.
    pub(super) closed: bool,
    /// It cannot go on without a snapshot.
    pub(super) awaits_snapshot: bool,
    /// It lags on purpose.
    pub(super) pace: Option<Pace>,
    /// What it has missed in a topic that merges values.
    pub(super) merged: Option<Box<Merged>>,
}

/// So many updates a second and no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    /// When the next update may go.
    pub(super) next: Duration,
    /// It has everything, and is on the list of those whom the next publication is for.
    pub(super) idle: bool,
    /// Since when its queue has no room for an update that is due.
    pub(super) refused_since: Option<Duration>,
}

impl Pace {
    /// The first update may go at once.
    pub(super) fn new(interval: Duration, now: Duration) -> Self {
        Self { interval, next: now, idle: false, refused_since: None }
    }
}

impl Lag {
    /// A live subscriber falls behind: it has everything up to `delivered`.
    pub(super) fn fallen_behind(delivered: u64, now: Duration, merges: bool) -> Self {
        Self {
            delivered: Some(delivered),
            counted: delivered,
            since: now,
            wants_replay: false,
            new: false,
            closed: false,
            awaits_snapshot: false,
            pace: None,
            merged: merges.then(|| Box::new(Merged::new(delivered))),
        }
    }

    /// A new subscriber begins with something else than the next publication.
    pub(super) fn beginning(begin: &Begin, replay: bool, now: Duration, merges: bool) -> Self {
        Self {
            delivered: begin.delivered,
            counted: begin.sequence,
            wants_replay: replay,
            new: true,
            ..Self::fallen_behind(begin.sequence, now, merges)
        }
    }
}

/// Values that a lagging subscriber has not got, merged by key. At most one for each key, and no more
/// than twice as many as the topic may have keys: those that it has not any more go.
#[derive(Debug)]
pub(super) struct Merged {
    /// What was published up to here is not in it.
    pub(super) after: u64,
    by_sequence: BTreeMap<u64, MergedValue>,
    sequences: HashMap<Bytes, u64>,
    /// Publications in values that are gone, and have not been counted.
    pub(super) lost_count: u64,
}

#[derive(Debug)]
pub(super) struct MergedValue {
    key: Bytes,
    pub(super) frame: SharedFrame,
    /// Out of how many publications.
    pub(super) count: u64,
}

impl Merged {
    fn new(after: u64) -> Self {
        Self { after, by_sequence: BTreeMap::new(), sequences: HashMap::new(), lost_count: 0 }
    }

    /// Adds publications of which the first has the number `first`.
    pub(super) fn add(&mut self, first: u64, publications: &[Publication], merge: &Merge) {
        for (sequence, publication) in (first..).zip(publications) {
            let before = self.sequences.insert(publication.key.clone(), sequence);
            let before = before.and_then(|before| self.by_sequence.remove(&before));
            let (frame, count) = match before {
                Some(older) => (merge.merge(&older.frame, &publication.frame), older.count + 1),
                None => (publication.frame.clone(), 1),
            };
            let value = MergedValue { key: publication.key.clone(), frame, count };
            self.by_sequence.insert(sequence, value);
        }
    }

    /// The values, the one whose last publication is the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &MergedValue> {
        self.by_sequence.values()
    }

    /// Takes out the first `count` values.
    pub(super) fn remove_first(&mut self, count: usize) {
        for _ in 0..count {
            if let Some((_, value)) = self.by_sequence.pop_first() {
                self.sequences.remove(&value.key);
            }
        }
    }

    /// Forgets the values of all other keys.
    pub(super) fn retain(&mut self, mut has_key: impl FnMut(&[u8]) -> bool) {
        let Self { by_sequence, sequences, lost_count, .. } = self;
        by_sequence.retain(|_, value| {
            let stays = has_key(&value.key);
            if !stays {
                sequences.remove(&value.key);
                *lost_count += value.count;
            }
            stays
        });
    }

    pub(super) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_sequence.is_empty()
    }
}
