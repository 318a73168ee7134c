//! What a client that knows only the messages can rely on, whatever the source.

use std::collections::HashMap;

use super::*;
use crate::client_book::ClientBook;
use crate::incoming::{Incoming, decode};
use crate::message::{BookKind, Message, Ticker, Trade};
use crate::profiles;
use crate::replay::Replay;
use crate::scratch_dir::{ScratchDir, gzip};

const START: u64 = 1_723_161_600_000_000_000;
const MS: u64 = 1_000_000;

/// Decodes everything, and follows every book from the first snapshot that it is given.
struct Client {
    directory: Arc<Directory>,
    books: HashMap<u16, ClientBook>,
    seqs: HashMap<(Channel, u16), u64>,
    tickers: Vec<Ticker>,
    trades: Vec<Trade>,
    deltas: Vec<BookMessage>,
    raw: Vec<String>,
}

impl Client {
    fn new(market: &Market) -> Self {
        Self {
            directory: Arc::clone(market.directory()),
            books: HashMap::new(),
            seqs: HashMap::new(),
            tickers: Vec::new(),
            trades: Vec::new(),
            deltas: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Begins to follow the books that it does not follow yet.
    fn subscribe(&mut self, market: &Market, encoding: Encoding) {
        for (symbol, instrument) in (0..).zip(market.directory().instruments()) {
            let message = self.decode(&market.snapshot(symbol, encoding));
            let Message::Book(snapshot) = message else { panic!("{message:?}") };
            assert_eq!(snapshot.kind, BookKind::Snapshot);
            let book =
                self.books.entry(symbol).or_insert_with(|| ClientBook::new(instrument.clone()));
            if let Some(seq) = book.seq() {
                assert_eq!(snapshot.seq, seq, "the snapshot is not of the last delta");
                let followed = book.levels().clone();
                book.apply(&snapshot).unwrap();
                assert_eq!(book.levels(), &followed);
            } else {
                book.apply(&snapshot).unwrap();
            }
        }
    }

    fn decode(&self, message: &Encoded) -> Message {
        match message {
            Encoded::Json(text) => self.decode_json(text),
            Encoded::Binary(bytes) => binary::decode(bytes).unwrap(),
        }
    }

    fn decode_json(&self, text: &str) -> Message {
        match decode(text, &self.directory) {
            Ok(Incoming::Market(message)) => message,
            other => panic!("{other:?} from {text}"),
        }
    }
}

impl Sink for Client {
    fn publish(&mut self, update: Update<'_>) {
        if update.channel == Channel::Raw {
            assert!(update.binary.is_none());
            self.raw.push(update.json.to_owned());
            return;
        }
        let message = self.decode_json(update.json);
        assert_eq!(binary::decode(update.binary.unwrap()), Ok(message.clone()));
        let seq = seq_of(&message);
        let previous = self.seqs.entry((update.channel, update.symbol)).or_insert(seq - 1);
        assert_eq!(seq, *previous + 1, "{:?} {}", update.channel, update.symbol);
        *previous = seq;
        match message {
            Message::Ticker(ticker) => {
                assert!(ticker.bid < ticker.ask, "{ticker:?}");
                assert!(ticker.low <= ticker.last && ticker.last <= ticker.high);
                self.tickers.push(ticker);
            }
            Message::Trade(trade) => self.trades.push(trade),
            Message::Book(delta) => {
                assert_eq!((delta.kind, delta.symbol), (BookKind::Delta, update.symbol));
                if let Some(book) = self.books.get_mut(&delta.symbol) {
                    book.apply(&delta).unwrap();
                    assert!(!book.levels().is_crossed());
                }
                self.deltas.push(delta);
            }
        }
    }
}

fn seq_of(message: &Message) -> u64 {
    match message {
        Message::Ticker(ticker) => ticker.seq,
        Message::Trade(trade) => trade.seq,
        Message::Book(book) => book.seq,
    }
}

fn simulated(seed: u64) -> Market {
    let profiles = profiles::first(6).unwrap();
    Market::simulated(Simulator::new(profiles, 20_000.0, seed))
}

#[test]
fn simulated_books_can_be_followed_from_any_moment_in_both_encodings() {
    for encoding in Encoding::ALL {
        let mut market = simulated(3);
        let mut client = Client::new(&market);
        for turn in 0..1500 {
            market.advance(START + turn * MS, &mut client);
            if turn % 100 == 77 {
                client.subscribe(&market, encoding);
            }
        }
        assert!(client.books.values().all(|book| book.levels().len() > 20));
        assert!(client.deltas.len() > 100 && client.trades.len() > 100);
        let stats = market.stats();
        assert!((25_000..35_000).contains(&stats.events), "{stats:?}");
        assert_eq!(stats.trades, client.trades.len() as u64);
        assert_eq!(stats.lost_time, 0);
    }
}

#[test]
fn simulated_tickers_and_deltas_keep_their_intervals() {
    let mut market = simulated(4);
    let mut client = Client::new(&market);
    for turn in 0..2000 {
        market.advance(START + turn * MS, &mut client);
    }
    for symbol in 0..6 {
        let of_symbol = |times: Vec<(u16, u64)>| -> Vec<u64> {
            times.into_iter().filter(|(of, _)| *of == symbol).map(|(_, time)| time).collect()
        };
        let tickers = client.tickers.iter().map(|ticker| (ticker.symbol, ticker.time));
        let deltas = client.deltas.iter().map(|delta| (delta.symbol, delta.time));
        for (times, interval, count) in
            [(of_symbol(tickers.collect()), 100_000, 20), (of_symbol(deltas.collect()), 50_000, 40)]
        {
            assert!((count - 2..=count + 1).contains(&times.len()), "{} of {count}", times.len());
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= interval), "{times:?}");
        }
    }
}

#[test]
fn a_market_asks_to_be_called_when_something_is_due() {
    let profiles = profiles::first(1).unwrap();
    let mut market = Market::simulated(Simulator::new(profiles, 5.0, 1));
    let mut client = Client::new(&market);
    let mut now = START;
    let mut calls = 0;
    while now < START + 20_000 * MS {
        let Next::At(next) = market.advance(now, &mut client) else { panic!("it ended") };
        assert!(next > now);
        now = next;
        calls += 1;
    }
    let stats = market.stats();
    assert!((60..160).contains(&stats.events), "{stats:?}");
    assert!(calls < 4 * stats.events, "{calls} calls for {} events", stats.events);
    assert!(stats.deltas * 10 >= stats.events * 7, "{stats:?}");
}

#[test]
fn a_caller_that_was_away_loses_time_and_not_its_breath() {
    let mut market = simulated(4);
    let mut client = Client::new(&market);
    market.advance(START, &mut client);
    market.advance(START + 3_600_000 * MS, &mut client);
    market.advance(START + 3_600_010 * MS, &mut client);
    let stats = market.stats();
    assert!(stats.lost_time > 3_590_000 * MS && stats.events < 10_000, "{stats:?}");
}

#[test]
fn the_same_seed_and_clock_publish_the_same_messages() {
    let run = |seed| {
        let mut market = simulated(seed);
        let mut client = Client::new(&market);
        for turn in 0..300 {
            market.advance(START + turn * MS, &mut client);
        }
        (client.trades, client.tickers, client.deltas)
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}

/// Three seconds of two symbols: trades, best prices and depth, with a level that goes stale.
fn capture(dir: &ScratchDir) -> Vec<std::path::PathBuf> {
    let mut first = String::new();
    let mut second = String::new();
    for turn in 0..30_u64 {
        let at = START + turn * 100 * MS;
        for (text, symbol, price) in [(&mut first, "aaausdt", 1000), (&mut second, "bbbusdt", 50)] {
            let bid = price + turn % 7;
            let update = 10 * turn;
            text.push_str(&format!(
                r#"{} {{"stream":"{symbol}@depth@100ms","data":{{"e":"depthUpdate","U":{},"u":{update},"b":[["{bid}.5","1.25"],["{}.5","0.50"]],"a":[["{}.0","2.00"]]}}}}"#,
                at, update.saturating_sub(9), price - 5, bid + 1
            ));
            text.push('\n');
            text.push_str(&format!(
                r#"{} {{"stream":"{symbol}@trade","data":{{"t":{turn},"p":"{bid}.5","q":"0.25","m":{}}}}}"#,
                at + 10 * MS, turn % 2 == 0
            ));
            text.push('\n');
            text.push_str(&format!(
                r#"{} {{"stream":"{symbol}@bookTicker","data":{{"u":{},"b":"{bid}.5","B":"1.25","a":"{}.0","A":"2.00"}}}}"#,
                at + 20 * MS, update + 1, bid + 1
            ));
            text.push('\n');
        }
    }
    vec![dir.write("a", first.as_bytes()), dir.write("b.gz", &gzip(second.as_bytes()))]
}

#[test]
fn a_replay_publishes_all_channels_and_its_books_can_be_followed() {
    let dir = ScratchDir::new("market-replay");
    let paths = capture(&dir);
    let mut market = Market::replayed(Replay::open(&paths, None, true).unwrap(), Speed::Max);
    assert!(market.has_raw());
    let mut client = Client::new(&market);
    client.subscribe(&market, Encoding::Binary);
    // Each turn of this replay is as long as it may be, and six passes and more fit into it.
    assert_eq!(market.advance(START, &mut client), Next::At(START));
    client.subscribe(&market, Encoding::Json);
    let stats = market.stats();
    assert_eq!((stats.events, stats.faults, stats.gaps), (1024, 0, 0));
    assert_eq!(stats.raw, 1024);
    assert_eq!(client.raw.len(), 1024);
    let lines = std::fs::read_to_string(&paths[0]).unwrap();
    assert_eq!(client.raw[0], lines.lines().next().unwrap().split_once(' ').unwrap().1);
    assert!(client.trades.is_sorted_by_key(|trade| trade.time));
    assert_eq!((client.trades[0].price, client.trades[0].quantity), (10_005, 25));
    // Every best price after the first trade makes a ticker.
    let best_count = client.raw.iter().filter(|text| text.contains("bookTicker")).count();
    assert_eq!(client.tickers.len(), best_count);
    for book in client.books.values() {
        assert!(book.levels().len() >= 3);
    }
}

#[test]
fn a_replay_keeps_its_speed() {
    let dir = ScratchDir::new("market-speed");
    let paths = capture(&dir);
    for (speed, factor) in [("1", 1), ("10", 10)] {
        let replay = Replay::open(&paths, None, false).unwrap();
        let mut market = Market::replayed(replay, speed.parse().unwrap());
        let mut client = Client::new(&market);
        let mut now = START + 77;
        let end = loop {
            match market.advance(now, &mut client) {
                Next::At(next) => {
                    assert!(next > now);
                    now = next;
                }
                Next::Ended => break now,
            }
        };
        // The last line is 29 * 100 + 20 ms after the first.
        assert_eq!(end, START + 77 + 2920 * MS / factor);
        assert_eq!((client.trades.len(), client.tickers.len()), (60, 60));
        assert_eq!(market.stats().lost_time, 0);
    }
    for text in ["0", "-1", "fast", "nan", "1e99"] {
        assert!(text.parse::<Speed>().is_err(), "{text}");
    }
}
