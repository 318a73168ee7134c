//! A market-data feed: order books, trades and tickers of a simulated exchange, or of captured
//! streams that are replayed, with a page that shows them.
//!
//! `cargo run --release --example market_feed`, then open the address that it prints.
//!
//! `options.rs` reads the command line and `market.rs` turns a source into numbered messages, each
//! encoded once. `topics.rs` says what becomes of them for those who come late or read slowly,
//! `feed.rs` is the thread that owns the market and publishes it, `service.rs` the handler that takes
//! requests, and `site.rs` serves the page. `wire.rs` and `binary.rs` are the protocol.

mod binance;
#[cfg_attr(not(test), allow(dead_code, reason = "to decode is the client's part"))]
mod binary;
mod book;
mod capture;
mod checksum;
#[cfg(test)]
mod client_book;
mod clock;
mod feed;
mod fixed;
#[cfg(test)]
mod incoming;
mod level_book;
mod market;
mod message;
mod options;
mod pacing;
mod profiles;
mod published;
mod replay;
mod replay_book;
mod replayed;
mod request;
#[cfg(test)]
mod scratch_dir;
mod service;
mod simulated;
mod simulator;
mod site;
mod status;
mod topics;
mod wire;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;
use tickwire::Server;

use feed::{Errand, Feed};
use options::Options;
use service::Service;
use status::Status;
use topics::LazyTopics;

/// How long connections may take to say goodbye after Ctrl-C.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long readers may take for the rest of a replay that has ended.
const REST: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp(None)
        .init();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market_feed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let market = options.market()?;
    let (errands, inbox) = mpsc::channel();
    let topics = Arc::new(LazyTopics::new(&market));
    let status = Arc::new(Status::new(&market, Arc::clone(&topics)));
    let service = Service::new(&market, Arc::clone(&topics), errands.clone(), Arc::clone(&status));
    let server = options.server().start(service).map_err(|error| explain(error, options))?;
    let handle = server.handle();
    status.set_server(handle.clone());
    ctrlc::set_handler({
        let handle = handle.clone();
        move || {
            handle.shutdown(GOODBYE);
            // Without a receiver the feed has ended already.
            let _ = errands.send(Errand::Stop);
        }
    })?;
    announce(&server, if options.is_secure() { "https" } else { "http" });
    Feed::new(market, handle.clone(), topics, inbox, status, options.manner()).run();
    handle.shutdown(REST);
    Ok(server.join()?)
}

fn explain(error: tickwire::Error, options: &Options) -> String {
    if error.is_bind() {
        let port = options.listen.port().wrapping_add(1);
        return format!("{error}; if that is in use, try --listen 127.0.0.1:{port}");
    }
    error.to_string()
}

/// Says where the server listens, for tests, and what to open, for people. Whoever started it may
/// have stopped listening after the first line.
fn announce(server: &Server, scheme: &str) {
    let mut lines = String::new();
    for address in server.local_addrs() {
        lines.push_str(&format!("listening on {address}\n"));
    }
    for address in server.local_addrs() {
        // No browser goes to 0.0.0.0.
        let address = address.to_string().replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
        lines.push_str(&format!("open {scheme}://{address}/ (Ctrl-C stops the feed)\n"));
    }
    let _ = io::stdout().write_all(lines.as_bytes());
}
