//! The binary encoding: its documented layout, its length beside JSON, and hostile bytes.

use super::*;
use crate::message::Instrument;
use crate::wire;
use proptest::prelude::*;

fn encode(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Ticker(ticker) => push_ticker(&mut out, ticker),
        Message::Trade(trade) => push_trade(&mut out, trade),
        Message::Book(book) => push_book(&mut out, book),
    }
    out
}

fn typical() -> [Message; 4] {
    let levels = |first: i64, step: i64, count: i64| {
        let level = |at| Level { price: first + at * step, quantity: 400 + at * 977 };
        (0..count).map(level).collect::<Vec<_>>()
    };
    let time = 1_723_161_600_001_658;
    let delta = BookMessage {
        kind: BookKind::Delta,
        symbol: 3,
        seq: 70_000,
        time,
        bids: levels(6_123_449, -130, 4),
        asks: levels(6_123_451, 170, 4),
        checksum: 0xDEAD_BEEF,
    };
    let snapshot = BookMessage {
        kind: BookKind::Snapshot,
        bids: levels(6_123_449, -30, 200),
        asks: levels(6_123_451, 30, 200),
        ..delta.clone()
    };
    [
        Message::Ticker(Ticker {
            symbol: 3,
            seq: 70_000,
            time,
            last: 6_123_450,
            bid: 6_123_449,
            bid_quantity: 4_120,
            ask: 6_123_451,
            ask_quantity: 10_000,
            open: 6_099_000,
            high: 6_130_000,
            low: 6_080_000,
            volume: 1_234_567,
        }),
        Message::Trade(Trade {
            symbol: 3,
            seq: 70_000,
            time,
            id: 70_000,
            price: 6_123_450,
            quantity: 1_000,
            side: Side::Sell,
        }),
        Message::Book(delta),
        Message::Book(snapshot),
    ]
}

#[test]
fn the_layout_is_the_documented_one() {
    let trade = Trade {
        symbol: 0x0102,
        seq: 5,
        time: 0x0A0B,
        id: 300,
        price: -1,
        quantity: 127,
        side: Side::Sell,
    };
    let bytes = encode(&Message::Trade(trade));
    let mut expected = vec![2, 0x02, 0x01, 5, 0, 0, 0, 0, 0, 0, 0, 0x0B, 0x0A];
    expected.extend([0; 6]);
    expected.extend([0xAC, 0x02, 1, 127, 1]);
    assert_eq!(bytes, expected);
    let book = BookMessage {
        kind: BookKind::Delta,
        bids: vec![Level { price: 100, quantity: 1 }, Level { price: 98, quantity: 0 }],
        asks: vec![Level { price: 101, quantity: 2 }],
        checksum: 0x0403_0201,
        ..BookMessage::default()
    };
    let bytes = encode(&Message::Book(book));
    assert_eq!(bytes[0], 4);
    assert_eq!(bytes[19..], [2, 0xC8, 0x01, 1, 3, 0, 1, 2, 2, 1, 2, 3, 4]);
}

#[test]
fn is_a_small_part_of_the_json() {
    let instrument = Instrument {
        symbol: "BTC-USD".into(),
        name: "Bitcoin".into(),
        price_decimals: 2,
        quantity_decimals: 4,
    };
    let lens = typical().map(|message| {
        let mut json = String::new();
        match &message {
            Message::Ticker(ticker) => wire::push_ticker(&mut json, &instrument, ticker),
            Message::Trade(trade) => wire::push_trade(&mut json, &instrument, trade),
            Message::Book(book) => wire::push_book(&mut json, &instrument, book),
        }
        (encode(&message).len(), json.len())
    });
    // (binary, JSON) bytes of a ticker, a trade, a delta of 8 levels, a snapshot of 400.
    assert_eq!(lens, [(40, 262), (29, 136), (58, 288), (1596, 9111)]);
}

#[test]
fn refuses_what_is_no_message() {
    for message in typical() {
        let bytes = encode(&message);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), Err(DecodeError::CutShort), "{len} bytes");
        }
        let longer = [bytes.as_slice(), &[0, 0]].concat();
        assert_eq!(decode(&longer), Err(DecodeError::Trailing(2)));
        assert_eq!(decode(&bytes), Ok(message));
    }
    let mut bytes = encode(&typical()[1]);
    *bytes.last_mut().unwrap() = 2;
    assert_eq!(decode(&bytes), Err(DecodeError::UnknownSide(2)));
    bytes[0] = 9;
    assert_eq!(decode(&bytes), Err(DecodeError::UnknownKind(9)));
    bytes.truncate(19);
    bytes[0] = TRADE;
    bytes.extend([0xFF; 9]);
    bytes.push(2);
    assert_eq!(decode(&bytes), Err(DecodeError::TooLarge));
}

#[test]
fn a_count_reserves_no_more_than_what_came() {
    let mut bytes = vec![0; 19];
    bytes[0] = SNAPSHOT;
    push_varint(&mut bytes, u64::MAX);
    assert_eq!(decode(&bytes), Err(DecodeError::CutShort));
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![0..100_000i64, 0..=i64::MAX]
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    let level = (any::<i64>(), quantity());
    prop::collection::vec(level.prop_map(|(price, quantity)| Level { price, quantity }), 0..20)
}

fn message() -> impl Strategy<Value = Message> {
    let head = (any::<u16>(), any::<u64>(), any::<u64>());
    let prices = prop::array::uniform6(prop_oneof![0..10_000_000i64, any::<i64>()]);
    let quantities = prop::array::uniform3(quantity());
    let book = (levels(), levels(), any::<u32>());
    (0..4u8, head, prices, quantities, book).prop_map(|(kind, head, prices, quantities, book)| {
        let (symbol, seq, time) = head;
        let [last, bid, ask, open, high, low] = prices;
        let [bid_quantity, ask_quantity, volume] = quantities;
        let (bids, asks, checksum) = book;
        match kind {
            0 => Message::Ticker(Ticker {
                symbol,
                seq,
                time,
                last,
                bid,
                bid_quantity,
                ask,
                ask_quantity,
                open,
                high,
                low,
                volume,
            }),
            1 => Message::Trade(Trade {
                symbol,
                seq,
                time,
                id: time,
                price: last,
                quantity: volume,
                side: if bid % 2 == 0 { Side::Buy } else { Side::Sell },
            }),
            _ => Message::Book(BookMessage {
                kind: if kind == 2 { BookKind::Snapshot } else { BookKind::Delta },
                symbol,
                seq,
                time,
                bids,
                asks,
                checksum,
            }),
        }
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_back(message in message()) {
        prop_assert_eq!(decode(&encode(&message)), Ok(message));
    }

    #[test]
    fn no_bytes_panic(kind in 0..6u8, rest in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut bytes = vec![kind];
        bytes.extend(rest);
        let _ = decode(&bytes);
    }
}
