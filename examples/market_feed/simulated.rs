//! The simulator as a market: its events in real time, tickers and deltas gathered over intervals.

use crate::market::{Next, Outlet, Sink};
use crate::message::{Level, Side};
use crate::simulator::Simulator;

/// The least time between two tickers of a symbol, in nanoseconds.
pub(crate) const TICKER_INTERVAL: u64 = 100_000_000;
/// The least time between two deltas of a symbol, in nanoseconds.
pub(crate) const BOOK_INTERVAL: u64 = 50_000_000;

/// The most events of one turn: some milliseconds of work.
const MAX_EVENTS: usize = 8192;
/// A caller that comes later than this does not get all the events that it missed.
const MAX_LAG: u64 = 1_000_000_000;

/// A simulator, and what it has still to publish.
pub(crate) struct Simulated {
    simulator: Simulator,
    /// The Unix time of the simulator's beginning, once it has begun.
    start: Option<u64>,
    pending: Vec<Pending>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// When the next messages of a symbol may be published.
struct Pending {
    is_changed: bool,
    ticker_at: u64,
    book_at: u64,
}

impl Simulated {
    /// Publishes the opening prices and books to those who will ask for them.
    pub(crate) fn new(simulator: Simulator, outlet: &mut Outlet) -> Self {
        let symbols = (0..=u16::MAX).take(simulator.len());
        for symbol in symbols {
            let profile = simulator.profile(symbol);
            outlet.state_mut(symbol).open_at(profile.price * profile.tick);
        }
        let pending =
            (0..simulator.len()).map(|_| Pending { is_changed: true, ticker_at: 0, book_at: 0 });
        Self {
            pending: pending.collect(),
            simulator,
            start: None,
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// See [`crate::market::Market::advance`].
    pub(crate) fn advance(&mut self, now: u64, outlet: &mut Outlet, sink: &mut dyn Sink) -> Next {
        let start = self.begin(now, outlet);
        let mut step_count = 0;
        while start + self.simulator.next_time() <= now && step_count < MAX_EVENTS {
            self.step(now, outlet, sink);
            step_count += 1;
        }
        outlet.stats.events += step_count as u64;
        let mut next = (start + self.simulator.next_time()).max(now);
        for symbol in (0..=u16::MAX).take(self.pending.len()) {
            if self.pending[usize::from(symbol)].is_changed {
                next = next.min(self.flush(now, symbol, outlet, sink));
            }
        }
        Next::At(next)
    }

    /// The Unix time of the beginning. It moves when the caller has been away for long: market
    /// time stands still then, instead of racing afterwards.
    fn begin(&mut self, now: u64, outlet: &mut Outlet) -> u64 {
        let start = *self.start.get_or_insert_with(|| {
            // Spread over the interval, so that not all symbols are published in one instant.
            let count = self.pending.len() as u64;
            for (index, pending) in (0..).zip(&mut self.pending) {
                pending.ticker_at = now + TICKER_INTERVAL * index / count;
                pending.book_at = now + BOOK_INTERVAL * index / count;
            }
            now
        });
        let lag = now.saturating_sub(start + self.simulator.next_time());
        if lag <= MAX_LAG {
            return start;
        }
        outlet.stats.lost_time += lag;
        self.start = Some(start + lag);
        start + lag
    }

    fn step(&mut self, now: u64, outlet: &mut Outlet, sink: &mut dyn Sink) {
        let event = self.simulator.step();
        let symbol = event.symbol;
        self.pending[usize::from(symbol)].is_changed = true;
        if self.simulator.fills().is_empty() {
            return;
        }
        let profile = self.simulator.profile(symbol);
        let (tick, lot) = (profile.tick, profile.lot);
        for fill in self.simulator.fills() {
            let level = Level { price: fill.price * tick, quantity: fill.quantity * lot };
            outlet.trade((now, symbol), None, fill.taker_side, level, sink);
        }
    }

    /// Publishes what is due of a symbol; answers when the rest is.
    fn flush(&mut self, now: u64, symbol: u16, outlet: &mut Outlet, sink: &mut dyn Sink) -> u64 {
        let profile = self.simulator.profile(symbol);
        let (tick, lot) = (profile.tick, profile.lot);
        let scale =
            |level: Level| Level { price: level.price * tick, quantity: level.quantity * lot };
        let pending = &mut self.pending[usize::from(symbol)];
        let mut next = u64::MAX;
        pending.is_changed = false;
        if now >= pending.book_at {
            pending.book_at = after(pending.book_at, BOOK_INTERVAL, now);
            self.bids.clear();
            self.asks.clear();
            self.simulator.book_mut(symbol).take_changes(&mut self.bids, &mut self.asks);
            for level in self.bids.iter_mut().chain(&mut self.asks) {
                *level = scale(*level);
            }
            outlet.delta((now, symbol), &self.bids, &self.asks, sink);
        } else if self.simulator.book(symbol).has_changes() {
            pending.is_changed = true;
            next = pending.book_at;
        }
        if now < pending.ticker_at {
            pending.is_changed = true;
            return next.min(pending.ticker_at);
        }
        pending.ticker_at = after(pending.ticker_at, TICKER_INTERVAL, now);
        let book = self.simulator.book(symbol);
        if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
            outlet.state_mut(symbol).best(scale(bid), scale(ask));
            outlet.ticker((now, symbol), sink);
        }
        next
    }
}

/// The first time of the rhythm of `time` and `interval` that leaves at least that interval free,
/// or one interval from now if the rhythm was lost.
fn after(time: u64, interval: u64, now: u64) -> u64 {
    if now - time < interval / 10 { time + interval } else { now + interval }
}
