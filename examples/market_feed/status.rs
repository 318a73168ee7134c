//! Figures of the running feed, for `/health`, `/stats` and the terminal.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tickwire::{Counters, ServerHandle};

use crate::market::{Market, MarketStats};

/// What any thread may ask. The market's thread brings its figures up to date.
#[derive(Debug)]
pub(crate) struct Status {
    source: &'static str,
    symbol_count: usize,
    /// Set once the server runs.
    server: OnceLock<ServerHandle>,
    market: Mutex<MarketFigures>,
}

/// Figures that only the market's thread knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MarketFigures {
    pub(crate) stats: MarketStats,
    /// Publications that no subscriber got.
    pub(crate) lost: u64,
    /// The replay is over.
    pub(crate) has_ended: bool,
}

impl Status {
    pub(crate) fn new(market: &Market) -> Self {
        Self {
            source: market.source_name(),
            symbol_count: market.directory().len(),
            server: OnceLock::new(),
            market: Mutex::default(),
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
        let MarketFigures { stats: market, lost, has_ended } = self.market();
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
                "lost_publications": lost,
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
        }
        document.to_string()
    }
}

fn counters(counters: &Counters) -> Value {
    json!({
        "accepted": counters.accepted,
        "over_capacity": counters.over_capacity,
        "upgraded": counters.upgraded,
        "http_responses": counters.http_responses,
        "closed": counters.closed,
        "protocol_errors": counters.protocol_errors,
        "timeouts": counters.timeouts,
        "messages_received": counters.messages_received,
        "messages_sent": counters.messages_sent,
        "sends_dropped": counters.sends_dropped,
        "publications": counters.publications,
        "deliveries": counters.deliveries,
        "deliveries_dropped": counters.deliveries_dropped,
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
