//! Clients that were cut off and come back: what they missed, or a clear word that it is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tickwire::{Delivery, Outcome, Overflow, Subscribed, Topic, TopicOptions};

use super::rounds::Absent;
use super::support::{Client, Mode, PATIENCE, Received, Running, Script, eventually, in_each_mode};

/// Subscribes with the sequence number that a client names, and tells it what it begins with. The
/// answer is sent by itself: it may come before or behind what the subscription begins with.
fn service() -> Script {
    Script::new().on_text(|ctx, after| {
        let after = after.parse().expect("a sequence number");
        let topic = ctx.server().topic("t");
        let subscribed = ctx.subscribe_from(&topic, after);
        ctx.send(format!("{subscribed:?}"));
    })
}

fn start(mode: Mode, options: impl Into<TopicOptions>) -> (Running, Topic) {
    let server = Running::start(mode.builder().event_loops(2), service());
    let topic = server.handle().topic_with("t", options);
    (server, topic)
}

fn publish(topic: &Topic, count: u64) {
    for _ in 0..count {
        assert_eq!(topic.publish_with(|sequence| sequence.to_string().into_bytes()), Outcome::Sent);
    }
}

/// Says after which publication the client was cut off; returns what it is told.
fn resume(client: &mut Client, after: u64) -> (String, Vec<String>) {
    client.send_text(&after.to_string());
    let mut earlier = Vec::new();
    loop {
        match client.recv() {
            Received::Text(told) => return (told, earlier),
            other => earlier.push(content(&other)),
        }
    }
}

#[track_caller]
fn content(received: &Received) -> String {
    let Received::Binary(payload) = received else { panic!("not a publication: {received:?}") };
    String::from_utf8(payload.clone()).expect("text")
}

/// Resumes, and holds that `told` is the answer and `expected` all that comes.
#[track_caller]
fn resumes(server: &Running, after: u64, told: Subscribed, expected: &[&str]) -> Client {
    let mut client = server.connect();
    let (answer, mut contents) = resume(&mut client, after);
    assert_eq!(answer, format!("{told:?}"));
    while contents.len() < expected.len() {
        contents.push(content(&client.recv()));
    }
    assert_eq!(contents, expected);
    client
}

/// Nothing but the next publication comes.
#[track_caller]
fn goes_on(topic: &Topic, clients: &mut [Client]) {
    publish(topic, 1);
    for client in clients {
        assert_eq!(content(&client.recv()), topic.sequence().to_string());
    }
}

const CLIENT_COUNT: usize = 6;
const CUT_COUNT: usize = 40;
/// Publications that a client may be behind the publisher; the ring reaches further.
const WINDOW: u64 = 200;
const RING_COUNT: usize = 1000;

#[test]
fn who_reconnects_under_load_gets_every_publication_once_and_in_order() {
    let every = TopicOptions::every(Overflow::Close);
    for options in [every, TopicOptions::resync()] {
        in_each_mode(|mode| {
            let (server, topic) = start(mode, options.clone().replay(RING_COUNT, 1 << 20));
            let progress: Vec<_> = (0..CLIENT_COUNT).map(|_| AtomicU64::new(0)).collect();
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| publish_ahead(&topic, &progress, &done));
                let clients: Vec<_> = progress
                    .iter()
                    .map(|progress| scope.spawn(|| cut_off_again_and_again(&server, progress)))
                    .collect();
                let failed = clients.into_iter().filter_map(|it| it.join().err()).next();
                done.store(true, Ordering::Relaxed);
                if let Some(panic) = failed {
                    std::panic::resume_unwind(panic);
                }
            });
            assert!(topic.stats().replayed > 0, "{:?}", topic.stats());
            assert_eq!((topic.stats().lags, topic.stats().snapshots), (0, 0));
        });
    }
}

fn publish_ahead(topic: &Topic, progress: &[AtomicU64], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let slowest = progress.iter().map(|it| it.load(Ordering::Relaxed)).min();
        if slowest.is_some_and(|slowest| topic.sequence() >= slowest.saturating_add(WINDOW)) {
            std::thread::yield_now();
            continue;
        }
        publish(topic, 1);
    }
}

/// Reads a little, resets the connection, comes back with what it had last.
fn cut_off_again_and_again(server: &Running, progress: &AtomicU64) {
    let progress = Absent(progress);
    let mut last = 0;
    for cut in 0..CUT_COUNT {
        let mut client = server.connect();
        let (told, earlier) = resume(&mut client, last);
        assert_eq!(told, "Replayed");
        let mut take = |content: &str| {
            assert_eq!(content, (last + 1).to_string(), "in connection {cut}");
            last += 1;
            progress.0.store(last, Ordering::Relaxed);
        };
        earlier.iter().for_each(|content| take(content));
        (0..cut % 7 * 5 + 3).for_each(|_| take(&content(&client.recv())));
        if cut % 2 == 0 { client.reset() } else { drop(client) }
    }
}

#[test]
fn what_the_ring_has_lost_is_named_as_a_gap_and_what_it_holds_is_replayed() {
    in_each_mode(|mode| {
        let every = TopicOptions::every(Overflow::DropNewest).replay(3, 1000);
        let (server, topic) = start(mode, every);
        publish(&topic, 10);
        let gap = Subscribed::Gap { missed_upto: 7 };
        let mut clients = [
            resumes(&server, 10, Subscribed::Replayed, &[]),
            resumes(&server, 8, Subscribed::Replayed, &["9", "10"]),
            resumes(&server, 7, Subscribed::Replayed, &["8", "9", "10"]),
            resumes(&server, 6, gap, &["8", "9", "10"]),
            resumes(&server, 0, gap, &["8", "9", "10"]),
            // The service has begun anew since: such a publication never was.
            resumes(&server, 11, gap, &["8", "9", "10"]),
            resumes(&server, u64::MAX, gap, &["8", "9", "10"]),
        ];
        eventually("all is counted", || topic.stats().replayed == 2 + 3 + 4 * 3);
        goes_on(&topic, &mut clients);
    });
}

#[test]
fn a_topic_without_a_ring_replays_nothing_but_what_is_not_missing() {
    in_each_mode(|mode| {
        let (server, topic) = start(mode, Delivery::default());
        let mut first = resumes(&server, 0, Subscribed::Replayed, &[]);
        goes_on(&topic, std::slice::from_mut(&mut first));
        let mut clients = [
            first,
            resumes(&server, 1, Subscribed::Replayed, &[]),
            resumes(&server, 0, Subscribed::Gap { missed_upto: 1 }, &[]),
        ];
        goes_on(&topic, &mut clients);
    });
}

#[test]
fn a_snapshot_makes_up_for_what_the_ring_has_lost() {
    for options in [TopicOptions::resync(), TopicOptions::every(Overflow::Close)] {
        in_each_mode(|mode| {
            let (server, topic) = start(mode, options.clone().replay(3, 1000));
            publish(&topic, 8);
            assert!(topic.supply_snapshot(8, b"all up to 8"));
            publish(&topic, 2);
            let snapshot = ["all up to 8", "9", "10"];
            let mut clients = [
                resumes(&server, 10, Subscribed::Replayed, &[]),
                resumes(&server, 8, Subscribed::Replayed, &["9", "10"]),
                // All of it is at hand, though the snapshot would do as well.
                resumes(&server, 7, Subscribed::Replayed, &["8", "9", "10"]),
                resumes(&server, 6, Subscribed::Snapshot, &snapshot),
                resumes(&server, 0, Subscribed::Snapshot, &snapshot),
                resumes(&server, 11, Subscribed::Snapshot, &snapshot),
            ];
            eventually("all is counted", || topic.stats().snapshots == 3);
            goes_on(&topic, &mut clients);
        });
    }
}

#[test]
fn after_a_restart_a_client_from_before_gets_the_state_of_the_new_service() {
    in_each_mode(|mode| {
        let (server, topic) = start(mode, TopicOptions::resync());
        let mut client = resumes(&server, 0, Subscribed::Replayed, &[]);
        publish(&topic, 100);
        let last = (1..=100).map(|_| content(&client.recv())).last().expect("publications");
        drop((client, topic, server));

        let (server, topic) = start(mode, TopicOptions::resync());
        publish(&topic, 3);
        assert!(topic.supply_snapshot(2, b"all up to 2"));
        let after = last.parse().expect("a sequence number");
        let mut client = resumes(&server, after, Subscribed::Snapshot, &["all up to 2", "3"]);
        goes_on(&topic, std::slice::from_mut(&mut client));
    });
}

#[test]
fn of_latest_values_those_that_have_changed_come_again() {
    in_each_mode(|mode| {
        let (server, topic) = start(mode, TopicOptions::latest());
        let set = |key: &str| {
            let value = |sequence| sequence_value(key, sequence);
            assert_eq!(topic.publish_keyed_with(key, value), Outcome::Sent);
        };
        ["a", "b", "c", "a", "c"].into_iter().for_each(set);
        let mut clients = [
            resumes(&server, 5, Subscribed::Replayed, &[]),
            resumes(&server, 4, Subscribed::Snapshot, &["c5"]),
            resumes(&server, 2, Subscribed::Snapshot, &["a4", "c5"]),
            resumes(&server, 1, Subscribed::Snapshot, &["b2", "a4", "c5"]),
            resumes(&server, 0, Subscribed::Snapshot, &["b2", "a4", "c5"]),
            resumes(&server, 77, Subscribed::Snapshot, &["b2", "a4", "c5"]),
        ];
        set("d");
        for client in &mut clients {
            assert_eq!(content(&client.recv()), "d6");
        }
        // Whoever comes without a number begins with all values.
        assert!(topic.remove_key("b"));
        drop(resumes(&server, 0, Subscribed::Snapshot, &["a4", "c5", "d6"]));
        assert!(topic.publish_wait(b"e", PATIENCE).is_accepted());
    });
}

fn sequence_value(key: &str, sequence: u64) -> Vec<u8> {
    format!("{key}{sequence}").into_bytes()
}
