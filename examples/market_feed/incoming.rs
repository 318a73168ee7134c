//! The JSON messages of the server as a client reads them: the counterpart of `wire.rs`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::fixed::{self, FixedError};
use crate::message::{
    BookKind, BookMessage, Directory, Instrument, Level, Message, Side, Ticker, Trade,
};

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// The first message.
    Welcome { protocol: u64, source: String, run: u64 },
    /// All symbols; their order is the numbering of the binary encoding.
    Symbols(Vec<Instrument>),
    /// A subscription began.
    Subscribed { channel: String, symbols: Vec<String> },
    /// A subscription ended.
    Unsubscribed { channel: String, symbols: Vec<String> },
    /// The answer to a ping, with the JSON text of `t`.
    Pong { t: String },
    /// Messages up to `seq` did not reach this client.
    Notice { channel: String, symbol: String, missed: String, count: u64, seq: u64 },
    /// A request was not carried out.
    Error { code: String, message: String },
    /// Something happened in a market.
    Market(Message),
}

/// Why a text is not a message of the protocol.
#[derive(Debug, Error)]
pub(crate) enum IncomingError {
    /// Not JSON, or members of the wrong kind.
    #[error("not a message: {0}")]
    Json(#[from] serde_json::Error),
    /// A type that this client does not know.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    /// A symbol that the server did not list.
    #[error("unknown symbol {0:?}")]
    UnknownSymbol(String),
    /// A member that the type needs is not there.
    #[error("{0:?} is missing")]
    Missing(&'static str),
    /// A price, quantity or side cannot be read.
    #[error("{0:?}: {1}")]
    Number(String, FixedError),
    /// A side that is neither `buy` nor `sell`.
    #[error("unknown side {0:?}")]
    Side(String),
}

type Text<'a> = Option<Cow<'a, str>>;
type Levels<'a> = Option<Vec<[&'a str; 2]>>;

/// The members of all messages; each type uses some.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    symbol: Text<'a>,
    seq: Option<u64>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    last: Text<'a>,
    #[serde(borrow)]
    bid: Text<'a>,
    #[serde(borrow)]
    bid_quantity: Text<'a>,
    #[serde(borrow)]
    ask: Text<'a>,
    #[serde(borrow)]
    ask_quantity: Text<'a>,
    #[serde(borrow)]
    open: Text<'a>,
    #[serde(borrow)]
    high: Text<'a>,
    #[serde(borrow)]
    low: Text<'a>,
    #[serde(borrow)]
    volume: Text<'a>,
    #[serde(borrow)]
    price: Text<'a>,
    #[serde(borrow)]
    quantity: Text<'a>,
    #[serde(borrow)]
    side: Text<'a>,
    #[serde(borrow)]
    bids: Levels<'a>,
    #[serde(borrow)]
    asks: Levels<'a>,
    checksum: Option<u32>,
    #[serde(borrow)]
    missed: Text<'a>,
    count: Option<u64>,
    run: Option<u64>,
    protocol: Option<u64>,
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    symbols: Option<&'a RawValue>,
    #[serde(borrow)]
    t: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

/// Reads one JSON message. Market messages need the directory of the server's symbols.
pub(crate) fn decode(text: &str, directory: &Directory) -> Result<Incoming, IncomingError> {
    let members: Members<'_> = serde_json::from_str(text)?;
    Ok(match members.kind.as_ref() {
        "ticker" => Incoming::Market(Message::Ticker(members.ticker(directory)?)),
        "trade" => Incoming::Market(Message::Trade(members.trade(directory)?)),
        "snapshot" => Incoming::Market(Message::Book(members.book(BookKind::Snapshot, directory)?)),
        "delta" => Incoming::Market(Message::Book(members.book(BookKind::Delta, directory)?)),
        "welcome" => Incoming::Welcome {
            protocol: present("protocol", members.protocol)?,
            source: owned("source", members.source)?,
            run: present("run", members.run)?,
        },
        "symbols" => Incoming::Symbols(instruments(present("symbols", members.symbols)?)?),
        "subscribed" => Incoming::Subscribed {
            channel: owned("channel", members.channel)?,
            symbols: serde_json::from_str(present("symbols", members.symbols)?.get())?,
        },
        "unsubscribed" => Incoming::Unsubscribed {
            channel: owned("channel", members.channel)?,
            symbols: serde_json::from_str(present("symbols", members.symbols)?.get())?,
        },
        "pong" => Incoming::Pong { t: members.t.map_or("null", RawValue::get).to_owned() },
        "notice" => Incoming::Notice {
            channel: owned("channel", members.channel)?,
            symbol: owned("symbol", members.symbol)?,
            missed: owned("missed", members.missed)?,
            count: present("count", members.count)?,
            seq: present("seq", members.seq)?,
        },
        "error" => Incoming::Error {
            code: owned("code", members.code)?,
            message: owned("message", members.message)?,
        },
        other => return Err(IncomingError::UnknownType(other.to_owned())),
    })
}

impl Members<'_> {
    fn ticker(&self, directory: &Directory) -> Result<Ticker, IncomingError> {
        let (symbol, instrument) = self.instrument(directory)?;
        let price = |name, text| number(name, text, instrument.price_decimals);
        let quantity = |name, text| number(name, text, instrument.quantity_decimals);
        Ok(Ticker {
            symbol,
            seq: present("seq", self.seq)?,
            time: self.micros()?,
            last: price("last", &self.last)?,
            bid: price("bid", &self.bid)?,
            bid_quantity: quantity("bid_quantity", &self.bid_quantity)?,
            ask: price("ask", &self.ask)?,
            ask_quantity: quantity("ask_quantity", &self.ask_quantity)?,
            open: price("open", &self.open)?,
            high: price("high", &self.high)?,
            low: price("low", &self.low)?,
            volume: quantity("volume", &self.volume)?,
        })
    }

    fn trade(&self, directory: &Directory) -> Result<Trade, IncomingError> {
        let (symbol, instrument) = self.instrument(directory)?;
        Ok(Trade {
            symbol,
            seq: present("seq", self.seq)?,
            time: self.micros()?,
            id: serde_json::from_str(present("id", self.id)?.get())?,
            price: number("price", &self.price, instrument.price_decimals)?,
            quantity: number("quantity", &self.quantity, instrument.quantity_decimals)?,
            side: match present("side", self.side.as_deref())? {
                "buy" => Side::Buy,
                "sell" => Side::Sell,
                other => return Err(IncomingError::Side(other.to_owned())),
            },
        })
    }

    fn book(&self, kind: BookKind, directory: &Directory) -> Result<BookMessage, IncomingError> {
        let (symbol, instrument) = self.instrument(directory)?;
        Ok(BookMessage {
            kind,
            symbol,
            seq: present("seq", self.seq)?,
            time: self.micros()?,
            bids: levels(present("bids", self.bids.as_ref())?, instrument)?,
            asks: levels(present("asks", self.asks.as_ref())?, instrument)?,
            checksum: present("checksum", self.checksum)?,
        })
    }

    fn instrument<'d>(
        &self,
        directory: &'d Directory,
    ) -> Result<(u16, &'d Instrument), IncomingError> {
        let symbol = present("symbol", self.symbol.as_deref())?;
        let index = directory.index_of(symbol);
        index
            .and_then(|index| Some((index, directory.instrument(index)?)))
            .ok_or_else(|| IncomingError::UnknownSymbol(symbol.to_owned()))
    }

    /// The time in microseconds, read as a decimal number: a double may lose the last digit.
    fn micros(&self) -> Result<u64, IncomingError> {
        let text = present("time", self.time)?.get();
        let micros = fixed::parse(text, 3)
            .and_then(|micros| u64::try_from(micros).map_err(|_| FixedError::NotANumber));
        micros.map_err(|error| IncomingError::Number(text.to_owned(), error))
    }
}

fn present<T>(name: &'static str, value: Option<T>) -> Result<T, IncomingError> {
    value.ok_or(IncomingError::Missing(name))
}

fn owned(name: &'static str, value: Text<'_>) -> Result<String, IncomingError> {
    present(name, value).map(Cow::into_owned)
}

fn number(name: &'static str, text: &Text<'_>, decimals: u32) -> Result<i64, IncomingError> {
    let text = present(name, text.as_deref())?;
    fixed::parse(text, decimals).map_err(|error| IncomingError::Number(text.to_owned(), error))
}

fn levels(texts: &[[&str; 2]], instrument: &Instrument) -> Result<Vec<Level>, IncomingError> {
    let number = |text: &str, decimals| {
        fixed::parse(text, decimals).map_err(|error| IncomingError::Number(text.to_owned(), error))
    };
    let level = |[price, quantity]: &[&str; 2]| {
        Ok(Level {
            price: number(price, instrument.price_decimals)?,
            quantity: number(quantity, instrument.quantity_decimals)?,
        })
    };
    texts.iter().map(level).collect()
}

fn instruments(list: &RawValue) -> Result<Vec<Instrument>, IncomingError> {
    #[derive(Deserialize)]
    struct Entry {
        symbol: String,
        name: String,
        price_decimals: u32,
        quantity_decimals: u32,
    }
    let entries: Vec<Entry> = serde_json::from_str(list.get())?;
    let instrument = |entry: Entry| {
        let Entry { symbol, name, price_decimals, quantity_decimals } = entry;
        // Beyond the scale of an i64, no number could be read.
        let widest = price_decimals.max(quantity_decimals);
        if widest > fixed::MAX_DECIMALS {
            return Err(IncomingError::Number(symbol, FixedError::TooPrecise(fixed::MAX_DECIMALS)));
        }
        Ok(Instrument { symbol, name, price_decimals, quantity_decimals })
    };
    entries.into_iter().map(instrument).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Channel;
    use crate::wire;
    use proptest::prelude::*;

    fn directory() -> Directory {
        Directory::new(vec![Instrument {
            symbol: "A\"B".into(),
            name: "Letters".into(),
            price_decimals: 2,
            quantity_decimals: 0,
        }])
    }

    fn read(write: impl FnOnce(&mut String)) -> Incoming {
        let mut text = String::new();
        write(&mut text);
        decode(&text, &directory()).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    fn levels() -> impl Strategy<Value = Vec<Level>> {
        let level = (any::<i64>(), 0..=i64::MAX);
        prop::collection::vec(level.prop_map(|(price, quantity)| Level { price, quantity }), 0..8)
    }

    proptest! {
        #[test]
        fn reads_what_the_server_writes(
            seq: u64,
            time in 0..1_u64 << 52,
            prices: [i64; 6],
            quantities in prop::array::uniform3(0..=i64::MAX),
            (bids, asks, checksum) in (levels(), levels(), any::<u32>()),
        ) {
            let directory = directory();
            let instrument = &directory.instruments()[0];
            let [last, bid, ask, open, high, low] = prices;
            let [bid_quantity, ask_quantity, volume] = quantities;
            let ticker = Ticker {
                symbol: 0, seq, time, last, bid, bid_quantity, ask, ask_quantity, open, high, low, volume,
            };
            prop_assert_eq!(
                read(|out| wire::push_ticker(out, instrument, &ticker)),
                Incoming::Market(Message::Ticker(ticker))
            );
            let side = if last % 2 == 0 { Side::Buy } else { Side::Sell };
            let trade = Trade { symbol: 0, seq, time, id: seq, price: last, quantity: volume, side };
            prop_assert_eq!(
                read(|out| wire::push_trade(out, instrument, &trade)),
                Incoming::Market(Message::Trade(trade))
            );
            let kind = if bid % 2 == 0 { BookKind::Snapshot } else { BookKind::Delta };
            let book = BookMessage { kind, symbol: 0, seq, time, bids, asks, checksum };
            prop_assert_eq!(
                read(|out| wire::push_book(out, instrument, &book)),
                Incoming::Market(Message::Book(book.clone()))
            );
        }
    }

    #[test]
    fn reads_the_answers_to_requests() {
        let directory = directory();
        let instruments = directory.instruments().to_vec();
        assert_eq!(
            read(|out| wire::push_symbols(out, Some("[1]"), &directory)),
            Incoming::Symbols(instruments)
        );
        let welcome = wire::Welcome {
            server: "server",
            source: "replay",
            run: 9,
            connection: "0.1",
            time: 7,
        };
        assert_eq!(
            read(|out| wire::push_welcome(out, &welcome)),
            Incoming::Welcome { protocol: wire::PROTOCOL, source: "replay".into(), run: 9 }
        );
        let channel = Channel::Book;
        assert_eq!(
            read(|out| wire::push_notice(out, channel, "A\"B", "resynced", 3, 8)),
            Incoming::Notice {
                channel: "book".into(),
                symbol: "A\"B".into(),
                missed: "resynced".into(),
                count: 3,
                seq: 8
            }
        );
        assert_eq!(
            read(|out| wire::push_subscribed(out, true, None, channel, &[0], &directory)),
            Incoming::Subscribed { channel: "book".into(), symbols: vec!["A\"B".into()] }
        );
        assert_eq!(
            read(|out| wire::push_pong(out, None, Some("{}"), 7)),
            Incoming::Pong { t: "{}".into() }
        );
        assert_eq!(
            read(|out| wire::push_error(out, Some("null"), "bad_json", "a\tb")),
            Incoming::Error { code: "bad_json".into(), message: "a\tb".into() }
        );
    }

    #[test]
    fn says_what_a_message_lacks() {
        for (text, part) in [
            ("{}", "missing field `type`"),
            (r#"{"type":"news"}"#, "unknown type \"news\""),
            (r#"{"type":"trade"}"#, "\"symbol\" is missing"),
            (r#"{"type":"trade","symbol":"X"}"#, "unknown symbol \"X\""),
            (r#"{"type":"trade","symbol":"A\"B","seq":1,"time":1}"#, "\"id\" is missing"),
            (
                r#"{"type":"delta","symbol":"A\"B","seq":1,"time":1,"bids":[["1.001","1"]]}"#,
                "\"1.001\": more than 2 decimals",
            ),
        ] {
            let error = decode(text, &directory()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
