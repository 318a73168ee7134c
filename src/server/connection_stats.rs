//! Numbers about one connection, and who of all is the slowest.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::event_loop::{ConnectionId, LoopLink, Loops, Tick};

/// How far one connection's client is behind, and what that has cost it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Whose numbers these are.
    pub id: ConnectionId,
    /// Bytes accepted for it that its socket has not taken yet.
    pub buffered_amount: usize,
    /// How long the oldest of the bytes has waited that its socket has refused, to within about
    /// 16 ms; `None` when the socket has refused none: what is buffered then is on its way there.
    pub oldest_queued: Option<Duration>,
    /// Publications that it did not get because a newer value took their place.
    pub conflated: u64,
    /// Publications that it did not get because its queue was full, because they were too old, or
    /// because a snapshot made up for them.
    pub dropped: u64,
    /// Times that a snapshot made up for what it had missed.
    pub resynced: u64,
}

impl ConnectionStats {
    /// The numbers of a connection of `link` as of `now`, which is in the link's ticks.
    pub(super) fn read(link: &LoopLink, id: ConnectionId, now: Tick) -> Option<Self> {
        let (buffered_amount, reading) = link.read_stats(id)?;
        Some(Self {
            id,
            buffered_amount,
            oldest_queued: reading.oldest.map(|oldest| now.since(oldest)),
            conflated: reading.conflated,
            dropped: reading.dropped,
            resynced: reading.resynced,
        })
    }
}

/// The `count` connections of all loops with the most bytes that wait; the first is the worst.
pub(super) fn slowest(loops: &Loops, count: usize) -> Vec<ConnectionStats> {
    let now = Instant::now();
    // The least bad of those found is on top, to be replaced by whoever is worse.
    let mut found: BinaryHeap<Reverse<Badness>> = BinaryHeap::new();
    for link in loops.iter() {
        let now = link.clock.tick(now);
        for (id, buffered) in link.live_connections() {
            let least = match found.peek() {
                Some(Reverse(least)) if found.len() >= count => least.0.buffered_amount,
                _ => 1,
            };
            if count == 0 || buffered < least {
                continue;
            }
            // It may have ended or have caught up meanwhile.
            let stats = ConnectionStats::read(link, id, now);
            let Some(stats) = stats.filter(|stats| stats.buffered_amount > 0) else { continue };
            found.push(Reverse(Badness(stats)));
            if found.len() > count {
                found.pop();
            }
        }
    }
    found.into_sorted_vec().into_iter().map(|Reverse(Badness(stats))| stats).collect()
}

/// Orders connections by how slow their readers are, the slowest last.
#[derive(PartialEq, Eq)]
struct Badness(ConnectionStats);

impl Ord for Badness {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        a.buffered_amount
            .cmp(&b.buffered_amount)
            .then(a.oldest_queued.cmp(&b.oldest_queued))
            .then(b.id.cmp(&a.id))
    }
}

impl PartialOrd for Badness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
