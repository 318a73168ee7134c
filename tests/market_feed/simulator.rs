//! A session with the simulated market.

use std::collections::HashSet;
use std::thread;

use crate::follower::Follower;
use crate::message::Message;
use crate::program::{Feed, MODES};
use crate::session::{BINARY, JSON, Session};

/// Deltas that each client follows.
const DELTA_COUNT: u64 = 2500;

fn follow(feed: &Feed, subprotocol: &str) -> Follower {
    let mut session = Session::open(feed, subprotocol);
    assert_eq!(session.welcome["source"], "simulator");
    let mut follower = Follower::default();
    for channel in ["book", "trades", "ticker"] {
        session.subscribe(channel, &["*"]);
    }
    while follower.deltas < DELTA_COUNT {
        follower.take(&session.next().expect("the feed goes on"));
    }
    assert_eq!(follower.snapshots as usize, session.symbols.len());
    assert!(follower.trades > DELTA_COUNT / 4, "{} trades", follower.trades);
    assert!(follower.tickers > DELTA_COUNT / 4, "{} tickers", follower.tickers);
    follower
}

fn books_can_be_rebuilt(mode: &str) {
    let feed = Feed::start(mode, &["--symbols", "25"]);
    let (json, binary) = thread::scope(|scope| {
        let json = scope.spawn(|| follow(&feed, JSON));
        let binary = scope.spawn(|| follow(&feed, BINARY));
        (json.join().expect("JSON"), binary.join().expect("binary"))
    });
    let mut shared_count = 0;
    for (place, checksum) in &json.checksums {
        if let Some(other) = binary.checksums.get(place) {
            assert_eq!(checksum, other, "{place:?}");
            shared_count += 1;
        }
    }
    assert!(shared_count > DELTA_COUNT / 2, "they saw only {shared_count} of the same books");
}

#[test]
fn books_can_be_rebuilt_from_both_encodings_inline() {
    books_can_be_rebuilt(MODES[0]);
}

#[test]
fn books_can_be_rebuilt_from_both_encodings_with_handler_threads() {
    books_can_be_rebuilt(MODES[1]);
}

/// Whoever joins later, or again, starts from a snapshot and continues without a gap.
#[test]
fn books_can_be_joined_at_any_moment() {
    for mode in MODES {
        let feed = Feed::start(mode, &["--symbols", "3", "--rate", "5000"]);
        let mut session = Session::open(&feed, JSON);
        let mut follower = Follower::default();
        for round in 1..=10 {
            // Without an unsubscription too.
            session.subscribe("book", &["*"]);
            let mut begun = HashSet::new();
            while begun.len() < 3 {
                let message = session.next().expect("the feed goes on");
                let book = match &message {
                    Message::Book(book) => book,
                    // The source was slow: deltas that came before its snapshot are in it.
                    Message::Notice(notice) if !begun.contains(&notice.symbol) => continue,
                    _ => panic!("{message:?}"),
                };
                if book.is_snapshot {
                    begun.insert(book.symbol.clone());
                }
                // A delta of before the subscription: the snapshot to come makes it void.
                if begun.contains(&book.symbol) {
                    follower.take(&message);
                }
            }
            assert_eq!(follower.snapshots, 3 * round);
            let until = follower.deltas + 7;
            while follower.deltas < until {
                follower.take(&session.next().expect("the feed goes on"));
            }
            if round % 2 == 0 {
                let answer = session.unsubscribe("book", &["*"]);
                assert_eq!(answer["type"], "unsubscribed");
            }
        }
    }
}
