//! Every interleaving, by loom, of a loop that puts connections into a place and threads that look at
//! it.

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use super::directory::Directory;
use super::reader_stats::ReaderStats;
use super::{ConnectionId, Outcome};

fn check(preemption_bound: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemption_bound);
    builder.check(run);
}

fn id(generation: u32) -> ConnectionId {
    ConnectionId { index: 0, generation, loop_index: 0 }
}

#[test]
fn a_late_sender_charges_nobody_else() {
    check(3, || {
        let directory = Arc::new(Directory::new(1));
        let first = id(directory.enter(0));
        let sender = {
            let directory = directory.clone();
            thread::spawn(move || {
                let admitted = directory.admit(first, 10, 100).is_accepted();
                if admitted {
                    directory.refund(first, 10);
                }
            })
        };
        directory.leave(0);
        let second = id(directory.enter(0));
        assert_eq!(directory.buffered(second), Some(0));
        assert_eq!(directory.admit(second, 7, 100), Outcome::Sent);
        sender.join().unwrap();
        assert_eq!(directory.buffered(second), Some(7));
        assert_eq!(directory.buffered(first), None);
    });
}

#[test]
fn senders_together_get_no_more_than_the_limit() {
    check(3, || {
        let directory = Arc::new(Directory::new(1));
        let id = id(directory.enter(0));
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let directory = directory.clone();
                thread::spawn(move || usize::from(directory.admit(id, 60, 100).is_accepted()))
            })
            .collect();
        directory.set_blocked(0, true);
        let accepted: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(accepted, 1);
        assert_eq!(directory.buffered(id), Some(60));
    });
}

#[test]
fn a_reading_between_two_looks_is_of_one_connection() {
    check(3, || {
        let shared = Arc::new((Directory::new(1), ReaderStats::new(1)));
        let first = id(shared.0.enter(0));
        shared.1.note_dropped(0, 1);
        let reader = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (directory, stats) = &*shared;
                let before = directory.buffered(first)?;
                let reading = stats.read(0);
                directory.buffered(first).map(|_| (before, reading))
            })
        };
        let (directory, stats) = &*shared;
        directory.leave(0);
        stats.reset(0);
        directory.enter(0);
        stats.note_dropped(0, 5);
        stats.note_conflated(0, 5);
        if let Some((_, reading)) = reader.join().unwrap() {
            assert_eq!((reading.dropped, reading.conflated), (1, 0), "of its successor");
        }
    });
}
