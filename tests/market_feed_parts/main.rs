//! The unit tests of the market feed's parts: they stand beside the code that they test, and
//! `cargo test` runs them from here.
#![allow(dead_code, reason = "the parts are put to use by the example's `main`")]

#[path = "../../examples/market_feed/binance.rs"]
mod binance;
#[path = "../../examples/market_feed/binary.rs"]
mod binary;
#[path = "../../examples/market_feed/book.rs"]
mod book;
#[path = "../../examples/market_feed/capture.rs"]
mod capture;
#[path = "../../examples/market_feed/checksum.rs"]
mod checksum;
#[path = "../../examples/market_feed/client_book.rs"]
mod client_book;
#[path = "../../examples/market_feed/clock.rs"]
mod clock;
#[path = "../../examples/market_feed/feed.rs"]
mod feed;
#[path = "../../examples/market_feed/fixed.rs"]
mod fixed;
#[path = "../../examples/market_feed/incoming.rs"]
mod incoming;
#[path = "../../examples/market_feed/level_book.rs"]
mod level_book;
#[path = "../../examples/market_feed/market.rs"]
mod market;
#[path = "../../examples/market_feed/message.rs"]
mod message;
#[path = "../../examples/market_feed/options.rs"]
mod options;
#[path = "../../examples/market_feed/pacing.rs"]
mod pacing;
#[path = "../../examples/market_feed/profiles.rs"]
mod profiles;
#[path = "../../examples/market_feed/published.rs"]
mod published;
#[path = "../../examples/market_feed/replay.rs"]
mod replay;
#[path = "../../examples/market_feed/replay_book.rs"]
mod replay_book;
#[path = "../../examples/market_feed/replayed.rs"]
mod replayed;
#[path = "../../examples/market_feed/request.rs"]
mod request;
#[path = "../../examples/market_feed/scratch_dir.rs"]
mod scratch_dir;
#[path = "../../examples/market_feed/service.rs"]
mod service;
#[path = "../../examples/market_feed/simulated.rs"]
mod simulated;
#[path = "../../examples/market_feed/simulator.rs"]
mod simulator;
#[path = "../../examples/market_feed/site.rs"]
mod site;
#[path = "../../examples/market_feed/status.rs"]
mod status;
#[path = "../../examples/market_feed/topics.rs"]
mod topics;
#[path = "../../examples/market_feed/wire.rs"]
mod wire;

/// Every file of the example is here, so that no test is left out.
#[test]
fn no_part_is_missing() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/market_feed");
    let own = include_str!("main.rs");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_part = name.ends_with(".rs") && name != "main.rs" && !name.ends_with("_tests.rs");
        assert!(!is_part || own.contains(&format!("/{name}\"]")), "{name} is missing");
    }
}
