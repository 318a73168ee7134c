//! Loads a WebSocket server and says how it bore that: throughput, latency, and whether every
//! message came back as it was sent.
//!
//! `cargo run --release --example load -- ws://127.0.0.1:9001/`, while `echo` runs.
//!
//! One thread, or several, each with a poller and a share of the connections. What a thread does all
//! day stands in `worker.rs`; a `connection.rs` speaks WebSocket by the engine's sans-IO parts and a
//! `flight.rs` knows which of its messages are under way. `tally.rs` counts, `report.rs` says it.
//!
//! The tool must cost less than the server that it looks at: messages are masked once and then only
//! numbered, replies are looked at where they were received, and nothing is allocated for a message.

mod address;
mod clock;
mod connection;
mod cpu_time;
mod crew;
mod descriptors;
mod error;
mod figures;
mod flight;
mod handshake;
#[cfg(feature = "deflate")]
mod market;
mod options;
mod pace;
mod plain;
mod progress;
mod report;
mod secure;
mod session;
mod share;
mod shared;
mod tally;
mod template;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;

use address::Target;
use error::LoadError;
use options::Options;
use progress::Progress;
use report::Report;
use secure::Security;
use shared::Shared;
use tally::Tally;
use worker::Worker;

/// Something was wrong with the command line or with a connection; also clap's.
const EXIT_UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let is_json = options.json;
    match measure(options).and_then(|report| print(&report, is_json).map(|()| report)) {
        Ok(report) => ExitCode::from(report.exit_code()),
        Err(error) => {
            eprintln!("load: {error}");
            if let Some(advice) = error.advice() {
                eprintln!("{advice}");
            }
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

/// Connects, loads, and adds up.
fn measure(options: Options) -> Result<Report, LoadError> {
    options.check()?;
    descriptors::check(options.connections, options.threads)?;
    let target = Target::find(&options.address)?;
    let security = Security::new(&options)?;
    let shared = Arc::new(Shared::new(options, target, security));
    end_on_interrupt(&shared)?;

    let threads = (0..shared.options.threads)
        .map(|index| {
            let worker = Worker::new(index, Arc::clone(&shared))?;
            // A thread that fails ends the others.
            let ends_all = Arc::clone(&shared);
            let run = move || worker.run().inspect_err(|_| ends_all.stop());
            thread::Builder::new().name(format!("load-{index}")).spawn(run)
        })
        .collect::<io::Result<Vec<_>>>()
        .map_err(LoadError::System)?;

    let mut progress = Progress::new(&shared);
    while threads.iter().any(|thread| !thread.is_finished()) {
        progress.tick();
    }
    progress.clear();

    let results = threads.into_iter().map(|thread| thread.join().expect("a thread of the tool"));
    let tallies = first_cause(results.collect())?;
    Ok(Report::new(&shared.options, Tally::sum(tallies)))
}

/// Ctrl-C ends the load, and the report tells what was measured so far. A second one ends it all.
fn end_on_interrupt(shared: &Arc<Shared>) -> Result<(), LoadError> {
    let shared = Arc::clone(shared);
    let interrupt = move || {
        if shared.interrupt() {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(interrupt).map_err(|error| LoadError::System(io::Error::other(error)))
}

/// All tallies, or why there are not all of them: threads that were ended by another's failure have
/// nothing to say.
fn first_cause(results: Vec<Result<Tally, LoadError>>) -> Result<Vec<Tally>, LoadError> {
    let mut interrupted = None;
    let mut tallies = Vec::new();
    for result in results {
        match result {
            Ok(tally) => tallies.push(tally),
            Err(error @ LoadError::Interrupted { .. }) => interrupted = Some(error),
            Err(error) => return Err(error),
        }
    }
    interrupted.map_or(Ok(tallies), Err)
}

fn print(report: &Report, is_json: bool) -> Result<(), LoadError> {
    let text = if is_json { report.to_json() } else { report.to_string() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader of a pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.map_err(LoadError::System)?,
    }
    if is_json {
        // Who reads JSON by a program reads this by eye.
        eprint!("{}", report.warnings());
    }
    Ok(())
}
