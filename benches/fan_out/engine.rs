//! The contestant: a server whose connections all subscribe to one topic.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tickwire::{
    Context, Counters, Delivery, Handler, Limits, LocalAddr, Message, Outcome, Server, Topic,
};

use super::threads::Watched;

pub(crate) struct Engine {
    server: Server,
    pub(crate) address: SocketAddr,
    topic: Topic,
    /// The event-loop threads.
    pub(crate) loops: Watched,
}

/// Subscribes every connection.
#[derive(Default)]
struct Feed {
    topic: Arc<OnceLock<Topic>>,
}

impl Handler for Feed {
    type State = ();

    fn open(&self, ctx: &mut Context<'_>, _: &mut ()) {
        ctx.subscribe(self.topic.get().expect("set before anybody connects"));
    }

    fn message(&self, _: &mut Context<'_>, _: &mut (), _: Message<'_>) {}
}

impl Engine {
    pub(crate) fn start(event_loops: usize, delivery: Delivery) -> Self {
        let feed = Feed::default();
        let topic = feed.topic.clone();
        let (loops, server) = Watched::started_by("tickwire-loop", || {
            let server = Server::builder()
                .bind("127.0.0.1:0")
                .event_loops(event_loops)
                .handler_threads(0)
                .limits(Limits::trusted())
                // The clients here only read, and some do not even read.
                .ping_interval(None)
                .idle_timeout(None)
                .start(feed)
                .expect("loopback can be listened on");
            // A thread gives itself its name.
            std::thread::sleep(Duration::from_millis(20));
            server
        });
        assert_eq!(loops.count(), event_loops, "each event loop is a named thread");
        let [LocalAddr::Tcp(address)] = *server.local_addrs() else {
            unreachable!("one TCP address")
        };
        let topic = topic.get_or_init(|| server.handle().topic_with("feed", delivery)).clone();
        Self { server, address, topic, loops }
    }

    /// Returns when `count` connections have subscribed.
    pub(crate) fn await_subscribers(&self, count: usize) {
        let start = Instant::now();
        while self.topic.subscriber_count() < count {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "some connection does not subscribe"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        // They are counted when they ask, a moment before they are on the loop's list.
        std::thread::sleep(Duration::from_millis(50));
    }

    pub(crate) fn publish(&self, payload: &[u8]) {
        assert_eq!(self.topic.publish(payload), Outcome::Sent);
    }

    pub(crate) fn counters(&self) -> Counters {
        self.server.handle().stats().total
    }

    pub(crate) fn end(self) {
        self.server.shutdown(Duration::from_secs(1)).expect("no thread panics");
    }
}
