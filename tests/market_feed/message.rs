//! The protocol as a stranger reads it from its description, in both encodings.

use serde_json::Value;

/// What comes from the feed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Ticker {
        symbol: String,
        seq: u64,
        last: String,
    },
    Trade {
        symbol: String,
        seq: u64,
        id: u64,
        price: String,
        quantity: String,
        side: String,
    },
    Book(Book),
    Notice(Notice),
    /// An answer to a request, or the welcome.
    Answer(Value),
}

/// A snapshot or a delta: prices and quantities, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) is_snapshot: bool,
    pub(crate) symbol: String,
    pub(crate) seq: u64,
    pub(crate) bids: Vec<(String, String)>,
    pub(crate) asks: Vec<(String, String)>,
    pub(crate) checksum: u32,
}

/// The server says that `count` messages up to `seq` did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) channel: String,
    pub(crate) symbol: String,
    pub(crate) missed: String,
    pub(crate) count: u64,
    pub(crate) seq: u64,
}

/// An entry of the list of symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) price_decimals: usize,
    pub(crate) quantity_decimals: usize,
}

/// The symbols of the answer to `list`.
pub(crate) fn symbols(answer: &Value) -> Vec<Symbol> {
    let decimals = |entry: &Value, name: &str| entry[name].as_u64().expect("decimals") as usize;
    let list = answer["symbols"].as_array().expect("a list of symbols");
    let symbol = |entry| Symbol {
        name: text(entry, "symbol"),
        price_decimals: decimals(entry, "price_decimals"),
        quantity_decimals: decimals(entry, "quantity_decimals"),
    };
    list.iter().map(symbol).collect()
}

pub(crate) fn from_json(json: &str) -> Message {
    let value: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let seq = |value: &Value| value["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {json}"));
    match value["type"].as_str().unwrap_or_else(|| panic!("no type: {json}")) {
        "ticker" => Message::Ticker {
            symbol: text(&value, "symbol"),
            seq: seq(&value),
            last: text(&value, "last"),
        },
        "trade" => Message::Trade {
            symbol: text(&value, "symbol"),
            seq: seq(&value),
            id: value["id"].as_u64().expect("a trade's id"),
            price: text(&value, "price"),
            quantity: text(&value, "quantity"),
            side: text(&value, "side"),
        },
        kind @ ("snapshot" | "delta") => Message::Book(Book {
            is_snapshot: kind == "snapshot",
            symbol: text(&value, "symbol"),
            seq: seq(&value),
            bids: levels(&value["bids"]),
            asks: levels(&value["asks"]),
            checksum: value["checksum"].as_u64().expect("a checksum") as u32,
        }),
        "notice" => Message::Notice(Notice {
            channel: text(&value, "channel"),
            symbol: text(&value, "symbol"),
            missed: text(&value, "missed"),
            count: value["count"].as_u64().expect("a count"),
            seq: seq(&value),
        }),
        _ => Message::Answer(value),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned()
}

fn levels(value: &Value) -> Vec<(String, String)> {
    serde_json::from_value(value.clone()).expect("levels")
}

/// Reads a message of `tickwire.feed.binary.v1`.
pub(crate) fn from_binary(bytes: &[u8], symbols: &[Symbol]) -> Message {
    let mut reader = Reader(bytes);
    let kind = reader.byte();
    let symbol = &symbols[usize::from(u16::from_le_bytes(reader.array()))];
    let seq = u64::from_le_bytes(reader.array());
    let _time = u64::from_le_bytes(reader.array());
    let (name, price) = (symbol.name.clone(), symbol.price_decimals);
    let quantity = symbol.quantity_decimals;
    let message = match kind {
        1 => {
            let last = reader.signed();
            // Bid and its quantity, ask and its quantity, open, high, low, volume.
            for _ in 0..8 {
                reader.unsigned();
            }
            Message::Ticker { symbol: name, seq, last: decimal(last, price) }
        }
        2 => Message::Trade {
            symbol: name,
            seq,
            id: reader.unsigned(),
            price: decimal(reader.signed(), price),
            quantity: decimal(reader.unsigned() as i64, quantity),
            side: if reader.byte() == 0 { "buy" } else { "sell" }.to_owned(),
        },
        3 | 4 => {
            let bids = reader.levels(0);
            let asks = reader.levels(bids.first().map_or(0, |&(price, _)| price));
            let texts = |levels: Vec<(i64, i64)>| {
                let text = |(at, of)| (decimal(at, price), decimal(of, quantity));
                levels.into_iter().map(text).collect()
            };
            Message::Book(Book {
                is_snapshot: kind == 3,
                symbol: name,
                seq,
                bids: texts(bids),
                asks: texts(asks),
                checksum: u32::from_le_bytes(reader.array()),
            })
        }
        other => panic!("kind {other}"),
    };
    assert!(reader.0.is_empty(), "{} bytes behind {message:?}", reader.0.len());
    message
}

/// A scaled integer as the decimal text that it stands for.
fn decimal(value: i64, decimals: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().expect("the message is cut short");
        self.0 = rest;
        *array
    }

    /// LEB128.
    fn unsigned(&mut self) -> u64 {
        let mut value = 0;
        for place in 0.. {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// Zigzag: 0, -1, 1, -2, 2.
    fn signed(&mut self) -> i64 {
        let value = self.unsigned();
        if value % 2 == 0 { (value / 2) as i64 } else { -((value / 2) as i64) - 1 }
    }

    /// Prices as differences from the one before, with their quantities.
    fn levels(&mut self, mut price: i64) -> Vec<(i64, i64)> {
        let count = self.unsigned();
        let level = |_| {
            price += self.signed();
            (price, self.unsigned() as i64)
        };
        (0..count).map(level).collect()
    }
}

#[test]
fn decimals_are_written_as_the_protocol_writes_them() {
    let cases = [(6_123_450, 2, "61234.50"), (5, 3, "0.005"), (-5, 1, "-0.5"), (7, 0, "7")];
    for (value, decimals, text) in cases {
        assert_eq!(decimal(value, decimals), text);
    }
}
