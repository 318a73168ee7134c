//! The lines of a captured Binance combined stream: the receive time in nanoseconds since the Unix
//! epoch, a space, and the JSON text of the message, `{"stream":"btcusdt@trade","data":{...}}`.

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::fixed::{self, FixedError};
use crate::message::{Instrument, Level, Side};

/// Why a line cannot be used.
#[derive(Debug, Error)]
pub(crate) enum LineError {
    /// The line does not begin with a time and a space.
    #[error("does not begin with a receive time in nanoseconds and a space")]
    NoTime,
    /// The rest of the line is not JSON, or not of the documented members.
    #[error("not a combined-stream message: {0}")]
    Json(#[from] serde_json::Error),
    /// The name of the stream is not `symbol@kind`.
    #[error("stream {0:?} is not of the form symbol@kind")]
    Stream(String),
    /// A price or a quantity does not fit the symbol's scale.
    #[error("{member} {text:?}: {error}")]
    Number {
        /// Which one.
        member: &'static str,
        /// What stood there.
        text: String,
        /// What is wrong with it.
        error: FixedError,
    },
}

/// A line, its payload not read yet.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// The JSON text as it was received.
    pub(crate) text: &'a str,
    /// The symbol in the name of the stream, in lower case.
    pub(crate) symbol: &'a str,
    /// The rest of the name of the stream, such as `depth@100ms`.
    pub(crate) kind: &'a str,
    data: &'a RawValue,
}

/// What a message says. Other streams than these three are [`Payload::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Stream `trade`.
    Trade { id: u64, price: i64, quantity: i64, side: Side },
    /// Stream `bookTicker`: the best prices as of an update.
    Best { update: u64, bid: Level, ask: Level },
    /// Stream `depth`: the levels changed by the updates from `first` to `last`.
    Depth { first: u64, last: u64, bids: Vec<Level>, asks: Vec<Level> },
    /// A stream that is only passed on.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct TradeData<'a> {
    t: u64,
    p: &'a str,
    q: &'a str,
    /// Whether the buyer is the maker.
    m: bool,
}

#[derive(Deserialize)]
struct BestData<'a> {
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_quantity: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_quantity: &'a str,
}

#[derive(Deserialize)]
struct DepthData<'a> {
    #[serde(rename = "U")]
    first: u64,
    u: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

impl<'a> Line<'a> {
    /// Reads a line as far as to know whose it is.
    pub(crate) fn parse(line: &'a str) -> Result<Self, LineError> {
        let (time, text) = line.split_once(' ').ok_or(LineError::NoTime)?;
        time.parse::<u64>().map_err(|_| LineError::NoTime)?;
        let envelope: Envelope<'a> = serde_json::from_str(text)?;
        let (symbol, kind) = envelope
            .stream
            .split_once('@')
            .filter(|(symbol, kind)| !symbol.is_empty() && !kind.is_empty())
            .ok_or_else(|| LineError::Stream(envelope.stream.to_owned()))?;
        Ok(Self { text, symbol, kind, data: envelope.data })
    }

    /// Reads the payload in the scale of its symbol.
    pub(crate) fn payload(&self, instrument: &Instrument) -> Result<Payload, LineError> {
        let price = |text: &str| number("price", text, instrument.price_decimals);
        let quantity = |text: &str| number("quantity", text, instrument.quantity_decimals);
        let level = |at: &str, of: &str| -> Result<Level, LineError> {
            Ok(Level { price: price(at)?, quantity: quantity(of)? })
        };
        let levels = |texts: &[[&str; 2]]| -> Result<Vec<Level>, LineError> {
            texts.iter().map(|[at, of]| level(at, of)).collect()
        };
        Ok(match Kind::of(self.kind) {
            Kind::Trade => {
                let data: TradeData<'_> = serde_json::from_str(self.data.get())?;
                Payload::Trade {
                    id: data.t,
                    price: price(data.p)?,
                    quantity: quantity(data.q)?,
                    side: if data.m { Side::Sell } else { Side::Buy },
                }
            }
            Kind::Best => {
                let data: BestData<'_> = serde_json::from_str(self.data.get())?;
                Payload::Best {
                    update: data.u,
                    bid: level(data.b, data.bid_quantity)?,
                    ask: level(data.a, data.ask_quantity)?,
                }
            }
            Kind::Depth => {
                let data: DepthData<'_> = serde_json::from_str(self.data.get())?;
                Payload::Depth {
                    first: data.first,
                    last: data.u,
                    bids: levels(&data.b)?,
                    asks: levels(&data.a)?,
                }
            }
            Kind::Other => Payload::Other,
        })
    }

    /// Raises a symbol's decimals to what this line needs. A payload that cannot be read needs
    /// nothing; it is reported when it is replayed.
    pub(crate) fn widen(&self, instrument: &mut Instrument) {
        let mut note = |price: &str, quantity: &str| {
            let raise = |decimals: &mut u32, text| {
                *decimals = fixed::decimals_used(text).min(fixed::MAX_DECIMALS).max(*decimals);
            };
            raise(&mut instrument.price_decimals, price);
            raise(&mut instrument.quantity_decimals, quantity);
        };
        match Kind::of(self.kind) {
            Kind::Trade => {
                if let Ok(data) = serde_json::from_str::<TradeData<'_>>(self.data.get()) {
                    note(data.p, data.q);
                }
            }
            Kind::Best => {
                if let Ok(data) = serde_json::from_str::<BestData<'_>>(self.data.get()) {
                    note(data.b, data.bid_quantity);
                    note(data.a, data.ask_quantity);
                }
            }
            Kind::Depth => {
                if let Ok(data) = serde_json::from_str::<DepthData<'_>>(self.data.get()) {
                    for [price, quantity] in data.b.into_iter().chain(data.a) {
                        note(price, quantity);
                    }
                }
            }
            Kind::Other => {}
        }
    }
}

enum Kind {
    Trade,
    Best,
    Depth,
    Other,
}

impl Kind {
    fn of(stream: &str) -> Self {
        match stream {
            "trade" => Self::Trade,
            "bookTicker" => Self::Best,
            // Streams such as depth20 hold whole partial books, not changes.
            "depth" | "depth@100ms" | "depth@1000ms" => Self::Depth,
            _ => Self::Other,
        }
    }
}

/// A price or quantity, which is never negative.
fn number(member: &'static str, text: &str, decimals: u32) -> Result<i64, LineError> {
    let parsed = fixed::parse(text, decimals).and_then(|value| match value {
        0.. => Ok(value),
        _ => Err(FixedError::NotANumber),
    });
    parsed.map_err(|error| LineError::Number { member, text: text.to_owned(), error })
}

/// A name for people: `BTCUSDT` is `Bitcoin / USDT`. Unknown pairs keep their symbol.
pub(crate) fn display_name(symbol: &str) -> String {
    const QUOTES: [&str; 8] = ["USDT", "USDC", "FDUSD", "BUSD", "BTC", "ETH", "BNB", "EUR"];
    const BASES: [(&str, &str); 16] = [
        ("BTC", "Bitcoin"),
        ("ETH", "Ether"),
        ("SOL", "Solana"),
        ("BNB", "BNB"),
        ("XRP", "XRP"),
        ("DOGE", "Dogecoin"),
        ("ADA", "Cardano"),
        ("AVAX", "Avalanche"),
        ("LINK", "Chainlink"),
        ("LTC", "Litecoin"),
        ("DOT", "Polkadot"),
        ("BCH", "Bitcoin Cash"),
        ("UNI", "Uniswap"),
        ("ATOM", "Cosmos"),
        ("TRX", "Tron"),
        ("TON", "Toncoin"),
    ];
    let split = QUOTES.iter().find_map(|&quote| Some((symbol.strip_suffix(quote)?, quote)));
    split
        .and_then(|(base, quote)| {
            let (_, name) = BASES.iter().find(|(short, _)| *short == base)?;
            Some(format!("{name} / {quote}"))
        })
        .unwrap_or_else(|| symbol.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument() -> Instrument {
        Instrument {
            symbol: "BTCUSDT".into(),
            name: String::new(),
            price_decimals: 2,
            quantity_decimals: 5,
        }
    }

    fn payload(text: &str) -> Result<Payload, LineError> {
        Line::parse(text)?.payload(&instrument())
    }

    #[test]
    fn reads_the_three_streams() {
        let line = r#"1723161600164378285 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161601438,"s":"BTCUSDT","t":3735693016,"p":"61685.99000000","q":"0.00017000","T":1723161601437,"m":true,"M":true}}"#;
        let parsed = Line::parse(line).unwrap();
        assert_eq!(parsed.symbol, "btcusdt");
        assert!(parsed.text.starts_with("{\"stream\"") && parsed.text.ends_with("}}"));
        assert_eq!(
            payload(line).unwrap(),
            Payload::Trade { id: 3_735_693_016, price: 6_168_599, quantity: 17, side: Side::Sell }
        );
        assert_eq!(
            payload(r#"1 {"stream":"btcusdt@bookTicker","data":{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000","a":"61686.00000000","A":"2.44816000"}}"#).unwrap(),
            Payload::Best {
                update: 50_093_421_613,
                bid: Level { price: 6_168_599, quantity: 125_869 },
                ask: Level { price: 6_168_600, quantity: 244_816 },
            }
        );
        assert_eq!(
            payload(r#"1 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","U":7,"u":9,"b":[["33000.00000000","0.00000000"]],"a":[]}}"#).unwrap(),
            Payload::Depth {
                first: 7,
                last: 9,
                bids: vec![Level { price: 3_300_000, quantity: 0 }],
                asks: vec![],
            }
        );
        assert_eq!(
            payload(r#"1 {"data":[1],"stream":"btcusdt@kline_1m"}"#).unwrap(),
            Payload::Other
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        for (line, part) in [
            ("", "receive time"),
            ("{\"stream\":1}", "receive time"),
            ("x {}", "receive time"),
            ("1 {", "combined-stream"),
            ("1 {\"data\":1}", "missing field `stream`"),
            (r#"1 {"stream":"btcusdt","data":1}"#, "symbol@kind"),
            (r#"1 {"stream":"btcusdt@trade","data":{"t":1}}"#, "missing field `p`"),
            (
                r#"1 {"stream":"btcusdt@trade","data":{"t":1,"p":"1.001","q":"1","m":true}}"#,
                r#"price "1.001": more than 2 decimals"#,
            ),
            (
                r#"1 {"stream":"btcusdt@trade","data":{"t":1,"p":"1","q":"-1","m":true}}"#,
                r#"quantity "-1": not a decimal number"#,
            ),
        ] {
            let error = payload(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn finds_the_decimals_that_lines_need() {
        let mut instrument = instrument();
        instrument.price_decimals = 0;
        instrument.quantity_decimals = 0;
        let depth = r#"1 {"stream":"x@depth","data":{"U":1,"u":1,"b":[["1.50000","3.0"]],"a":[["2.125000","0.000010"]]}}"#;
        Line::parse(depth).unwrap().widen(&mut instrument);
        assert_eq!((instrument.price_decimals, instrument.quantity_decimals), (3, 5));
    }

    #[test]
    fn names_pairs_for_people() {
        assert_eq!(display_name("BTCUSDT"), "Bitcoin / USDT");
        assert_eq!(display_name("ETHBTC"), "Ether / BTC");
        assert_eq!(display_name("WIFUSDT"), "WIFUSDT");
    }
}
