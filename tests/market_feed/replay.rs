//! Replays of small captures.

use serde_json::json;

use crate::captures::{Captures, capture, merged_texts};
use crate::follower::Follower;
use crate::message::Message;
use crate::program::{Feed, MODES, Program};
use crate::session::{BINARY, JSON, Session};
use crate::support::Received;

/// The rest of a replay's raw messages.
fn raw_texts(mut session: Session) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        match session.recv() {
            Received::Text(text) => texts.push(text),
            Received::Close(1001, _) => return texts,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_captures_are_replayed_as_one_and_the_feed_ends_with_them() {
    for mode in MODES {
        let dir = Captures::new(&format!("merged-{mode}"));
        let files = [capture("aaausdt", 300, 50), capture("bbbusdt", 200, 40)];
        let paths = [dir.plain("a.txt", &files[0]), dir.gzip("b.gz", &files[1])];
        let feed = Feed::start(
            mode,
            &[
                "--replay",
                &paths[0],
                &paths[1],
                "--speed",
                "max",
                "--wait-for-subscribers",
                "3",
                "--exit-when-done",
            ],
        );
        let mut market = Session::open(&feed, JSON);
        assert_eq!(market.welcome["source"], "replay");
        for channel in ["book", "trades", "ticker"] {
            market.subscribe(channel, &["*"]);
        }
        let mut half = Session::open(&feed, BINARY);
        half.subscribe("raw", &["BBBUSDT"]);
        let mut raw = Session::open(&feed, JSON);
        raw.subscribe("raw", &["*"]);

        assert_eq!(raw_texts(raw), merged_texts(&files));
        assert_eq!(raw_texts(half), merged_texts(&files[1..]));
        let mut follower = Follower::default();
        while let Some(message) = market.next() {
            follower.take(&message);
        }
        assert_eq!((follower.trades, follower.tickers, follower.deltas), (500, 500, 500));
        assert_eq!(follower.trade_ids["AAAUSDT"], (0..300).collect::<Vec<_>>());
        let ended = feed.program.ended();
        assert!(ended.status.success(), "{ended:?}");
        assert!(ended.stderr.contains("1500 messages, 0 lines skipped, 0 gaps"), "{ended:?}");
    }
}

#[test]
fn lines_that_cannot_be_used_are_named_and_skipped() {
    let dir = Captures::new("bad-lines");
    let mut lines = capture("aaausdt", 10, 0);
    lines.insert(3, "no time here".to_owned());
    lines.insert(9, "1723161600300000000 {\"stream\":".to_owned());
    let path = dir.gzip("bad.gz", &lines);
    let feed = Feed::start(
        MODES[0],
        &["--replay", &path, "--speed", "max", "--wait-for-subscribers", "1", "--exit-when-done"],
    );
    let mut session = Session::open(&feed, JSON);
    session.subscribe("raw", &["*"]);
    assert_eq!(raw_texts(session).len(), 30);
    let ended = feed.program.ended();
    assert!(ended.status.success());
    assert!(ended.stderr.contains(&format!("{path}:4: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{path}:10: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("30 messages, 2 lines skipped"), "{}", ended.stderr);
}

/// Whoever comes when the replay is over is told how it ended.
#[test]
fn the_last_state_stays_when_a_replay_is_over() {
    let dir = Captures::new("over");
    let path = dir.plain("a.txt", &capture("aaausdt", 20, 0));
    let feed = Feed::start(MODES[1], &["--replay", &path, "--speed", "max"]);
    crate::support::eventually("the replay ends", || {
        feed.program.stderr().iter().any(|line| line.contains("the replay has ended"))
    });
    let mut session = Session::open(&feed, JSON);
    session.subscribe("book", &["AAAUSDT"]);
    session.subscribe("ticker", &["AAAUSDT"]);
    session.subscribe("raw", &["AAAUSDT"]);
    let messages = [session.next(), session.next()];
    let [Some(Message::Book(book)), Some(Message::Ticker { seq, .. })] = &messages else {
        panic!("{messages:?}");
    };
    assert!(book.is_snapshot && book.seq == 20, "{book:?}");
    assert_eq!(*seq, 20);
    Follower::default().take(&messages[0].clone().expect("a book"));
    assert_eq!(session.ask(json!({ "op": "ping" }))["type"], "pong");
}

#[test]
fn a_capture_that_is_not_there_or_is_none_ends_the_program() {
    let dir = Captures::new("none");
    let empty = dir.plain("empty.txt", &["this is".to_owned(), "no capture".to_owned()]);
    for path in ["no/such/capture.gz", &empty] {
        let ended = Program::start("market_feed", &["--replay", path]).ended();
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(path), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
    let path = dir.plain("a.txt", &capture("aaausdt", 2, 0));
    let ended = Program::start("market_feed", &["--replay", &path, "--symbols", "XXX"]).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("XXX") && ended.stderr.contains("AAAUSDT"), "{ended:?}");
}
