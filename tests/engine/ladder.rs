//! What happens to a slow subscriber, step by step.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickwire::{CloseCode, Missed, Outcome, Overflow, SlowConsumer, TopicOptions};

use super::stage::{STEPS, Stage, sequence_of};
use super::support::{
    Client, Mode, Received, Script, eventually, in_each_mode, in_each_mode_at_once, soon,
};

/// More than every buffer between a server and a client that does not read, with `max_backpressure`
/// at its default still less than that.
const COUNT: u64 = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Slow,
    Drain,
}

#[test]
fn a_handler_hears_of_each_backlog_once_and_of_its_end() {
    in_each_mode(|mode| {
        let (events, told) = channel();
        let script = Script::new()
            .on_slow({
                let events = events.clone();
                move |ctx| {
                    ctx.send("you are slow");
                    events.send(Told::Slow).expect("the test listens");
                }
            })
            .on_drain(move |_| events.send(Told::Drain).expect("the test listens"));
        let options = TopicOptions::every(Overflow::Close).slow_consumer(STEPS);
        let stage = Stage::new(mode.builder(), options, script);
        let (mut client, _) = stage.subscribe();
        let mut last = 0;
        for backlog in 1..=3 {
            stage.publish(COUNT / 2, 1);
            assert_eq!(soon(&told), Told::Slow);
            stage.publish(COUNT / 2, 1);
            stage.settled(1);
            let sent = || stage.server.handle().stats().total.messages_sent;
            eventually("the warning waits too", || sent() == backlog);
            let mut warned = false;
            while last < stage.topic.sequence() {
                match client.recv() {
                    Received::Text(text) => {
                        assert!(!std::mem::replace(&mut warned, true), "{text:?} came twice");
                    }
                    other => {
                        last += 1;
                        assert_eq!(sequence_of(&other), last);
                    }
                }
            }
            assert!(warned, "the warning goes ahead of what waits");
            assert_eq!(soon(&told), Told::Drain);
        }
        client.leave();
        assert_eq!(stage.server.handle().stats().total.slow_consumers, 3);
        drop(stage);
        assert_eq!(told.try_recv().ok(), None, "nothing else was told");
    });
}

#[test]
fn each_of_those_that_are_slow_at_once_gets_what_its_own_handler_sends() {
    const COUNT: usize = 8;
    in_each_mode(|mode| {
        for closes in [false, true] {
            let script = Script::new().on_slow(move |ctx| {
                let id = ctx.id().to_string();
                if closes {
                    ctx.close(CloseCode::TRY_AGAIN_LATER, &id);
                } else {
                    ctx.send(id);
                }
            });
            let options = TopicOptions::every(Overflow::Close);
            let builder = mode.builder().event_loops(1).max_backpressure(8 << 20);
            let builder = builder.close_timeout(Duration::from_secs(60));
            let stage = Stage::new(builder, options, script);
            let clients: Vec<_> = (0..COUNT).map(|_| stage.subscribe()).collect();
            // One publication makes all of them slow, before anybody is told.
            let publication = "x".repeat(6 << 20);
            assert_eq!(stage.topic.publish(&*publication), Outcome::Sent);
            for (mut client, id) in clients {
                let id = id.to_string();
                client.expect_text(&publication);
                let told = if closes { Received::Close(1013, id) } else { Received::Text(id) };
                client.expect(told);
            }
        }
    });
}

#[test]
fn what_has_grown_old_is_dropped_and_counted_and_the_rest_arrives_in_order() {
    const MAX_AGE: Duration = Duration::from_secs(1);
    const FRESH_COUNT: u64 = 5;
    in_each_mode_at_once(|mode| {
        let steps = SlowConsumer { max_age: Some(MAX_AGE), ..STEPS };
        let options = TopicOptions::every(Overflow::Close).slow_consumer(steps);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let (mut client, _) = stage.subscribe();
        stage.publish(COUNT, 1);
        stage.settled(1);
        std::thread::sleep(MAX_AGE + Duration::from_millis(300));
        stage.publish(FRESH_COUNT, 1);
        stage.settled(1);

        let mut last = 0;
        let mut gaps = Vec::new();
        let mut received = 0;
        while last < COUNT + FRESH_COUNT {
            let sequence = sequence_of(&client.recv());
            assert!(sequence > last, "{sequence} behind {last}");
            gaps.extend((sequence > last + 1).then_some(last + 1..sequence));
            (last, received) = (sequence, received + 1);
        }
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].start > 1 && gaps[0].end == COUNT + 1, "{gaps:?}: all the old are gone");
        let stats = stage.drained(1);
        assert_eq!((stats.delivered, stats.pending, stats.closed), (received, 0, 0));
        assert_eq!(stats.dropped, COUNT + FRESH_COUNT - received);
        let total = || stage.server.handle().stats().total;
        eventually("loops count them too", || total().deliveries_dropped == stats.dropped);
    });
}

#[test]
fn whoever_lags_for_too_long_is_closed_with_1013_and_nobody_else() {
    let steps = SlowConsumer { max_lag: Some(Duration::from_millis(300)), ..STEPS };
    for options in [TopicOptions::latest(), TopicOptions::resync()] {
        let options = options.slow_consumer(steps);
        in_each_mode_at_once(|mode| {
            let builder = mode.builder().close_timeout(Duration::from_secs(60));
            let stage = Stage::new(builder, options.clone(), Script::new());
            let (mut reader, _) = stage.subscribe();
            let (mut sleeper, _) = stage.subscribe();
            for sequence in 1..=COUNT {
                stage.publish(1, 4);
                assert_eq!(sequence_of(&reader.recv()), sequence);
            }
            eventually("it lags", || stage.topic.stats().lags == 1);
            eventually("it is closed", || stage.topic.stats().closed == 1);
            stage.publish(1, 4);
            assert_eq!(sequence_of(&reader.recv()), COUNT + 1);
            let received = up_to_close(&mut sleeper);
            let (close, publications) = received.split_last().expect("a close frame");
            assert!(matches!(close, Received::Close(1013, _)), "{close:?}");
            for (sequence, received) in (1..).zip(publications) {
                assert_eq!(sequence_of(received), sequence, "no gap before the end");
            }
            assert!((publications.len() as u64) < COUNT);
            eventually("it has gone", || stage.topic.subscriber_count() == 1);
            let total = stage.server.handle().stats().total;
            assert_eq!(total.subscribers_closed, 1);
            assert_eq!(stage.topic.stats().closed, 1);
            stage.publish(1, 4);
            assert_eq!(sequence_of(&reader.recv()), COUNT + 2);
        });
    }
}

#[test]
fn whoever_waits_for_a_snapshot_is_not_too_slow() {
    const MAX_LAG: Duration = Duration::from_millis(300);
    in_each_mode_at_once(|mode| {
        let steps = SlowConsumer { max_lag: Some(MAX_LAG), ..STEPS };
        let state = Arc::new(Mutex::new(None));
        let source = {
            let state = state.clone();
            move || state.lock().expect("a state").map(|at| (at, "the state".into()))
        };
        let options = TopicOptions::resync().slow_consumer(steps).replay(1, 1 << 20);
        let options = options.snapshot_source(source);
        let stage = Stage::new(mode.builder(), options, Script::new());
        stage.publish(2, 1);
        let (mut client, _) = stage.subscribe();
        std::thread::sleep(2 * MAX_LAG);
        *state.lock().expect("a state") = Some(3);
        stage.publish(1, 1);
        client.expect_text("the state");
        assert_eq!(stage.topic.stats().closed, 0);
    });
}

#[test]
fn a_stop_of_the_loop_is_not_the_lag_of_its_subscribers() {
    const MAX_LAG: Duration = Duration::from_secs(2);
    let (enter, entered) = channel();
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let script = Script::new().on_text(move |_, _| {
        enter.send(()).expect("the test listens");
        gate.lock().expect("a gate").recv().expect("the test lets go");
    });
    let steps = SlowConsumer { max_lag: Some(MAX_LAG), ..STEPS };
    let options = TopicOptions::latest().slow_consumer(steps);
    let stage = Stage::new(Mode::Inline.builder(), options, script);
    let (mut client, _) = stage.subscribe();
    let (blocker, _) = stage.connect();
    stage.publish_one_by_one(COUNT, 1);
    assert_eq!(stage.topic.stats().lags, 1);
    blocker.send_text("block");
    soon(&entered);
    std::thread::sleep(MAX_LAG + Duration::from_secs(2));
    release.send(()).expect("somebody waits");
    while sequence_of(&client.recv()) < COUNT {}
    assert_eq!(stage.topic.stats().closed, 0);
}

fn up_to_close(client: &mut Client) -> Vec<Received> {
    let mut received = Vec::new();
    loop {
        received.push(client.recv());
        match received.last() {
            Some(Received::Close(code, _)) => {
                client.close(*code, "");
                client.expect_end();
                return received;
            }
            Some(Received::End | Received::Reset) => panic!("no close frame"),
            _ => {}
        }
    }
}

#[test]
fn what_is_published_in_one_turn_waits_only_as_far_as_may_wait() {
    const MAX_BACKPRESSURE: usize = 16 << 10;
    const BURST: usize = 400;
    const SLEEPER_COUNT: usize = 8;
    for options in
        [TopicOptions::every(Overflow::DropNewest), TopicOptions::latest(), TopicOptions::resync()]
    {
        let script = Script::new().on_text(|ctx, _| {
            let topic = ctx.server().topic("t");
            (0..BURST).for_each(|_| assert_eq!(topic.publish(vec![0; 4000]), Outcome::Sent));
            ctx.send("published");
        });
        let builder = Mode::Inline.builder().max_backpressure(MAX_BACKPRESSURE);
        let stage = Stage::new(builder, options, script);
        let sleepers: Vec<_> = (0..SLEEPER_COUNT)
            .map(|_| {
                // Each has got more than the next.
                assert_eq!(stage.topic.publish(vec![0; 8000]), Outcome::Sent);
                stage.subscribe()
            })
            .collect();
        let (mut publisher, _) = stage.connect();
        publisher.send_text("publish");
        publisher.expect_text("published");
        eventually("all is handed out", || {
            let stats = stage.topic.stats();
            stats.offered >= (BURST * SLEEPER_COUNT) as u64 && stats.dropped + stats.pending > 0
        });
        let queued = stage.server.handle().stats().total.bytes_queued;
        assert!(queued <= (SLEEPER_COUNT * MAX_BACKPRESSURE) as u64, "{queued} bytes");
        drop(sleepers);
    }
}

/// Topics that say in band what was missed.
fn telling(options: TopicOptions) -> TopicOptions {
    options.slow_consumer(STEPS).notice(|notice| {
        assert_eq!(notice.topic, "t");
        let missed = match notice.missed {
            Missed::Conflated => "conflated",
            Missed::Resynced => "resynced",
            _ => "other",
        };
        Some(format!("{missed} {} {}", notice.count, notice.sequence).into())
    })
}

/// A notice's numbers: how many were missed, and up to which publication that goes.
fn noticed(text: &str, missed: &str) -> (u64, u64) {
    let words: Vec<_> = text.split(' ').collect();
    assert_eq!(words[0], missed);
    (words[1].parse().expect("a count"), words[2].parse().expect("a sequence number"))
}

#[test]
fn a_notice_goes_ahead_of_conflated_values_and_says_exactly_how_many_there_were() {
    const KEY_COUNT: u64 = 30;
    in_each_mode(|mode| {
        let stage = Stage::new(mode.builder(), telling(TopicOptions::latest()), Script::new());
        let (mut client, _) = stage.subscribe();
        let (mut last, mut received, mut told, mut notice_count) = (0, 0, 0, 0);
        for _ in 0..3 {
            stage.publish_one_by_one(COUNT / 2, KEY_COUNT);
            stage.publish(2 * COUNT, KEY_COUNT);
            stage.settled(1);
            while last < stage.topic.sequence() {
                let text = match client.recv() {
                    Received::Text(text) => text,
                    other => {
                        assert_eq!(sequence_of(&other), last + 1, "a gap without a notice");
                        (last, received) = (last + 1, received + 1);
                        continue;
                    }
                };
                let (count, upto) = noticed(&text, "conflated");
                assert!(count > 0 && upto > last + count, "{text} behind {last}");
                for _ in 0..upto - last - count {
                    let sequence = sequence_of(&client.recv());
                    assert!(sequence > last, "{sequence} behind {last}");
                    (last, received) = (sequence, received + 1);
                }
                assert_eq!(last, upto, "the notice counts what comes behind it");
                (told, notice_count) = (told + count, notice_count + 1);
            }
        }
        assert!(notice_count > 3, "{notice_count}: more values than fit into one piece");
        let stats = stage.drained(1);
        assert_eq!((stats.conflated, stats.delivered), (told, received), "{stats:?}");
        assert_eq!(stats.lags, 3, "{stats:?}");
    });
}

#[test]
fn a_notice_goes_ahead_of_a_snapshot_and_says_exactly_what_it_makes_up_for() {
    in_each_mode(|mode| {
        let options = telling(TopicOptions::resync()).replay(16, 1 << 20);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let (mut client, _) = stage.subscribe();
        let (mut last, mut received, mut told) = (0, 0, 0);
        for _ in 0..3 {
            stage.publish_one_by_one(COUNT, 1);
            let state = stage.topic.sequence();
            assert!(stage.topic.supply_snapshot(state, format!("all up to {state}")));
            stage.publish(3, 1);
            stage.settled(1);
            let mut notices = 0;
            while last < stage.topic.sequence() {
                match client.recv() {
                    Received::Text(text) => {
                        let (count, upto) = noticed(&text, "resynced");
                        assert_eq!((last + count, upto), (state, state + 3), "{text}");
                        client.expect_text(&format!("all up to {state}"));
                        (last, told, notices) = (state, told + count, notices + 1);
                    }
                    other => {
                        assert_eq!(sequence_of(&other), last + 1, "a gap without a notice");
                        (last, received) = (last + 1, received + 1);
                    }
                }
            }
            assert_eq!(notices, 1);
        }
        let stats = stage.drained(1);
        assert_eq!((stats.dropped, stats.delivered), (told, received), "{stats:?}");
        assert_eq!((stats.resyncs, stats.snapshots, stats.lags), (3, 3, 3), "{stats:?}");
    });
}
