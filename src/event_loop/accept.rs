//! Accepting: the first loop accepts for all and hands each connection to the loop with the fewest.
//!
//! With `SO_REUSEPORT` the kernel would spread by a hash of the addresses, which is even only for
//! many connections; long-lived ones that landed together stay together. Handing over costs one
//! mailbox message per connection and nothing per message, works for Unix-domain and inherited
//! listeners too, and keeps the counts within one of each other.

use std::io;
#[cfg(feature = "hand-over")]
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::command::Command;
use super::post::{Patience, post};
use super::rate::{Bucket, Rate};
use super::service::Service;
use crate::transport::{Accepted, Listener, Route, Stream};

/// Connections accepted from one listener before the established ones get their turn.
const MAX_ACCEPTS_PER_TURN: usize = 64;

/// How long accepting rests when descriptors or memory have run out. The clients wait in the
/// backlog meanwhile.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(100);

/// How soon it is asked again whether accepting is still held.
const HOLD_PAUSE: Duration = Duration::from_millis(5);

/// At most this often the log says that accepting pauses.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Sent to a client that comes when `max_connections` are there.
const OVER_CAPACITY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";

/// Sent to a client from whose address there are as many connections as there may be. Its request is not
/// waited for: a flood is to cost little.
pub(super) const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\
    Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n\r\n\
    too many connections from your address\n";

/// Where accepting goes faster than it may, it rests for the time of at least so many connections: a part
/// of a second's, and one at least.
const REST_DIVISOR: u32 = 64;

/// The listeners of a loop and what keeps them from accepting.
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// Listeners that may have more: edge-triggered readiness will not say so again.
    unfinished: Vec<usize>,
    /// Descriptors have run out, or clients come too fast: not before this time.
    paused_until: Option<Instant>,
    rate: Option<(Rate, Bucket)>,
    logged_at: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listeners: Vec<Listener>, rate: Option<Rate>) -> Self {
        let rate = rate.map(|rate| (rate, Bucket::new(rate, Instant::now())));
        Self { listeners, unfinished: Vec::new(), paused_until: None, rate, logged_at: None }
    }

    pub(super) fn listener_count(&self) -> usize {
        self.listeners.len()
    }

    /// How long the loop may sleep for the listeners' sake.
    pub(super) fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.unfinished.is_empty() {
            return None;
        }
        Some(self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
    }

    /// The listening sockets, for another process.
    #[cfg(feature = "hand-over")]
    pub(super) fn share(&self) -> io::Result<Vec<OwnedFd>> {
        self.listeners.iter().map(|listener| listener.as_fd().try_clone_to_owned()).collect()
    }

    fn come_back_to(&mut self, index: usize) {
        if !self.unfinished.contains(&index) {
            self.unfinished.push(index);
        }
    }

    /// Whether another connection may be accepted now; if not, accepting pauses.
    fn is_in_time(&mut self, now: Instant) -> bool {
        let Some((rate, bucket)) = &mut self.rate else { return true };
        let in_time = bucket.has_one(now);
        if !in_time {
            let count = (rate.per_second / REST_DIVISOR).max(1);
            self.paused_until = Some(now + bucket.time_until(count));
        }
        in_time
    }

    fn count_one(&mut self) {
        if let Some((_, bucket)) = &mut self.rate {
            bucket.take();
        }
    }

    fn pause(&mut self, now: Instant, error: &io::Error) {
        self.paused_until = Some(now + EXHAUSTION_PAUSE);
        if self.logged_at.is_none_or(|at| now.duration_since(at) >= LOG_INTERVAL) {
            self.logged_at = Some(now);
            log::error!(
                "accepting pauses: {error}. Raise the descriptor limit (`ulimit -n`) or lower \
                 `max_connections`"
            );
        }
    }
}

impl<S: Service> EventLoop<S> {
    /// Stops accepting for good. Clients in the backlog are refused by the kernel, unless somebody else
    /// listens at the same sockets: then they are left to him.
    pub(super) fn stop_accepting(&mut self) {
        self.acceptor.unfinished.clear();
        for mut listener in self.acceptor.listeners.drain(..) {
            // A socket that lives on in another process would otherwise go on waking this one.
            if let Err(error) = listener.deregister(self.poll.registry()) {
                log::warn!("a listener is still watched: {error}");
            }
        }
    }

    /// Goes on with the listeners that stopped early.
    pub(super) fn accept_leftover(&mut self, now: Instant) {
        if self.acceptor.unfinished.is_empty() {
            return;
        }
        if self.acceptor.paused_until.is_some_and(|until| now < until) {
            return;
        }
        self.acceptor.paused_until = None;
        let mut unfinished = std::mem::take(&mut self.acceptor.unfinished);
        // Where one has more than may be accepted, the others go first the next time.
        unfinished.rotate_left(1);
        for index in unfinished {
            self.accept(index, now);
        }
    }

    /// Accepts what waits at a listener, up to the turn's budget.
    pub(super) fn accept(&mut self, index: usize, now: Instant) {
        if self.acceptor.paused_until.is_some() {
            return self.acceptor.come_back_to(index);
        }
        for _ in 0..MAX_ACCEPTS_PER_TURN {
            if !self.acceptor.is_in_time(now) {
                self.core.counters.accept_waits += 1;
                break;
            }
            if self.core.link.accepting_held.load(Ordering::SeqCst) {
                self.acceptor.paused_until = Some(now + HOLD_PAUSE);
                break;
            }
            let Some(listener) = self.acceptor.listeners.get(index) else { return };
            match listener.accept() {
                Ok(accepted) => match accepted.route {
                    Route::Untrusted => self.turn_away(&accepted),
                    Route::Direct | Route::Proxied => self.place(accepted),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if Listener::is_exhausted(&error) => {
                    self.core.counters.accept_pauses += 1;
                    self.acceptor.pause(now, &error);
                    return self.acceptor.come_back_to(index);
                }
                // The client gave up in the backlog, or a signal came: on to the next.
                Err(error) => log::debug!("accept: {error}"),
            }
        }
        self.acceptor.come_back_to(index);
    }

    /// Gives a connection to the loop with the fewest.
    fn place(&mut self, accepted: Accepted) {
        let counts = self.loops.iter().map(|link| link.connection_count.load(Ordering::Relaxed));
        if counts.clone().sum::<usize>() >= self.core.config.max_connections {
            self.core.counters.over_capacity += 1;
            return send_away(accepted.stream, OVER_CAPACITY);
        }
        // Who comes by a proxy is counted once it is known who that is.
        let client = accepted.peer.filter(|_| accepted.route == Route::Direct);
        let Ok(visit) = self.core.link.addresses.enter(client.map(|client| client.ip())) else {
            self.core.counters.over_address_limit += 1;
            return send_away(accepted.stream, TOO_MANY_CONNECTIONS);
        };
        // Who is turned away at once takes nothing from those who come after.
        self.acceptor.count_one();
        self.core.counters.accepted += 1;
        let emptiest = counts.enumerate().min_by_key(|&(_, count)| count).map_or(0, |(i, _)| i);
        let link = self.loops[emptiest].clone();
        link.connection_count.fetch_add(1, Ordering::Relaxed);
        if emptiest == usize::from(self.core.link.index) {
            self.adopt(accepted, visit);
        } else if !post(&link, Command::Adopt(accepted, visit), Patience::None) {
            // Its mailbox is full: the connection is dropped, as any server under that load would.
            link.connection_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Best effort: the client may have gone, and its place in the kernel is all it gets.
fn send_away(mut stream: Stream, response: &[u8]) {
    let _ = stream.write(response);
    let _ = stream.shutdown_write();
}
