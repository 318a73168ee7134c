//! Whoever stops for a full backlog goes on once, however the worker is just then at it.

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use super::super::backlog::Backlog;

/// So many feeders have filled it and stop; the worker takes everything off, in so many parts.
fn check(feeder_count: usize, part_count: usize, preemption_bound: Option<usize>) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemption_bound;
    builder.check(move || {
        let backlog = Arc::new(Backlog::new(part_count, feeder_count));
        assert!(!backlog.add(part_count), "it is full");
        let feeders: Vec<_> = (0..feeder_count)
            .map(|feeder| {
                let backlog = backlog.clone();
                thread::spawn(move || backlog.wait(feeder))
            })
            .collect();
        let mut resumed = vec![0; feeder_count];
        for _ in 0..part_count {
            backlog.take_off(1, |feeder| resumed[feeder] += 1);
        }
        for (feeder, resumed) in feeders.into_iter().zip(resumed) {
            let goes_on = feeder.join().unwrap();
            assert_eq!(resumed + usize::from(goes_on), 1, "goes on once");
        }
    });
}

#[test]
fn a_feeder_that_waits_is_told_once() {
    check(1, 1, None);
    check(1, 3, None);
}

#[test]
fn each_of_two_feeders_is_told_once() {
    check(2, 2, Some(3));
}
