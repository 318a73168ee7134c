//! Connections whose stream is over, and streams that keep something back themselves.

use super::EventLoop;
use super::close::LOST;
use super::connection::{Io, Phase};
use super::core::Core;
use super::flags::Flags;
use super::service::Service;
use crate::transport::StreamFault;

impl<S: Service> EventLoop<S> {
    /// The socket has failed or ended: the connection goes, for the reason that is known.
    #[cold]
    pub(super) fn lose(&mut self, key: u32) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        let Some(fault) = connection.io.stream.fault() else {
            return self.remove(key, LOST);
        };
        let counters = &mut self.core.counters;
        match (fault, &connection.phase) {
            (StreamFault::Handshake(_) | StreamFault::HungUp, _) => {
                counters.tls_handshakes_failed += 1;
            }
            // Whoever has closed by a close frame has not been cut off.
            (StreamFault::Truncated, Phase::Lingering) => {}
            (StreamFault::Truncated, _) => counters.tls_truncated += 1,
            _ => counters.tls_broken += 1,
        }
        let reason = fault.to_string();
        log::debug!("{reason}");
        self.remove(key, &reason);
    }
}

impl Io {
    /// Writes what the stream itself keeps, as TLS does with what it has encrypted: it goes before
    /// anything else. What the socket takes of it shows that the peer reads, though the queue has not
    /// moved.
    pub(super) fn flush_stream(&mut self, core: &mut Core) {
        let before = self.stream.unflushed_len();
        if before == 0 {
            return;
        }
        if self.stream.flush().is_err() {
            self.flags.insert(Flags::BROKEN);
        }
        self.heed_kept(core);
        if let Some(queue) = self.queue.as_mut().filter(|_| self.stream.unflushed_len() < before) {
            queue.moved(core.now.as_u32());
            // Perhaps nothing waits any more.
            self.dequeued(core, 0);
        }
    }

    /// The connection is let go: nothing was cut off, unless something was.
    pub(super) fn part(&mut self) {
        if self.queued_len() == 0 {
            self.stream.part();
        }
    }
}
