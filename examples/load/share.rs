//! How connections, messages and rate are divided among threads.

use crate::options::Options;

/// A thread's part of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The number of its first connection.
    pub(crate) first: u32,
    pub(crate) connections: u32,
    pub(crate) messages: Option<u64>,
    /// Of all connections.
    pub(crate) fraction: f64,
    /// Where it stands among the threads, from 0 to 1.
    pub(crate) phase: f64,
}

impl Share {
    /// That of the thread with this number.
    pub(crate) fn of(index: u32, options: &Options) -> Self {
        let threads = options.threads;
        // The first threads take what cannot be divided.
        let before = |index: u32, total: u64| {
            let (each, rest) = (total / u64::from(threads), total % u64::from(threads));
            u64::from(index) * each + u64::from(index).min(rest)
        };
        let part = |total| before(index + 1, total) - before(index, total);
        let all = u64::from(options.connections);
        Self {
            first: before(index, all) as u32,
            connections: part(all) as u32,
            messages: options.messages.map(part),
            fraction: part(all) as f64 / all as f64,
            phase: f64::from(index) / f64::from(threads),
        }
    }
    /// Whether it is the first thread's.
    pub(crate) fn is_first(self) -> bool {
        self.first == 0
    }
}
