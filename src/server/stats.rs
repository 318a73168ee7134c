//! Numbers about a running server.

use std::time::Duration;

use crate::event_loop::Counters;

/// What a server has done and what it holds. Each loop's numbers are as of its last turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Time since the start.
    pub uptime: Duration,
    /// Connections now, HTTP ones included.
    pub connections: usize,
    /// The same for each loop.
    pub connections_per_loop: Vec<usize>,
    /// Addresses that connections are counted of, IPv6 ones by their network: see
    /// [`Limits::max_connections_per_address`](crate::Limits::max_connections_per_address).
    pub client_addresses: usize,
    /// What all loops did.
    pub total: Counters,
    /// What each loop did.
    pub per_loop: Vec<Counters>,
    /// Topics that somebody holds or subscribes to.
    pub topics: usize,
}

impl Stats {
    pub(super) fn new(
        uptime: Duration,
        connections_per_loop: Vec<usize>,
        client_addresses: usize,
        per_loop: Vec<Counters>,
        topics: usize,
    ) -> Self {
        let mut total = Counters::default();
        per_loop.iter().for_each(|counters| total.add(counters));
        let connections = connections_per_loop.iter().sum();
        Self {
            uptime,
            connections,
            connections_per_loop,
            client_addresses,
            total,
            per_loop,
            topics,
        }
    }
}
