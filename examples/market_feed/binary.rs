//! The binary encoding of tickers, trades, snapshots and deltas. Everything else (requests and
//! their answers) is JSON text in this subprotocol too.
//!
//! One WebSocket binary message holds one message of the feed. All fixed fields are little-endian.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 1 | kind: 1 ticker, 2 trade, 3 snapshot, 4 delta |
//! | 1 | 2 | symbol: index into the list that answers `{"op":"list"}` |
//! | 3 | 8 | seq |
//! | 11 | 8 | time, microseconds since the Unix epoch |
//! | 19 | | body |
//!
//! Bodies are made of `varint` (LEB128: seven bits a byte, lowest first, the high bit says that
//! more follow) and `zigzag` (a varint that holds `(n << 1) ^ (n >> 63)`, so that small negative
//! numbers are short). Prices and quantities are integers scaled by the symbol's decimals.
//!
//! | kind | body |
//! |---|---|
//! | ticker | zigzag last; zigzag bid − last; varint bid quantity; zigzag ask − last; varint ask quantity; zigzag open − last; zigzag high − last; zigzag low − last; varint volume |
//! | trade | varint id; zigzag price; varint quantity; 1 byte side of the taker: 0 buy, 1 sell |
//! | snapshot, delta | the bids, the asks, then 4 bytes checksum |
//!
//! A list of levels is a varint count, then for each level the zigzag difference of its price from
//! the one before (the first from zero; the first ask from the first bid if there is one) and the
//! varint quantity. The ticker's `change` follows from `last` and `open`.

use thiserror::Error;

use crate::message::{BookKind, BookMessage, Level, Message, Side, Ticker, Trade};

const TICKER: u8 = 1;
const TRADE: u8 = 2;
const SNAPSHOT: u8 = 3;
const DELTA: u8 = 4;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// The message ends before its last field.
    #[error("the message is cut short")]
    CutShort,
    /// Bytes follow the last field.
    #[error("{0} bytes follow the end of the message")]
    Trailing(usize),
    /// The first byte is no kind of message.
    #[error("unknown kind {0}")]
    UnknownKind(u8),
    /// A varint holds more than 64 bits, or a quantity more than 63.
    #[error("a number is too large")]
    TooLarge,
    /// The side is neither 0 nor 1.
    #[error("unknown side {0}")]
    UnknownSide(u8),
}

/// Appends a ticker.
pub(crate) fn push_ticker(out: &mut Vec<u8>, ticker: &Ticker) {
    push_head(out, TICKER, ticker.symbol, ticker.seq, ticker.time);
    push_zigzag(out, ticker.last);
    push_zigzag(out, ticker.bid.wrapping_sub(ticker.last));
    push_quantity(out, ticker.bid_quantity);
    push_zigzag(out, ticker.ask.wrapping_sub(ticker.last));
    push_quantity(out, ticker.ask_quantity);
    push_zigzag(out, ticker.open.wrapping_sub(ticker.last));
    push_zigzag(out, ticker.high.wrapping_sub(ticker.last));
    push_zigzag(out, ticker.low.wrapping_sub(ticker.last));
    push_quantity(out, ticker.volume);
}

/// Appends a trade.
pub(crate) fn push_trade(out: &mut Vec<u8>, trade: &Trade) {
    push_head(out, TRADE, trade.symbol, trade.seq, trade.time);
    push_varint(out, trade.id);
    push_zigzag(out, trade.price);
    push_quantity(out, trade.quantity);
    out.push(match trade.side {
        Side::Buy => 0,
        Side::Sell => 1,
    });
}

/// Appends a snapshot or a delta.
pub(crate) fn push_book(out: &mut Vec<u8>, book: &BookMessage) {
    let kind = match book.kind {
        BookKind::Snapshot => SNAPSHOT,
        BookKind::Delta => DELTA,
    };
    push_head(out, kind, book.symbol, book.seq, book.time);
    push_levels(out, &book.bids, 0);
    push_levels(out, &book.asks, first_price(&book.bids));
    out.extend_from_slice(&book.checksum.to_le_bytes());
}

/// Decodes one whole message. Allocates no more than a small multiple of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let mut reader = Reader { rest: bytes };
    let kind = reader.byte()?;
    let symbol = u16::from_le_bytes(reader.array()?);
    let seq = u64::from_le_bytes(reader.array()?);
    let time = u64::from_le_bytes(reader.array()?);
    let message = match kind {
        TICKER => {
            let last = reader.zigzag()?;
            Message::Ticker(Ticker {
                symbol,
                seq,
                time,
                last,
                bid: last.wrapping_add(reader.zigzag()?),
                bid_quantity: reader.quantity()?,
                ask: last.wrapping_add(reader.zigzag()?),
                ask_quantity: reader.quantity()?,
                open: last.wrapping_add(reader.zigzag()?),
                high: last.wrapping_add(reader.zigzag()?),
                low: last.wrapping_add(reader.zigzag()?),
                volume: reader.quantity()?,
            })
        }
        TRADE => Message::Trade(Trade {
            symbol,
            seq,
            time,
            id: reader.varint()?,
            price: reader.zigzag()?,
            quantity: reader.quantity()?,
            side: match reader.byte()? {
                0 => Side::Buy,
                1 => Side::Sell,
                other => return Err(DecodeError::UnknownSide(other)),
            },
        }),
        SNAPSHOT | DELTA => {
            let kind = if kind == SNAPSHOT { BookKind::Snapshot } else { BookKind::Delta };
            let bids = reader.levels(0)?;
            let asks = reader.levels(first_price(&bids))?;
            let checksum = u32::from_le_bytes(reader.array()?);
            Message::Book(BookMessage { kind, symbol, seq, time, bids, asks, checksum })
        }
        other => return Err(DecodeError::UnknownKind(other)),
    };
    if reader.rest.is_empty() { Ok(message) } else { Err(DecodeError::Trailing(reader.rest.len())) }
}

fn first_price(levels: &[Level]) -> i64 {
    levels.first().map_or(0, |level| level.price)
}

fn push_head(out: &mut Vec<u8>, kind: u8, symbol: u16, seq: u64, time: u64) {
    out.push(kind);
    out.extend_from_slice(&symbol.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&time.to_le_bytes());
}

fn push_levels(out: &mut Vec<u8>, levels: &[Level], mut previous: i64) {
    push_varint(out, levels.len() as u64);
    for level in levels {
        push_zigzag(out, level.price.wrapping_sub(previous));
        push_quantity(out, level.quantity);
        previous = level.price;
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn push_zigzag(out: &mut Vec<u8>, value: i64) {
    push_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Quantities are never negative.
fn push_quantity(out: &mut Vec<u8>, value: i64) {
    debug_assert!(value >= 0);
    push_varint(out, value.unsigned_abs());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::CutShort)?;
        self.rest = rest;
        Ok(*array)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(DecodeError::TooLarge);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::TooLarge)
    }

    fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn quantity(&mut self) -> Result<i64, DecodeError> {
        i64::try_from(self.varint()?).map_err(|_| DecodeError::TooLarge)
    }

    fn levels(&mut self, mut previous: i64) -> Result<Vec<Level>, DecodeError> {
        let count = self.varint()?;
        // A level takes at least two bytes: what a count may reserve is bounded by what came.
        if count > self.rest.len() as u64 / 2 {
            return Err(DecodeError::CutShort);
        }
        let mut levels = Vec::with_capacity(count as usize);
        for _ in 0..count {
            previous = previous.wrapping_add(self.zigzag()?);
            levels.push(Level { price: previous, quantity: self.quantity()? });
        }
        Ok(levels)
    }
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
