//! What is known of the markets: the latest ticker, the rates and the proven book of each symbol.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::binary::{self, DecodeError};
use crate::client_book::{BookFault, ClientBook};
use crate::incoming::{self, Incoming, IncomingError};
use crate::message::{BookMessage, Channel, Directory, Instrument, Message, Ticker};

/// The id of a request for a book that was lost.
const RESYNC: &str = "resync";

/// Why the session cannot go on.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error("the server speaks another protocol: {0}")]
    Text(#[from] IncomingError),
    #[error("the server speaks another protocol: {0}")]
    Binary(#[from] DecodeError),
    #[error("the server speaks version {0} of the protocol, this client version 1")]
    Version(u64),
    #[error("the server refuses: {message} ({code})")]
    Refused { code: String, message: String },
}

/// All that is known, over one connection or several.
pub(crate) struct Watch {
    /// The symbols asked for; empty: all.
    wanted: Vec<String>,
    /// The symbol whose book is looked at.
    book: Option<String>,
    directory: Directory,
    /// In the order of the directory, those watched.
    pub(crate) rows: Vec<Row>,
    /// Of the server; numbers of another run mean nothing to this one.
    run: u64,
    /// `simulator` or `replay`.
    pub(crate) source: String,
    pub(crate) totals: Totals,
    /// Time between a ping and its pong.
    pub(crate) round_trip: Option<Duration>,
    pinged: Option<Instant>,
    /// Requests to be sent.
    requests: Vec<String>,
    rates_at: Instant,
}

/// Counted since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Book messages whose place and checksum were right.
    pub(crate) verified: u64,
    /// Messages that did not follow the one before.
    pub(crate) gaps: u64,
    /// Messages that the server says it left out, because this client was slow or away: a newer
    /// ticker, a snapshot or nothing came instead.
    pub(crate) conflated: u64,
    pub(crate) resynced: u64,
    pub(crate) missed: u64,
    pub(crate) checksum_errors: u64,
    pub(crate) message_rate: f64,
    pub(crate) byte_rate: f64,
    counted: (u64, u64),
}

/// One symbol.
pub(crate) struct Row {
    symbol: u16,
    pub(crate) instrument: Instrument,
    pub(crate) ticker: Option<Ticker>,
    /// How the last price moved last: above zero up, below zero down.
    pub(crate) direction: i64,
    pub(crate) book: ClientBook,
    trade_seq: Option<u64>,
    trades: Rate,
    updates: Rate,
    /// From the server's clock to this one's, of the last message.
    pub(crate) latency: Option<Duration>,
}

/// Events of the current interval, and events per second of the one before.
#[derive(Debug, Default)]
struct Rate {
    count: u64,
    per_second: f64,
}

impl Row {
    pub(crate) fn trades_per_second(&self) -> f64 {
        self.trades.per_second
    }

    pub(crate) fn updates_per_second(&self) -> f64 {
        self.updates.per_second
    }
}

impl Watch {
    pub(crate) fn new(wanted: Vec<String>, book: Option<String>) -> Self {
        Self {
            wanted,
            book,
            directory: Directory::default(),
            rows: Vec::new(),
            run: 0,
            source: String::new(),
            totals: Totals::default(),
            round_trip: None,
            pinged: None,
            requests: Vec::new(),
            rates_at: Instant::now(),
        }
    }

    /// A new connection knows nothing of what the last one had asked for.
    pub(crate) fn begin_connection(&mut self) {
        self.requests.clear();
        self.pinged = None;
        self.round_trip = None;
    }

    /// The requests that have to be sent now.
    pub(crate) fn take_requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.requests)
    }

    /// Takes a message in.
    pub(crate) fn take(&mut self, message: tickwire::Message<'_>) -> Result<(), SessionError> {
        self.totals.messages += 1;
        self.totals.bytes += message.len() as u64;
        let incoming = match message {
            tickwire::Message::Text(text) => incoming::decode(text, &self.directory)?,
            tickwire::Message::Binary(bytes) => Incoming::Market(binary::decode(bytes)?),
        };
        match incoming {
            Incoming::Welcome { protocol: 1, source, run } => {
                if run != self.run {
                    self.rows.clear();
                }
                self.run = run;
                self.source = source;
                self.requests.push(r#"{"op":"list"}"#.to_owned());
            }
            Incoming::Welcome { protocol, .. } => return Err(SessionError::Version(protocol)),
            Incoming::Symbols(instruments) => self.begin(instruments),
            Incoming::Market(message) => self.update(message),
            Incoming::Notice { symbol, missed, count, seq, .. } => {
                self.note_missed(&symbol, &missed, count, seq);
            }
            Incoming::Pong { .. } => {
                self.round_trip = self.pinged.take().map(|pinged| pinged.elapsed());
            }
            // A book that is asked for again may have been let go of already.
            Incoming::Error { code, .. } if code == "not_subscribed" => {}
            Incoming::Error { code, message } => {
                return Err(SessionError::Refused { code, message });
            }
            Incoming::Subscribed { .. } | Incoming::Unsubscribed { .. } => {}
        }
        Ok(())
    }

    /// Asks for everything of the symbols that are wanted.
    fn begin(&mut self, instruments: Vec<Instrument>) {
        let named = || self.wanted.iter().chain(&self.book);
        let is =
            |name: &str, instrument: &Instrument| name.eq_ignore_ascii_case(&instrument.symbol);
        let is_wanted = |instrument: &Instrument| {
            self.wanted.is_empty() || named().any(|name| is(name, instrument))
        };
        let all = (0..=u16::MAX).zip(&instruments);
        let mut rows: Vec<_> = all.filter(|(_, it)| is_wanted(it)).map(Row::new).collect();
        let mut names: Vec<_> = rows.iter().map(|row| row.instrument.symbol.clone()).collect();
        // What the server does not have is asked for too: it says best what is wrong.
        let is_missing = |name: &&String| !rows.iter().any(|row| is(name, &row.instrument));
        names.extend(named().filter(is_missing).cloned());
        for channel in [Channel::Ticker, Channel::Book] {
            self.requests.push(request("subscribe", channel, &names, channel.name()));
        }
        // Of the connection before, if it was to the same run of the server.
        let seqs = self.rows.iter().map(|row| (&row.instrument.symbol, row.trade_seq));
        let had: HashMap<_, _> =
            seqs.filter_map(|(name, seq)| Some((name.clone(), seq?))).collect();
        self.requests.push(resume(Channel::Trades, &names, &had));
        for row in &mut rows {
            row.trade_seq = had.get(&row.instrument.symbol).copied();
        }
        self.rows = rows;
        self.directory = Directory::new(instruments);
    }

    fn update(&mut self, message: Message) {
        let (symbol, time) = match &message {
            Message::Ticker(ticker) => (ticker.symbol, ticker.time),
            Message::Trade(trade) => (trade.symbol, trade.time),
            Message::Book(book) => (book.symbol, book.time),
        };
        // Captured times say nothing about this connection.
        let latency = (self.source == "simulator").then(|| latency(time)).flatten();
        let Some(row) = self.rows.iter_mut().find(|row| row.symbol == symbol) else { return };
        row.updates.count += 1;
        row.latency = latency.or(row.latency);
        match message {
            Message::Ticker(ticker) => {
                let last = row.ticker.map_or(ticker.last, |before| before.last);
                if last != ticker.last {
                    row.direction = ticker.last.saturating_sub(last);
                }
                row.ticker = Some(ticker);
            }
            Message::Trade(trade) => {
                row.trades.count += 1;
                let expected = row.trade_seq.map_or(trade.seq, |seq| seq.wrapping_add(1));
                self.totals.gaps += u64::from(trade.seq != expected);
                row.trade_seq = Some(trade.seq);
            }
            Message::Book(book) => self.update_book(&book),
        }
    }

    fn update_book(&mut self, message: &BookMessage) {
        let row = self.rows.iter_mut().find(|row| row.symbol == message.symbol);
        let Some(row) = row else { return };
        match row.book.apply(message) {
            Ok(()) => {
                self.totals.verified += 1;
                return;
            }
            // The snapshot that was asked for is on its way.
            Err(BookFault::NoSnapshot) => return,
            Err(BookFault::Gap { .. }) => self.totals.gaps += 1,
            Err(BookFault::Checksum { .. }) => self.totals.checksum_errors += 1,
        }
        let names = [row.instrument.symbol.clone()];
        for op in ["unsubscribe", "subscribe"] {
            self.requests.push(request(op, Channel::Book, &names, RESYNC));
        }
    }

    /// The server says what it left out.
    fn note_missed(&mut self, symbol: &str, missed: &str, count: u64, seq: u64) {
        match missed {
            "conflated" => self.totals.conflated += count,
            "resynced" => self.totals.resynced += count,
            _ => self.totals.missed += count,
        }
        let row = self.rows.iter_mut().find(|row| row.instrument.symbol == symbol);
        // Trades go on behind those that are not to be had any more.
        if let Some(row) =
            row.filter(|row| row.trade_seq == seq.checked_sub(count) && missed == "gap")
        {
            row.trade_seq = Some(seq);
        }
    }

    /// Once a second: computes the rates, and asks how long the way is.
    pub(crate) fn tick(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.rates_at).as_secs_f64().max(1e-3);
        self.rates_at = now;
        for row in &mut self.rows {
            for rate in [&mut row.trades, &mut row.updates] {
                rate.per_second = std::mem::take(&mut rate.count) as f64 / seconds;
            }
        }
        let totals = &mut self.totals;
        let (messages, bytes) = totals.counted;
        totals.message_rate = (totals.messages - messages) as f64 / seconds;
        totals.byte_rate = (totals.bytes - bytes) as f64 / seconds;
        totals.counted = (totals.messages, totals.bytes);
        if self.pinged.is_none() && !self.rows.is_empty() {
            self.pinged = Some(now);
            self.requests.push(r#"{"op":"ping"}"#.to_owned());
        }
    }
}

impl Row {
    fn new((symbol, instrument): (u16, &Instrument)) -> Self {
        Self {
            symbol,
            instrument: instrument.clone(),
            ticker: None,
            direction: 0,
            book: ClientBook::new(instrument.clone()),
            trade_seq: None,
            trades: Rate::default(),
            updates: Rate::default(),
            latency: None,
        }
    }
}

/// From a server's time, in microseconds since the Unix epoch, to now. `None` if the clocks differ
/// so much that it seems to lie ahead.
fn latency(time: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_micros(time))
}

fn request(op: &str, channel: Channel, names: &[String], id: &str) -> String {
    let symbols = names;
    serde_json::json!({ "op": op, "channel": channel.name(), "symbols": symbols, "id": id })
        .to_string()
}

/// A subscription that goes on behind the last numbers that this client has `had`.
fn resume(channel: Channel, names: &[String], had: &HashMap<String, u64>) -> String {
    let channel = channel.name();
    serde_json::json!({
        "op": "subscribe", "channel": channel, "symbols": names, "after": had, "id": channel,
    })
    .to_string()
}
