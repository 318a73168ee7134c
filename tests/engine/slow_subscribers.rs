//! Subscribers that do not read, beside others that do.

use std::sync::Mutex;

use tickwire::{Delivery, Outcome, Overflow, Topic, TopicOptions};

use super::support::{
    Client, Mode, PATIENCE, Received, Running, Script, eventually, in_each_mode,
    in_each_mode_at_once,
};

/// More than every buffer between a server and a client that does not read.
const COUNT: usize = 400;
const LEN: usize = 40_000;
const MAX_BACKPRESSURE: usize = 256 << 10;

/// Everybody gets a topic of the given delivery.
fn start(mode: Mode, delivery: Delivery) -> (Running, Topic) {
    let script = Script::new().on_open(move |ctx| {
        let topic = ctx.server().topic_with("t", delivery);
        ctx.subscribe(&topic);
        ctx.send("subscribed");
    });
    let builder = mode
        .builder()
        .event_loops(2)
        .max_backpressure(MAX_BACKPRESSURE)
        // Those who sleep take their time to answer a close frame.
        .close_timeout(PATIENCE);
    let server = Running::start(builder, script);
    let topic = server.handle().topic_with("t", delivery);
    (server, topic)
}

fn subscribe(server: &Running) -> Client {
    let mut client = server.dial().receive_len(16 << 10).connect();
    client.expect_text("subscribed");
    client
}

fn publication(i: usize) -> String {
    format!("{i} {}", "x".repeat(LEN))
}

/// Publishes, while `reader` gets every publication.
fn publish_and_read(topic: &Topic, readers: &mut [Client]) {
    for i in 0..COUNT {
        assert_eq!(topic.publish(publication(i)), Outcome::Sent);
        for reader in &mut *readers {
            reader.expect_text(&publication(i));
        }
    }
}

#[test]
fn all_of_them_are_closed_with_1013_and_the_others_miss_nothing() {
    in_each_mode(|mode| {
        let (server, topic) = start(mode, Delivery::default());
        let mut readers = [subscribe(&server), subscribe(&server)];
        // Several on one loop: each must get a close frame of its own.
        let mut sleepers: Vec<_> = (0..6).map(|_| subscribe(&server)).collect();
        publish_and_read(&topic, &mut readers);
        for sleeper in &mut sleepers {
            let received = sleeper_receives(sleeper);
            let Some((Received::Close(code, reason), publications)) = received.split_last() else {
                panic!("not a close frame")
            };
            assert_eq!(*code, 1013, "{reason}");
            assert!(!reason.is_empty() && publications.len() < COUNT);
            for (i, received) in publications.iter().enumerate() {
                assert!(*received == Received::Text(publication(i)), "no gap before the end");
            }
        }
        let stats = server.handle().stats().total;
        assert_eq!(stats.subscribers_closed, 6);
        eventually("the closed ones are let go", || topic.subscriber_count() == 2);
    });
}

/// Everything up to the close frame, which is answered.
fn sleeper_receives(client: &mut Client) -> Vec<Received> {
    let mut received = Vec::new();
    loop {
        received.push(client.recv());
        if let Some(Received::Close(code, _)) = received.last() {
            client.close(*code, "");
            client.expect_end();
            return received;
        }
        assert_ne!(received.last(), Some(&Received::End), "no close frame");
        assert_ne!(received.last(), Some(&Received::Reset), "no close frame");
    }
}

#[test]
fn newest_publications_are_dropped_and_counted_and_the_others_miss_nothing() {
    in_each_mode(|mode| {
        let delivery = Delivery::Every { overflow: Overflow::DropNewest };
        let (server, topic) = start(mode, delivery);
        let mut readers = [subscribe(&server), subscribe(&server)];
        let mut sleeper = subscribe(&server);
        publish_and_read(&topic, &mut readers);
        // It has taken what fits; now that it reads, new ones arrive again.
        let held = server.handle().stats().total;
        assert!(held.bytes_queued <= MAX_BACKPRESSURE as u64, "{} bytes", held.bytes_queued);
        let mut received = 0;
        let mut previous = None;
        let mut read = |sleeper: &mut Client, until: &dyn Fn(usize) -> bool| {
            while previous.is_none_or(|previous| !until(previous)) {
                let Received::Text(text) = sleeper.recv() else { panic!("not a publication") };
                let i = text.split(' ').next().and_then(|i| i.parse().ok()).expect("a number");
                assert!(previous.is_none_or(|previous| i > previous), "disorder");
                previous = Some(i);
                received += 1;
            }
        };
        let dropped = server.handle().stats().total.deliveries_dropped;
        let last = COUNT - 1 - dropped as usize;
        read(&mut sleeper, &|i| i == last);
        topic.publish(publication(COUNT));
        read(&mut sleeper, &|i| i == COUNT);
        for reader in &mut readers {
            reader.expect_text(&publication(COUNT));
        }
        let stats = server.handle().stats().total;
        assert_eq!(received + stats.deliveries_dropped as usize, COUNT + 1, "every gap is counted");
        assert_eq!(stats.subscribers_closed, 0);
    });
}

#[test]
fn pongs_go_ahead_of_megabytes_of_publications() {
    in_each_mode_at_once(|mode| {
        let (server, topic) = start(mode, Delivery::Every { overflow: Overflow::DropNewest });
        let mut sleeper = subscribe(&server);
        for i in 0..COUNT {
            assert_eq!(topic.publish(publication(i)), Outcome::Sent);
        }
        let queued = || server.handle().stats().total.bytes_queued as usize;
        eventually("publications are queued", || {
            queued() > MAX_BACKPRESSURE / 2 && server.handle().stats().total.deliveries_dropped > 0
        });
        let received = || server.handle().stats().total.bytes_received;
        let before = received();
        sleeper.ping(b"are you there?");
        eventually("the ping is received", || received() > before);
        let behind_pong = {
            while sleeper.recv() != Received::Pong(b"are you there?".to_vec()) {}
            let mut count = 0;
            while sleeper.recv_within(std::time::Duration::from_millis(500)).is_some() {
                count += 1;
            }
            count
        };
        // What the kernel has taken cannot be overtaken, but most of the queue can.
        assert!(behind_pong * LEN > MAX_BACKPRESSURE / 2, "{behind_pong} behind the pong");
    });
}

/// A slow subscriber of a flood is still heard.
#[test]
fn a_slow_subscriber_can_unsubscribe() {
    in_each_mode(|mode| {
        let delivery = Delivery::Every { overflow: Overflow::DropNewest };
        let heard = std::sync::Arc::new(Mutex::new(false));
        let script = Script::new()
            .on_open(move |ctx| {
                let topic = ctx.server().topic_with("t", delivery);
                ctx.subscribe(&topic);
            })
            .on_text({
                let heard = heard.clone();
                move |ctx, _| {
                    let topic = ctx.server().topic("t");
                    ctx.unsubscribe(&topic);
                    *heard.lock().expect("a flag") = true;
                }
            });
        let builder = mode.builder().max_backpressure(MAX_BACKPRESSURE);
        let server = Running::start(builder, script);
        let topic = server.handle().topic_with("t", delivery);
        let client = server.dial().receive_len(16 << 10).connect();
        eventually("it subscribes", || topic.subscriber_count() == 1);
        for i in 0..COUNT {
            topic.publish(publication(i));
        }
        let dropped = || server.handle().stats().total.deliveries_dropped > 0;
        eventually("its queue is full", dropped);
        client.send_text("stop");
        eventually("it is heard", || *heard.lock().expect("a flag"));
        eventually("it does not subscribe any more", || topic.subscriber_count() == 0);
    });
}

#[test]
fn a_client_of_a_thousand_topics_takes_turns_with_the_others() {
    const TOPIC_COUNT: usize = 1000;
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, _| {
            for i in 0..TOPIC_COUNT {
                let topic = ctx.server().topic(&i.to_string());
                assert!(ctx.subscribe(&topic).is_subscribed());
            }
        });
        let server = Running::start(mode.builder(), script);
        let topics: Vec<_> = (0..TOPIC_COUNT)
            .map(|i| server.handle().topic_with(&i.to_string(), TopicOptions::latest()))
            .collect();
        for topic in &topics {
            assert_eq!(topic.publish("a value"), Outcome::Sent);
        }
        let mut client = server.connect();
        let turns = || server.handle().stats().total.turns;
        let before = turns();
        client.send_text("all of them");
        (0..TOPIC_COUNT).for_each(|_| client.expect_text("a value"));
        let turn_count = turns() - before;
        assert!(turn_count > TOPIC_COUNT as u64 / 100, "all in {turn_count} turns");
    });
}
