//! A market-data feed: order books, trades and tickers of a simulated exchange, or of captured
//! streams that are replayed.
//!
//! `options.rs` reads the command line, `market.rs` turns a source into numbered messages encoded
//! once, `request.rs` reads what clients ask for.

// Until `service.rs` serves it, much of the feed is reached from the tests only.
#![allow(dead_code)]

mod binance;
mod binary;
mod book;
mod capture;
mod checksum;
mod client_book;
mod fixed;
mod incoming;
mod level_book;
mod market;
mod message;
mod options;
mod profiles;
mod published;
mod replay;
mod replay_book;
mod replayed;
mod request;
#[cfg(test)]
mod scratch_dir;
mod simulated;
mod simulator;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use market::{Next, Sink, Update};
use options::Options;

/// The shortest sleep between two turns of the market. Finer turns cost more than they show.
const MIN_PAUSE: Duration = Duration::from_micros(500);
/// The longest, so that a request to stop is soon heard.
const MAX_PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market_feed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut market = options.market()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    ctrlc::set_handler(move || stopper.store(true, Ordering::Relaxed))?;
    let mut counts = Counts::default();
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
        match market.advance(now, &mut counts) {
            Next::Ended => break,
            Next::At(next) if next <= now => {}
            Next::At(next) => {
                thread::sleep(Duration::from_nanos(next - now).clamp(MIN_PAUSE, MAX_PAUSE));
            }
        }
    }
    log::info!("{:?} in {:?}: {:?}", counts, begun.elapsed(), market.stats());
    Ok(())
}

#[derive(Debug, Default)]
struct Counts {
    messages: u64,
    json_bytes: u64,
    binary_bytes: u64,
}

impl Sink for Counts {
    fn publish(&mut self, update: Update<'_>) {
        self.messages += 1;
        self.json_bytes += update.json.map_or(0, str::len) as u64;
        self.binary_bytes += update.binary.map_or(0, <[u8]>::len) as u64;
    }
}
