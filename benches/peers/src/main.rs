//! tickwire side by side with other WebSocket servers, and with a floor that speaks no WebSocket.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- --help`; the README beside it tells
//! what is measured and how.
//!
//! This program is the runner and, started by itself once more, each of the servers (`servers/`); only
//! the one in C++ is a program of its own. The load comes from the library's example `load`. What is
//! measured stands in `measure/`, one kind a file; `report/` makes tables and pictures of it.

mod entrant;
#[allow(dead_code, reason = "the load tool numbers what it sends")]
#[path = "../../../examples/load/market.rs"]
mod market;
mod measure;
mod options;
mod peer;
mod report;
mod servers;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// For people; nobody looks into it.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.command {
        Some(Command::Serve(serve)) => servers::serve(&serve),
        command => measure::run(command.unwrap_or(Command::All), &options.settings),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}
