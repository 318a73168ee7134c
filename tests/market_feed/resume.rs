//! A client that comes back asks for what it has missed.

use serde_json::json;

use crate::captures::{Captures, capture};
use crate::message::{Message, Notice};
use crate::program::{Feed, MODES};
use crate::session::{BINARY, JSON, Session};
use crate::support::eventually;

/// Trades, deltas and tickers of the capture; the feed keeps the last 4,096 trades.
const COUNT: u64 = 5000;
const KEPT: u64 = 4096;
const SYMBOL: &str = "AAAUSDT";

/// The numbers of the next messages.
fn seqs(session: &mut Session, count: u64) -> Vec<u64> {
    let next = |_| match session.next().expect("the feed goes on") {
        Message::Trade { seq, .. } | Message::Ticker { seq, .. } => seq,
        Message::Book(book) if !book.is_snapshot => book.seq,
        other => panic!("{other:?}"),
    };
    (0..count).map(next).collect()
}

#[test]
fn what_was_missed_is_sent_or_said_to_be_gone() {
    for mode in MODES {
        let dir = Captures::new(&format!("resume-{mode}"));
        let path = dir.plain("a.txt", &capture("aaausdt", COUNT, 0));
        let feed = Feed::start(mode, &["--replay", &path, "--speed", "max"]);
        eventually("the replay ends", || {
            feed.program.stderr().iter().any(|line| line.contains("the replay has ended"))
        });
        for subprotocol in [JSON, BINARY] {
            // The trades after the last one that it has had.
            let mut session = Session::open(&feed, subprotocol);
            session.resume("trades", SYMBOL, COUNT - 10);
            assert_eq!(seqs(&mut session, 10), (COUNT - 9..=COUNT).collect::<Vec<_>>());
            // Again is from there again.
            session.resume("trades", SYMBOL, COUNT - 2);
            assert_eq!(seqs(&mut session, 2), [COUNT - 1, COUNT]);
            // Its book goes on where it was, without a snapshot.
            session.resume("book", SYMBOL, COUNT - 3);
            assert_eq!(seqs(&mut session, 3), [COUNT - 2, COUNT - 1, COUNT]);
            // The latest ticker, unless it has had that.
            session.resume("ticker", SYMBOL, COUNT - 100);
            assert_eq!(seqs(&mut session, 1), [COUNT]);
            session.resume("ticker", SYMBOL, COUNT);
            assert_eq!(session.ask(json!({ "op": "ping" }))["type"], "pong");

            // Trades that are not kept any more: what is missing is named, and the rest follows.
            let mut session = Session::open(&feed, subprotocol);
            session.resume("trades", SYMBOL, 5);
            let notice = Notice {
                channel: "trades".to_owned(),
                symbol: SYMBOL.to_owned(),
                missed: "gap".to_owned(),
                count: COUNT - KEPT - 5,
                seq: COUNT - KEPT,
            };
            let (mut notices, mut trades) = (Vec::new(), Vec::new());
            while trades.last() != Some(&COUNT) || notices.is_empty() {
                match session.next().expect("the feed goes on") {
                    Message::Notice(notice) => notices.push(notice),
                    Message::Trade { seq, .. } => trades.push(seq),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(notices, [notice]);
            assert_eq!(trades, (COUNT - KEPT + 1..=COUNT).collect::<Vec<_>>());
        }
    }
}
