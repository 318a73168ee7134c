//! The batches that a handler thread has taken on, and whose turn it is.
//!
//! A batch's callbacks are run in its turn, which ends early when they take long: then other
//! connections' batches have theirs, those first that have not had any. So a connection whose messages
//! are work keeps those of others waiting for one of them, not for all. What belongs to one connection
//! stays in order.

use std::collections::VecDeque;

use super::batch::Batch;

/// Batches taken on at once; the others wait in the lane.
const MAX_COUNT: usize = 64;

/// First turns in a row after which a batch that has been interrupted goes on.
const MAX_FIRST_TURNS: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Those that have had no turn, in the order in which they came.
    fresh: VecDeque<Batch>,
    /// Those whose turn ended before they were done; the longest in waiting is the first.
    interrupted: VecDeque<Batch>,
    /// First turns since one that was not.
    first_turns: u32,
}

impl Agenda {
    pub(super) fn has_room(&self) -> bool {
        self.fresh.len() + self.interrupted.len() < MAX_COUNT
    }

    /// Whether a batch waits that has been interrupted.
    pub(super) fn has_interrupted(&self) -> bool {
        !self.interrupted.is_empty()
    }

    /// Takes a batch on that has had no turn.
    pub(super) fn add(&mut self, batch: Batch) {
        self.fresh.push_back(batch);
    }

    /// Takes a batch back that is not done.
    pub(super) fn interrupt(&mut self, batch: Batch) {
        self.interrupted.push_back(batch);
    }

    /// Takes the batch out whose turn it is. Give it [back](Self::interrupt) before the next one's
    /// turn unless it is done.
    pub(super) fn next(&mut self) -> Option<Batch> {
        if self.first_turns < MAX_FIRST_TURNS {
            if let Some(index) = (0..self.fresh.len()).find(|&index| self.may_begin(index)) {
                self.first_turns += 1;
                return self.fresh.remove(index);
            }
        }
        self.first_turns = 0;
        // With none interrupted the first fresh one has none to wait for.
        self.interrupted.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// Whether all that a fresh batch must follow is done. O(batches), of which there are few.
    fn may_begin(&self, index: usize) -> bool {
        let batch = &self.fresh[index];
        let mut earlier = self.interrupted.iter().chain(self.fresh.range(..index));
        !earlier.any(|earlier| batch.must_follow(earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Job;
    use super::*;
    use crate::event_loop::ConnectionId;

    fn batch(jobs: &[(u32, usize)]) -> Batch {
        let mut batch = Batch::default();
        for &(index, len) in jobs {
            let id = ConnectionId { index, generation: 0, loop_index: 0 };
            batch.push(id, Job::Message { is_text: false, len });
        }
        batch.payloads = vec![0; jobs.iter().map(|&(_, len)| len).sum()];
        batch
    }

    /// Runs one callback a turn; says whose they were, and the lengths of their payloads.
    fn work_off(batches: Vec<Batch>) -> Vec<(u32, usize)> {
        let mut agenda = Agenda::default();
        batches.into_iter().for_each(|batch| agenda.add(batch));
        let mut order = Vec::new();
        while let Some(mut batch) = agenda.next() {
            let (id, _, payload) = batch.next().expect("a batch on the agenda is not empty");
            order.push((id.index, payload.len()));
            if !batch.is_empty() {
                agenda.interrupt(batch);
            }
        }
        order
    }

    #[test]
    fn connections_take_turns_and_each_stays_in_order() {
        let order = work_off(vec![
            batch(&[(1, 10), (1, 11), (1, 12)]),
            batch(&[(2, 20)]),
            batch(&[(1, 13), (1, 14)]),
            batch(&[(3, 30), (3, 31)]),
        ]);
        let expected = [(1, 10), (2, 20), (3, 30), (1, 11), (3, 31), (1, 12), (1, 13), (1, 14)];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_belongs_to_several_overtakes_nothing_and_is_not_overtaken() {
        let order = work_off(vec![
            batch(&[(1, 10), (1, 11)]),
            batch(&[(2, 20), (1, 12)]),
            batch(&[(3, 30)]),
        ]);
        assert_eq!(order, [(1, 10), (1, 11), (2, 20), (1, 12), (3, 30)]);
    }

    #[test]
    fn what_has_been_interrupted_goes_on_however_much_comes() {
        let mut batches = vec![batch(&[(1, 10), (1, 11)])];
        batches.extend((2..32).map(|index| batch(&[(index, 20)])));
        let order = work_off(batches);
        assert_eq!(order.iter().position(|&turn| turn == (1, 11)), Some(8));
    }

    #[test]
    fn a_place_that_changes_hands_keeps_its_order() {
        let mut old = batch(&[(1, 10), (1, 11)]);
        old.payloads.truncate(21);
        let mut new = Batch::default();
        let id = ConnectionId { index: 1, generation: 1, loop_index: 0 };
        new.push(id, Job::Message { is_text: false, len: 12 });
        new.payloads = vec![0; 12];
        assert_eq!(work_off(vec![old, new]), [(1, 10), (1, 11), (1, 12)]);
    }
}
