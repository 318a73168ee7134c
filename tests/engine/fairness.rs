//! Publications beside everything else that a loop does, and beside each other.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use tickwire::{
    Config, Limits, Outcome, Overflow, ServerHandle, SlowConsumer, Topic, TopicOptions,
};

use super::support::{
    Client, Mode, PATIENCE, Received, Running, Script, eventually, in_each_mode, soon,
};

/// Enough for several slices of one delivery.
const SUBSCRIBER_COUNT: usize = 1200;

/// A delivery to many subscribers is not done in one go: between two pieces of it others are served.
#[test]
fn an_echo_is_answered_in_the_middle_of_a_delivery() {
    if descriptor_limit() < 2 * SUBSCRIBER_COUNT + 1000 {
        eprintln!("SKIPPED: the descriptor limit is too low");
        return;
    }
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, text| match text {
            "subscribe" => {
                let topic = ctx.server().topic("t");
                assert!(ctx.subscribe(&topic).is_subscribed());
                ctx.send("subscribed");
            }
            _ => {
                let deliveries = deliveries(ctx.server());
                ctx.send(deliveries.to_string());
            }
        });
        // On a slow machine all this takes long.
        let builder = mode.builder().ping_interval(None).idle_timeout(None);
        let server = Running::start(builder, script);
        let topic = server.handle().topic("t");
        let mut subscribers: Vec<_> = (0..SUBSCRIBER_COUNT).map(|_| subscribe(&server)).collect();
        let done = AtomicBool::new(false);
        let published = std::thread::scope(|scope| {
            let echoes = scope.spawn(|| echo_in_the_middle(&server, &done));
            let published = publish_until(server.handle(), &topic, || echoes.is_finished());
            done.store(true, Ordering::Relaxed);
            assert!(echoes.join().expect("echoes"), "each waited for {published} whole deliveries");
            published
        });
        for subscriber in &mut subscribers {
            (1..=published).for_each(|i| subscriber.expect_text(&i.to_string()));
        }
    });
}

fn deliveries(server: &ServerHandle) -> u64 {
    server.stats().total.deliveries
}

fn subscribe(server: &Running) -> Client {
    let mut client = server.connect();
    client.send_text("subscribe");
    client.expect_text("subscribed");
    client
}

/// One publication after another, each to all before the next; returns how many.
fn publish_until(server: &ServerHandle, topic: &Topic, is_enough: impl Fn() -> bool) -> u64 {
    const MAX_COUNT: u64 = 300;
    for count in 1..=MAX_COUNT {
        assert_eq!(topic.publish(count.to_string()), Outcome::Sent);
        eventually("all have it", || deliveries(server) == count * SUBSCRIBER_COUNT as u64);
        if is_enough() {
            return count;
        }
    }
    MAX_COUNT
}

/// Whether an echo came and went while some had the publication and others had not.
fn echo_in_the_middle(server: &Running, done: &AtomicBool) -> bool {
    let mut client = server.connect();
    while !done.load(Ordering::Relaxed) {
        client.send_text("how many?");
        let Received::Text(text) = client.recv() else { panic!("not an echo") };
        let now = deliveries(server.handle());
        let then: u64 = text.parse().expect("a number");
        let whole = |deliveries: u64| deliveries / SUBSCRIBER_COUNT as u64;
        if then % SUBSCRIBER_COUNT as u64 != 0 && whole(now) == whole(then) {
            return true;
        }
    }
    false
}

fn descriptor_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

const GROUP_COUNT: usize = 200;
const GROUP_LEN: usize = 10;

/// Publishes group `group` of publisher `name`: in one call, or one by one.
fn publish_group(topic: &Topic, name: &str, group: usize) {
    let texts = (0..GROUP_LEN).map(|i| format!("{name} {group} {i}"));
    if group % 2 == 0 {
        assert_eq!(topic.publish_all_keyed(texts.map(|text| (name, text))), Outcome::Sent);
    } else {
        texts.for_each(|text| assert_eq!(topic.publish_keyed(name, text), Outcome::Sent));
    }
}

/// Callbacks of several loops or handler threads, and threads of the service, all at once.
#[test]
fn each_publishers_order_is_kept_wherever_it_publishes_and_what_goes_together_stays_together() {
    // More than all that is published: nobody is ever slow.
    let steps = SlowConsumer { lag_len: 1 << 20, ..SlowConsumer::default() };
    for options in [TopicOptions::every(Overflow::Close), TopicOptions::latest()] {
        let options = options.slow_consumer(steps);
        in_each_mode(|mode| {
            let (server, topic) = start(mode, options.clone());
            let mut subscribers: Vec<_> = (0..3).map(|_| subscribe(&server)).collect();
            let callbacks = ["callbacks of a", "callbacks of b"];
            let threads = ["thread c", "thread d"];
            std::thread::scope(|scope| {
                for name in callbacks {
                    let client = server.connect();
                    scope.spawn(move || ask_for_groups(client, name));
                }
                for name in threads {
                    let topic = &topic;
                    scope.spawn(move || {
                        (0..GROUP_COUNT).for_each(|group| publish_group(topic, name, group));
                    });
                }
                for subscriber in &mut subscribers {
                    scope.spawn(|| check_order(subscriber, &[callbacks, threads].concat()));
                }
            });
            let count = (4 * GROUP_COUNT * GROUP_LEN) as u64;
            assert_eq!(topic.sequence(), count);
            eventually("all is counted", || topic.stats().delivered == 3 * count);
            assert_eq!(topic.stats().lags, 0, "nobody was slow");
        });
    }
}

fn start(mode: Mode, options: TopicOptions) -> (Running, Topic) {
    let script = Script::new().on_text(|ctx, text| {
        let topic = ctx.server().topic("t");
        match text.rsplit_once(' ') {
            None => assert!(ctx.subscribe(&topic).is_subscribed()),
            Some((name, group)) => publish_group(&topic, name, group.parse().expect("a number")),
        }
        ctx.send("subscribed");
    });
    let server = Running::start(mode.builder().event_loops(2), script);
    let topic = server.handle().topic_with("t", options);
    (server, topic)
}

fn ask_for_groups(mut client: Client, name: &str) {
    for group in 0..GROUP_COUNT {
        client.send_text(&format!("{name} {group}"));
        client.expect_text("subscribed");
    }
}

/// Reads everything: of each publisher in order, and each group that was published in one call
/// without another's publication in between.
fn check_order(subscriber: &mut Client, names: &[&str]) {
    let mut next = vec![0; names.len()];
    let mut together = None;
    while next.iter().any(|&next| next < GROUP_COUNT * GROUP_LEN) {
        let Received::Text(text) = subscriber.recv() else { panic!("not a publication") };
        let at = names.iter().position(|name| text.starts_with(name)).expect("a publisher");
        let (group, i) = (next[at] / GROUP_LEN, next[at] % GROUP_LEN);
        assert_eq!(text, format!("{} {group} {i}", names[at]));
        assert!(together.is_none_or(|together| together == at), "{text:?} is in between");
        together = (group % 2 == 0 && i + 1 < GROUP_LEN).then_some(at);
        next[at] += 1;
    }
}

#[test]
fn nothing_and_too_much_are_published_as_a_whole_or_not_at_all() {
    const MAX_LEN: usize = 1 << 30;
    let server = Running::start(Mode::Inline.builder(), Script::new());
    let topic = server.handle().topic("t");
    let nothing: [&str; 0] = [];
    assert_eq!(topic.publish_all(nothing), Outcome::Sent);
    assert_eq!(topic.sequence(), 0);
    let large = bytes::Bytes::from(vec![0; MAX_LEN / 4]);
    assert_eq!(topic.publish_all(std::iter::repeat_n(large, 5)), Outcome::Dropped);
    assert_eq!((topic.sequence(), topic.stats().offered), (0, 0));
    assert_eq!(topic.publish_wait("something", PATIENCE), Outcome::Sent);
    assert_eq!(topic.sequence(), 1);
}

/// Whatever has come of a connection, no more messages than that are handled before others have their turn.
#[test]
fn a_turn_takes_no_more_messages_than_it_may() {
    const COUNT: u64 = 1000;
    let mut config = Config::default();
    (config.event_loops, config.handler_threads, config.max_messages_per_turn) = (1, 0, 1);
    config.limits = Limits::trusted();
    let server = Running::start(Mode::Inline.builder().config(config), Script::echo());
    let mut client = server.connect();
    let turns = || server.handle().stats().total.turns;
    let before = turns();
    client.send_texts(["x"; COUNT as usize]);
    (0..COUNT).for_each(|_| client.expect_text("x"));
    let count = turns() - before;
    assert!(count >= COUNT - 1, "{COUNT} messages in {count} turns");
}

/// While a loop serves one socket after another it passes on what other threads send.
#[test]
fn what_other_threads_send_does_not_wait_until_all_sockets_are_served() {
    let (tell_busy, busy) = channel();
    let (end_wait, waiting) = channel::<()>();
    let (tell_received, received) = channel::<()>();
    let receivers = Mutex::new((waiting, received));
    let served = AtomicU32::new(0);
    let receiver_id = Arc::new(OnceLock::new());
    let first_id = receiver_id.clone();
    let script = Script::new().on_open(move |ctx| {
        first_id.get_or_init(|| ctx.id());
    });
    let script = script.on_text(move |ctx, text| {
        let (server, id) = (ctx.server(), *receiver_id.get().expect("somebody is connected"));
        let receivers = receivers.lock().unwrap();
        if text == "wait" {
            tell_busy.send(()).expect("the test listens");
            soon(&receivers.0);
        } else if served.fetch_add(1, Ordering::Relaxed) == 0 {
            thread::scope(|scope| {
                scope.spawn(|| server.send(id, "from another thread"));
            });
            // Longer than that may wait.
            thread::sleep(Duration::from_millis(5));
        } else {
            soon(&receivers.1);
            server.send(id, "in the same turn");
        }
    });
    let server = Running::start(Mode::Inline.builder().event_loops(1), script);
    let mut receiver = server.connect();
    let [busy_one, one, another] = [server.connect(), server.connect(), server.connect()];
    busy_one.send_text("wait");
    soon(&busy);
    // Both are there when the loop looks again.
    one.send_text("serve");
    another.send_text("serve");
    end_wait.send(()).expect("the loop waits");
    receiver.expect_text("from another thread");
    tell_received.send(()).expect("the loop waits");
    receiver.expect_text("in the same turn");
}
