//! Topics of latest values.

use std::time::Duration;

use tickwire::{Message, Outcome, Outgoing, SlowConsumer, Subscribed, Topic, TopicOptions};

use super::rounds::{Feed, come_and_go};
use super::stage::{STEPS, Stage, sequence_of};
use super::support::{
    Client, Mode, PATIENCE, Received, Running, Script, eventually, in_each_mode,
    in_each_mode_at_once,
};

/// Values of sixty-four keys, each no more than its sequence number.
struct Values;

const KEY_COUNT: u64 = 64;

/// Keys come again soon or late, in no order.
fn key(sequence: u64) -> u8 {
    (sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8 % KEY_COUNT as u8
}

impl Feed for Values {
    type View = [u64; KEY_COUNT as usize];

    fn options(&self) -> TopicOptions {
        TopicOptions::latest()
    }

    fn publish(&self, topic: &Topic, sequence: u64) {
        let key = key(sequence);
        let outcome = topic.publish_keyed_wait([key], &sequence.to_le_bytes(), PATIENCE);
        assert_eq!(outcome, Outcome::Sent);
    }

    fn view(&self) -> Self::View {
        [0; KEY_COUNT as usize]
    }

    fn take(&self, view: &mut Self::View, payload: &[u8]) -> u64 {
        let sequence = u64::from_le_bytes(payload.try_into().expect("a sequence number"));
        view[usize::from(key(sequence))] = sequence;
        sequence
    }

    fn check(&self, view: &Self::View, sequence: u64) {
        let mut values = self.view();
        for earlier in (1..=sequence).rev() {
            let value = &mut values[usize::from(key(earlier))];
            *value = (*value).max(earlier);
            if values.iter().all(|&value| value > 0) {
                break;
            }
        }
        assert_eq!(*view, values, "after {sequence}");
    }
}

#[test]
fn who_subscribes_while_values_change_has_the_publishers_values() {
    come_and_go(&Values);
}

/// A number to be added to what its key has; the last publication says so.
fn addend(key: u8, number: u64, is_last: bool) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend([key, u8::from(is_last)]);
    // Long enough for queues to fill.
    payload.resize(1000, 0);
    payload
}

fn number_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().expect("eight bytes"))
}

/// One addend out of two of the same key.
fn sum(older: Message<'_>, newer: Message<'_>) -> Outgoing<'static> {
    let (older, newer) = (older.as_bytes(), newer.as_bytes());
    assert_eq!(older[8], newer[8], "values of different keys");
    addend(older[8], number_of(older) + number_of(newer), newer[9] == 1).into()
}

type Sums = [u64; KEY_COUNT as usize];

/// Adds up what comes, to the last.
fn add_up(client: &mut Client) -> (Sums, u64) {
    let (mut sums, mut received) = ([0; KEY_COUNT as usize], 0);
    loop {
        let Received::Binary(payload) = client.recv() else { panic!("not an addend") };
        sums[usize::from(payload[8])] += number_of(&payload);
        received += 1;
        if payload[9] == 1 {
            return (sums, received);
        }
    }
}

/// Addends from two threads at once; the test's own thread sends the last one.
fn publish_addends(topic: &Topic, count: u64) -> Sums {
    let publish = |from: u64| {
        let mut sums = [0; KEY_COUNT as usize];
        for i in from..from + count / 2 {
            let (key, number) = (key(i), i * i % 1_000_003);
            let outcome = topic.publish_keyed_wait([key], addend(key, number, false), PATIENCE);
            assert_eq!(outcome, Outcome::Sent);
            sums[usize::from(key)] += number;
        }
        sums
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| publish(1_000_000));
        let sums = publish(0);
        let other = other.join().expect("a publisher");
        std::array::from_fn(|key| sums[key] + other[key])
    })
}

#[test]
fn merged_sums_survive_a_stall_exactly() {
    const COUNT: u64 = 1000;
    in_each_mode(|mode| {
        let options = TopicOptions::latest().slow_consumer(STEPS).merge(sum);
        let stage = Stage::new(mode.builder().event_loops(2), options, Script::new());
        let (mut sleeper, _) = stage.subscribe();
        let (mut reader, _) = stage.subscribe();
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || add_up(&mut reader));
            let stalled = publish_addends(&stage.topic, COUNT);
            assert!(stage.topic.stats().lags > 0, "{:?}", stage.topic.stats());
            // It comes back while addends are still published.
            let sleeper = scope.spawn(move || add_up(&mut sleeper));
            let late = publish_addends(&stage.topic, COUNT);
            assert_eq!(stage.topic.publish_keyed([0], addend(0, 1, true)), Outcome::Sent);
            let mut expected: Sums = std::array::from_fn(|key| stalled[key] + late[key]);
            expected[0] += 1;

            let (sums, received) = sleeper.join().expect("the sleeper");
            assert_eq!(sums, expected, "after a stall");
            let (reader_sums, reader_received) = reader.join().expect("the reader");
            assert_eq!(reader_sums, expected, "of one that reads");
            assert!(received < 2 * COUNT, "{received} of {}", 2 * COUNT);
            let stats = stage.drained(2);
            assert_eq!(stats.delivered, received + reader_received, "{stats:?}");
            assert_eq!(stats.conflated, 2 * (2 * COUNT + 1) - stats.delivered, "{stats:?}");
        });
    });
}

/// Publishes one by one, so that there is something to leave out, while a client reads to the last.
fn rated(stage: &Stage, count: u64, key_count: u64) -> Vec<u64> {
    let mut client = stage.subscribe_at(10.0);
    let received = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut received = Vec::new();
            while received.last() != Some(&count) {
                received.push(sequence_of(&client.recv()));
            }
            received
        });
        for _ in 0..count {
            stage.publish(1, key_count);
            std::thread::sleep(Duration::from_micros(500));
        }
        reader.join().expect("the reader")
    });
    assert!(received.is_sorted_by(|earlier, later| earlier < later), "{received:?}");
    received
}

/// Steps that would close whoever lags without having asked for it.
const SHORT: SlowConsumer = SlowConsumer { max_lag: Some(Duration::from_millis(300)), ..STEPS };

#[test]
fn whoever_asks_for_fewer_updates_gets_the_latest_of_each_key_and_all_is_counted() {
    const COUNT: u64 = 1000;
    in_each_mode(|mode| {
        let options = TopicOptions::latest().slow_consumer(SHORT);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let received = rated(&stage, COUNT, 4);
        let stats = stage.drained(1);
        assert_eq!(stats.delivered, received.len() as u64, "{stats:?}");
        assert!(stats.conflated > 0 && stats.pending == 0, "{stats:?}");
        assert_eq!((stats.closed, stats.lags), (0, 0), "it lags because it wants to: {stats:?}");
    });
}

#[test]
fn whoever_asks_for_fewer_updates_of_deltas_still_gets_each_delta() {
    const COUNT: u64 = 1000;
    in_each_mode(|mode| {
        let options = TopicOptions::resync().slow_consumer(SHORT).replay(1000, 16 << 20);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let received = rated(&stage, COUNT, 1);
        assert!(received.into_iter().eq(1..=COUNT), "a gap");
        let stats = stage.drained(1);
        assert_eq!((stats.delivered, stats.closed), (COUNT, 0), "{stats:?}");
    });
}

#[test]
fn whoever_asks_for_fewer_updates_and_takes_none_is_closed() {
    in_each_mode_at_once(|mode| {
        let options = TopicOptions::latest().slow_consumer(SHORT);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let _sleeper = stage.subscribe_at(50.0);
        eventually("it is closed", || {
            stage.publish(KEY_COUNT, KEY_COUNT);
            stage.topic.stats().closed == 1
        });
    });
}

#[test]
fn values_that_wait_to_be_merged_are_no_more_than_there_may_be_keys() {
    const COUNT: u64 = 1000;
    in_each_mode(|mode| {
        let options = TopicOptions::latest().max_keys(2).merge(sum);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let mut client = stage.subscribe_at(1.0);
        assert_eq!(stage.topic.publish_keyed("stays", addend(0, 1, false)), Outcome::Sent);
        for i in 0..COUNT {
            let key = i.to_le_bytes();
            assert_eq!(stage.topic.publish_keyed(key, addend(1, 1, false)), Outcome::Sent);
            assert!(stage.topic.remove_key(key));
        }
        assert_eq!(stage.topic.publish_keyed("last", addend(0, 1, true)), Outcome::Sent);
        let (sums, received) = add_up(&mut client);
        assert_eq!(sums[0], 2, "keys that stay lose nothing");
        let stats = stage.drained(1);
        assert!(received < COUNT / 10, "{received} values: {stats:?}");
        assert_eq!((stats.delivered, stats.conflated), (received, COUNT + 2 - received));
    });
}

/// Two keys and no more.
fn two_keys(mode: Mode) -> (Running, Topic, Client) {
    let script = Script::new().on_open(|ctx| {
        let topic = ctx.server().topic_with("t", TopicOptions::latest().max_keys(2));
        assert_eq!(ctx.subscribe(&topic), Subscribed::Live);
        ctx.send("subscribed");
    });
    let server = Running::start(mode.builder(), script);
    let mut client = server.connect();
    client.expect_text("subscribed");
    let topic = server.handle().topic("t");
    (server, topic, client)
}

#[test]
fn a_key_too_many_is_refused_and_reaches_nobody() {
    in_each_mode(|mode| {
        let (_server, topic, mut client) = two_keys(mode);
        assert_eq!(topic.publish_keyed("a", "a1"), Outcome::Sent);
        assert_eq!(topic.publish_keyed("b", "b2"), Outcome::Sent);
        assert_eq!(topic.publish_keyed("c", "one too many"), Outcome::Dropped);
        assert_eq!(topic.publish_keyed_with("c", |_| "one too many"), Outcome::Dropped);
        assert_eq!(topic.publish("of the topic itself: a key too"), Outcome::Dropped);
        // All or none.
        let values = [("a", "a, none of it"), ("c", "one too many")];
        assert_eq!(topic.publish_all_keyed(values), Outcome::Dropped);
        assert_eq!((topic.sequence(), topic.stats().keys), (2, 2));
        assert_eq!(topic.publish_all_keyed([("a", "a3"), ("b", "b4")]), Outcome::Sent);
        assert!(topic.remove_key("a") && !topic.remove_key("a"));
        assert_eq!(topic.publish_keyed("c", "c5"), Outcome::Sent);
        for expected in ["a1", "b2", "a3", "b4", "c5"] {
            client.expect_text(expected);
        }
    });
}

#[test]
fn what_waits_for_one_that_lags_is_no_more_than_may_wait() {
    const MAX_BACKPRESSURE: usize = 64 << 10;
    in_each_mode(|mode| {
        let steps = SlowConsumer { lag_len: 1 << 20, ..STEPS };
        let builder = mode.builder().max_backpressure(MAX_BACKPRESSURE);
        let stage = Stage::new(builder, TopicOptions::latest().slow_consumer(steps), Script::new());
        let (mut client, _) = stage.subscribe();
        // Of all values there is four times as much as may wait.
        stage.publish(2000, KEY_COUNT);
        stage.settled(1);
        while sequence_of(&client.recv()) < 2000 {
            let waiting = stage.server.handle().stats().total.bytes_queued;
            assert!(waiting <= MAX_BACKPRESSURE as u64, "{waiting} bytes");
        }
    });
}
