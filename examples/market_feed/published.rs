//! What has been published of one symbol.

use crate::checksum;
use crate::level_book::LevelBook;
use crate::message::{BookKind, BookMessage, Instrument, Level, Side, Ticker, Trade};

/// The published state of one symbol. Each method that answers a message has changed the state to
/// what the message says, and numbered the message.
#[derive(Debug)]
pub(crate) struct Published {
    symbol: u16,
    instrument: Instrument,
    levels: LevelBook,
    book_seq: u64,
    book_time: u64,
    checksum: u32,
    /// As last published, apart from the members that later trades and best prices have changed.
    ticker: Ticker,
    /// Whether a price is known, so that a ticker can be given.
    has_price: bool,
    has_best: bool,
    trade_seq: u64,
    scratch: String,
}

impl Published {
    /// The state of a symbol of which nothing is known yet.
    pub(crate) fn new(symbol: u16, instrument: Instrument) -> Self {
        Self {
            symbol,
            instrument,
            levels: LevelBook::default(),
            book_seq: 0,
            book_time: 0,
            checksum: 0,
            ticker: Ticker { symbol, ..Ticker::default() },
            has_price: false,
            has_best: false,
            trade_seq: 0,
            scratch: String::new(),
        }
    }

    /// The symbol's instrument.
    pub(crate) fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    /// Begins the day at a price.
    pub(crate) fn open_at(&mut self, price: i64) {
        self.has_price = true;
        self.ticker.volume = 0;
        self.ticker.last = price;
        self.ticker.open = price;
        self.ticker.high = price;
        self.ticker.low = price;
    }

    /// Ends the day: the next trade opens another.
    pub(crate) fn close_day(&mut self) {
        self.has_price = false;
    }

    /// Takes in a trade. Without an `id` it gets its number.
    pub(crate) fn trade(
        &mut self,
        time: u64,
        id: Option<u64>,
        side: Side,
        Level { price, quantity }: Level,
    ) -> Trade {
        if !self.has_price {
            self.open_at(price);
        }
        let ticker = &mut self.ticker;
        ticker.last = price;
        ticker.high = ticker.high.max(price);
        ticker.low = ticker.low.min(price);
        ticker.volume = ticker.volume.saturating_add(quantity);
        self.trade_seq += 1;
        let (symbol, seq) = (self.symbol, self.trade_seq);
        Trade { symbol, seq, time, id: id.unwrap_or(seq), price, quantity, side }
    }

    /// Takes in the best prices.
    pub(crate) fn best(&mut self, bid: Level, ask: Level) {
        self.has_best = true;
        self.ticker.bid = bid.price;
        self.ticker.bid_quantity = bid.quantity;
        self.ticker.ask = ask.price;
        self.ticker.ask_quantity = ask.quantity;
    }

    /// The next ticker; `None` until there has been a trade and best prices.
    pub(crate) fn next_ticker(&mut self, time: u64) -> Option<Ticker> {
        if !(self.has_price && self.has_best) {
            return None;
        }
        self.ticker.seq += 1;
        self.ticker.time = time;
        Some(self.ticker)
    }

    /// Changes levels, given best first, and writes the delta to `out`. Levels that are as they
    /// were are left out; answers `false`, and publishes nothing, if all are.
    pub(crate) fn delta(
        &mut self,
        time: u64,
        bids: &[Level],
        asks: &[Level],
        out: &mut BookMessage,
    ) -> bool {
        out.bids.clear();
        out.asks.clear();
        for (side, levels, changed) in
            [(Side::Buy, bids, &mut out.bids), (Side::Sell, asks, &mut out.asks)]
        {
            for level in levels {
                if self.levels.set(side, level.price, level.quantity) {
                    changed.push(*level);
                }
            }
        }
        if out.bids.is_empty() && out.asks.is_empty() {
            return false;
        }
        self.book_seq += 1;
        self.book_time = time;
        self.checksum = checksum::of_book(&self.levels, &self.instrument, &mut self.scratch);
        self.head(BookKind::Delta, out);
        true
    }

    /// Writes the whole book to `out`, under the number of the last delta.
    pub(crate) fn snapshot(&self, out: &mut BookMessage) {
        out.bids.clear();
        out.asks.clear();
        out.bids.extend(self.levels.levels(Side::Buy));
        out.asks.extend(self.levels.levels(Side::Sell));
        self.head(BookKind::Snapshot, out);
    }

    fn head(&self, kind: BookKind, out: &mut BookMessage) {
        out.kind = kind;
        out.symbol = self.symbol;
        out.seq = self.book_seq;
        out.time = self.book_time;
        out.checksum = self.checksum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Published {
        let instrument = Instrument {
            symbol: "X".into(),
            name: "X".into(),
            price_decimals: 0,
            quantity_decimals: 0,
        };
        Published::new(4, instrument)
    }

    fn level(price: i64, quantity: i64) -> Level {
        Level { price, quantity }
    }

    #[test]
    fn a_ticker_needs_a_trade_and_best_prices() {
        let mut state = published();
        state.best(level(9, 1), level(11, 2));
        assert_eq!(state.next_ticker(1), None);
        let first = state.trade(2, Some(77), Side::Buy, level(10, 5));
        assert_eq!((first.seq, first.id), (1, 77));
        state.trade(3, None, Side::Sell, level(8, 1));
        let ticker = state.next_ticker(4).unwrap();
        assert_eq!((ticker.symbol, ticker.seq, ticker.time), (4, 1, 4));
        assert_eq!((ticker.open, ticker.high, ticker.low, ticker.last), (10, 10, 8, 8));
        assert_eq!((ticker.volume, ticker.bid, ticker.ask_quantity), (6, 9, 2));
        state.close_day();
        assert_eq!(state.next_ticker(5), None);
        state.trade(6, None, Side::Sell, level(20, 1));
        let ticker = state.next_ticker(7).unwrap();
        assert_eq!((ticker.seq, ticker.open, ticker.low, ticker.volume), (2, 20, 20, 1));
    }

    #[test]
    fn deltas_hold_only_what_changed_and_snapshots_repeat_their_number() {
        let mut state = published();
        let mut out = BookMessage::default();
        assert!(!state.delta(1, &[level(9, 0)], &[], &mut out), "there was no such level");
        assert!(state.delta(2, &[level(9, 5), level(8, 1)], &[level(11, 1)], &mut out));
        assert!(!state.delta(3, &[level(9, 5)], &[], &mut out));
        assert!(state.delta(4, &[level(9, 5), level(8, 0)], &[level(11, 2)], &mut out));
        assert_eq!((out.kind, out.symbol, out.seq, out.time), (BookKind::Delta, 4, 2, 4));
        assert_eq!((&out.bids, &out.asks), (&vec![level(8, 0)], &vec![level(11, 2)]));
        let mut snapshot = BookMessage::default();
        state.snapshot(&mut snapshot);
        assert_eq!((snapshot.kind, snapshot.seq, snapshot.time), (BookKind::Snapshot, 2, 4));
        assert_eq!((snapshot.bids, snapshot.asks), (vec![level(9, 5)], vec![level(11, 2)]));
        assert_eq!(snapshot.checksum, out.checksum);
    }
}
