//! The replay of five minutes of two real markets, where those captures are to be had: every
//! message must reach every reader, in order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::captures::{display, merged_texts};
use crate::follower::Follower;
use crate::program::{Feed, MODES};
use crate::session::{BINARY, JSON, Session};
use crate::support::Received;

/// Names the directory of the captures if they are elsewhere.
const DATA_VARIABLE: &str = "TICKWIRE_DATA";
const DATA_DIR: &str = "../shared/data/binance-spot-2024-08-09";
/// The files, and the messages in each.
const FILES: [(&str, usize); 2] = [("btcusdt.gz", 58_325), ("ethusdt.gz", 46_126)];

fn data_dir() -> Option<PathBuf> {
    let named = std::env::var_os(DATA_VARIABLE).map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA_DIR);
    let dir = named.clone().unwrap_or_else(beside);
    if dir.join(FILES[0].0).exists() {
        return Some(dir);
    }
    assert!(named.is_none(), "{DATA_VARIABLE} names {}: no captures there", dir.display());
    eprintln!("SKIPPED: no captures to replay; {DATA_VARIABLE}=DIR names their directory");
    None
}

fn lines(path: &Path) -> Vec<String> {
    let file = File::open(path).expect("open a capture");
    BufReader::new(MultiGzDecoder::new(file)).lines().map(|line| line.expect("a line")).collect()
}

#[test]
fn every_message_reaches_every_reader_inline() {
    every_message_reaches_every_reader(MODES[0], &FILES);
}

/// The smaller file alone: without optimization each takes its time.
#[test]
fn every_message_reaches_every_reader_with_handler_threads() {
    every_message_reaches_every_reader(MODES[1], &FILES[1..]);
}

fn every_message_reaches_every_reader(mode: &str, files: &[(&str, usize)]) {
    let Some(dir) = data_dir() else { return };
    let paths: Vec<_> = files.iter().map(|(name, _)| dir.join(name)).collect();
    let names: Vec<_> = paths.iter().map(|path| display(path)).collect();
    let mut arguments = vec!["--speed", "max", "--wait-for-subscribers", "3", "--exit-when-done"];
    arguments.push("--replay");
    arguments.extend(names.iter().map(String::as_str));
    let feed = Feed::start(mode, &arguments);
    let message_count: usize = files.iter().map(|(_, count)| count).sum();
    let files: Vec<_> = paths.iter().map(|path| lines(path)).collect();
    let texts = merged_texts(&files);
    assert_eq!(texts.len(), message_count);

    let followers = [JSON, BINARY].map(|subprotocol| {
        let mut session = Session::open(&feed, subprotocol);
        for channel in ["book", "trades", "ticker"] {
            session.subscribe(channel, &["*"]);
        }
        session
    });
    let mut raw = Session::open(&feed, JSON);
    raw.subscribe("raw", &["*"]);
    let [json, binary] = thread::scope(|scope| {
        let followers = followers.map(|session| scope.spawn(|| follow(session)));
        expect_texts(raw, &texts);
        followers.map(|follower| follower.join().expect("a follower"))
    });

    let trade_ids = trade_ids(&texts);
    for follower in [&json, &binary] {
        assert_eq!(follower.trade_ids, trade_ids);
        // Three of four messages are best prices, and each makes a ticker.
        assert!(follower.tickers as usize > message_count / 2, "{} tickers", follower.tickers);
        assert!(follower.deltas as usize > message_count / 30, "{} deltas", follower.deltas);
    }
    assert_eq!((json.deltas, json.tickers), (binary.deltas, binary.tickers));
    assert_eq!(json.checksums, binary.checksums);
    for (symbol, ids) in &trade_ids {
        for channel in ["book", "trades", "ticker"] {
            assert_eq!(json.seq(channel, symbol), binary.seq(channel, symbol));
        }
        // From the first on: the subscriptions were there before the replay.
        assert_eq!(json.seq("trades", symbol), Some(ids.len() as u64));
    }
    let ended = feed.program.ended();
    assert!(ended.status.success(), "{ended:?}");
    let summary = format!("{message_count} messages, 0 lines skipped");
    assert!(ended.stderr.contains(&summary), "{}", ended.stderr);
}

fn follow(mut session: Session) -> Follower {
    let mut follower = Follower::default();
    while let Some(message) = session.next() {
        follower.take(&message);
    }
    follower
}

fn expect_texts(mut session: Session, texts: &[&str]) {
    for (place, &expected) in texts.iter().enumerate() {
        match session.recv() {
            Received::Text(text) if text == expected => {}
            other => panic!("message {place} must be {expected}, and is {other:?}"),
        }
    }
    session.client.expect_close(1001);
}

/// The ids of the trades of each symbol, from the captured texts.
fn trade_ids(texts: &[&str]) -> HashMap<String, Vec<u64>> {
    let mut ids: HashMap<String, Vec<u64>> = HashMap::new();
    for text in texts.iter().filter(|text| text.contains("@trade\"")) {
        let message: Value = serde_json::from_str(text).expect("JSON");
        let symbol = message["data"]["s"].as_str().expect("a symbol").to_owned();
        ids.entry(symbol).or_default().push(message["data"]["t"].as_u64().expect("an id"));
    }
    ids
}
