//! A market from either source, driven by a clock that the caller reads.
//!
//! One thread owns the [`Market`] and calls [`Market::advance`] whenever the time that it answered
//! has come; every message goes to a [`Sink`], encoded once per encoding. Between two turns the
//! same thread asks for the books as they are then: the next delta of each follows.

use std::sync::Arc;

use crate::binary;
use crate::message::{BookMessage, Channel, Directory, Encoding, Level, Side};
use crate::published::Published;
use crate::replay::Replay;
use crate::replayed::{Replayed, Speed};
use crate::simulated::Simulated;
use crate::simulator::Simulator;
use crate::wire;

/// Where messages go.
pub(crate) trait Sink {
    /// Takes a message, whether anybody wants it now or not: those who come later may.
    fn publish(&mut self, update: Update<'_>);
}

/// A message on its way to subscribers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) channel: Channel,
    pub(crate) symbol: u16,
    pub(crate) json: &'a str,
    /// Raw messages have no binary form: subscribers of both subprotocols get the JSON text.
    pub(crate) binary: Option<&'a [u8]>,
}

/// A message in one of the encodings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encoded {
    Json(String),
    Binary(Vec<u8>),
}

/// What [`Market::advance`] has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing happens before this time, in nanoseconds since the Unix epoch.
    At(u64),
    /// The replay is over.
    Ended,
}

/// Figures since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MarketStats {
    /// Simulated events, or messages replayed.
    pub(crate) events: u64,
    pub(crate) tickers: u64,
    pub(crate) trades: u64,
    pub(crate) deltas: u64,
    pub(crate) raw: u64,
    /// Captured lines, and rests of files, that could not be used.
    pub(crate) faults: u64,
    /// Gaps between captured depth messages.
    pub(crate) gaps: u64,
    /// Nanoseconds of market time that were left out because the caller came too late.
    pub(crate) lost_time: u64,
}

/// The market, of one source.
pub(crate) struct Market {
    outlet: Outlet,
    source: Source,
}

enum Source {
    Simulated(Box<Simulated>),
    Replayed(Box<Replayed>),
}

impl Market {
    /// A simulated market.
    pub(crate) fn simulated(simulator: Simulator) -> Self {
        let count = (0..=u16::MAX).take(simulator.len());
        let instruments = count.map(|symbol| simulator.profile(symbol).instrument.clone());
        let mut outlet = Outlet::new(Arc::new(Directory::new(instruments.collect())));
        let source = Source::Simulated(Box::new(Simulated::new(simulator, &mut outlet)));
        Self { outlet, source }
    }

    /// A market that repeats what was captured.
    pub(crate) fn replayed(replay: Replay, speed: Speed) -> Self {
        let outlet = Outlet::new(Arc::clone(replay.directory()));
        Self { outlet, source: Source::Replayed(Box::new(Replayed::new(replay, speed))) }
    }

    /// Its symbols.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.outlet.directory
    }

    /// What it says of itself in the welcome.
    pub(crate) fn source_name(&self) -> &'static str {
        match self.source {
            Source::Simulated(_) => "simulator",
            Source::Replayed(_) => "replay",
        }
    }

    /// Whether there is a `raw` channel.
    pub(crate) fn has_raw(&self) -> bool {
        matches!(self.source, Source::Replayed(_))
    }

    /// The whole book of a symbol. The next delta published follows it.
    pub(crate) fn snapshot(&self, symbol: u16, encoding: Encoding) -> Encoded {
        let state = self.outlet.state(symbol);
        let mut book = BookMessage::default();
        state.snapshot(&mut book);
        match encoding {
            Encoding::Json => {
                Encoded::json(|json| wire::push_book(json, state.instrument(), &book))
            }
            Encoding::Binary => Encoded::binary(|binary| binary::push_book(binary, &book)),
        }
    }

    /// Figures since the start.
    pub(crate) fn stats(&self) -> MarketStats {
        self.outlet.stats
    }

    /// Lets happen what is due at `now`, in nanoseconds since the Unix epoch, in portions that
    /// take some milliseconds at most. Answers when to come again.
    pub(crate) fn advance(&mut self, now: u64, sink: &mut dyn Sink) -> Next {
        match &mut self.source {
            Source::Simulated(source) => source.advance(now, &mut self.outlet, sink),
            Source::Replayed(source) => source.advance(now, &mut self.outlet, sink),
        }
    }
}

impl Encoded {
    fn json(write: impl FnOnce(&mut String)) -> Self {
        let mut text = String::new();
        write(&mut text);
        Self::Json(text)
    }

    fn binary(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::new();
        write(&mut bytes);
        Self::Binary(bytes)
    }
}

/// Turns what happens into numbered, encoded messages. Times are nanoseconds since the Unix epoch.
pub(crate) struct Outlet {
    directory: Arc<Directory>,
    symbols: Vec<Published>,
    json: String,
    binary: Vec<u8>,
    book: BookMessage,
    pub(crate) stats: MarketStats,
}

impl Outlet {
    fn new(directory: Arc<Directory>) -> Self {
        let state = |(symbol, instrument)| Published::new(symbol, instrument);
        let instruments = directory.instruments().iter().cloned();
        let symbols = (0..=u16::MAX).zip(instruments).map(state).collect();
        Self {
            directory,
            symbols,
            json: String::new(),
            binary: Vec::new(),
            book: BookMessage::default(),
            stats: MarketStats::default(),
        }
    }

    /// The published state of a symbol.
    pub(crate) fn state(&self, symbol: u16) -> &Published {
        &self.symbols[usize::from(symbol)]
    }

    /// The published state of a symbol, to be changed.
    pub(crate) fn state_mut(&mut self, symbol: u16) -> &mut Published {
        &mut self.symbols[usize::from(symbol)]
    }

    /// Publishes a trade.
    pub(crate) fn trade(
        &mut self,
        (time, symbol): (u64, u16),
        id: Option<u64>,
        side: Side,
        level: Level,
        sink: &mut dyn Sink,
    ) {
        let state = &mut self.symbols[usize::from(symbol)];
        let trade = state.trade(time / 1000, id, side, level);
        self.stats.trades += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Trades, symbol),
            |json| wire::push_trade(json, state.instrument(), &trade),
            |binary| binary::push_trade(binary, &trade),
        );
    }

    /// Publishes a ticker, if enough is known for one.
    pub(crate) fn ticker(&mut self, (time, symbol): (u64, u16), sink: &mut dyn Sink) {
        let state = &mut self.symbols[usize::from(symbol)];
        let Some(ticker) = state.next_ticker(time / 1000) else { return };
        self.stats.tickers += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Ticker, symbol),
            |json| wire::push_ticker(json, state.instrument(), &ticker),
            |binary| binary::push_ticker(binary, &ticker),
        );
    }

    /// Publishes changed levels, given best first, if any of them is news.
    pub(crate) fn delta(
        &mut self,
        (time, symbol): (u64, u16),
        bids: &[Level],
        asks: &[Level],
        sink: &mut dyn Sink,
    ) {
        let state = &mut self.symbols[usize::from(symbol)];
        let book = &mut self.book;
        if !state.delta(time / 1000, bids, asks, book) {
            return;
        }
        self.stats.deltas += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Book, symbol),
            |json| wire::push_book(json, state.instrument(), book),
            |binary| binary::push_book(binary, book),
        );
    }

    /// Passes a captured message on.
    pub(crate) fn raw(&mut self, symbol: u16, text: &str, sink: &mut dyn Sink) {
        self.stats.raw += 1;
        sink.publish(Update { channel: Channel::Raw, symbol, json: text, binary: None });
    }
}

struct Encoder<'a> {
    json: &'a mut String,
    binary: &'a mut Vec<u8>,
    sink: &'a mut dyn Sink,
}

impl Encoder<'_> {
    fn publish(
        &mut self,
        (channel, symbol): (Channel, u16),
        write_json: impl FnOnce(&mut String),
        write_binary: impl FnOnce(&mut Vec<u8>),
    ) {
        self.json.clear();
        write_json(self.json);
        self.binary.clear();
        write_binary(self.binary);
        self.sink.publish(Update { channel, symbol, json: self.json, binary: Some(self.binary) });
    }
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
