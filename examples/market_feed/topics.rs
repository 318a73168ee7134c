//! One topic for each channel, symbol and encoding: where the market's messages leave, and what the
//! engine does with them for those who come late or read slowly.
//!
//! Every message is published, whether somebody subscribes or not. So a message's number on the wire
//! is its topic's own sequence number, and whoever was cut off can go on from the last that it had.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tickwire::{Missed, Notice, Outcome, Outgoing, Overflow, ServerHandle, Topic, TopicOptions};

use crate::market::{Encoded, Market, Sink, Update};
use crate::message::{Channel, Directory, Encoding};
use crate::wire;

/// How long a publication waits for an event loop that is thousands of messages behind, before the
/// log says so.
const PATIENCE: Duration = Duration::from_secs(1);
/// The latest trades of a symbol, for those who come back: how many, and how many bytes.
const REPLAYED_TRADES: (usize, usize) = (4096, 1 << 20);

/// The topics of each kind of message, see [`place`].
const KINDS: [(Channel, Encoding); 7] = [
    (Channel::Ticker, Encoding::Json),
    (Channel::Ticker, Encoding::Binary),
    (Channel::Trades, Encoding::Json),
    (Channel::Trades, Encoding::Binary),
    (Channel::Book, Encoding::Json),
    (Channel::Book, Encoding::Binary),
    // JSON text for all: see `Update::binary`.
    (Channel::Raw, Encoding::Json),
];

/// The topics of a server that may not run yet: whoever needs them first makes them.
pub(crate) struct LazyTopics {
    directory: Arc<Directory>,
    /// Each symbol's book before its first delta.
    books: Vec<[Encoded; 2]>,
    topics: OnceLock<Topics>,
}

impl LazyTopics {
    /// The topics of a market that has published nothing yet.
    pub(crate) fn new(market: &Market) -> Self {
        let directory = Arc::clone(market.directory());
        let symbols = (0..=u16::MAX).take(directory.len());
        let book = |symbol| Encoding::ALL.map(|encoding| market.snapshot(symbol, encoding));
        Self { books: symbols.map(book).collect(), directory, topics: OnceLock::new() }
    }

    /// The topics, which are the server's from here on.
    pub(crate) fn of(&self, server: &ServerHandle) -> &Topics {
        self.topics.get_or_init(|| {
            let topics = Topics::new(server, &self.directory);
            for (symbol, books) in (0..=u16::MAX).zip(&self.books) {
                for (encoding, book) in Encoding::ALL.into_iter().zip(books) {
                    topics.supply(symbol, encoding, book.clone());
                }
            }
            topics
        })
    }
}

/// All topics of the feed. Held as long as the server lives, so that each keeps what it retains.
pub(crate) struct Topics {
    by_symbol: Vec<[Topic; KINDS.len()]>,
}

impl Topics {
    fn new(server: &ServerHandle, directory: &Directory) -> Self {
        let of_symbol = |symbol: &str| {
            KINDS.map(|(channel, encoding)| {
                let name = format!("{}/{symbol}/{encoding:?}", channel.name());
                server.topic_with(&name, options(channel, symbol))
            })
        };
        let instruments = directory.instruments().iter();
        Self { by_symbol: instruments.map(|it| of_symbol(&it.symbol)).collect() }
    }

    /// The topic of one kind of message.
    pub(crate) fn of(&self, channel: Channel, symbol: u16, encoding: Encoding) -> &Topic {
        &self.by_symbol[usize::from(symbol)][place(channel, encoding)]
    }

    /// Every topic.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_symbol.iter().flatten()
    }

    /// Supplies the books that somebody waits for, and those whose deltas have become longer than
    /// the book itself. To be called by the publisher, between two turns of the market. `is_last`:
    /// no delta will follow, so that each book should be as it is now.
    pub(crate) fn supply_books(&self, market: &Market, is_last: bool) {
        for symbol in (0..=u16::MAX).take(self.by_symbol.len()) {
            for encoding in Encoding::ALL {
                if is_last || self.of(Channel::Book, symbol, encoding).wants_snapshot() {
                    self.supply(symbol, encoding, market.snapshot(symbol, encoding));
                }
            }
        }
    }

    fn supply(&self, symbol: u16, encoding: Encoding, book: Encoded) {
        let topic = self.of(Channel::Book, symbol, encoding);
        // Of the last delta: nobody else publishes.
        let sequence = topic.sequence();
        match book {
            Encoded::Json(text) => topic.supply_snapshot(sequence, text),
            Encoded::Binary(bytes) => topic.supply_snapshot(sequence, packed(bytes)),
        };
    }

    /// Publishes until it is accepted: a message that is left out would be a gap for everybody, and
    /// shift all later numbers.
    fn send<'m>(
        &self,
        channel: Channel,
        symbol: u16,
        encoding: Encoding,
        message: impl Into<Outgoing<'m>>,
    ) {
        let topic = self.of(channel, symbol, encoding);
        let message = message.into();
        while topic.publish_wait(message.clone(), PATIENCE) == Outcome::Dropped {
            log::warn!("{}: an event loop hangs, the market waits for it", topic.name());
        }
    }
}

/// A binary message: as short as it gets, so that compressing it is a waste of time.
fn packed<'m>(message: impl Into<Outgoing<'m>>) -> Outgoing<'m> {
    message.into().uncompressed()
}

/// What each channel promises to those who cannot keep up.
fn options(channel: Channel, symbol: &str) -> TopicOptions {
    let options = match channel {
        Channel::Ticker => TopicOptions::latest().max_keys(1),
        Channel::Book => TopicOptions::resync(),
        Channel::Trades => {
            let (count, len) = REPLAYED_TRADES;
            TopicOptions::every(Overflow::Close).replay(count, len)
        }
        Channel::Raw => return TopicOptions::every(Overflow::Close),
    };
    let symbol = symbol.to_owned();
    options.notice(move |notice| Some(told(channel, &symbol, notice).into()))
}

/// The message ahead of what a reader gets instead of what it missed.
fn told(channel: Channel, symbol: &str, notice: &Notice<'_>) -> String {
    let missed = match notice.missed {
        Missed::Conflated => "conflated",
        Missed::Resynced => "resynced",
        _ => "dropped",
    };
    let mut text = String::new();
    wire::push_notice(&mut text, channel, symbol, missed, notice.count, notice.sequence);
    text
}

impl Sink for &Topics {
    fn publish(&mut self, update: Update<'_>) {
        let Update { channel, symbol, json, binary } = update;
        // Raw messages have no numbers, and nobody can ask for those of before.
        let is_raw = channel == Channel::Raw;
        if is_raw && self.of(channel, symbol, Encoding::Json).subscriber_count() == 0 {
            return;
        }
        self.send(channel, symbol, Encoding::Json, json);
        if let Some(binary) = binary {
            self.send(channel, symbol, Encoding::Binary, packed(binary));
        }
    }
}

/// Where a kind of message stands in [`KINDS`].
fn place(channel: Channel, encoding: Encoding) -> usize {
    let binary = usize::from(encoding == Encoding::Binary);
    match channel {
        Channel::Ticker => binary,
        Channel::Trades => 2 + binary,
        Channel::Book => 4 + binary,
        Channel::Raw => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_at_its_place() {
        for (at, (channel, encoding)) in KINDS.into_iter().enumerate() {
            assert_eq!(place(channel, encoding), at);
        }
        assert_eq!(place(Channel::Raw, Encoding::Binary), place(Channel::Raw, Encoding::Json));
    }
}
