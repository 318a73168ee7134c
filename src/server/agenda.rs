//! The batches that a handler thread has taken on, and whose turn it is.
//!
//! Each connection has a queue of its own, and they take turns, as flows do in a router that is fair to
//! them (RFC 8290). A turn ends early when its callbacks take long. A connection for which nothing waits
//! has its turn before those that have had one and are not done: so one whose messages are work, or are a
//! flood of them, keeps those of others waiting for a turn of it, not for all that it has sent. What
//! belongs to one connection stays in order.

use std::collections::VecDeque;

use slab::Slab;

use super::batch::{Batch, Place};

/// First turns in a row after which a connection that has had one goes on.
const MAX_FIRST_TURNS: u32 = 8;

/// The end of a queue.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    batches: Slab<Node>,
    /// By loop and by the connection's index.
    queues: Vec<Vec<Queue>>,
    /// Connections that have had no turn since nothing waited for them, in the order in which they came.
    fresh: VecDeque<Place>,
    /// Those that have had one and are not done; the longest in waiting is the first.
    waiting: VecDeque<Place>,
    /// First turns since one that was not.
    first_turns: u32,
    interrupted_count: usize,
}

#[derive(Debug)]
struct Node {
    batch: Batch,
    is_interrupted: bool,
    next: u32,
}

/// The batches of a connection. It is in one of the lists if there are any.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

impl Agenda {
    /// Whether a batch waits that has been interrupted.
    pub(super) fn has_interrupted(&self) -> bool {
        self.interrupted_count > 0
    }

    /// Takes a batch on.
    pub(super) fn add(&mut self, batch: Batch) {
        match batch.place() {
            Some(place) => self.append(place, batch),
            None => batch.split().for_each(|(place, batch)| self.append(place, batch)),
        }
    }

    fn append(&mut self, place: Place, batch: Batch) {
        let at = self.batches.insert(Node { batch, is_interrupted: false, next: NONE }) as u32;
        let queue = self.queue(place);
        let Queue { first, last } = *queue;
        queue.last = at;
        if first == NONE {
            queue.first = at;
            self.fresh.push_back(place);
        } else {
            self.batches[last as usize].next = at;
        }
    }

    /// Takes a batch back that has had its turn and is not done: it stays the first of its connection.
    pub(super) fn interrupt(&mut self, place: Place, batch: Batch) {
        let first = self.queue(place).first;
        let node = Node { batch, is_interrupted: true, next: first };
        let at = self.batches.insert(node) as u32;
        self.interrupted_count += 1;
        let queue = self.queue(place);
        queue.first = at;
        if first == NONE {
            queue.last = at;
            self.waiting.push_back(place);
        }
    }

    /// Takes the batch out whose turn it is. [Interrupt](Self::interrupt) it before anything else unless
    /// it is done.
    pub(super) fn next(&mut self) -> Option<(Place, Batch)> {
        let place = self.next_place()?;
        let first = self.queue(place).first;
        let node = self.batches.remove(first as usize);
        self.queue(place).first = node.next;
        if node.next != NONE {
            self.waiting.push_back(place);
        }
        self.interrupted_count -= usize::from(node.is_interrupted);
        Some((place, node.batch))
    }

    fn next_place(&mut self) -> Option<Place> {
        if self.first_turns < MAX_FIRST_TURNS || self.waiting.is_empty() {
            if let Some(place) = self.fresh.pop_front() {
                self.first_turns += 1;
                return Some(place);
            }
        }
        self.first_turns = 0;
        self.waiting.pop_front()
    }

    fn queue(&mut self, place: Place) -> &mut Queue {
        let Place { loop_index, index } = place;
        let (loop_index, index) = (usize::from(loop_index), index as usize);
        if self.queues.len() <= loop_index {
            self.queues.resize_with(loop_index + 1, Vec::new);
        }
        let queues = &mut self.queues[loop_index];
        if queues.len() <= index {
            queues.resize(index + 1, Queue { first: NONE, last: NONE });
        }
        &mut queues[index]
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
        while let Some((place, mut batch)) = agenda.next() {
            let (id, _, payload) = batch.next().expect("a batch on the agenda is not empty");
            order.push((id.index, payload.len()));
            if !batch.is_empty() {
                agenda.interrupt(place, batch);
            }
        }
        assert!(!agenda.has_interrupted());
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
    fn what_belongs_to_several_is_taken_apart() {
        let order = work_off(vec![
            batch(&[(1, 10), (1, 11)]),
            batch(&[(2, 20), (1, 12), (2, 21)]),
            batch(&[(3, 30)]),
        ]);
        assert_eq!(order, [(1, 10), (2, 20), (3, 30), (1, 11), (2, 21), (1, 12)]);
    }

    #[test]
    fn a_flood_has_one_turn_in_so_many() {
        let mut batches: Vec<_> = (0..100).map(|len| batch(&[(1, len)])).collect();
        batches.extend((2..10).map(|index| batch(&[(index, 7)])));
        let order = work_off(batches);
        let others = order[1..].iter().take_while(|turn| turn.0 != 1);
        assert_eq!(others.count(), 7, "of eight first turns the flood has one");
        let flood = order.iter().filter(|turn| turn.0 == 1).map(|turn| turn.1);
        assert!(flood.eq(0..100), "in order");
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
