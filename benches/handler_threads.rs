//! What handler threads cost and what they bring, beside the same server in inline mode: one event
//! loop each, the same client, rounds of the two in turn.
//!
//! **Capacity.** Messages per second of CPU time of all the server's threads, in a closed loop.
//!
//! **Latency.** From the moment a message is meant to be sent until its echo has been read, in an open
//! loop at a fixed rate.
//!
//! **Busy.** The same for the messages of some connections while the handler works at those of others.
//!
//! The server runs on one core, event loop and handler threads alike, and the client on another: what
//! is passed from thread to thread is passed by the scheduler. With `-- spread` the server may run
//! anywhere.
//!
//! `cargo bench --bench handler_threads` takes a minute; `-- --quick` takes less, and rougher figures;
//! `-- capacity`, `-- latency` or `-- busy` takes a part. Without `--bench`, as `cargo test --benches`
//! runs it, each thing runs once.
//!
//! No criterion: it times one thing after another by the wall clock; this is the CPU time of other
//! threads, of two contestants in turn, and an open loop.

#[path = "handler_threads/busy.rs"]
mod busy;
#[path = "handler_threads/capacity.rs"]
mod capacity;
#[path = "handler_threads/client.rs"]
mod client;
#[path = "handler_threads/engine.rs"]
mod engine;
#[path = "handler_threads/figures.rs"]
mod figures;
#[path = "handler_threads/latency.rs"]
mod latency;
mod support;

use support::pace::Pace;
use support::{echo, machine, rounds, socket, threads};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--list") {
        return;
    }
    if !cfg!(target_os = "linux") {
        return eprintln!("handler_threads: needs Linux, whose /proc tells a thread's CPU time");
    }
    let pace = Pace::of(&args);
    let parts = ["capacity", "latency", "busy"];
    let wants = |part| has(part) || !parts.iter().any(|part| has(part));

    let before = machine::describe();
    if !has("spread") {
        threads::pin_process(std::process::id(), threads::SERVER_CORE);
    }
    let mut report = String::new();
    if wants("capacity") {
        report += &capacity::run(pace);
    }
    if wants("latency") {
        report += &latency::run(pace);
    }
    if wants("busy") {
        report += &busy::run(pace);
    }
    println!("\n# Handler threads\n\n{before}{}\n\n{report}", machine::load("after"));
}
