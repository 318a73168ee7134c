//! Every interleaving, by loom, of threads that publish, subscribe and leave, and of a snapshot that
//! comes while somebody begins to wait for it.

use std::sync::Weak;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

use super::history::Position;
use super::{Delivery, Publication, ReplayLimits, SharedFrame, SlowConsumer, Start};
use super::{TopicCore, TopicOptions};
use crate::protocol::Outgoing;

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// One that retains nothing but its snapshot, and has had one publication.
fn topic(loop_count: usize) -> Arc<TopicCore> {
    let options = TopicOptions {
        replay: ReplayLimits::NONE,
        ..TopicOptions::from(Delivery::Resync).snapshot_source(|| None)
    };
    let slow_consumer = SlowConsumer::default();
    let topic = TopicCore::new("modelled", options, slow_consumer, false, loop_count, Weak::new());
    topic.take_turn().record(&[publication()]);
    Arc::new(topic)
}

fn publication() -> Publication {
    Publication { key: Default::default(), frame: frame() }
}

fn frame() -> SharedFrame {
    SharedFrame::new(&Outgoing::from("state"), false)
}

/// Whether a subscriber that lacks the publication has a snapshot; if not, whether it is the first to
/// wait for one.
fn look(topic: &TopicCore, loop_index: usize) -> Result<(), bool> {
    let position = Position { delivered: None, upto: 1, wants_replay: false };
    topic.next_piece_or_await(loop_index, position, usize::MAX).map(drop)
}

#[test]
fn who_begins_to_wait_for_a_snapshot_has_it_or_is_told() {
    check(|| {
        let topic = topic(2);
        let subscribers = [0, 1].map(|loop_index| {
            let topic = topic.clone();
            thread::spawn(move || look(&topic, loop_index))
        });
        assert!(topic.supply_snapshot(1, frame()));
        let told: Vec<usize> = topic.take_waiting_loops().collect();
        let looks = subscribers.map(|subscriber| subscriber.join().unwrap());
        let waiting: Vec<usize> = (0..2).filter(|&it| looks[it].is_err()).collect();
        assert_eq!(told, waiting);
        let first_count = looks.iter().filter(|look| **look == Err(true)).count();
        assert_eq!(first_count, waiting.len().min(1), "the source is asked once");
        assert!(topic.may_ask_source(), "nobody waits any more");
    });
}

/// In the steps of a subscription and of a publication, while another subscriber of the loop leaves.
#[test]
fn a_subscriber_begins_behind_a_publication_or_its_loop_gets_it() {
    check(|| {
        let topic = topic(1);
        topic.add_interest(0);
        let subscriber = {
            let topic = topic.clone();
            thread::spawn(move || {
                let turn = topic.take_turn();
                topic.add_interest(0);
                turn.begin(Start::Now).0.sequence
            })
        };
        let leaver = {
            let topic = topic.clone();
            thread::spawn(move || topic.remove_interest(0))
        };
        let mut turn = topic.take_turn();
        let is_told = topic.interested_loops().count() == 1;
        turn.record(&[publication()]);
        let sequence = turn.sequence();
        drop(turn);
        let begin = subscriber.join().unwrap();
        leaver.join().unwrap();
        assert!(is_told || begin >= sequence);
        assert_eq!(topic.subscriber_count(), 1);
    });
}
