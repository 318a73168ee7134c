//! A client that really stops reading, and what becomes of it.

use serde_json::Value;

use crate::captures::{Captures, capture};
use crate::follower::Follower;
use crate::program::{Feed, MODES};
use crate::session::{BINARY, JSON, Session};
use crate::support::{HttpClient, Received, eventually};

/// Deltas, trades and tickers of the capture: as many of each. Far more than a connection's buffers
/// hold, of which the trades are less than a replay waits for.
const COUNT: u64 = 12_000;
const SYMBOL: &str = "AAAUSDT";

/// A feed that replays a capture, faster than it can be read, once [`begin`] says so.
fn replay(test: &str, mode: &str, arguments: &[&str]) -> (Captures, Feed) {
    let dir = Captures::new(&format!("{test}-{mode}"));
    let path = dir.plain("a.txt", &capture("aaausdt", COUNT, 0));
    let own = ["--replay", &path, "--speed", "1000000", "--wait-for-subscribers", "2"];
    let feed = Feed::start(mode, &[&own, arguments].concat());
    (dir, feed)
}

/// The second subscriber, who leaves at once.
fn begin(feed: &Feed) {
    Session::open(feed, JSON).subscribe("raw", &["*"]);
}

fn has_ended(feed: &Feed) -> bool {
    feed.program.stderr().iter().any(|line| line.contains("the replay has ended"))
}

fn has_closed_somebody(feed: &Feed) -> bool {
    let stats = document(feed, "/stats").expect("figures");
    stats["server"]["total"]["subscribers_closed"].as_u64() > Some(0)
}

/// A JSON document; `None` where there is none.
fn document(feed: &Feed, path: &str) -> Option<Value> {
    let http = HttpClient::connect(&feed.address);
    http.get(path);
    let response = http.response();
    (response.status == 200).then(|| serde_json::from_slice(&response.body).expect("JSON"))
}

#[test]
fn who_stops_reading_ends_with_the_last_ticker_a_proven_book_and_every_trade() {
    for (mode, subprotocol) in MODES.into_iter().zip([JSON, BINARY]) {
        let (_dir, feed) = replay("slow", mode, &[]);
        let mut session = Session::open_narrow(&feed, subprotocol);
        session.subscribe("ticker", &["*"]);
        session.subscribe("book", &["*"]);
        session.subscribe("trades", &["*"]);
        begin(&feed);
        eventually("the replay ends while nobody reads", || has_ended(&feed));
        its_figures_tell_of_it(&feed, &session.welcome);

        let mut follower = Follower::default();
        let last = |follower: &Follower| {
            ["ticker", "book", "trades"].map(|channel| follower.seq(channel, SYMBOL))
        };
        while last(&follower) != [Some(COUNT); 3] {
            // Proves each book, and takes no gap that was not announced.
            follower.take(&session.next().expect("the feed goes on"));
        }
        assert!(follower.trade_ids[SYMBOL].iter().copied().eq(0..COUNT), "trades are missing");
        assert!(follower.snapshots >= 2, "it was not brought up to date by a snapshot");
        assert!(follower.left_out["ticker"] > 0 && follower.left_out["book"] > 0);
        assert_eq!(follower.tickers + follower.left_out["ticker"], COUNT);
        assert_eq!(follower.deltas + follower.left_out["book"], COUNT);

        let topics = &document(&feed, "/stats").expect("figures")["topics"];
        // Raw messages leave only while somebody is there for them.
        let numbered = topics.as_object().expect("topics").iter();
        for (name, topic) in numbered.filter(|(name, _)| !name.starts_with("raw")) {
            let [offered, delivered, conflated, dropped, pending] =
                ["offered", "delivered", "conflated", "dropped", "pending"]
                    .map(|member| topic[member].as_u64().expect("a number"));
            assert_eq!(offered, delivered + conflated + dropped + pending, "{name}: {topic}");
            assert_eq!((pending, &topic["publications"]), (0, &COUNT.into()), "{name}: {topic}");
        }
    }
}

/// What waits for the one connection there is.
fn its_figures_tell_of_it(feed: &Feed, welcome: &Value) {
    let name = welcome["connection"].as_str().expect("a name");
    let stats = document(feed, "/stats").expect("figures");
    let slowest = &stats["slowest"][0];
    assert_eq!(slowest["connection"], name);
    assert!(slowest["bytes_queued"].as_u64() > Some(100_000), "{slowest}");
    assert!(slowest["oldest_queued_seconds"].is_number(), "{slowest}");
    let own = document(feed, &format!("/stats?connection={name}")).expect("its own figures");
    assert_eq!(
        (&own["connection"], &own["bytes_queued"]),
        (&welcome["connection"], &slowest["bytes_queued"])
    );
    for path in ["/stats?connection=9.9.9", "/stats?connection="] {
        assert_eq!(document(feed, path), None, "{path}");
    }
}

#[test]
fn who_leaves_too_many_trades_unread_is_closed_and_told_so() {
    for mode in MODES {
        let (_dir, feed) = replay("closed", mode, &["--max-queue", "65536"]);
        let mut session = Session::open_narrow(&feed, JSON);
        session.subscribe("trades", &["*"]);
        begin(&feed);
        eventually("it is closed", || has_closed_somebody(&feed));
        // Up to the close frame it has all of them.
        let mut count = 0;
        let reason = loop {
            match session.recv() {
                Received::Text(text) => {
                    count += 1;
                    assert!(text.contains(&format!("\"seq\":{count},")), "{count}: {text}");
                }
                Received::Close(1013, reason) => break reason,
                other => panic!("{other:?} after {count} trades"),
            }
        };
        assert!(reason.contains("too slow"), "{reason}");
        assert!(count < COUNT);
    }
}

#[test]
fn who_lags_for_longer_than_allowed_is_closed() {
    let feed = Feed::start(MODES[0], &["--rate", "50000", "--max-lag", "0.01"]);
    let mut session = Session::open_narrow(&feed, JSON);
    session.subscribe("book", &["*"]);
    session.subscribe("ticker", &["*"]);
    eventually("it is closed", || has_closed_somebody(&feed));
    loop {
        match session.recv() {
            Received::Text(_) => {}
            Received::Close(1013, _) => break,
            other => panic!("{other:?}"),
        }
    }
}
