//! The JSON encoding. Messages are written straight into a reused `String`: the hot ones are
//! encoded tens of thousands of times a second, and each only once for all its receivers.
//!
//! Every function appends one whole message. `id` is the JSON text that came with the request.

use crate::fixed::{push as push_decimal, push_u64};
use crate::message::{BookKind, BookMessage, Channel, Directory, Instrument, Level, Ticker, Trade};

/// The version of the protocol that the welcome announces.
pub(crate) const PROTOCOL: u64 = 1;

/// Appends a `ticker` message.
pub(crate) fn push_ticker(out: &mut String, instrument: &Instrument, ticker: &Ticker) {
    let price = instrument.price_decimals;
    let quantity = instrument.quantity_decimals;
    push_head(out, "ticker", instrument, ticker.seq, ticker.time);
    push_field(out, "last", ticker.last, price);
    push_field(out, "bid", ticker.bid, price);
    push_field(out, "bid_quantity", ticker.bid_quantity, quantity);
    push_field(out, "ask", ticker.ask, price);
    push_field(out, "ask_quantity", ticker.ask_quantity, quantity);
    push_field(out, "open", ticker.open, price);
    push_field(out, "high", ticker.high, price);
    push_field(out, "low", ticker.low, price);
    push_field(out, "volume", ticker.volume, quantity);
    push_field(out, "change", ticker.change(), 2);
    out.push('}');
}

/// Appends a `trade` message.
pub(crate) fn push_trade(out: &mut String, instrument: &Instrument, trade: &Trade) {
    push_head(out, "trade", instrument, trade.seq, trade.time);
    out.push_str(",\"id\":");
    push_u64(out, trade.id);
    push_field(out, "price", trade.price, instrument.price_decimals);
    push_field(out, "quantity", trade.quantity, instrument.quantity_decimals);
    out.push_str(",\"side\":\"");
    out.push_str(trade.side.name());
    out.push_str("\"}");
}

/// Appends a `snapshot` or `delta` message.
pub(crate) fn push_book(out: &mut String, instrument: &Instrument, book: &BookMessage) {
    let kind = match book.kind {
        BookKind::Snapshot => "snapshot",
        BookKind::Delta => "delta",
    };
    push_head(out, kind, instrument, book.seq, book.time);
    out.push_str(",\"bids\":");
    push_levels(out, instrument, &book.bids);
    out.push_str(",\"asks\":");
    push_levels(out, instrument, &book.asks);
    out.push_str(",\"checksum\":");
    push_u64(out, u64::from(book.checksum));
    out.push('}');
}

/// What the welcome says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Welcome<'a> {
    pub(crate) server: &'a str,
    pub(crate) source: &'a str,
    /// Differs from one run of the server to the next; sequence numbers mean nothing across them.
    pub(crate) run: u64,
    /// The connection's name in the figures at `/stats`.
    pub(crate) connection: &'a str,
    /// In microseconds since the Unix epoch.
    pub(crate) time: u64,
}

/// Appends the `welcome` message.
pub(crate) fn push_welcome(out: &mut String, welcome: &Welcome<'_>) {
    let Welcome { server, source, run, connection, time } = *welcome;
    out.push_str("{\"type\":\"welcome\",\"protocol\":");
    push_u64(out, PROTOCOL);
    out.push_str(",\"server\":");
    push_string(out, server);
    out.push_str(",\"source\":");
    push_string(out, source);
    out.push_str(",\"run\":");
    push_u64(out, run);
    out.push_str(",\"connection\":");
    push_string(out, connection);
    out.push_str(",\"channels\":");
    push_strings(out, Channel::ALL.into_iter().map(Channel::name));
    push_time(out, time);
    out.push('}');
}

/// Appends the `symbols` message, the answer to `list`.
pub(crate) fn push_symbols(out: &mut String, id: Option<&str>, directory: &Directory) {
    out.push_str("{\"type\":\"symbols\"");
    push_id(out, id);
    out.push_str(",\"symbols\":[");
    for (index, instrument) in directory.instruments().iter().enumerate() {
        out.push_str(if index == 0 { "{\"symbol\":" } else { ",{\"symbol\":" });
        push_string(out, &instrument.symbol);
        out.push_str(",\"name\":");
        push_string(out, &instrument.name);
        out.push_str(",\"price_decimals\":");
        push_u64(out, u64::from(instrument.price_decimals));
        out.push_str(",\"quantity_decimals\":");
        push_u64(out, u64::from(instrument.quantity_decimals));
        out.push('}');
    }
    out.push_str("]}");
}

/// Appends the `subscribed` message, or `unsubscribed` if `is_subscribed` is false.
pub(crate) fn push_subscribed(
    out: &mut String,
    is_subscribed: bool,
    id: Option<&str>,
    channel: Channel,
    symbols: &[u16],
    directory: &Directory,
) {
    out.push_str("{\"type\":\"");
    out.push_str(if is_subscribed { "subscribed\"" } else { "unsubscribed\"" });
    push_id(out, id);
    out.push_str(",\"channel\":");
    push_string(out, channel.name());
    out.push_str(",\"symbols\":");
    let instruments = symbols.iter().filter_map(|&symbol| directory.instrument(symbol));
    push_strings(out, instruments.map(|instrument| instrument.symbol.as_str()));
    out.push('}');
}

/// Appends a `notice`: `count` messages up to `seq` did not reach the client.
pub(crate) fn push_notice(
    out: &mut String,
    channel: Channel,
    symbol: &str,
    missed: &str,
    count: u64,
    seq: u64,
) {
    out.push_str("{\"type\":\"notice\",\"channel\":");
    push_string(out, channel.name());
    out.push_str(",\"symbol\":");
    push_string(out, symbol);
    out.push_str(",\"missed\":");
    push_string(out, missed);
    out.push_str(",\"count\":");
    push_u64(out, count);
    out.push_str(",\"seq\":");
    push_u64(out, seq);
    out.push('}');
}

/// Appends the `pong` message; `t` is the JSON text that came with the ping.
pub(crate) fn push_pong(out: &mut String, id: Option<&str>, t: Option<&str>, time: u64) {
    out.push_str("{\"type\":\"pong\"");
    push_id(out, id);
    out.push_str(",\"t\":");
    out.push_str(t.unwrap_or("null"));
    push_time(out, time);
    out.push('}');
}

/// Appends an `error` message.
pub(crate) fn push_error(out: &mut String, id: Option<&str>, code: &str, message: &str) {
    out.push_str("{\"type\":\"error\"");
    push_id(out, id);
    out.push_str(",\"code\":");
    push_string(out, code);
    out.push_str(",\"message\":");
    push_string(out, message);
    out.push('}');
}

/// Appends a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            byte @ (b'"' | b'\\') => out.extend(['\\', char::from(byte)]),
            b'\n' => out.push_str("\\n"),
            byte => {
                const DIGITS: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                out.push_str("\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
        }
        // What was found is one ASCII byte.
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn push_strings<'a>(out: &mut String, texts: impl Iterator<Item = &'a str>) {
    out.push('[');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, text);
    }
    out.push(']');
}

fn push_head(out: &mut String, kind: &str, instrument: &Instrument, seq: u64, time: u64) {
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"symbol\":");
    push_string(out, &instrument.symbol);
    out.push_str(",\"seq\":");
    push_u64(out, seq);
    push_time(out, time);
}

fn push_field(out: &mut String, name: &str, value: i64, decimals: u32) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    push_decimal(out, value, decimals);
    out.push('"');
}

/// Appends a time in milliseconds, with its microseconds as a fraction if it has any.
fn push_time(out: &mut String, micros: u64) {
    out.push_str(",\"time\":");
    if micros % 1000 == 0 {
        push_u64(out, micros / 1000);
    } else {
        push_decimal(out, i64::try_from(micros).unwrap_or(i64::MAX), 3);
    }
}

fn push_id(out: &mut String, id: Option<&str>) {
    if let Some(id) = id {
        out.push_str(",\"id\":");
        out.push_str(id);
    }
}

fn push_levels(out: &mut String, instrument: &Instrument, levels: &[Level]) {
    out.push('[');
    for (index, level) in levels.iter().enumerate() {
        out.push_str(if index == 0 { "[\"" } else { ",[\"" });
        push_decimal(out, level.price, instrument.price_decimals);
        out.push_str("\",\"");
        push_decimal(out, level.quantity, instrument.quantity_decimals);
        out.push_str("\"]");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Side;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn instrument() -> Instrument {
        Instrument {
            symbol: "BTC-USD".into(),
            name: "Bitcoin".into(),
            price_decimals: 2,
            quantity_decimals: 4,
        }
    }

    fn written(write: impl FnOnce(&mut String)) -> Value {
        let mut out = String::new();
        write(&mut out);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
    }

    #[test]
    fn market_messages_have_the_documented_members() {
        let ticker = Ticker {
            symbol: 0,
            seq: 17,
            time: 1_723_161_600_001_658,
            last: 6_123_450,
            bid: 6_123_449,
            bid_quantity: 4_120,
            ask: 6_123_451,
            ask_quantity: 10_000,
            open: 6_099_000,
            high: 6_130_000,
            low: 6_080_000,
            volume: 123_456,
        };
        assert_eq!(
            written(|out| push_ticker(out, &instrument(), &ticker)),
            json!({"type":"ticker","symbol":"BTC-USD","seq":17,"time":1723161600001.658,
                "last":"61234.50","bid":"61234.49","bid_quantity":"0.4120","ask":"61234.51",
                "ask_quantity":"1.0000","open":"60990.00","high":"61300.00","low":"60800.00",
                "volume":"12.3456","change":"0.40"})
        );
        let trade = Trade {
            symbol: 0,
            seq: 99,
            time: 5_000,
            id: 12_345,
            price: 6_123_450,
            quantity: 1_000,
            side: Side::Sell,
        };
        assert_eq!(
            written(|out| push_trade(out, &instrument(), &trade)),
            json!({"type":"trade","symbol":"BTC-USD","seq":99,"time":5,"id":12345,
                "price":"61234.50","quantity":"0.1000","side":"sell"})
        );
        let mut book = BookMessage {
            kind: BookKind::Snapshot,
            seq: 41,
            bids: vec![
                Level { price: 6_123_449, quantity: 4_120 },
                Level { price: 5, quantity: 0 },
            ],
            checksum: 1_234_567,
            ..BookMessage::default()
        };
        let snapshot = json!({"type":"snapshot","symbol":"BTC-USD","seq":41,"time":0,
            "bids":[["61234.49","0.4120"],["0.05","0.0000"]],"asks":[],"checksum":1234567});
        assert_eq!(written(|out| push_book(out, &instrument(), &book)), snapshot);
        book.kind = BookKind::Delta;
        assert_eq!(written(|out| push_book(out, &instrument(), &book))["type"], "delta");
    }

    #[test]
    fn answers_echo_the_id_and_leave_it_out_if_there_was_none() {
        let directory = Directory::new(vec![instrument()]);
        assert_eq!(
            written(|out| push_subscribed(
                out,
                true,
                Some("[1, null]"),
                Channel::Book,
                &[0],
                &directory
            )),
            json!({"type":"subscribed","id":[1,null],"channel":"book","symbols":["BTC-USD"]})
        );
        assert_eq!(
            written(|out| push_subscribed(out, false, None, Channel::Raw, &[], &directory)),
            json!({"type":"unsubscribed","channel":"raw","symbols":[]})
        );
        assert_eq!(
            written(|out| push_symbols(out, Some("2"), &directory)),
            json!({"type":"symbols","id":2,"symbols":[{"symbol":"BTC-USD","name":"Bitcoin",
                "price_decimals":2,"quantity_decimals":4}]})
        );
        assert_eq!(
            written(|out| push_pong(out, None, Some("{\"a\":1}"), 1_500)),
            json!({"type":"pong","t":{"a":1},"time":1.5})
        );
        assert_eq!(
            written(|out| push_error(out, Some("\"x\""), "bad_json", "a \"b\"\n")),
            json!({"type":"error","id":"x","code":"bad_json","message":"a \"b\"\n"})
        );
        let welcome = Welcome {
            server: "tickwire market_feed/0.1.0",
            source: "simulator",
            run: 7,
            connection: "0.1.3",
            time: 2_000,
        };
        assert_eq!(
            written(|out| push_welcome(out, &welcome)),
            json!({"type":"welcome","protocol":1,"server":"tickwire market_feed/0.1.0",
                "source":"simulator","run":7,"connection":"0.1.3",
                "channels":["ticker","trades","book","raw"],"time":2})
        );
        assert_eq!(
            written(|out| push_notice(out, Channel::Book, "BTC-USD", "resynced", 12, 345)),
            json!({"type":"notice","channel":"book","symbol":"BTC-USD","missed":"resynced",
                "count":12,"seq":345})
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_as_a_json_string(text: String) {
            prop_assert_eq!(written(|out| push_string(out, &text)), Value::String(text));
        }
    }
}
