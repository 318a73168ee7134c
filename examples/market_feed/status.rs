//! Figures of the running feed, for `/health`, `/stats` and the terminal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tickwire::{ConnectionId, ConnectionStats, Counters, ServerHandle, TopicStats};

use crate::market::{Market, MarketStats};
use crate::topics::{LazyTopics, Topics};

/// How many of the slowest readers `/stats` names.
const SLOWEST: usize = 10;

/// What any thread may ask. The market's thread brings its figures up to date.
pub(crate) struct Status {
    source: &'static str,
    symbol_count: usize,
    /// Set once the server runs.
    server: OnceLock<ServerHandle>,
    topics: Arc<LazyTopics>,
    market: Mutex<MarketFigures>,
    /// By the names that their clients were told.
    connections: Mutex<HashMap<String, ConnectionId>>,
}

/// Figures that only the market's thread knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MarketFigures {
    pub(crate) stats: MarketStats,
    /// The replay is over.
    pub(crate) has_ended: bool,
}

impl Status {
    pub(crate) fn new(market: &Market, topics: Arc<LazyTopics>) -> Self {
        Self {
            source: market.source_name(),
            symbol_count: market.directory().len(),
            server: OnceLock::new(),
            topics,
            market: Mutex::default(),
            connections: Mutex::default(),
        }
    }

    /// The server runs.
    pub(crate) fn set_server(&self, server: ServerHandle) {
        self.server.get_or_init(|| server);
    }

    /// Brings the market's figures up to date.
    pub(crate) fn set_market(&self, figures: MarketFigures) {
        *self.market.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// A connection has opened: the name that its client may ask by.
    pub(crate) fn add_connection(&self, id: ConnectionId) -> String {
        let name = id.to_string();
        self.connections().insert(name.clone(), id);
        name
    }

    /// A connection has ended.
    pub(crate) fn remove_connection(&self, id: ConnectionId) {
        self.connections().remove(&id.to_string());
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, ConnectionId>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn market(&self) -> MarketFigures {
        *self.market.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A JSON document that says that all is well.
    pub(crate) fn health(&self) -> String {
        let stats = self.server.get().map(ServerHandle::stats);
        let health = json!({
            "status": "ok",
            "source": self.source,
            "uptime_seconds": stats.as_ref().map_or(0, |stats| stats.uptime.as_secs()),
            "connections": stats.as_ref().map_or(0, |stats| stats.connections),
        });
        health.to_string()
    }

    /// A JSON document with all figures.
    pub(crate) fn stats(&self) -> String {
        let MarketFigures { stats: market, has_ended } = self.market();
        let mut document = json!({
            "market": {
                "source": self.source,
                "symbols": self.symbol_count,
                "events": market.events,
                "tickers": market.tickers,
                "trades": market.trades,
                "deltas": market.deltas,
                "raw": market.raw,
                "faults": market.faults,
                "gaps": market.gaps,
                "lost_time_seconds": market.lost_time as f64 / 1e9,
                "has_ended": has_ended,
            },
        });
        if let Some(server) = self.server.get() {
            let stats = server.stats();
            document["server"] = json!({
                "uptime_seconds": stats.uptime.as_secs_f64(),
                "connections": stats.connections,
                "connections_per_loop": stats.connections_per_loop,
                "topics": stats.topics,
                "total": counters(&stats.total),
                "per_loop": stats.per_loop.iter().map(counters).collect::<Vec<_>>(),
            });
            document["slowest"] = server.slowest(SLOWEST).iter().map(connection_figures).collect();
            document["topics"] = Value::Object(topics_figures(self.topics.of(server)));
        }
        document.to_string()
    }

    /// A JSON document with the figures of one connection; `None` when there is none of this name.
    pub(crate) fn connection(&self, name: &str) -> Option<String> {
        let id = *self.connections().get(name)?;
        let stats = self.server.get()?.connection_stats(id)?;
        Some(connection_figures(&stats).to_string())
    }
}

/// The topics that have published something or have subscribers, by name.
fn topics_figures(topics: &Topics) -> Map<String, Value> {
    let in_use = topics.iter().map(|topic| (topic.name().to_owned(), topic.stats()));
    in_use
        .filter(|(_, stats)| stats.publications > 0 || stats.subscribers > 0)
        .map(|(name, stats)| (name, topic_figures(&stats)))
        .collect()
}

fn topic_figures(stats: &TopicStats) -> Value {
    json!({
        "publications": stats.publications,
        "subscribers": stats.subscribers,
        "offered": stats.offered,
        "delivered": stats.delivered,
        "conflated": stats.conflated,
        "dropped": stats.dropped,
        "pending": stats.pending,
        "replayed": stats.replayed,
        "snapshots": stats.snapshots,
        "resyncs": stats.resyncs,
        "lags": stats.lags,
        "closed": stats.closed,
    })
}

fn connection_figures(stats: &ConnectionStats) -> Value {
    json!({
        "connection": stats.id.to_string(),
        "bytes_queued": stats.buffered_amount,
        "oldest_queued_seconds": stats.oldest_queued.map(|age| age.as_secs_f64()),
        "conflated": stats.conflated,
        "dropped": stats.dropped,
        "resynced": stats.resynced,
    })
}

fn counters(counters: &Counters) -> Value {
    json!({
        "accepted": counters.accepted,
        "over_capacity": counters.over_capacity,
        "upgraded": counters.upgraded,
        "http_responses": counters.http_responses,
        "closed": counters.closed,
        "protocol_errors": counters.protocol_errors,
        "messages_too_long": counters.messages_too_long,
        "fragment_floods": counters.fragment_floods,
        "heads_too_long": counters.heads_too_long,
        "timeouts": counters.timeouts,
        "handshake_timeouts": counters.handshake_timeouts,
        "idle_timeouts": counters.idle_timeouts,
        "close_timeouts": counters.close_timeouts,
        "messages_received": counters.messages_received,
        "messages_sent": counters.messages_sent,
        "sends_dropped": counters.sends_dropped,
        "publications": counters.publications,
        "deliveries": counters.deliveries,
        "deliveries_dropped": counters.deliveries_dropped,
        "deliveries_conflated": counters.deliveries_conflated,
        "resyncs": counters.resyncs,
        "slow_consumers": counters.slow_consumers,
        "subscribers_closed": counters.subscribers_closed,
        "bytes_received": counters.bytes_received,
        "bytes_sent": counters.bytes_sent,
        "bytes_queued": counters.bytes_queued,
        "turns": counters.turns,
    })
}

/// The line for the terminal: what happened since the line before.
#[derive(Debug)]
pub(crate) struct Report {
    at: Instant,
    /// Connections at the line before.
    connections: usize,
    server: Counters,
    events: u64,
}

impl Report {
    /// Time between two lines.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, connections: 0, server: Counters::default(), events: 0 }
    }

    /// When the next line is due.
    pub(crate) fn due(&self) -> Instant {
        self.at + Self::INTERVAL
    }

    /// The line that is due now; none while nobody is connected.
    pub(crate) fn line(
        &mut self,
        now: Instant,
        server: &ServerHandle,
        events: u64,
    ) -> Option<String> {
        let stats = server.stats();
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(1e-3);
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        let (new, old) = (&stats.total, &self.server);
        let delivered = rate(new.deliveries, old.deliveries);
        let mut line = format!(
            "{} connection{}, {:.0} messages/s out, {}/s, {delivered:.0} deliveries/s, {} queued, \
             {:.0} market events/s",
            stats.connections,
            if stats.connections == 1 { "" } else { "s" },
            delivered + rate(new.messages_sent, old.messages_sent),
            in_bytes(rate(new.bytes_sent, old.bytes_sent)),
            in_bytes(new.bytes_queued as f64),
            rate(events, self.events),
        );
        for (count, what) in [
            (new.deliveries_conflated.saturating_sub(old.deliveries_conflated), "conflated"),
            (new.resyncs.saturating_sub(old.resyncs), "resynced"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {count} {what} for slow readers"));
            }
        }
        if new.subscribers_closed > 0 {
            line.push_str(&format!(", {} closed as too slow", new.subscribers_closed));
        }
        let is_idle = stats.connections + self.connections == 0;
        *self = Self { at: now, connections: stats.connections, server: stats.total, events };
        (!is_idle).then_some(line)
    }
}

fn in_bytes(amount: f64) -> String {
    match amount {
        ..1e3 => format!("{amount:.0} B"),
        ..1e6 => format!("{:.1} kB", amount / 1e3),
        ..1e9 => format!("{:.1} MB", amount / 1e6),
        _ => format!("{:.2} GB", amount / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_unit_that_suits_them() {
        let amounts = [0.0, 999.0, 1000.0, 12_345_678.0, 5e9].map(in_bytes);
        assert_eq!(amounts, ["0 B", "999 B", "1.0 kB", "12.3 MB", "5.00 GB"]);
    }
}
