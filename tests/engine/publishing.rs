//! Topics: who gets what, in which order, and how it is counted.

use std::time::Duration;

use tickwire::{Delivery, Outcome, Overflow, SubscribeOptions, Subscribed};

use super::support::{Client, Mode, Received, Running, Script, eventually, in_each_mode};

/// A client's `+name` subscribes it, `-name` unsubscribes, `name=text` publishes; each is confirmed
/// by a message of its own.
fn news() -> Script {
    Script::new().on_text(|ctx, text| {
        if let Some(name) = text.strip_prefix('+') {
            let topic = ctx.server().topic(name);
            ctx.subscribe(&topic);
        } else if let Some(name) = text.strip_prefix('-') {
            let topic = ctx.server().topic(name);
            ctx.unsubscribe(&topic);
        } else {
            let (name, text) = text.split_once('=').expect("name=text");
            ctx.server().topic(name).publish(text);
        }
        ctx.send(format!("did {text}"));
    })
}

fn tell(client: &mut Client, command: &str) {
    client.send_text(command);
    client.expect_text(&format!("did {command}"));
}

fn start(mode: Mode) -> Running {
    Running::start(mode.builder().event_loops(2).max_backpressure(64 << 20), news())
}

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn every_publication_reaches_every_subscriber_once_and_in_order() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 500;
    in_each_mode(|mode| {
        let server = start(mode);
        let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
        clients.iter_mut().for_each(|client| tell(client, "+ticks"));
        let topic = server.handle().topic("ticks");
        assert_eq!(topic.subscriber_count(), 6);
        std::thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let topic = topic.clone();
                scope.spawn(move || {
                    for i in 0..EACH {
                        let outcome = topic.publish_wait(format!("{publisher} {i}"), TIMEOUT);
                        assert_eq!(outcome, Outcome::Sent);
                    }
                });
            }
        });
        let mut orders = Vec::new();
        for client in &mut clients {
            let mut next = [0; PUBLISHERS];
            let mut order = Vec::new();
            for _ in 0..PUBLISHERS * EACH {
                let Received::Text(text) = client.recv() else { panic!("not a publication") };
                let (publisher, i) = text.split_once(' ').expect("two numbers");
                let publisher: usize = publisher.parse().expect("a number");
                assert_eq!(i, next[publisher].to_string(), "a gap, a duplicate or disorder");
                next[publisher] += 1;
                order.push(text);
            }
            orders.push(order);
        }
        assert!(orders.iter().all(|order| *order == orders[0]), "all see one order");
        let count = (PUBLISHERS * EACH) as u64;
        assert_eq!(topic.sequence(), count);
        let counters = || server.handle().stats().total;
        eventually("all is counted", || counters().deliveries == 6 * count);
        assert_eq!(counters().publications, 2 * count, "each reaches both loops");
        assert_eq!((counters().deliveries_dropped, counters().subscribers_closed), (0, 0));
    });
}

#[test]
fn who_subscribes_and_publishes_at_once_misses_nothing() {
    in_each_mode(|mode| {
        let server = Running::start(
            mode.builder().event_loops(2),
            Script::new().on_open(|ctx| {
                let topic = ctx.server().topic(&format!("of {}", ctx.id()));
                ctx.subscribe(&topic);
                assert_eq!(topic.publish("first"), Outcome::Sent);
                ctx.send("between");
                assert_eq!(topic.publish("second"), Outcome::Sent);
            }),
        );
        for _ in 0..50 {
            let mut client = server.connect();
            client.expect_text("first");
            client.expect_text("between");
            client.expect_text("second");
            client.leave();
        }
    });
}

#[test]
fn subscribing_twice_is_subscribing_once_and_unsubscribing_ends_it() {
    in_each_mode(|mode| {
        let server = start(mode);
        let mut client = server.connect();
        tell(&mut client, "+a");
        tell(&mut client, "+a");
        tell(&mut client, "+b");
        let (a, b) = (server.handle().topic("a"), server.handle().topic("b"));
        a.publish("a1");
        b.publish("b1");
        client.expect_text("a1");
        client.expect_text("b1");
        tell(&mut client, "-a");
        a.publish("a2");
        b.publish("b2");
        client.expect_text("b2");
        assert_eq!((a.subscriber_count(), b.subscriber_count()), (0, 1));
        tell(&mut client, "-a");
        tell(&mut client, "+a");
        a.publish("a3");
        client.expect_text("a3");
    });
}

#[test]
fn publications_of_several_topics_keep_their_publishers_order() {
    in_each_mode(|mode| {
        let server = start(mode);
        let mut client = server.connect();
        for name in ["a", "b", "c"] {
            tell(&mut client, &format!("+{name}"));
        }
        let topics: Vec<_> =
            ["a", "b", "c"].iter().map(|name| server.handle().topic(name)).collect();
        // Short ones are copied, long ones shared: the kinds must not overtake each other.
        let text = |i: usize| format!("{i} {}", "x".repeat([10, 2000, 90_000][i % 5 % 3]));
        for i in 0..300 {
            let outcome = topics[i % 3].publish_wait(text(i), TIMEOUT);
            assert_eq!(outcome, Outcome::Sent);
        }
        for i in 0..300 {
            client.expect_text(&text(i));
        }
    });
}

#[test]
fn the_handle_subscribes_and_unsubscribes_from_outside() {
    in_each_mode(|mode| {
        let (ids, opened) = std::sync::mpsc::channel();
        let script =
            Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let server = Running::start(mode.builder().event_loops(2), script);
        let handle = server.handle();
        let topic = handle.topic("t");
        for _ in 0..20 {
            let mut client = server.connect();
            let id = super::support::soon(&opened);
            handle.send(id, "snapshot");
            assert_eq!(handle.subscribe(id, &topic), Subscribed::Live);
            topic.publish("delta");
            assert_eq!(handle.unsubscribe(id, &topic), Outcome::Sent);
            topic.publish("too late");
            handle.send(id, "end");
            client.expect_text("snapshot");
            client.expect_text("delta");
            client.expect_text("end");
            client.leave();
        }
        eventually("nobody subscribes", || topic.subscriber_count() == 0);
    });
}

#[test]
fn topics_are_forgotten_when_nobody_needs_them() {
    in_each_mode(|mode| {
        let server = start(mode);
        let topics = || server.handle().stats().topics;
        let mut client = server.connect();
        tell(&mut client, "+kept");
        for i in 0..100 {
            tell(&mut client, &format!("made-up-{i}=x"));
        }
        assert_eq!(topics(), 1);
        let held = server.handle().topic("held");
        assert_eq!(topics(), 2);
        drop(held);
        client.leave();
        eventually("the last subscriber is gone", || topics() == 0);
    });
}

#[test]
fn a_topic_keeps_the_delivery_that_it_began_with() {
    let server = start(Mode::Inline);
    let newest = Delivery::Every { overflow: Overflow::DropNewest };
    let topic = server.handle().topic_with("t", newest);
    assert_eq!(topic.delivery(), newest);
    assert_eq!(server.handle().topic("t").delivery(), newest);
    assert_eq!((topic.name(), topic.sequence()), ("t", 0));
    assert_eq!(topic.publish("to nobody"), Outcome::Sent);
    assert_eq!(topic.sequence(), 1);
}

#[test]
fn subscribers_that_leave_in_the_middle_disturb_nobody() {
    in_each_mode(|mode| {
        let server = start(mode);
        let mut stays = server.connect();
        tell(&mut stays, "+t");
        let topic = server.handle().topic("t");
        let publisher = {
            let topic = topic.clone();
            std::thread::spawn(move || {
                for i in 0..1000 {
                    assert_eq!(topic.publish_wait(i.to_string(), TIMEOUT), Outcome::Sent);
                    std::thread::sleep(Duration::from_micros(50));
                }
            })
        };
        for i in 0..30 {
            let mut client = server.connect();
            client.send_text("+t");
            client.recv();
            match i % 3 {
                0 => client.reset(),
                1 => client.close(1000, ""),
                _ => drop(client),
            }
        }
        publisher.join().expect("the publisher");
        for i in 0..1000 {
            stays.expect_text(&i.to_string());
        }
        eventually("the others are gone", || topic.subscriber_count() == 1);
    });
}

/// A client's `+prefix` subscribes it to a prefix, `-prefix` ends that; each is confirmed.
fn by_prefix() -> Script {
    Script::new().on_text(|ctx, text| {
        let done = match text.split_at(1) {
            ("+", prefix) => ctx.subscribe_prefix(prefix, SubscribeOptions::default()),
            ("-", prefix) => ctx.server().unsubscribe_prefix(ctx.id(), prefix),
            _ => panic!("{text}"),
        };
        assert_eq!(done, Outcome::Sent);
        ctx.send(format!("did {text}"));
    })
}

#[test]
fn a_prefix_brings_the_topics_that_there_are_and_those_to_come() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), by_prefix());
        let handle = server.handle();
        let topic = |name: &str| handle.topic(name);
        let (bitcoin, other) = (topic("book.BTC"), topic("trades.BTC"));
        let mut clients = [server.connect(), server.connect(), server.connect()];
        clients.iter_mut().for_each(|client| tell(client, "+book."));
        // Twice is once, also by another prefix.
        tell(&mut clients[0], "+book.");
        tell(&mut clients[0], "+book.E");
        // The first publication of a topic that nobody holds or knows yet.
        assert_eq!(topic("book.ETH").publish("E1"), Outcome::Sent);
        bitcoin.publish("B1");
        other.publish("not this");
        topic("boo").publish("nor this");
        topic("book.ETH").publish("E2");
        for client in &mut clients {
            client.expect_text("E1");
            client.expect_text("B1");
            client.expect_text("E2");
        }
        tell(&mut clients[1], "-book.");
        bitcoin.publish("B2");
        topic("book.SOL").publish("S1");
        for at in [0, 2] {
            clients[at].expect_text("B2");
            clients[at].expect_text("S1");
        }
        tell(&mut clients[1], "+trades");
        other.publish("T1");
        clients[1].expect_text("T1");
        let subscribers = || {
            let names = ["book.BTC", "book.ETH", "book.SOL"];
            names.map(|name| topic(name).subscriber_count())
        };
        eventually("provisional interest is taken back", || subscribers() == [2, 2, 2]);
        for client in clients {
            client.leave();
        }
        eventually("nobody subscribes", || subscribers() == [0, 0, 0]);
        drop((bitcoin, other));
        eventually("the topics are forgotten", || server.handle().stats().topics == 0);
    });
}

#[test]
fn topics_made_while_prefixes_come_and_go_miss_nothing() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), by_prefix());
        let mut stays = server.connect();
        tell(&mut stays, "+t");
        let publisher = {
            let handle = server.handle().clone();
            std::thread::spawn(move || {
                let mut held = Vec::new();
                for i in 0..300 {
                    let topic = handle.topic(&format!("t{i}"));
                    for j in 0..3 {
                        assert_eq!(topic.publish_wait(format!("{i} {j}"), TIMEOUT), Outcome::Sent);
                    }
                    held.push(topic);
                }
                held
            })
        };
        for i in 0..20 {
            let mut comes = server.connect();
            comes.send_text("+t");
            comes.recv();
            if i % 2 == 0 {
                comes.reset();
            }
        }
        let topics = publisher.join().expect("the publisher");
        for i in 0..300 {
            for j in 0..3 {
                stays.expect_text(&format!("{i} {j}"));
            }
        }
        drop(topics);
    });
}
