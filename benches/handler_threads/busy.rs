//! How long an echo takes while the handler works at other connections' messages.

use super::Pace;
use super::client::Flow;
use super::engine::{Side, WORK, WORK_MARK};
use super::figures::{Figures, HEADS, Plan};
use std::ops::Range;

const CONNECTIONS: usize = 100;

/// Connections whose messages are work. They are all given to the first handler thread, as are others.
const BUSY: usize = 10;

/// Messages per second that are work.
const BUSY_RATE: u64 = 8000;

/// How many of them a connection sends at once: inline, that many others wait for.
const BURSTS: [u64; 2] = [16, 64];

/// Messages per second on all the other connections.
const RATE: u64 = 5000;

/// Handler threads of the contestants; 0 is inline.
const SIDES: [usize; 3] = [0, 1, 2];

/// The table.
pub(crate) fn run(pace: Pace) -> String {
    let plan = Plan::of(pace);
    let mut table = format!(
        "## From message to echo beside work\n\n\
         {BUSY} of {CONNECTIONS} connections send {BUSY_RATE} messages per second in bursts; \
         the handler works {WORK:?} at each. The others send {RATE} per second, and theirs are the times, \
         in microseconds; {} rounds of {:?}. The busy ones are even: of two handler \
         threads, all on the first.\n\n\
         | burst | | others | {HEADS} |\n|--:|--|--|--:|--:|--:|--:|--:|\n",
        plan.rounds, plan.time
    );
    let mut sides = SIDES.map(|handler_threads| Side::start(handler_threads, CONNECTIONS));
    for burst in BURSTS {
        table += &rows(&mut sides, &plan, burst);
    }
    sides.into_iter().for_each(Side::end);
    table + "\n"
}

fn rows(sides: &mut [Side; SIDES.len()], plan: &Plan, burst: u64) -> String {
    let mut figures = SIDES.map(|_| [Figures::new(), Figures::new()]);
    let flows = flows(burst);
    for i in 0..plan.rounds {
        for side in 0..SIDES.len() {
            let side = (side + i) % SIDES.len();
            let (latencies, _) = sides[side].run(|client| client.keep_pace(&flows, plan.time));
            figures[side].iter_mut().zip(&latencies[1..]).for_each(|(figures, round)| {
                figures.add(round);
            });
        }
    }
    let mut rows = String::new();
    for (handler_threads, [shared, apart]) in SIDES.into_iter().zip(figures) {
        let name = match handler_threads {
            0 => "inline".to_owned(),
            1 => "one handler thread".to_owned(),
            count => format!("{count} handler threads"),
        };
        rows += &format!("| {burst} | {name} | even | {} |\n", shared.cells());
        rows += &format!("| {burst} | {name} | odd | {} |\n", apart.cells());
    }
    rows
}

/// The busy connections come first; then the others that are given to the first of two handler
/// threads, as those are, and then those that are given to the second.
fn flows(burst: u64) -> [Flow; 3] {
    let of = |mark, rate, burst, connections: Range<usize>, step| Flow {
        mark,
        rate,
        burst,
        connections: connections.step_by(step).collect(),
    };
    [
        of(WORK_MARK, BUSY_RATE, burst, 0..2 * BUSY, 2),
        of(b's', RATE / 2, 1, 2 * BUSY..CONNECTIONS, 2),
        of(b'a', RATE / 2, 1, 1..CONNECTIONS, 2),
    ]
}
