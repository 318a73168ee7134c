use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};

use tickwire::{
    ConnectionId, Outcome, Response, ServerHandle, SlowConsumer, SubscribeOptions, TopicOptions,
    Upgrade,
};

use super::support::{HttpClient, Mode, Received, Running, Script, eventually, in_each_mode, soon};

/// No loop blocks, and no lock is held while user code runs.
#[test]
fn promise_5_nobody_waits_for_user_code() {
    let (release, gate) = channel::<()>();
    let (enter, entered) = channel();
    let gate = Mutex::new(gate);
    let script = Script::new()
        .on_open(|ctx| {
            let topic = ctx.server().topic("t");
            ctx.subscribe(&topic);
        })
        .on_text(move |ctx, text| {
            if text != "block" {
                ctx.send(text);
                return;
            }
            // Every call of the API from within a callback comes back.
            let (server, topic) = (ctx.server(), ctx.server().topic("t"));
            assert_eq!(topic.publish("from within"), Outcome::Sent);
            assert!(server.stats().connections > 0 && topic.subscriber_count() > 0);
            assert_eq!(server.send(ctx.id(), "by the handle"), Outcome::Sent);
            enter.send(()).expect("the test listens");
            gate.lock().expect("a gate").recv().expect("the test lets go");
        });
    let server = Running::start(Mode::Threads.builder(), script);
    let mut blocked = server.connect();
    let mut other = server.connect();
    blocked.send_text("block");
    soon(&entered);
    blocked.expect_text("from within");
    blocked.expect_text("by the handle");

    // While that callback runs: the loop reads, answers, accepts and publishes, and so does everybody.
    blocked.ping(b"loop?");
    blocked.expect(Received::Pong(b"loop?".to_vec()));
    assert_eq!(server.handle().topic("t").publish("from outside"), Outcome::Sent);
    blocked.expect_text("from outside");
    other.expect_text("from within");
    other.expect_text("from outside");
    other.send_text("other lane");
    other.expect_text("other lane");
    let accepted = server.handle().stats().total.accepted;
    let http: HttpClient = server.http();
    eventually("the loop accepts", || server.handle().stats().total.accepted > accepted);
    drop(http);

    release.send(()).expect("it waits");
    blocked.send_text("free");
    blocked.expect_text("free");
}

/// Every call of the API comes back wherever the service's own code runs: in each callback, and in
/// the closures of topics.
#[test]
fn promise_5_no_lock_is_held_while_user_code_runs() {
    in_each_mode(|mode| {
        let caller = Arc::new(Caller::default());
        let builder = mode
            .builder()
            .event_loops(2)
            .slow_consumer(SlowConsumer { warn_len: 4 << 10, ..SlowConsumer::default() });
        let server = Running::start(builder, script(&caller));
        let handle = server.handle();
        let merge = caller.clone();
        let latest = handle.topic_with(
            "latest",
            TopicOptions::latest().merge(move |_, newer| {
                merge.call("merge");
                newer.as_text().unwrap_or_default().to_owned().into()
            }),
        );
        let notice = caller.clone();
        let noticed = handle.topic_with(
            "noticed",
            TopicOptions::latest().notice(move |_| {
                notice.call("notice");
                Some("you missed something".into())
            }),
        );
        let deltas = handle.topic_with("deltas", {
            let source = caller.clone();
            TopicOptions::resync().replay(2, 1 << 10).snapshot_source(move || {
                source.call("snapshot source");
                Some((0, "snapshot".into()))
            })
        });
        caller.server.set(handle.clone()).expect("one server");

        let http = server.http();
        http.get("/");
        assert_eq!(http.response().status, 200);
        let mut client = server.dial().receive_len(8 << 10).connect();
        eventually("it is open", || caller.id.get().is_some());
        let id = *caller.id.get().expect("an open connection");
        // What is merged, left out and made up for is so because the subscriber wants it rarely.
        let rarely = SubscribeOptions { max_rate: Some(20.0), ..SubscribeOptions::default() };
        assert!(handle.subscribe_with(id, &latest, rarely).is_subscribed());
        assert!(handle.subscribe_with(id, &deltas, rarely).is_subscribed());
        for _ in 0..20 {
            let built = caller.clone();
            latest.publish_keyed_with("key", move |_| {
                built.call("publish_with");
                "value"
            });
            deltas.publish("delta");
        }
        caller.await_calls(&[
            "http",
            "upgrade",
            "open",
            "merge",
            "snapshot source",
            "publish_with",
        ]);

        let every = handle.topic("every");
        assert!(handle.subscribe(id, &every).is_subscribed());
        assert!(handle.subscribe(id, &noticed).is_subscribed());
        client.send_text("flood");
        eventually("it does not take all of it", || handle.buffered_amount(id) > Some(8 << 10));
        every.publish("what it takes too slowly");
        (0..3).for_each(|_| assert_eq!(noticed.publish_keyed("key", "value"), Outcome::Sent));
        caller.await_calls(&["message", "slow"]);
        while client.recv() != Received::text("you missed something") {}
        client.close(1000, "");
        let received = client.recv_to_end();
        assert_eq!(received.last(), Some(&Received::Close(1000, String::new())));
        caller.await_calls(&["notice", "drain", "close"]);
        server.connect().leave();
    });
}

fn script(caller: &Arc<Caller>) -> Script {
    let call = |place| {
        let caller = caller.clone();
        move || caller.call(place)
    };
    let (upgrade, http) = (call("upgrade"), call("http"));
    let (message, slow, drain, close) =
        (call("message"), call("slow"), call("drain"), call("close"));
    let opened = caller.clone();
    Script::new()
        .on_upgrade(move |_| {
            upgrade();
            Ok(Upgrade::new(()))
        })
        .on_http(move |_| {
            http();
            Response::text("ok")
        })
        .on_open(move |ctx| {
            let _ = opened.id.set(ctx.id());
            opened.call("open");
        })
        .on_message(move |ctx, _| {
            message();
            ctx.send(vec![0; 512 << 10]);
        })
        .on_slow(move |_| slow())
        .on_drain(move |_| drain())
        .on_close(move |_, _| close())
}

/// Makes all calls there are.
#[derive(Default)]
struct Caller {
    server: OnceLock<ServerHandle>,
    id: OnceLock<ConnectionId>,
    /// How often from which place.
    counts: Mutex<HashMap<&'static str, u32>>,
}

impl Caller {
    fn count(&self, place: &str) -> u32 {
        self.counts.lock().expect("counts").get(place).copied().unwrap_or(0)
    }

    /// Waits until it has been called from all of these places, and has come back.
    fn await_calls(&self, places: &[&'static str]) {
        for place in places {
            eventually(place, || self.count(place) > 0);
        }
    }

    fn call(&self, place: &'static str) {
        let Some(server) = self.server.get() else { return };
        let is_first = self.count(place) == 0;
        for name in ["latest", "deltas", "aside"] {
            let topic = server.topic(name);
            let stats = topic.stats();
            assert!(stats.publications <= topic.sequence());
            let _ = (topic.subscriber_count(), topic.wants_snapshot(), topic.delivery());
            // One publication makes the next where it is made on the topic's own behalf.
            if is_first {
                topic.publish_keyed("key", place);
                topic.publish_with(|sequence| sequence.to_string());
                topic.remove_key("no key");
                topic.supply_snapshot(0, "an old snapshot");
            }
        }
        assert!(server.stats().topics >= 2);
        let _ = server.slowest(3);
        server.topic_with(place, TopicOptions::latest()).publish("nobody listens");
        if let Some(&id) = self.id.get() {
            let _ = (server.buffered_amount(id), server.connection_stats(id));
            server.send(id, place);
            server.ping(id, b"");
            if is_first {
                server.subscribe(id, &server.topic("aside"));
                server.subscribe_prefix(id, "as", SubscribeOptions::default());
                server.unsubscribe(id, &server.topic("aside"));
                server.unsubscribe_prefix(id, "as");
            }
        }
        *self.counts.lock().expect("counts").entry(place).or_default() += 1;
    }
}
