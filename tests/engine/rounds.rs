//! Subscribers that come and go thousands of times while somebody publishes without a pause: what
//! each of them begins with and what follows must fit together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;

use tickwire::{ConnectionId, Outcome, ServerHandle, Topic, TopicOptions};

use super::support::{Client, Mode, PATIENCE, Received, Running, Script, in_each_mode, soon};

const CLIENT_COUNT: usize = 10;
const ROUND_COUNT: usize = 100;
/// Publications that a subscriber may be behind the publisher.
const WINDOW: u64 = 64;
/// Publications that are read on, beyond the last that there were when the first one came.
const SETTLED_COUNT: u64 = 3;

/// What is published, and how a subscriber makes use of it.
pub(super) trait Feed: Sync {
    /// A subscriber's state.
    type View;

    fn options(&self) -> TopicOptions;

    /// Before anything else is done with the topic.
    fn prepare(&self, _topic: &Topic) {}

    /// Makes the publication with this number, which is the next one.
    fn publish(&self, topic: &Topic, sequence: u64);

    fn view(&self) -> Self::View;

    /// Takes what has come into the state; returns the number that the state has now.
    fn take(&self, view: &mut Self::View, payload: &[u8]) -> u64;

    /// Holds that the state is what the publisher's was when it had this number.
    fn check(&self, view: &Self::View, sequence: u64);
}

/// Who asks for the subscriptions.
#[derive(Clone, Copy, Debug)]
enum Asker {
    /// A callback of the connection.
    Callback,
    /// A thread of the service.
    Outside,
}

pub(super) fn come_and_go(feed: &impl Feed) {
    in_each_mode(|mode| {
        for asker in [Asker::Callback, Asker::Outside] {
            println!("asked for by {asker:?}");
            come_and_go_in(mode, asker, feed);
        }
    });
}

fn come_and_go_in(mode: Mode, asker: Asker, feed: &impl Feed) {
    let (ids, opened) = channel();
    let script = Script::new()
        .on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"))
        .on_text(|ctx, text| {
            let topic = ctx.server().topic("t");
            if text == "subscribe" {
                assert!(ctx.subscribe(&topic).is_subscribed());
            } else {
                ctx.unsubscribe(&topic);
                ctx.send("unsubscribed");
            }
        });
    let server = Running::start(mode.builder().event_loops(2), script);
    let topic = server.handle().topic_with("t", feed.options());
    feed.prepare(&topic);
    let clients: Vec<_> = (0..CLIENT_COUNT)
        .map(|i| {
            let client = server.connect();
            let (handle, id) = (server.handle().clone(), soon(&opened));
            let marker = handle.topic(&format!("marks of {i}"));
            assert!(handle.subscribe(id, &marker).is_subscribed());
            Visitor { client, handle, id, topic: topic.clone(), marker, asker }
        })
        .collect();
    let progress: Vec<_> = clients.iter().map(|_| AtomicU64::new(u64::MAX)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| publish(feed, &topic, &progress, &done));
        let visits: Vec<_> = clients
            .into_iter()
            .zip(&progress)
            .map(|(mut visitor, progress)| {
                scope.spawn(move || {
                    let progress = Absent(progress);
                    (0..ROUND_COUNT).for_each(|round| visitor.visit(feed, round, progress.0));
                })
            })
            .collect();
        let failed = visits.into_iter().filter_map(|visit| visit.join().err()).next();
        done.store(true, Ordering::Relaxed);
        if let Some(panic) = failed {
            std::panic::resume_unwind(panic);
        }
    });
    let stats = topic.stats();
    assert_eq!((stats.lags, stats.subscribers, stats.pending), (0, 0, 0), "{stats:?}");
    assert_eq!(stats.offered, stats.delivered + stats.conflated + stats.dropped, "{stats:?}");
}

fn publish(feed: &impl Feed, topic: &Topic, progress: &[AtomicU64], done: &AtomicBool) {
    for sequence in 1.. {
        let slowest = || progress.iter().map(|it| it.load(Ordering::Relaxed)).min();
        while slowest().is_some_and(|slowest| sequence > slowest.saturating_add(WINDOW)) {
            if done.load(Ordering::Relaxed) {
                return;
            }
            std::thread::yield_now();
        }
        if done.load(Ordering::Relaxed) {
            return;
        }
        feed.publish(topic, sequence);
    }
}

/// The publisher does not wait for one that has gone, nor for one that has failed.
pub(super) struct Absent<'a>(pub(super) &'a AtomicU64);

impl Drop for Absent<'_> {
    fn drop(&mut self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }
}

struct Visitor {
    client: Client,
    handle: ServerHandle,
    id: ConnectionId,
    topic: Topic,
    /// A topic of its own, whose publications come behind those of the other.
    marker: Topic,
    asker: Asker,
}

impl Visitor {
    /// Subscribes, reads until what it began with has been told from what came live, unsubscribes.
    fn visit<F: Feed>(&mut self, feed: &F, round: usize, progress: &AtomicU64) {
        let mut view = feed.view();
        let mut last = 0;
        // All that was published when the first one came; what comes after it is live.
        let mut upto = None;
        let mut take = |payload: &[u8], topic: &Topic| {
            let sequence = feed.take(&mut view, payload);
            match upto {
                Some(upto) if last >= upto => assert_eq!(sequence, last + 1, "in round {round}"),
                _ => assert!(sequence > last || upto.is_none(), "{sequence} behind {last}"),
            }
            last = sequence;
            let upto = *upto.get_or_insert_with(|| topic.sequence());
            if last == upto + SETTLED_COUNT {
                feed.check(&view, last);
            }
            progress.store(last, Ordering::Relaxed);
            last >= upto + SETTLED_COUNT
        };

        progress.store(self.topic.sequence(), Ordering::Relaxed);
        match self.asker {
            Asker::Callback => self.client.send_text("subscribe"),
            Asker::Outside => {
                assert!(self.handle.subscribe(self.id, &self.topic).is_subscribed());
            }
        }
        loop {
            let received = self.client.recv();
            let Received::Binary(payload) = received else {
                panic!("no publication: {received:?}, {:?}", self.topic.stats())
            };
            if take(&payload, &self.topic) {
                break;
            }
        }

        match self.asker {
            Asker::Callback => {
                self.client.send_text("unsubscribe");
                // The answer overtakes what waits.
                loop {
                    match self.client.recv() {
                        Received::Binary(payload) => {
                            take(&payload, &self.topic);
                        }
                        other => break assert_eq!(other, Received::text("unsubscribed")),
                    }
                }
            }
            Asker::Outside => {
                assert_eq!(self.handle.unsubscribe(self.id, &self.topic), Outcome::Sent);
            }
        }
        let mark = format!("end of round {round}");
        assert_eq!(self.marker.publish_wait(&mark, PATIENCE), Outcome::Sent);
        loop {
            match self.client.recv() {
                Received::Binary(payload) => {
                    take(&payload, &self.topic);
                }
                other => break assert_eq!(other, Received::text(&mark)),
            }
        }
        progress.store(u64::MAX, Ordering::Relaxed);
    }
}
