//! Fan-out: what one delivery of a publication costs, and how soon the last subscriber has it.
//!
//! **CPU.** CPU time of the event-loop threads per delivery, beside that of a bare loop of `write`
//! over as many loopback sockets: the same bytes, the same number of threads, no WebSocket. Rounds of
//! the two take turns in one run, and the ratio is the median of the rounds' own ratios. The client
//! that drains the sockets is another process on another core.
//!
//! **Latency.** From the moment a publication is meant to be made to the moment the last subscriber
//! has read it, at a fixed rate whatever the server does, with and without subscribers that never
//! read. Here the readers are a thread of this process, on another core: one clock for both ends.
//!
//! `cargo bench --bench fan_out` takes some minutes; `-- --quick` takes fewer, and rougher, figures;
//! `-- cpu` or `-- latency` takes one half, and `-- cpu 500` looks at 500 subscribers alone. Without `--bench`, as `cargo test --benches` runs it, each
//! thing runs once.
//!
//! No criterion: it times one thing after another by the wall clock; this is the CPU time of other
//! threads, of two contestants in turn, and an open loop.

#[path = "fan_out/bare.rs"]
mod bare;
#[path = "fan_out/cpu.rs"]
mod cpu;
#[path = "fan_out/engine.rs"]
mod engine;
#[path = "fan_out/latency.rs"]
mod latency;
#[path = "fan_out/puller.rs"]
mod puller;
#[path = "fan_out/readers.rs"]
mod readers;
mod support;

use support::pace::Pace;
use support::{machine, rounds, socket, threads, wire};

/// Bytes of a publication.
const PAYLOAD_LEN: usize = 128;

/// The same on the wire: the length does not fit the first two bytes, so two more have it.
const FRAME_LEN: usize = 4 + PAYLOAD_LEN;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == puller::ROLE) {
        return puller::run();
    }
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--list") {
        return;
    }
    if !cfg!(target_os = "linux") {
        return eprintln!("fan_out: needs Linux, whose /proc tells the CPU time of a thread");
    }
    let pace = Pace::of(&args);
    let counts: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let wants = |name| has(name) || !(has("cpu") || has("latency"));

    let before = machine::describe();
    threads::pin_process(std::process::id(), threads::SERVER_CORE);
    let mut report = String::new();
    if wants("cpu") {
        report += &cpu::run(pace, &counts);
    }
    if wants("latency") {
        report += &latency::run(pace);
    }
    println!("\n# Fan-out\n\n{before}{}\n\n{report}", machine::load("after"));
}
