//! The server, as every thread may hold it.

use std::fmt;
#[cfg(feature = "hand-over")]
use std::os::fd::OwnedFd;
use std::sync::Arc;
#[cfg(feature = "hand-over")]
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
#[cfg(feature = "hand-over")]
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use super::Result;
use super::connection_stats::{self, ConnectionStats};
use super::places::Places;
#[cfg(feature = "hand-over")]
use super::succession::CallOff;
use super::{Config, Stats, Topic};
use crate::event_loop::{
    Command, ConnectionId, LoopLink, Loops, Outcome, Patience, Withdrawal, post, subscribe,
    subscribe_prefix, supply_snapshot,
};
use crate::frame::{CloseCode, MAX_CONTROL_PAYLOAD_LEN};
use crate::protocol::Outgoing;
use crate::pubsub::{
    SlowConsumer, Start, SubscribeOptions, Subscribed, TopicCore, TopicOptions, TopicRegistry,
};
use crate::transport::LocalAddr;

/// A handle to a running server. Cheap to clone; every thread may use it, callbacks too.
///
/// After the server has ended all calls are harmless: sends answer `Gone`.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    loops: Loops,
    topics: Arc<TopicRegistry>,
    places: Places,
    max_backpressure: usize,
    started: Instant,
    /// The thread that waits for a successor, if one may come.
    #[cfg(feature = "hand-over")]
    succession: OnceLock<Arc<CallOff>>,
}

impl ServerHandle {
    pub(super) fn new(loops: Loops, places: Places, config: &Config) -> Self {
        let max_backpressure = config.max_backpressure;
        let slow_consumer = config.slow_consumer.within(max_backpressure);
        let topics = TopicRegistry::with_compression(loops.len(), slow_consumer, config.deflates());
        let started = Instant::now();
        Self {
            shared: Arc::new(Shared {
                loops,
                topics,
                places,
                max_backpressure,
                started,
                #[cfg(feature = "hand-over")]
                succession: OnceLock::new(),
            }),
        }
    }

    /// Where the server listens, with real ports, in the order of the `bind` calls.
    #[must_use]
    pub fn local_addrs(&self) -> &[LocalAddr] {
        &self.shared.places.local_addrs
    }

    /// Reads the certificates, keys and authorities of all TLS listeners again, such as after they
    /// have been renewed. Handshakes that begin from now on use them; connections that are there go
    /// on. A listener with a [`ServerConfig`](rustls::ServerConfig) of the service's own has nothing
    /// to read.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, named, and what to do about it: its listener goes on with what it
    /// had.
    #[cfg(feature = "tls")]
    pub fn reload_tls(&self) -> Result<()> {
        self.shared.places.reload_tls()
    }

    /// Sends a ping (RFC 6455 §5.5.2), ahead of what waits for the connection, however much that is. A
    /// payload of more than 125 bytes is refused with `Dropped`, and so are pings to a loop that is thousands
    /// of commands behind.
    pub fn ping(&self, id: ConnectionId, payload: &[u8]) -> Outcome {
        let Some(link) = self.link_to(id) else {
            return Outcome::Gone;
        };
        let fits = payload.len() <= MAX_CONTROL_PAYLOAD_LEN;
        if fits && post(link, Command::Ping { id, payload: payload.into() }, Patience::None) {
            return Outcome::Sent;
        }
        link.sends_refused.fetch_add(1, Ordering::Relaxed);
        Outcome::Dropped
    }

    /// Sends a message to a connection. One thread's sends to one connection arrive in order.
    ///
    /// Never waits, but for a callback on a handler thread: what that has sent before goes first. When the
    /// connection's loop is thousands of commands behind, it answers `Dropped`. No
    /// [`Handler::drain`](super::Handler::drain) follows: [`buffered_amount`](Self::buffered_amount) tells how
    /// much waits.
    pub fn send<'m>(&self, id: ConnectionId, message: impl Into<Outgoing<'m>>) -> Outcome {
        let message = message.into();
        let (frame, compress) = (message.encode_shared(), message.compress);
        let Some(link) = self.link(id) else { return Outcome::Gone };
        let len = frame.len();
        let outcome = link.directory.admit(id, len, self.shared.max_backpressure);
        let command = Command::Send { id, frame, compress };
        if outcome.is_accepted() && !post(link, command, Patience::None) {
            link.directory.refund(id, len);
            link.sends_refused.fetch_add(1, Ordering::Relaxed);
            return Outcome::Dropped;
        }
        let refused = u64::from(outcome == Outcome::Dropped);
        link.sends_refused.fetch_add(refused, Ordering::Relaxed);
        outcome
    }

    /// Starts the closing handshake of a connection, behind what was sent to it before. `Gone` when
    /// there is none of this name; `Dropped` only on an event loop's own thread, when the connection's loop is
    /// thousands of commands behind. See [`Context::close`](super::Context::close).
    pub fn close(&self, id: ConnectionId, code: CloseCode, reason: &str) -> Outcome {
        self.command(id, || Command::Close { id, code, reason: reason.into() })
    }

    /// Ends a connection at once, without a closing handshake; what waits is lost. Answers as
    /// [`close`](Self::close) does.
    pub fn terminate(&self, id: ConnectionId) -> Outcome {
        self.command(id, || Command::Terminate { id })
    }

    /// Subscribes a connection to a topic; again is the same as once. It begins with what the topic
    /// retains for newcomers, and gets every publication from then on, whichever thread makes it:
    /// there is neither gap nor overlap. What this thread sent to the connection before comes first.
    pub fn subscribe(&self, id: ConnectionId, topic: &Topic) -> Subscribed {
        self.subscribe_with(id, topic, SubscribeOptions::default())
    }

    /// Subscribes a connection that has had everything up to the publication with this number, and
    /// was cut off: it gets what followed, or is told that this is not to be had any more.
    pub fn subscribe_from(&self, id: ConnectionId, topic: &Topic, sequence: u64) -> Subscribed {
        let start = Start::After(sequence);
        self.subscribe_with(id, topic, SubscribeOptions { start, ..SubscribeOptions::default() })
    }

    /// Subscribes a connection as it wants to.
    pub fn subscribe_with(
        &self,
        id: ConnectionId,
        topic: &Topic,
        options: SubscribeOptions,
    ) -> Subscribed {
        match self.link_to(id) {
            Some(link) => subscribe(link, id, topic.core(), &options),
            None => Subscribed::Gone,
        }
    }

    /// Ends a connection's subscription. What waits for it already still arrives, maybe behind what is
    /// sent to it now. Answers as [`close`](Self::close) does.
    pub fn unsubscribe(&self, id: ConnectionId, topic: &Topic) -> Outcome {
        self.command(id, || Command::Unsubscribe { id, topic: topic.core().id() })
    }

    /// Subscribes a connection to every topic whose name begins with `prefix`, also to those that are
    /// made later: their publications arrive from the first on. `Dropped`: only on an event loop's own
    /// thread, when an event loop is thousands of commands behind. O(topics).
    ///
    /// Each of them is a subscription: it counts as one, and keeps its topic, for as long as the connection
    /// has the prefix. Where clients make names up, nobody should have a prefix of them.
    pub fn subscribe_prefix(
        &self,
        id: ConnectionId,
        prefix: &str,
        options: SubscribeOptions,
    ) -> Outcome {
        match self.link_to(id) {
            Some(link) => subscribe_prefix(link, id, &self.shared.topics, prefix, &options),
            None => Outcome::Gone,
        }
    }

    /// Ends what [`subscribe_prefix`](Self::subscribe_prefix) began, and all of the connection's other
    /// subscriptions to topics whose names begin so.
    pub fn unsubscribe_prefix(&self, id: ConnectionId, prefix: &str) -> Outcome {
        self.command(id, || Command::UnsubscribePrefix { id, prefix: prefix.into() })
    }

    /// A command that must not be lost: waits for room, except on an event loop's thread.
    fn command(&self, id: ConnectionId, command: impl FnOnce() -> Command) -> Outcome {
        let Some(link) = self.link_to(id) else {
            return Outcome::Gone;
        };
        if post(link, command(), Patience::Wait) { Outcome::Sent } else { Outcome::Dropped }
    }

    /// Bytes accepted for a connection that its socket has not taken yet; `None` when it is gone.
    #[must_use]
    pub fn buffered_amount(&self, id: ConnectionId) -> Option<usize> {
        self.link(id)?.directory.buffered(id)
    }

    /// How far a connection's client is behind; `None` when it is gone. Asks no loop: any thread may
    /// call it at any time, callbacks too.
    #[must_use]
    pub fn connection_stats(&self, id: ConnectionId) -> Option<ConnectionStats> {
        let link = self.link(id)?;
        ConnectionStats::read(link, id, link.clock.tick(Instant::now()))
    }

    /// The `count` connections with the most bytes that wait for their clients, the worst first; of
    /// equals, the one that has waited longer. Whoever has nothing waiting is not among them.
    ///
    /// Asks no loop and takes no lock: a look at each connection's word, O(connections).
    #[must_use]
    pub fn slowest(&self, count: usize) -> Vec<ConnectionStats> {
        connection_stats::slowest(&self.shared.loops, count)
    }

    /// The topic of this name, lossless ([`Delivery::Every`](crate::Delivery::Every)) and closing subscribers that cannot
    /// keep up. It lives while somebody holds or subscribes to it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Topic {
        self.topic_with(name, TopicOptions::default())
    }

    /// The topic of this name. A new one is set up as asked; one that exists stays as it is.
    #[must_use]
    pub fn topic_with(&self, name: &str, options: impl Into<TopicOptions>) -> Topic {
        let loops = &self.shared.loops;
        let mut options = options.into();
        let within = |steps: SlowConsumer| steps.within(self.shared.max_backpressure);
        options.slow_consumer = options.slow_consumer.map(within);
        let core = self.shared.topics.topic(name, options, |loop_index, topic| {
            let command = Command::TopicMade { topic: topic.clone() };
            if loops[loop_index].mailbox.send_over(command).is_err() {
                topic.remove_interest(loop_index);
                log::error!("event loop {loop_index} is too far behind to hear of topic {name:?}");
            }
        });
        Topic::new(core, loops.clone())
    }

    pub(super) fn topics(&self) -> &Arc<TopicRegistry> {
        &self.shared.topics
    }

    /// Asks a topic's source for a snapshot, where user code may run.
    pub(super) fn take_snapshot(&self, topic: &TopicCore) {
        let taken = topic.options().snapshot_source.as_ref().and_then(|source| source.take(topic));
        let supplied = taken.is_some_and(|(sequence, frame)| {
            supply_snapshot(&self.shared.loops, topic, sequence, frame)
        });
        if !supplied {
            topic.give_up_awaiting();
        }
    }

    /// What the server has done so far and what it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let loops = &self.shared.loops;
        let per_loop: Vec<_> = loops.iter().map(|link| link.read_counters()).collect();
        let connections_per_loop: Vec<_> =
            loops.iter().map(|link| link.connection_count.load(Ordering::Relaxed)).collect();
        Stats::new(
            self.shared.started.elapsed(),
            connections_per_loop,
            loops[0].addresses.network_count(),
            per_loop,
            self.shared.topics.topic_count(),
        )
    }

    /// Stops accepting, closes every connection with 1001 behind what is queued for it, and ends
    /// the server when all have answered, at the latest after `deadline`. Returns at once;
    /// [`Server::join`](super::Server::join) waits for the end.
    pub fn shutdown(&self, deadline: Duration) {
        self.call_succession_off();
        let now = Instant::now();
        let deadline = now.checked_add(deadline).unwrap_or(now + Duration::from_secs(86_400 * 365));
        for link in self.shared.loops.iter() {
            if !post(link, Command::Shutdown { deadline }, Patience::Wait) {
                // An event loop asks a loop whose mailbox is full, and may not wait.
                let link = link.clone();
                std::thread::spawn(move || link.mailbox.send(Command::Shutdown { deadline }));
            }
        }
    }

    /// Shuts down bit by bit: stops accepting, closes the connections with 1001 one after another,
    /// spread evenly over `window`, and then does what [`shutdown`](Self::shutdown) does, with
    /// `deadline` counted from there. So thousands of clients do not all come back at once to whoever
    /// serves them next. What has just been accepted still has its time for
    /// a request; what is open goes on until its turn has come.
    pub fn shutdown_over(&self, window: Duration, deadline: Duration) {
        self.call_succession_off();
        self.withdraw(window, deadline);
    }

    pub(super) fn withdraw(&self, window: Duration, deadline: Duration) {
        const FAR: Duration = Duration::from_secs(86_400 * 365);
        let (start, window) = (Instant::now(), window.min(FAR));
        let deadline = start + window + deadline.min(FAR);
        let plan = Withdrawal { start, window, deadline };
        let link = &self.shared.loops[0];
        if !post(link, Command::Withdraw(plan), Patience::Wait) {
            let link = link.clone();
            std::thread::spawn(move || link.mailbox.send(Command::Withdraw(plan)));
        }
    }

    /// Asks for the listening sockets, to hand them to another process. There are none once accepting
    /// has ended.
    #[cfg(feature = "hand-over")]
    pub(super) fn share_listeners(&self, reply: Sender<std::io::Result<Vec<OwnedFd>>>) {
        post(&self.shared.loops[0], Command::ShareListeners(reply), Patience::Wait);
    }

    /// Descriptors that become free are not for new clients, for a moment: one may have been accepted
    /// already.
    #[cfg(feature = "hand-over")]
    pub(super) fn hold_accepting(&self, held: bool) {
        self.shared.loops[0].accepting_held.store(held, Ordering::SeqCst);
    }

    /// A successor may come from now on.
    #[cfg(feature = "hand-over")]
    pub(super) fn expect_successor(&self, succession: Arc<CallOff>) {
        let _ = self.shared.succession.set(succession);
    }

    /// The server ends by itself.
    fn call_succession_off(&self) {
        #[cfg(feature = "hand-over")]
        if let Some(succession) = self.shared.succession.get() {
            succession.call_off();
        }
    }

    /// The link to the loop of a connection that is there.
    fn link_to(&self, id: ConnectionId) -> Option<&Arc<LoopLink>> {
        self.link(id).filter(|link| link.directory.buffered(id).is_some())
    }

    fn link(&self, id: ConnectionId) -> Option<&Arc<LoopLink>> {
        self.shared.loops.get(usize::from(id.loop_index))
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addrs", &self.shared.places.local_addrs)
            .finish()
    }
}
