//! TLS handshakes, a few steps a turn: connections that are there do not wait for all that have come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::connection::{Connection, Phase};
use super::flags::Flags;
use super::service::Service;
use super::timer_wheel::Tick;

/// A turn goes on with handshakes until it has spent so much on them. One step of it, with a signature or
/// an agreement upon keys, takes longer, and as long as hundreds of messages do; those that bring next to
/// nothing are done by the dozen, and are not what others wait for.
const MAX_TIME: Duration = Duration::from_micros(100);

/// Connections with something to read of their handshakes, in the order in which they go on.
#[derive(Default)]
pub(super) struct Handshakes {
    /// With the ticks since when they wait.
    waiting: VecDeque<(u32, Tick)>,
}

impl Handshakes {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl<S: Service> EventLoop<S> {
    /// A handshake is to go on.
    pub(super) fn queue_handshake(&mut self, key: u32) {
        if let Some(connection) = self.connections.get_mut(key as usize) {
            if connection.io.flags.raise(Flags::LISTED) {
                self.handshakes.waiting.push_back((key, self.core.now));
            }
        }
    }

    /// Goes on with handshakes, each at most once.
    pub(super) fn shake_hands(&mut self) {
        if self.handshakes.is_empty() {
            return;
        }
        let start = Instant::now();
        for _ in 0..self.handshakes.waiting.len() {
            let Some((key, since)) = self.handshakes.waiting.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(key as usize) else { continue };
            if !connection.io.flags.lower(Flags::LISTED) {
                continue;
            }
            connection.has_waited(self.core.now.since(since));
            self.read_on(key);
            if start.elapsed() >= MAX_TIME {
                break;
            }
        }
    }
}

impl<S> Connection<S> {
    /// Its handshake was kept waiting: that is not held against it.
    fn has_waited(&mut self, time: Duration) {
        if time == Duration::ZERO {
            return;
        }
        if let Phase::Request(arriving) = &mut self.phase {
            arriving.greeted = arriving.greeted.map(|greeted| greeted.after(time));
        }
    }
}
