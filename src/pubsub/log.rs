//! The last publications of a topic, and the state that they build upon.

use std::collections::VecDeque;

use super::{ReplayLimits, SharedFrame};

/// The replay ring, and the latest snapshot.
#[derive(Debug)]
pub(super) struct Log {
    limits: ReplayLimits,
    entries: VecDeque<Entry>,
    /// The sequence number of the publication before the first entry.
    base: u64,
    /// Bytes published up to there, since the beginning.
    base_end: u64,
    snapshot: Option<Snapshot>,
}

#[derive(Debug)]
struct Entry {
    frame: SharedFrame,
    /// Bytes published up to here, since the beginning.
    end: u64,
}

/// The state of a topic once every publication up to `sequence` has been applied.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) sequence: u64,
    pub(super) frame: SharedFrame,
}

/// How a subscriber is brought up to date.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// By the publications that it lacks.
    Replay,
    /// By the snapshot and the publications after it.
    Snapshot,
    /// Not yet: the publications that it lacks are gone, and there is no snapshot to make up for
    /// them.
    Wait,
}

impl Log {
    pub(super) fn new(limits: ReplayLimits) -> Self {
        Self { limits, entries: VecDeque::new(), base: 0, base_end: 0, snapshot: None }
    }

    /// The next publication. O(1), amortized.
    pub(super) fn push(&mut self, frame: &SharedFrame) {
        let end = self.end() + frame.len() as u64;
        if self.limits.max_count == 0 {
            self.base += 1;
            self.base_end = end;
            return;
        }
        self.entries.push_back(Entry { frame: frame.clone(), end });
        let max_len = self.limits.max_len as u64;
        while self.entries.len() > self.limits.max_count || self.end() - self.base_end > max_len {
            if let Some(entry) = self.entries.pop_front() {
                self.base += 1;
                self.base_end = entry.end;
            }
        }
    }

    /// Replaces the snapshot by one that is newer and can be built upon; says whether it did.
    pub(super) fn supply(&mut self, snapshot: Snapshot) -> bool {
        let newer = self.snapshot.as_ref().is_none_or(|held| held.sequence <= snapshot.sequence);
        let of_use = newer && self.covers(snapshot.sequence);
        if of_use {
            self.snapshot = Some(snapshot);
        }
        of_use
    }

    /// Whether every publication after `sequence` is at hand.
    pub(super) fn covers(&self, sequence: u64) -> bool {
        sequence >= self.base
    }

    /// The sequence number that the ring begins after.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The publication with this number.
    pub(super) fn entry(&self, sequence: u64) -> Option<&SharedFrame> {
        let at = usize::try_from(sequence.checked_sub(self.base + 1)?).ok()?;
        self.entries.get(at).map(|entry| &entry.frame)
    }

    /// The snapshot, if it can be built upon: the publications after it are at hand, and it is not
    /// ahead of `upto`.
    pub(super) fn snapshot(&self, upto: u64) -> Option<&Snapshot> {
        self.snapshot.as_ref().filter(|held| held.sequence <= upto && self.covers(held.sequence))
    }

    /// Whether a new snapshot would be shorter than the one at hand with what follows it.
    pub(super) fn is_snapshot_stale(&self) -> bool {
        match self.snapshot(u64::MAX) {
            Some(held) => self.end() - self.end_of(held.sequence) > held.frame.len() as u64,
            None => self.base > 0 || !self.entries.is_empty(),
        }
    }

    /// How a subscriber gets from `delivered` (`None`: from nothing) to `upto`: the shorter way.
    pub(super) fn plan(&self, delivered: Option<u64>, upto: u64) -> Plan {
        let replay = delivered.filter(|&delivered| self.covers(delivered));
        let replay_len = replay.map(|delivered| self.len_between(delivered, upto));
        let snapshot_len = self
            .snapshot(upto)
            .map(|held| held.frame.len() as u64 + self.len_between(held.sequence, upto));
        match (replay_len, snapshot_len) {
            (Some(replay), Some(snapshot)) if snapshot < replay => Plan::Snapshot,
            (Some(_), _) => Plan::Replay,
            (None, Some(_)) => Plan::Snapshot,
            (None, None) => Plan::Wait,
        }
    }

    fn len_between(&self, after: u64, upto: u64) -> u64 {
        self.end_of(upto).saturating_sub(self.end_of(after))
    }

    fn end(&self) -> u64 {
        self.entries.back().map_or(self.base_end, |entry| entry.end)
    }

    fn end_of(&self, sequence: u64) -> u64 {
        let at = sequence.saturating_sub(self.base) as usize;
        match at.checked_sub(1) {
            None => self.base_end,
            Some(at) => self.entries.get(at).map_or(self.end(), |entry| entry.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn log(max_count: usize, max_len: usize, lens: &[usize]) -> Log {
        let mut log = Log::new(ReplayLimits { max_count, max_len });
        lens.iter().for_each(|&len| log.push(&Bytes::from(vec![0; len]).into()));
        log
    }

    fn snapshot(sequence: u64, len: usize) -> Snapshot {
        Snapshot { sequence, frame: Bytes::from(vec![1; len]).into() }
    }

    #[test]
    fn the_ring_forgets_the_oldest_by_count_and_by_length() {
        let by_count = log(3, 1000, &[1, 2, 3, 4, 5]);
        assert!(!by_count.covers(1) && by_count.covers(2));
        assert_eq!(by_count.entry(2), None);
        assert_eq!(by_count.entry(3).map(|frame| frame.len()), Some(3));
        assert_eq!(by_count.entry(5).map(|frame| frame.len()), Some(5));
        assert_eq!(by_count.entry(6), None);
        let by_len = log(100, 10, &[4, 4, 4]);
        assert!(!by_len.covers(0) && by_len.covers(1));
        let none = log(0, 1000, &[1, 1]);
        assert!(!none.covers(1) && none.covers(2), "nothing is lacking after the last");
        let too_long = log(3, 10, &[1, 11]);
        assert!(!too_long.covers(1) && too_long.covers(2));
    }

    #[test]
    fn the_shorter_way_is_taken() {
        let mut log = log(10, 1000, &[10; 10]);
        assert_eq!(log.plan(Some(4), 10), Plan::Replay);
        assert_eq!(log.plan(None, 10), Plan::Wait);
        assert_eq!(log.plan(None, 0), Plan::Wait, "nothing is not the state at the beginning");
        log.supply(snapshot(8, 30));
        assert_eq!(log.plan(None, 10), Plan::Snapshot);
        assert_eq!(log.plan(Some(4), 10), Plan::Snapshot, "50 bytes instead of 60");
        assert_eq!(log.plan(Some(5), 10), Plan::Replay);
        assert_eq!(log.plan(None, 7), Plan::Wait, "the snapshot is ahead");
    }

    #[test]
    fn a_snapshot_whose_successors_are_gone_is_none() {
        let mut log = log(3, 1000, &[10, 10]);
        assert!(log.is_snapshot_stale());
        assert!(log.supply(snapshot(2, 15)));
        assert!(!log.supply(snapshot(1, 15)), "older than the one at hand");
        assert!(!log.is_snapshot_stale());
        log.push(&Bytes::from_static(b"0123456789").into());
        assert!(!log.is_snapshot_stale());
        log.push(&Bytes::from_static(b"0123456789").into());
        assert!(log.is_snapshot_stale(), "20 bytes follow 15");
        assert_eq!(log.plan(None, 4), Plan::Snapshot, "but it serves");
        (0..2).for_each(|_| log.push(&Bytes::from_static(b"0123456789").into()));
        assert_eq!(log.plan(None, 6), Plan::Wait);
        assert_eq!(log.plan(Some(2), 6), Plan::Wait);
        assert_eq!(log.plan(Some(3), 6), Plan::Replay);
        assert!(!log.supply(snapshot(2, 15)), "whoever waits for one would wait on");
        assert!(log.supply(snapshot(3, 15)));
    }

    #[test]
    fn a_topic_at_its_beginning_needs_no_snapshot() {
        assert!(!log(3, 100, &[]).is_snapshot_stale());
    }
}
