//! The messages of the feed as values: what the JSON and the binary encodings both carry.
//!
//! Prices and quantities are scaled integers (see [`Instrument`]), times are microseconds since
//! the Unix epoch.

use std::collections::HashMap;

/// What a symbol is and how its numbers are scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instrument {
    /// The name on the wire, such as `BTC-USD`.
    pub(crate) symbol: String,
    /// The name for people, such as `Bitcoin`.
    pub(crate) name: String,
    /// Prices count units of `10^-price_decimals`.
    pub(crate) price_decimals: u32,
    /// Quantities count units of `10^-quantity_decimals`.
    pub(crate) quantity_decimals: u32,
}

/// All symbols of a feed. A symbol's place in the list is its index on the binary wire.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    instruments: Vec<Instrument>,
    by_symbol: HashMap<String, u16>,
}

impl Directory {
    /// A directory of these instruments; of two with the same symbol the first is found.
    ///
    /// # Panics
    ///
    /// With more than 65,536 instruments, which the binary encoding could not number.
    pub(crate) fn new(instruments: Vec<Instrument>) -> Self {
        assert!(instruments.len() <= usize::from(u16::MAX) + 1, "too many instruments");
        let mut by_symbol = HashMap::with_capacity(instruments.len());
        for (index, instrument) in (0..=u16::MAX).zip(&instruments) {
            by_symbol.entry(instrument.symbol.clone()).or_insert(index);
        }
        Self { instruments, by_symbol }
    }

    /// Every instrument, in index order.
    pub(crate) fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The number of instruments.
    pub(crate) fn len(&self) -> usize {
        self.instruments.len()
    }

    /// The index of a symbol, which is case-sensitive.
    pub(crate) fn index_of(&self, symbol: &str) -> Option<u16> {
        self.by_symbol.get(symbol).copied()
    }

    /// The instrument at an index that a message carries.
    pub(crate) fn instrument(&self, index: u16) -> Option<&Instrument> {
        self.instruments.get(usize::from(index))
    }
}

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// Last price, best prices and the day's figures; the latest one replaces the others.
    Ticker,
    /// Every trade.
    Trades,
    /// The order book: a snapshot, then deltas.
    Book,
    /// The captured messages unchanged; only a replay has them.
    Raw,
}

impl Channel {
    /// Every channel, in the order in which the welcome names them.
    pub(crate) const ALL: [Self; 4] = [Self::Ticker, Self::Trades, Self::Book, Self::Raw];

    /// The channel's name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ticker => "ticker",
            Self::Trades => "trades",
            Self::Book => "book",
            Self::Raw => "raw",
        }
    }

    /// The channel of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// The encodings of the feed, one for each subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Encoding {
    /// `tickwire.feed.json.v1`
    #[default]
    Json,
    /// `tickwire.feed.binary.v1`
    Binary,
}

impl Encoding {
    /// Both encodings, the default first.
    pub(crate) const ALL: [Self; 2] = [Self::Json, Self::Binary];

    /// The `Sec-WebSocket-Protocol` name.
    pub(crate) const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "tickwire.feed.json.v1",
            Self::Binary => "tickwire.feed.binary.v1",
        }
    }
}

/// The side of an order, or of the taker in a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Side {
    /// A bid.
    Buy,
    /// An ask.
    Sell,
}

impl Side {
    /// The side that this one trades with.
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// A price with the whole quantity offered there; in a delta, zero says that the level is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Level {
    pub(crate) price: i64,
    pub(crate) quantity: i64,
}

/// The state of a symbol at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ticker {
    pub(crate) symbol: u16,
    pub(crate) seq: u64,
    /// Microseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) last: i64,
    pub(crate) bid: i64,
    pub(crate) bid_quantity: i64,
    pub(crate) ask: i64,
    pub(crate) ask_quantity: i64,
    pub(crate) open: i64,
    pub(crate) high: i64,
    pub(crate) low: i64,
    /// The quantity traded since the open.
    pub(crate) volume: i64,
}

impl Ticker {
    /// The change since the open, in hundredths of a percent, rounded half away from zero; zero
    /// while there is no open. Encodings derive it, so it cannot contradict `last` and `open`.
    pub(crate) fn change(&self) -> i64 {
        let open = i128::from(self.open).abs();
        if open == 0 {
            return 0;
        }
        let scaled = (i128::from(self.last) - i128::from(self.open)) * 10_000;
        let rounded = (scaled + scaled.signum() * open / 2) / open;
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }
}

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trade {
    pub(crate) symbol: u16,
    pub(crate) seq: u64,
    /// Microseconds since the Unix epoch.
    pub(crate) time: u64,
    /// The market's number of the trade.
    pub(crate) id: u64,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    /// The taker's side.
    pub(crate) side: Side,
}

/// Whether a book message holds all levels or the changed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BookKind {
    #[default]
    Snapshot,
    Delta,
}

/// A snapshot of a book, or the levels that changed. Levels stand best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BookMessage {
    pub(crate) kind: BookKind,
    pub(crate) symbol: u16,
    /// A snapshot repeats the number of the last delta that it includes.
    pub(crate) seq: u64,
    /// Microseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
    /// Of the book after this message; see `checksum.rs`.
    pub(crate) checksum: u32,
}

/// A message of a market, as a client decodes it from either encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Ticker(Ticker),
    Trade(Trade),
    Book(BookMessage),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_is_in_hundredths_of_a_percent_and_rounds_half_away_from_zero() {
        let ticker = |open, last| Ticker { open, last, ..Ticker::default() };
        assert_eq!(ticker(10_000, 10_040).change(), 40);
        assert_eq!(ticker(20_000, 20_001).change(), 1);
        assert_eq!(ticker(20_000, 19_999).change(), -1);
        assert_eq!(ticker(30_000, 30_001).change(), 0);
        assert_eq!(ticker(0, 5).change(), 0);
        assert_eq!(ticker(1, i64::MAX).change(), i64::MAX);
    }

    #[test]
    fn a_directory_finds_symbols_by_exact_name() {
        let instrument = |symbol: &str| Instrument {
            symbol: symbol.into(),
            name: String::new(),
            price_decimals: 2,
            quantity_decimals: 2,
        };
        let directory = Directory::new(vec![instrument("A"), instrument("B")]);
        assert_eq!(directory.index_of("B"), Some(1));
        assert_eq!(directory.index_of("b"), None);
        assert_eq!(directory.instrument(0).map(|found| found.symbol.as_str()), Some("A"));
        assert!(directory.instrument(2).is_none());
    }
}
