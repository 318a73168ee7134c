//! Sending from callbacks and from other threads.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, channel};

use tickwire::{CloseCode, Closed, ConnectionId, Outcome, Subscribed};

use super::support::{Client, Mode, Received, Running, Script, eventually, in_each_mode, soon};
use super::with_closes;

/// A server that tells who has connected.
fn with_ids(mode: Mode, loops: usize, script: Script) -> (Running, Receiver<ConnectionId>) {
    let (ids, opened) = channel();
    let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
    (Running::start(mode.builder().event_loops(loops), script), opened)
}

#[test]
fn any_thread_may_send() {
    in_each_mode(|mode| {
        let (server, opened) = with_ids(mode, 2, Script::new());
        let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        let ids: Vec<_> = clients.iter().map(|_| soon(&opened)).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4, "names are unique");
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (ids, server) = (&ids, server.handle().clone());
                scope.spawn(move || {
                    for i in 0..200 {
                        for id in ids {
                            while server.send(*id, format!("{sender} {i}")) == Outcome::Dropped {
                                std::thread::yield_now();
                            }
                        }
                    }
                });
            }
        });
        for mut client in clients {
            let mut next = [0; 4];
            for _ in 0..800 {
                let Received::Text(text) = client.recv() else { panic!("not text") };
                let (sender, i) = text.split_once(' ').expect("two numbers");
                let sender: usize = sender.parse().expect("a number");
                assert_eq!(i, next[sender].to_string(), "one thread's sends are in order");
                next[sender] += 1;
            }
            client.leave();
        }
        eventually("all is counted", || server.handle().stats().total.messages_sent == 3200);
    });
}

#[test]
fn a_ping_goes_ahead_of_what_waits() {
    // More than buffers on the way hold, and than may wait.
    const LEN: usize = 8 << 20;
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let (pings, pinged) = channel();
        let script = Script::new()
            .on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"))
            .on_text(move |ctx, text| {
                pings.send(ctx.ping(text.as_bytes())).expect("the test listens");
            });
        let server = Running::start(mode.builder().max_backpressure(2 * LEN), script);
        let (handle, mut client) = (server.handle(), server.connect());
        let id = soon(&opened);
        for _ in 0..2 {
            assert!(handle.send(id, vec![7; LEN - 100]).is_accepted());
        }
        eventually("it waits", || handle.buffered_amount(id).is_some_and(|len| len > LEN));
        assert_eq!(handle.send(id, vec![7; LEN]), Outcome::Dropped);
        assert_eq!(handle.ping(id, b"by handle"), Outcome::Sent);
        client.send_text("by context");
        assert!(soon(&pinged).is_accepted());
        client.expect(Received::Binary(vec![7; LEN - 100]));
        let pings = [client.recv(), client.recv()];
        for payload in ["by handle", "by context"] {
            assert!(pings.contains(&Received::Ping(payload.into())), "{payload}: {pings:?}");
        }
        client.expect(Received::Binary(vec![7; LEN - 100]));
    });
}

#[test]
fn any_thread_may_ping_close_and_terminate() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new());
        let (server, opened) = with_ids(mode, 1, script);
        let handle = server.handle();

        let mut client = server.connect();
        let id = soon(&opened);
        assert_eq!(handle.ping(id, &[0; 126]), Outcome::Dropped, "no control frame is that long");
        assert_eq!(handle.ping(id, b"hi"), Outcome::Sent);
        client.expect(Received::Ping(b"hi".to_vec()));
        handle.send(id, "before");
        assert_eq!(handle.close(id, CloseCode::from(4001), "enough"), Outcome::Sent);
        client.expect_text("before");
        assert_eq!(client.expect_close(4001), "enough");
        client.close(4001, "");
        client.expect_end();
        assert!(soon(&closes).was_clean);

        let mut client = server.connect();
        assert_eq!(handle.terminate(soon(&opened)), Outcome::Sent);
        assert_eq!(client.recv_to_end(), []);
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
    });
}

#[test]
fn every_kind_of_message_is_sent_as_what_it_is() {
    use bytes::Bytes;
    use tickwire::Outgoing;

    in_each_mode(|mode| {
        let server = mode.start(Script::new().on_open(|ctx| {
            ctx.send("str");
            ctx.send(String::from("String"));
            ctx.send(&[1_u8, 2]);
            ctx.send(vec![3_u8; 40_000]);
            ctx.send(Bytes::from_static(b"Bytes"));
            ctx.send(Outgoing::shared_text(Bytes::from_static(b"shared")).expect("UTF-8"));
            assert!(Outgoing::shared_text(Bytes::from_static(b"\xff")).is_err());
        }));
        let mut client = server.connect();
        client.expect_text("str");
        client.expect_text("String");
        client.expect(Received::Binary(vec![1, 2]));
        client.expect(Received::Binary(vec![3; 40_000]));
        client.expect(Received::Binary(b"Bytes".to_vec()));
        client.expect_text("shared");
    });
}

#[test]
fn a_stale_name_is_gone_and_never_somebody_else() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new());
        let (server, opened) = with_ids(mode, 1, script);
        let handle = server.handle();
        let topic = handle.topic("t");
        let mut stale: Vec<ConnectionId> = Vec::new();
        for round in 0..10 {
            let mut client = server.connect();
            let id = soon(&opened);
            assert!(!stale.contains(&id), "a name is used again");
            for &old in &stale {
                assert_eq!(handle.send(old, "for somebody else"), Outcome::Gone);
                assert_eq!(handle.ping(old, b""), Outcome::Gone);
                assert_eq!(handle.close(old, CloseCode::NORMAL, ""), Outcome::Gone);
                assert_eq!(handle.terminate(old), Outcome::Gone);
                assert_eq!(handle.subscribe(old, &topic), Subscribed::Gone);
                assert_eq!(handle.unsubscribe(old, &topic), Outcome::Gone);
                assert_eq!(handle.buffered_amount(old), None);
            }
            assert_eq!(topic.subscriber_count(), 0);
            let mine = format!("round {round}");
            assert_eq!(handle.send(id, &mine), Outcome::Sent);
            client.expect_text(&mine);
            client.leave();
            let _: Closed = soon(&closes);
            eventually("the place is free", || handle.stats().connections == 0);
            stale.push(id);
        }
    });
}

#[test]
fn a_server_that_has_ended_takes_nothing_and_harms_nobody() {
    in_each_mode(|mode| {
        let (server, opened) = with_ids(mode, 2, Script::new());
        let client = server.connect();
        let (id, handle) = (soon(&opened), server.handle().clone());
        let topic = handle.topic("t");
        handle.subscribe(id, &topic);
        drop((server, client));
        assert_eq!(handle.send(id, "x"), Outcome::Gone);
        assert_eq!(handle.close(id, CloseCode::NORMAL, ""), Outcome::Gone);
        assert!([Outcome::Gone, Outcome::Sent].contains(&topic.publish("nobody hears")));
        assert_eq!(handle.stats().connections, 0);
        handle.shutdown(std::time::Duration::ZERO);
    });
}

/// What one callback sends by its context, by the handle and by topics arrives in that order.
#[test]
fn all_ways_of_sending_keep_one_order() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, text| {
            let (id, server) = (ctx.id(), ctx.server().clone());
            let topic = server.topic(&format!("of {id}"));
            ctx.subscribe(&topic);
            for round in 0..20 {
                ctx.send(format!("{text} {round} context"));
                topic.publish(format!("{text} {round} topic"));
                server.send(id, format!("{text} {round} handle"));
                ctx.send(format!("{text} {round} context again"));
            }
            ctx.unsubscribe(&topic);
            topic.publish("after unsubscribing");
            ctx.send(format!("{text} end"));
        });
        let server = Running::start(mode.builder().event_loops(2), script);
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for client in &clients {
            client.send_texts(["a", "b"]);
        }
        for client in &mut clients {
            for text in ["a", "b"] {
                for round in 0..20 {
                    for way in ["context", "topic", "handle", "context again"] {
                        client.expect_text(&format!("{text} {round} {way}"));
                    }
                }
                client.expect_text(&format!("{text} end"));
            }
        }
    });
}

/// Inline and from handler threads, to connections of the own and of other loops.
#[test]
fn a_callback_may_send_to_other_connections() {
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let everybody = std::sync::Mutex::new(Vec::new());
        let script = Script::new()
            .on_open(move |ctx| {
                ids.send(ctx.id()).expect("the test listens");
            })
            .on_text(move |ctx, text| {
                let mut everybody = everybody.lock().expect("a list");
                if !everybody.contains(&ctx.id()) {
                    everybody.push(ctx.id());
                }
                for &id in everybody.iter().filter(|&&id| id != ctx.id()) {
                    ctx.server().send(id, text);
                }
                ctx.send(format!("told {}", everybody.len() - 1));
            });
        let server = Running::start(mode.builder().event_loops(2), script);
        let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for _ in 0..4 {
            soon(&opened);
        }
        for i in 0..4 {
            clients[i].send_text(&format!("news of {i}"));
            clients[i].expect_text(&format!("told {i}"));
            for earlier in &mut clients[..i] {
                earlier.expect_text(&format!("news of {i}"));
            }
        }
    });
}

/// Publications of several topics in one turn are gathered before they are written; what is sent
/// behind them still arrives behind them.
#[test]
fn nothing_overtakes_publications_that_have_only_been_gathered() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, _| {
            let (id, server) = (ctx.id(), ctx.server().clone());
            let topics = ["one", "two"].map(|name| server.topic(&format!("{name} of {id}")));
            topics.iter().for_each(|topic| _ = ctx.subscribe(topic));
            for (round, topic) in topics.iter().cycle().take(10).enumerate() {
                topic.publish(format!("{round} topic"));
                if round % 2 == 1 {
                    server.send(id, format!("{round} handle"));
                }
            }
            ctx.send("end");
        });
        let server = Running::start(mode.builder(), script);
        let mut client = server.connect();
        client.send_texts(["go"]);
        for round in 0..10 {
            client.expect_text(&format!("{round} topic"));
            if round % 2 == 1 {
                client.expect_text(&format!("{round} handle"));
            }
        }
        client.expect_text("end");
    });
}
