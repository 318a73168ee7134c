//! Messages per second of CPU time, in a closed loop.

use std::fmt::Write;

use super::Pace;
use super::engine::Side;
use super::rounds::{median, sorted};

const CONNECTIONS: usize = 50;

/// Messages in flight on each connection.
const DEPTHS: [u32; 2] = [1, 16];

struct Plan {
    rounds: usize,
    /// Messages of each connection in a round, for each one in flight.
    turns: u32,
}

impl Plan {
    fn of(pace: Pace) -> Self {
        match pace {
            Pace::Full => Self { rounds: 15, turns: 1500 },
            Pace::Quick => Self { rounds: 5, turns: 1000 },
            Pace::Test => Self { rounds: 1, turns: 5 },
        }
    }
}

/// The table.
pub(crate) fn run(pace: Pace) -> String {
    let plan = Plan::of(pace);
    let mut table = format!(
        "## Messages per second of the server's CPU time\n\n\
         {CONNECTIONS} connections, 20 bytes a message, one handler thread. Thousands; medians of {} \
         rounds. `ratio`: with a handler thread to inline, and its quartiles.\n\n\
         | in flight on each | inline | handler thread | ratio | half of the rounds |\n\
         |--:|--:|--:|--:|--:|\n",
        plan.rounds
    );
    let mut sides = [0, 1].map(|handler_threads| Side::start(handler_threads, CONNECTIONS));
    for depth in DEPTHS {
        let mut rounds = Vec::new();
        // The first warms up.
        for i in 0..=plan.rounds {
            let mut figures = [0.0; 2];
            for side in [i % 2, (i + 1) % 2] {
                figures[side] = round(&mut sides[side], depth, plan.turns * depth);
            }
            rounds.push(figures);
        }
        let rounds = &rounds[1..];
        let [inline, threaded] =
            [0, 1].map(|side| median(&sorted(rounds.iter().map(|figures| figures[side]))));
        let ratios = sorted(rounds.iter().map(|[inline, threaded]| threaded / inline));
        let quartiles = [ratios[ratios.len() / 4], ratios[ratios.len() * 3 / 4]];
        writeln!(
            table,
            "| {depth} | {inline:.0} | {threaded:.0} | {:.2} | {:.2} to {:.2} |",
            median(&ratios),
            quartiles[0],
            quartiles[1]
        )
        .expect("a string takes everything");
    }
    sides.into_iter().for_each(Side::end);
    table + "\n"
}

/// Thousands of messages per second of CPU time.
fn round(side: &mut Side, depth: u32, count: u32) -> f64 {
    let ((), cpu) = side.run(|client| client.exchange(depth, count));
    CONNECTIONS as f64 * f64::from(count) / cpu.as_secs_f64() / 1e3
}
