//! How long an echo takes at a fixed rate.

use std::time::Duration;

use super::Pace;
use super::client::Flow;
use super::engine::Side;
use super::figures::{Figures, HEADS, Plan};

const CONNECTIONS: usize = 100;

/// Messages per second on all connections.
const RATE: u64 = 20_000;

/// The table.
pub(crate) fn run(pace: Pace) -> String {
    let plan = Plan::of(pace);
    let mut table = format!(
        "## From message to echo at a fixed rate\n\n\
         {CONNECTIONS} connections, {RATE} messages of 20 bytes per second on all of them, {} rounds of \
         {:?}. Times in microseconds. `p99 of a round`: the median of the rounds' own. `CPU`: of the \
         server, per message.\n\n\
         | | {HEADS} | CPU |\n|--|--:|--:|--:|--:|--:|--:|\n",
        plan.rounds, plan.time
    );
    let flow = Flow { mark: b'-', connections: (0..CONNECTIONS).collect(), rate: RATE, burst: 1 };
    let mut sides = [0, 1].map(|handler_threads| Side::start(handler_threads, CONNECTIONS));
    let mut figures = [Figures::new(), Figures::new()];
    let mut cpus = [Duration::ZERO; 2];
    for i in 0..plan.rounds {
        for side in [i % 2, (i + 1) % 2] {
            let flows = std::slice::from_ref(&flow);
            let (latencies, cpu) = sides[side].run(|client| client.keep_pace(flows, plan.time));
            figures[side].add(&latencies[0]);
            cpus[side] += cpu;
        }
    }
    for (side, name) in ["inline", "one handler thread"].into_iter().enumerate() {
        let per_message = cpus[side].as_secs_f64() * 1e6 / figures[side].message_count() as f64;
        table += &format!("| {name} | {} | {per_message:.1} |\n", figures[side].cells());
    }
    sides.into_iter().for_each(Side::end);
    table + "\n"
}
