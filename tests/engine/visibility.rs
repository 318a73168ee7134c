//! Who is slow, and how slow, as every thread may see it.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tickwire::{ConnectionId, ConnectionStats, Delivery, Outcome, Overflow, ServerHandle};

use super::support::{
    Client, Mode, Received, Running, Script, eventually, in_each_mode, in_each_mode_at_once, soon,
};

/// More than every buffer between a server and a client that does not read.
const FLOOD_LEN: usize = 12 << 20;

struct Stage {
    server: Running,
    opened: Receiver<ConnectionId>,
}

impl Stage {
    /// A server of `event_loops` that lets everybody be as slow as they like.
    fn new(mode: Mode, event_loops: usize, script: Script) -> Self {
        let (ids, opened) = channel();
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let builder = mode.builder().event_loops(event_loops).max_backpressure(8 * FLOOD_LEN);
        Self { server: Running::start(builder, script), opened }
    }

    fn handle(&self) -> &ServerHandle {
        self.server.handle()
    }

    fn connect(&self) -> (Client, ConnectionId) {
        let client = self.server.dial().receive_len(16 << 10).connect();
        (client, soon(&self.opened))
    }

    /// Sends more than the client's socket takes, and waits until it has refused some of it.
    fn flood(&self, id: ConnectionId, len: usize) {
        assert!(self.handle().send(id, vec![7; len]).is_accepted());
        let refused = || self.stats(id).oldest_queued.is_some();
        eventually("the socket refuses bytes", refused);
    }

    fn stats(&self, id: ConnectionId) -> ConnectionStats {
        self.handle().connection_stats(id).expect("the connection is there")
    }

    fn slowest(&self, count: usize) -> Vec<ConnectionId> {
        self.handle().slowest(count).iter().map(|stats| stats.id).collect()
    }
}

#[test]
fn a_reader_that_stands_still_shows_and_grows_older_until_it_has_read_everything() {
    in_each_mode(|mode| {
        let stage = Stage::new(mode, 2, Script::new());
        let (_first, first_id) = stage.connect();
        let (mut slow, id) = stage.connect();
        let (_third, _) = stage.connect();
        assert_eq!(stage.handle().slowest(10), [], "nothing waits");

        stage.flood(id, FLOOD_LEN);
        let [stats] = &stage.handle().slowest(1)[..] else { panic!("nobody is slow") };
        assert_eq!(stats.id, id);
        assert!((1..=FLOOD_LEN + 10).contains(&stats.buffered_amount), "{stats:?}");
        assert_eq!((stats.conflated, stats.dropped, stats.resynced), (0, 0, 0));
        let older = stats.oldest_queued.map(|age| age + Duration::from_millis(100));
        eventually("it grows older", || stage.stats(id).oldest_queued > older);
        assert_eq!(stage.slowest(10), [id], "the others keep up");
        assert_eq!(stage.slowest(0), []);
        let other = stage.stats(first_id);
        assert_eq!((other.buffered_amount, other.oldest_queued), (0, None));

        assert!(slow.recv() == Received::Binary(vec![7; FLOOD_LEN]));
        eventually("it is not slow any more", || stage.slowest(1).is_empty());
        let stats = stage.stats(id);
        assert_eq!((stats.buffered_amount, stats.oldest_queued), (0, None));
        stage.flood(id, FLOOD_LEN);
        assert_eq!(stage.slowest(1), [id], "slow again");
    });
}

#[test]
fn the_age_is_that_of_the_oldest_byte_that_still_waits() {
    // The loop's time is that of its turn's beginning, which may be long on a busy machine.
    const GAP: Duration = Duration::from_millis(800);
    in_each_mode_at_once(|mode| {
        let stage = Stage::new(mode, 1, Script::new());
        let (mut client, id) = stage.connect();
        stage.flood(id, FLOOD_LEN);
        eventually("it grows old", || stage.stats(id).oldest_queued > Some(GAP));
        let later = Instant::now();
        assert_eq!(stage.handle().send(id, vec![8; FLOOD_LEN]), Outcome::Queued);
        let of_first = || {
            let bound = later.elapsed() + GAP / 2;
            stage.stats(id).oldest_queued > Some(bound)
        };
        assert!(of_first(), "what came later makes it no younger");
        assert!(client.recv() == Received::Binary(vec![7; FLOOD_LEN]));
        eventually("the later one is what waits", || {
            assert!(stage.stats(id).oldest_queued.is_some());
            !of_first()
        });
    });
}

#[test]
fn the_slowest_come_first_whatever_their_loop() {
    in_each_mode(|mode| {
        let stage = Stage::new(mode, 2, Script::new());
        let readers: Vec<_> = (0..6).map(|_| stage.connect()).collect();
        let id = |at: usize| readers[at].1;
        for (at, weight) in [(1, 2), (2, 4), (4, 3), (5, 1)] {
            stage.flood(id(at), weight * FLOOD_LEN);
        }
        assert_eq!(stage.slowest(usize::MAX), [id(2), id(4), id(1), id(5)]);
        assert_eq!(stage.slowest(2), [id(2), id(4)]);
        stage.handle().terminate(id(2));
        eventually("the worst is gone", || stage.slowest(2) == [id(4), id(1)]);
    });
}

#[test]
fn a_stale_id_has_no_numbers_and_its_place_starts_afresh() {
    in_each_mode(|mode| {
        let stage = Stage::new(mode, 1, Script::new());
        let (slow, stale) = stage.connect();
        stage.flood(stale, FLOOD_LEN);
        slow.reset();
        let handle = stage.handle();
        eventually("it is gone", || handle.stats().connections == 0);
        assert_eq!(handle.connection_stats(stale), None);
        assert_eq!(stage.slowest(1), []);

        let (_next, id) = stage.connect();
        let place = |id: ConnectionId| id.to_string().rsplit_once('.').map(|it| it.0.to_owned());
        assert_eq!(place(id), place(stale), "the test is about a place that is used again");
        assert_eq!(handle.connection_stats(stale), None);
        let stats = stage.stats(id);
        assert_eq!((stats.id, stats.buffered_amount, stats.oldest_queued), (id, 0, None));
    });
}

/// What policies keep from the slow one counts for it, and for nobody beside it.
#[test]
fn what_a_slow_subscriber_did_not_get_is_told_of_it_alone() {
    const COUNT: u64 = 400;
    let payload = vec![7; 40_000];
    let drop_newest = Delivery::Every { overflow: Overflow::DropNewest };
    for delivery in [drop_newest, Delivery::Latest, Delivery::Resync] {
        in_each_mode(|mode| {
            let (ids, opened) = channel();
            let script = Script::new().on_open(move |ctx| {
                ctx.subscribe(&ctx.server().topic_with("t", delivery));
                ids.send(ctx.id()).expect("the test listens");
            });
            let server = Running::start(mode.builder().max_backpressure(256 << 10), script);
            let stage = Stage { server, opened };
            let topic = stage.handle().topic_with("t", delivery);
            let (mut slow, id) = stage.connect();
            let (mut prompt, prompt_id) = stage.connect();
            eventually("both have subscribed", || topic.subscriber_count() == 2);
            for _ in 0..COUNT {
                assert_eq!(topic.publish(&payload), Outcome::Sent);
                prompt.expect(Received::Binary(payload.clone()));
            }
            if delivery == Delivery::Resync {
                assert!(topic.supply_snapshot(COUNT, "the state"));
            }
            eventually("the slow one is up to date again", || {
                while slow.recv_within(Duration::from_millis(5)).is_some() {}
                topic.stats().pending == 0 && stage.slowest(1).is_empty()
            });
            let (all, of_slow) = (topic.stats(), stage.stats(id));
            let numbers =
                |stats: &ConnectionStats| (stats.conflated, stats.dropped, stats.resynced);
            assert_eq!(numbers(&of_slow), (all.conflated, all.dropped, all.resyncs));
            assert_eq!(of_slow.conflated > 0, delivery == Delivery::Latest);
            assert_eq!(of_slow.dropped > 0, delivery != Delivery::Latest);
            assert_eq!(of_slow.resynced, u64::from(delivery == Delivery::Resync));
            assert_eq!(numbers(&stage.stats(prompt_id)), (0, 0, 0));
        });
    }
}

#[test]
fn callbacks_see_it_too_on_the_loop_itself() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, _| {
            let slowest = ctx.server().slowest(1);
            let names: Vec<_> = slowest.iter().map(|stats| stats.id.to_string()).collect();
            let own = ctx.server().connection_stats(ctx.id()).expect("it is there");
            ctx.send(format!("{} {}", names.concat(), own.id));
        });
        let stage = Stage::new(mode, 1, script);
        let (_slow, slow) = stage.connect();
        let (mut client, id) = stage.connect();
        stage.flood(slow, FLOOD_LEN);
        client.send_text("who is slow?");
        client.expect_text(&format!("{slow} {id}"));
    });
}
