//! A market from either source, driven by a clock that the caller reads.
//!
//! One thread owns the [`Market`] and calls [`Market::advance`] whenever the time that it answered
//! has come; every message goes to a [`Sink`], encoded once per encoding. Other threads hold a
//! [`View`], which tells the current state of a symbol to those who come later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::binary;
use crate::message::{BookMessage, Channel, Directory, Encoding, Level, Side};
use crate::published::Published;
use crate::replay::Replay;
use crate::replayed::{Replayed, Speed};
use crate::simulated::Simulated;
use crate::simulator::Simulator;
use crate::wire;

/// Where messages go.
///
/// A symbol's state is locked while the message that changes it is handed over, so that a
/// [`View`] never knows of a message that the sink does not know of. A sink must therefore not ask
/// a [`View`].
pub(crate) trait Sink {
    /// Whether anybody wants messages of this kind now. Those that nobody wants are numbered, but
    /// not encoded.
    fn wants(&self, _channel: Channel, _symbol: u16, _encoding: Encoding) -> bool {
        true
    }

    /// Takes a message.
    fn publish(&mut self, update: Update<'_>);
}

/// A message on its way to subscribers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) channel: Channel,
    pub(crate) symbol: u16,
    /// The message's number, or for `raw` zero: those bear no number.
    pub(crate) seq: u64,
    /// `None` if the sink did not want it.
    pub(crate) json: Option<&'a str>,
    /// `None` if the sink did not want it. Raw messages have no binary form: subscribers of both
    /// subprotocols get the JSON text.
    pub(crate) binary: Option<&'a [u8]>,
}

/// A message that tells the current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current {
    /// The number of the last message that the state includes.
    pub(crate) seq: u64,
    /// JSON text, or the binary encoding.
    pub(crate) bytes: Vec<u8>,
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
        let outlet = Outlet::new(Arc::new(Directory::new(instruments.collect())));
        let source = Source::Simulated(Box::new(Simulated::new(simulator, &outlet)));
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

    /// The current state, for other threads.
    pub(crate) fn view(&self) -> View {
        View {
            directory: Arc::clone(&self.outlet.directory),
            symbols: Arc::clone(&self.outlet.symbols),
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

/// The current state of every symbol. Clones are cheap, and any thread may ask.
#[derive(Debug, Clone)]
pub(crate) struct View {
    directory: Arc<Directory>,
    symbols: Arc<[Mutex<Published>]>,
}

impl View {
    /// The symbols.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The whole book of a symbol.
    pub(crate) fn snapshot(&self, symbol: u16, encoding: Encoding) -> Current {
        self.with_snapshot(symbol, encoding, |current| current)
    }

    /// The whole book of a symbol, handed to `then` while no delta of it can be published: what
    /// `then` subscribes to begins with the delta that follows the snapshot.
    pub(crate) fn with_snapshot<T>(
        &self,
        symbol: u16,
        encoding: Encoding,
        then: impl FnOnce(Current) -> T,
    ) -> T {
        let state = lock(&self.symbols[usize::from(symbol)]);
        let mut book = BookMessage::default();
        state.snapshot(&mut book);
        let mut bytes = Vec::new();
        match encoding {
            Encoding::Json => {
                let mut json = String::new();
                wire::push_book(&mut json, state.instrument(), &book);
                bytes = json.into_bytes();
            }
            Encoding::Binary => binary::push_book(&mut bytes, &book),
        }
        then(Current { seq: book.seq, bytes })
    }

    /// The latest ticker of a symbol; `None` before its first.
    pub(crate) fn ticker(&self, symbol: u16, encoding: Encoding) -> Option<Current> {
        self.with_ticker(symbol, encoding, |current| current)
    }

    /// The latest ticker of a symbol, handed to `then` while no other can be published.
    pub(crate) fn with_ticker<T>(
        &self,
        symbol: u16,
        encoding: Encoding,
        then: impl FnOnce(Option<Current>) -> T,
    ) -> T {
        let state = lock(&self.symbols[usize::from(symbol)]);
        then(state.ticker().map(|ticker| {
            let mut bytes = Vec::new();
            match encoding {
                Encoding::Json => {
                    let mut json = String::new();
                    wire::push_ticker(&mut json, state.instrument(), &ticker);
                    bytes = json.into_bytes();
                }
                Encoding::Binary => binary::push_ticker(&mut bytes, &ticker),
            }
            Current { seq: ticker.seq, bytes }
        }))
    }
}

/// Turns what happens into numbered, encoded messages. Times are nanoseconds since the Unix epoch.
pub(crate) struct Outlet {
    directory: Arc<Directory>,
    symbols: Arc<[Mutex<Published>]>,
    json: String,
    binary: Vec<u8>,
    book: BookMessage,
    pub(crate) stats: MarketStats,
}

impl Outlet {
    fn new(directory: Arc<Directory>) -> Self {
        let state = |(symbol, instrument)| Mutex::new(Published::new(symbol, instrument));
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

    /// The number of symbols.
    pub(crate) fn symbol_count(&self) -> usize {
        self.symbols.len()
    }

    /// The published state of a symbol.
    pub(crate) fn state(&self, symbol: u16) -> MutexGuard<'_, Published> {
        lock(&self.symbols[usize::from(symbol)])
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
        let mut state = lock(&self.symbols[usize::from(symbol)]);
        let trade = state.trade(time / 1000, id, side, level);
        self.stats.trades += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Trades, symbol, trade.seq),
            |json| wire::push_trade(json, state.instrument(), &trade),
            |binary| binary::push_trade(binary, &trade),
        );
    }

    /// Publishes a ticker, if enough is known for one.
    pub(crate) fn ticker(&mut self, (time, symbol): (u64, u16), sink: &mut dyn Sink) {
        let mut state = lock(&self.symbols[usize::from(symbol)]);
        let Some(ticker) = state.next_ticker(time / 1000) else { return };
        self.stats.tickers += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Ticker, symbol, ticker.seq),
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
        let mut state = lock(&self.symbols[usize::from(symbol)]);
        let book = &mut self.book;
        if !state.delta(time / 1000, bids, asks, book) {
            return;
        }
        self.stats.deltas += 1;
        let mut encoder = Encoder { json: &mut self.json, binary: &mut self.binary, sink };
        encoder.publish(
            (Channel::Book, symbol, book.seq),
            |json| wire::push_book(json, state.instrument(), book),
            |binary| binary::push_book(binary, book),
        );
    }

    /// Passes a captured message on.
    pub(crate) fn raw(&mut self, symbol: u16, text: &str, sink: &mut dyn Sink) {
        self.stats.raw += 1;
        let channel = Channel::Raw;
        if Encoding::ALL.into_iter().any(|encoding| sink.wants(channel, symbol, encoding)) {
            sink.publish(Update { channel, symbol, seq: 0, json: Some(text), binary: None });
        }
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
        (channel, symbol, seq): (Channel, u16, u64),
        write_json: impl FnOnce(&mut String),
        write_binary: impl FnOnce(&mut Vec<u8>),
    ) {
        let wants_json = self.sink.wants(channel, symbol, Encoding::Json);
        let wants_binary = self.sink.wants(channel, symbol, Encoding::Binary);
        if wants_json {
            self.json.clear();
            write_json(self.json);
        }
        if wants_binary {
            self.binary.clear();
            write_binary(self.binary);
        }
        if wants_json || wants_binary {
            let json = wants_json.then_some(self.json.as_str());
            let binary = wants_binary.then_some(self.binary.as_slice());
            self.sink.publish(Update { channel, symbol, seq, json, binary });
        }
    }
}

/// A panic in a sink leaves the state whole: it was changed before the sink was called.
fn lock(state: &Mutex<Published>) -> MutexGuard<'_, Published> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
