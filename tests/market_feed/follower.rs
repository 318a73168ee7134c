//! A client's picture of the market, and the demands that it makes of every message.

use std::collections::{BTreeMap, HashMap};

use crate::message::{Book, Message, Notice};

/// Takes messages in, and fails the test at the first that is out of place.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    pub(crate) tickers: u64,
    pub(crate) trades: u64,
    pub(crate) deltas: u64,
    pub(crate) snapshots: u64,
    /// How many messages the server said it left out, by channel.
    pub(crate) left_out: HashMap<String, u64>,
    /// The last number of each channel of each symbol.
    seqs: HashMap<(&'static str, String), u64>,
    books: HashMap<String, Sides>,
    /// The checksum after each number of each book.
    pub(crate) checksums: HashMap<(String, u64), u32>,
    /// The trades' ids of each symbol.
    pub(crate) trade_ids: HashMap<String, Vec<u64>>,
}

/// Price texts and quantity texts by price, as a number.
#[derive(Debug, Default, Clone, PartialEq)]
struct Sides {
    bids: BTreeMap<i128, (String, String)>,
    asks: BTreeMap<i128, (String, String)>,
}

impl Follower {
    #[track_caller]
    pub(crate) fn take(&mut self, message: &Message) {
        match message {
            Message::Ticker { symbol, seq, last } => {
                // The first is the one that was the latest before the subscription.
                self.follow("ticker", symbol, *seq);
                assert!(number(last) > 0, "{message:?}");
                self.tickers += 1;
            }
            Message::Trade { symbol, seq, id, price, quantity, side } => {
                self.follow("trades", symbol, *seq);
                assert!(number(price) > 0 && number(quantity) > 0, "{message:?}");
                assert!(["buy", "sell"].contains(&side.as_str()), "{message:?}");
                self.trade_ids.entry(symbol.clone()).or_default().push(*id);
                self.trades += 1;
            }
            Message::Book(book) => self.take_book(book),
            Message::Notice(notice) => self.take_notice(notice),
            Message::Answer(answer) => panic!("nothing was asked: {answer}"),
        }
    }

    /// Only what is announced may be missing.
    #[track_caller]
    fn take_notice(&mut self, notice: &Notice) {
        let Notice { channel, symbol, missed, count, .. } = notice;
        assert!(*count > 0, "{notice:?}");
        *self.left_out.entry(channel.clone()).or_default() += count;
        match (channel.as_str(), missed.as_str()) {
            // How many, `left_out` says: what comes next may be several tickers.
            ("ticker", "conflated") => drop(self.seqs.remove(&("ticker", symbol.clone()))),
            // The snapshot that follows is a new beginning.
            ("book", "resynced") => drop(self.books.remove(symbol)),
            _ => panic!("{notice:?}"),
        }
    }

    #[track_caller]
    fn take_book(&mut self, book: &Book) {
        let symbol = &book.symbol;
        if book.is_snapshot {
            self.snapshots += 1;
            self.seqs.insert(("book", symbol.clone()), book.seq);
            self.books.insert(symbol.clone(), Sides::default());
        } else {
            assert!(self.books.contains_key(symbol), "a delta before the snapshot of {symbol}");
            self.follow("book", symbol, book.seq);
            self.deltas += 1;
        }
        let sides = self.books.get_mut(symbol).expect("a book");
        for (side, levels) in [(&mut sides.bids, &book.bids), (&mut sides.asks, &book.asks)] {
            for (price, quantity) in levels {
                if number(quantity) == 0 {
                    assert!(!book.is_snapshot, "an empty level in a snapshot");
                    let removed = side.remove(&number(price));
                    assert!(removed.is_some(), "{price} is removed and not there: {book:?}");
                } else {
                    side.insert(number(price), (price.clone(), quantity.clone()));
                }
            }
        }
        let bids = sides.bids.values().rev().take(10);
        let best: Vec<_> = bids.chain(sides.asks.values().take(10)).collect();
        let texts: Vec<_> = best.iter().map(|(price, of)| format!("{price}:{of}")).collect();
        let checksum = crc32fast::hash(texts.join(",").as_bytes());
        assert_eq!(checksum, book.checksum, "{symbol} {}", book.seq);
        if let (Some(bid), Some(ask)) = (sides.bids.keys().last(), sides.asks.keys().next()) {
            assert!(bid < ask, "{symbol} is crossed");
        }
        self.checksums.insert((symbol.clone(), book.seq), checksum);
    }

    /// A number must follow the one before.
    #[track_caller]
    fn follow(&mut self, channel: &'static str, symbol: &str, seq: u64) {
        let before = self.seqs.insert((channel, symbol.to_owned()), seq);
        if let Some(before) = before {
            assert_eq!(seq, before + 1, "a gap in {channel} of {symbol}");
        }
    }

    /// The last number of a channel of a symbol.
    pub(crate) fn seq(&self, channel: &'static str, symbol: &str) -> Option<u64> {
        self.seqs.get(&(channel, symbol.to_owned())).copied()
    }
}

/// A decimal text as a number to compare by. All texts of a symbol have the same decimals.
fn number(text: &str) -> i128 {
    let digits: String = text.chars().filter(|&c| c != '.').collect();
    digits.parse().unwrap_or_else(|_| panic!("not a decimal number: {text:?}"))
}
