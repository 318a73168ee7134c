//! The requests of clients: JSON text in, a checked [`Request`] or a precise [`Refusal`] out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::message::{Channel, Directory};

/// The longest `id` or `t` that is echoed, in bytes. An answer must not be a way to make the
/// server send more than it received.
pub(crate) const MAX_ECHO_LEN: usize = 256;

/// A request that can be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// The JSON text to echo.
    pub(crate) id: Option<&'a str>,
    pub(crate) operation: Operation<'a>,
}

/// What a client wants. Symbols are indices into the directory, ascending, each once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Send this channel of these symbols.
    Subscribe {
        channel: Channel,
        symbols: Vec<u16>,
        /// The last numbers that the client has had, of some of the symbols: it wants what followed.
        after: HashMap<u16, u64>,
    },
    /// Send it no longer.
    Unsubscribe { channel: Channel, symbols: Vec<u16> },
    /// Name the symbols that there are.
    List,
    /// Answer with `t`, a JSON text.
    Ping { t: Option<&'a str> },
}

/// Why a request is not carried out, in the terms of the `error` message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal<'a> {
    /// The JSON text to echo, if the request was legible enough to have one.
    pub(crate) id: Option<&'a str>,
    pub(crate) code: Code,
    /// What was wrong and what to do.
    pub(crate) message: String,
}

/// The codes of `error` messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BadJson,
    UnknownOp,
    UnknownChannel,
    UnknownSymbol,
    BadRequest,
    NotSubscribed,
    NotAvailable,
}

impl Code {
    /// The code on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::UnknownOp => "unknown_op",
            Self::UnknownChannel => "unknown_channel",
            Self::UnknownSymbol => "unknown_symbol",
            Self::BadRequest => "bad_request",
            Self::NotSubscribed => "not_subscribed",
            Self::NotAvailable => "not_available",
        }
    }
}

/// Reads one request. `has_raw` says whether this feed has the `raw` channel.
pub(crate) fn parse<'a>(
    text: &'a str,
    directory: &Directory,
    has_raw: bool,
) -> Result<Request<'a>, Refusal<'a>> {
    let members = parse_members(text).map_err(|(code, message)| refusal(None, code, message))?;
    let id = echo("id", members.id).map_err(|message| refusal(None, Code::BadRequest, message))?;
    let operation = parse_operation(&members, directory, has_raw)
        .map_err(|(code, message)| refusal(id, code, message))?;
    Ok(Request { id, operation })
}

type Fault = (Code, String);

/// The members of a request, not interpreted yet; others are ignored.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    op: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    channel: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    symbols: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    after: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    t: Option<&'a RawValue>,
}

/// Keeps `null` as a value: an `id` of null is echoed too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn refusal(id: Option<&str>, code: Code, message: String) -> Refusal<'_> {
    Refusal { id, code, message }
}

fn parse_members(text: &str) -> Result<Members<'_>, Fault> {
    let bad_json = |error: serde_json::Error| {
        (Code::BadJson, format!("the message is not valid JSON: {error}"))
    };
    // serde would also read a struct from an array, member by member.
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(bad_json)?;
        let example = r#"{"op":"subscribe","channel":"ticker","symbols":["*"]}"#;
        return Err((Code::BadRequest, format!("a request is a JSON object such as {example}")));
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => (Code::BadRequest, error.to_string()),
        _ => bad_json(error),
    })
}

fn parse_operation<'a>(
    members: &Members<'a>,
    directory: &Directory,
    has_raw: bool,
) -> Result<Operation<'a>, Fault> {
    let op = string("op", members.op, r#""subscribe", "unsubscribe", "list" or "ping""#)?;
    match op.as_ref() {
        "subscribe" => {
            let channel = parse_channel(members, has_raw)?;
            let symbols = parse_symbols(members, directory)?;
            let after = parse_after(members, directory, channel)?;
            Ok(Operation::Subscribe { channel, symbols, after })
        }
        "unsubscribe" => {
            let channel = parse_channel(members, has_raw)?;
            Ok(Operation::Unsubscribe { channel, symbols: parse_symbols(members, directory)? })
        }
        "list" => Ok(Operation::List),
        "ping" => {
            let t = echo("t", members.t).map_err(|message| (Code::BadRequest, message))?;
            Ok(Operation::Ping { t })
        }
        other => Err((
            Code::UnknownOp,
            format!(
                r#"unknown op {}: use "subscribe", "unsubscribe", "list" or "ping""#,
                quoted(other)
            ),
        )),
    }
}

fn parse_channel(members: &Members<'_>, has_raw: bool) -> Result<Channel, Fault> {
    let choices = if has_raw {
        r#""ticker", "trades", "book" or "raw""#
    } else {
        r#""ticker", "trades" or "book""#
    };
    let name = string("channel", members.channel, choices)?;
    match Channel::from_name(&name) {
        Some(Channel::Raw) if !has_raw => Err((
            Code::NotAvailable,
            format!(r#"channel "raw" exists only while a capture is replayed: use {choices}"#),
        )),
        Some(channel) => Ok(channel),
        None => {
            Err((Code::UnknownChannel, format!("unknown channel {}: use {choices}", quoted(&name))))
        }
    }
}

fn parse_symbols(members: &Members<'_>, directory: &Directory) -> Result<Vec<u16>, Fault> {
    let wanted = r#"a list of symbols such as ["BTC-USD"], or ["*"] for all"#;
    let Some(raw) = members.symbols else {
        return Err((Code::BadRequest, format!(r#""symbols" is missing: give {wanted}"#)));
    };
    let names: Vec<Cow<'_, str>> = serde_json::from_str(raw.get()).map_err(|_| {
        (Code::BadRequest, format!(r#""symbols" is {}: give {wanted}"#, shortened(raw.get())))
    })?;
    if names.is_empty() {
        return Err((Code::BadRequest, format!(r#""symbols" is empty: give {wanted}"#)));
    }
    if names.iter().any(|name| name == "*") {
        return Ok((0..=u16::MAX).take(directory.len()).collect());
    }
    let mut symbols = Vec::with_capacity(names.len());
    for name in &names {
        let symbol = directory.index_of(name).ok_or_else(|| unknown_symbol(name, directory))?;
        symbols.push(symbol);
    }
    symbols.sort_unstable();
    symbols.dedup();
    Ok(symbols)
}

fn parse_after(
    members: &Members<'_>,
    directory: &Directory,
    channel: Channel,
) -> Result<HashMap<u16, u64>, Fault> {
    let Some(raw) = members.after else { return Ok(HashMap::new()) };
    if channel == Channel::Raw {
        let message = r#"the messages of "raw" have no numbers: leave "after" out"#;
        return Err((Code::BadRequest, message.to_owned()));
    }
    let names: HashMap<Cow<'_, str>, u64> = serde_json::from_str(raw.get()).map_err(|_| {
        let wanted = r#"the last "seq" of each symbol such as {"BTC-USD":4711}"#;
        (Code::BadRequest, format!(r#""after" is {}: give {wanted}"#, shortened(raw.get())))
    })?;
    let number = |(name, seq): (&Cow<'_, str>, &u64)| {
        let symbol = directory.index_of(name).ok_or_else(|| unknown_symbol(name, directory))?;
        Ok((symbol, *seq))
    };
    names.iter().map(number).collect()
}

fn unknown_symbol(name: &str, directory: &Directory) -> Fault {
    let letters = |text: &str| -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect()
    };
    let mut message = format!("unknown symbol {}", quoted(name));
    let meant = directory
        .instruments()
        .iter()
        .find(|instrument| letters(&instrument.symbol) == letters(name));
    if let Some(instrument) = meant {
        let _ = write!(message, ": did you mean {}?", quoted(&instrument.symbol));
    } else {
        message.push_str(r#": send {"op":"list"} for the symbols that there are"#);
    }
    (Code::UnknownSymbol, message)
}

/// A member that must be a string.
fn string<'a>(
    name: &str,
    value: Option<&'a RawValue>,
    choices: &str,
) -> Result<Cow<'a, str>, Fault> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let Some(raw) = value else {
        return Err((Code::BadRequest, format!(r#""{name}" is missing: give {choices}"#)));
    };
    serde_json::from_str::<Text<'a>>(raw.get()).map(|text| text.0).map_err(|_| {
        (Code::BadRequest, format!(r#""{name}" is {}: give {choices}"#, shortened(raw.get())))
    })
}

fn echo<'a>(name: &str, value: Option<&'a RawValue>) -> Result<Option<&'a str>, String> {
    match value.map(RawValue::get) {
        Some(text) if text.len() > MAX_ECHO_LEN => Err(format!(
            r#""{name}" is {} bytes long: at most {MAX_ECHO_LEN} are echoed"#,
            text.len()
        )),
        text => Ok(text),
    }
}

/// A client's text as it may stand in a message to it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> Cow<'_, str> {
    const MAX_CHARS: usize = 40;
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => Cow::Owned(format!("{}...", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Instrument;
    use proptest::prelude::*;

    fn directory() -> Directory {
        let instrument = |symbol: &str| Instrument {
            symbol: symbol.into(),
            name: symbol.into(),
            price_decimals: 2,
            quantity_decimals: 4,
        };
        Directory::new(["BTC-USD", "ETH-USD", "SOL-USD"].map(instrument).into())
    }

    fn refused(text: &str) -> (Option<&str>, Code, String) {
        let refusal = parse(text, &directory(), false).unwrap_err();
        (refusal.id, refusal.code, refusal.message)
    }

    #[test]
    fn reads_every_operation() {
        let directory = directory();
        let read = |text| parse(text, &directory, true).unwrap();
        let request = read(
            r#" {"op":"subscribe","channel":"book","symbols":["SOL-USD","BTC-USD","SOL-USD"],"id":1}"#,
        );
        assert_eq!(request.id, Some("1"));
        assert_eq!(
            request.operation,
            Operation::Subscribe {
                channel: Channel::Book,
                symbols: vec![0, 2],
                after: HashMap::new()
            }
        );
        let request = read(
            r#"{"op":"subscribe","channel":"trades","symbols":["*"],"after":{"ETH-USD":7,"SOL-USD":0}}"#,
        );
        let after = HashMap::from([(1, 7), (2, 0)]);
        assert_eq!(
            request.operation,
            Operation::Subscribe { channel: Channel::Trades, symbols: vec![0, 1, 2], after }
        );
        let request = read(r#"{"op":"unsubscribe","channel":"raw","symbols":["*"],"id":null}"#);
        assert_eq!(request.id, Some("null"));
        assert_eq!(
            request.operation,
            Operation::Unsubscribe { channel: Channel::Raw, symbols: vec![0, 1, 2] }
        );
        let request = read(r#"{"id":{"a":[1]},"op":"list","more":true}"#);
        assert_eq!(request, Request { id: Some(r#"{"a":[1]}"#), operation: Operation::List });
        let request = read(r#"{"op":"p\u0069ng","t":"x"}"#);
        assert_eq!(request.operation, Operation::Ping { t: Some("\"x\"") });
        assert_eq!(read(r#"{"op":"ping"}"#).operation, Operation::Ping { t: None });
    }

    #[test]
    fn says_where_the_json_is_broken() {
        let (id, code, message) = refused(r#"{"op":"list","id":1,}"#);
        assert_eq!((id, code), (None, Code::BadJson));
        assert!(message.contains("line 1 column 21"), "{message}");
        for text in ["", "hello", "{", "{} {}", "[1,"] {
            assert_eq!(refused(text).1, Code::BadJson, "{text:?}");
        }
    }

    #[test]
    fn says_what_a_request_must_be() {
        for text in [r#"["subscribe"]"#, "1", "null", "\"list\""] {
            let (_, code, message) = refused(text);
            assert_eq!(code, Code::BadRequest, "{text}");
            assert!(message.contains("JSON object"), "{message}");
        }
        for (text, code, part) in [
            (r#"{"id":5}"#, Code::BadRequest, r#""op" is missing"#),
            (r#"{"op":7,"id":5}"#, Code::BadRequest, r#""op" is 7: give "subscribe""#),
            (r#"{"op":"sub","id":5}"#, Code::UnknownOp, r#"unknown op "sub": use "subscribe""#),
            (r#"{"op":"subscribe","id":5}"#, Code::BadRequest, r#""channel" is missing"#),
            (
                r#"{"op":"subscribe","channel":"depth","id":5}"#,
                Code::UnknownChannel,
                r#"unknown channel "depth": use "ticker", "trades" or "book""#,
            ),
            (r#"{"op":"subscribe","channel":"raw","id":5}"#, Code::NotAvailable, "replayed"),
            (
                r#"{"op":"subscribe","channel":"book","id":5}"#,
                Code::BadRequest,
                r#""symbols" is missing: give a list"#,
            ),
            (
                r#"{"op":"subscribe","channel":"book","symbols":"BTC-USD","id":5}"#,
                Code::BadRequest,
                r#""symbols" is "BTC-USD": give a list"#,
            ),
            (
                r#"{"op":"subscribe","channel":"book","symbols":[],"id":5}"#,
                Code::BadRequest,
                r#""symbols" is empty"#,
            ),
            (
                r#"{"op":"subscribe","channel":"book","symbols":["btc/usd"],"id":5}"#,
                Code::UnknownSymbol,
                r#"unknown symbol "btc/usd": did you mean "BTC-USD"?"#,
            ),
            (
                r#"{"op":"subscribe","channel":"trades","symbols":["*"],"after":-1,"id":5}"#,
                Code::BadRequest,
                r#""after" is -1: give the last "seq" of each symbol"#,
            ),
            (
                r#"{"op":"subscribe","channel":"trades","symbols":["*"],"after":{"X":1},"id":5}"#,
                Code::UnknownSymbol,
                r#"unknown symbol "X""#,
            ),
            (
                r#"{"op":"unsubscribe","channel":"book","symbols":["ETH-USD","DOGE"],"id":5}"#,
                Code::UnknownSymbol,
                r#"unknown symbol "DOGE": send {"op":"list"}"#,
            ),
        ] {
            let (id, found, message) = refused(text);
            assert_eq!((id, found), (Some("5"), code), "{text}");
            assert!(message.contains(part), "{message}");
        }
        let (_, code, message) = refused(r#"{"op":"list","op":"ping"}"#);
        assert_eq!(code, Code::BadRequest);
        assert!(message.contains("duplicate field `op`"), "{message}");
    }

    #[test]
    fn does_not_echo_what_is_too_long() {
        let long = "x".repeat(10_000);
        let text = format!(r#"{{"op":"list","id":"{long}"}}"#);
        let (id, code, _) = refused(&text);
        assert_eq!((id, code), (None, Code::BadRequest));
        let text = format!(r#"{{"op":"ping","id":1,"t":"{long}"}}"#);
        assert_eq!(refused(&text).1, Code::BadRequest);
        let text = format!(r#"{{"op":"subscribe","channel":"book","symbols":["{long}"]}}"#);
        assert!(refused(&text).2.len() < 200);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[\[\]{}":,a-z0-9\\ é]{0,60}"#) {
            let _ = parse(&text, &directory(), true);
        }
    }
}
