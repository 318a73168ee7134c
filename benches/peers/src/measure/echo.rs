//! Echo in a closed loop: how much goes through one core, and what of its time a message takes.

use std::fmt;

use super::Bench;
use super::costs::{Cost, Table};
use super::load_tool::{LoadReport, arguments};
use super::running::{Job, Running};
use super::series::Series;
use crate::Result;
use crate::entrant::{Entrant, with_floor};
use crate::report::Section;

/// So many connections that keep so many messages of so many bytes in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) connections: u32,
    pub(crate) size: usize,
    pub(crate) depth: u32,
}

pub(crate) const fn row(connections: u32, size: usize, depth: u32) -> Row {
    Row { connections, size, depth }
}

/// What the floor receives at once, in bytes.
const LONG_LEN: usize = 256 << 10;

/// Bytes of a long frame's header, as a client sends it.
const HEADER_LEN: usize = 14;

const ROWS: [Row; 7] = [
    row(50, 20, 1),
    row(1000, 125, 1),
    row(200, 1 << 10, 1),
    row(50, 20, 16),
    row(200, 1 << 10, 16),
    row(10, 16 << 10, 4),
    row(10, 1 << 20, 1),
];

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, size, depth } = *self;
        match size {
            0..1024 => write!(f, "{connections}×{size}B×{depth}"),
            1024..1_048_576 => write!(f, "{connections}×{}KiB×{depth}", size >> 10),
            _ => write!(f, "{connections}×{}MiB×{depth}", size >> 20),
        }
    }
}

impl Row {
    /// All, but the floor of messages only where they are longer than what the floor receives at once.
    fn choose(&self, entrants: &[Entrant]) -> Vec<Entrant> {
        let takes_part = |it: &&Entrant| **it != Entrant::FLOOR_OF_MESSAGES || self.size > LONG_LEN;
        entrants.iter().filter(takes_part).copied().collect()
    }

    /// Bytes of a long message as a client sends it.
    fn framed_len(&self) -> usize {
        if self.size > LONG_LEN { self.size + HEADER_LEN } else { 0 }
    }

    /// As the load tool takes it. Binary: no server has to look at the text.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { connections, size, depth } = *self;
        arguments([&"--binary", &"-c", &connections, &"-s", &size, &"-d", &depth])
    }
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let mut entrants = with_floor(&bench.peers);
    entrants.insert(1, Entrant::FLOOR_OF_MESSAGES);
    let costs = costs(bench, "echo", &ROWS, &entrants, |_| Entrant::FLOOR);
    let table = Table {
        name: "echo",
        title: "Echo",
        intro: "Connections × payload × messages in flight on each. CPU time is the server's, of all \
                its threads, user and system. Its ratio to `raw` is taken within each round. † the \
                client was the limit, so that the server could have answered more messages per \
                second; what a message costs it is measured all the same. `raw` passes on what it has \
                received, `raw-messages` a message once it is whole, as all others must.",
        columns: ["messages/s", "CPU s per million", "÷ raw"],
        tells_len: false,
        chart: ("Server CPU time per echoed message, raw = 1", Cost::ratio),
    };
    Ok(table.of(&entrants, &costs))
}

/// What echoing takes of everybody in each row, beside what it takes of `base`.
pub(crate) fn costs(
    bench: &Bench<'_>,
    what: &str,
    rows: &[Row],
    entrants: &[Entrant],
    base: fn(Entrant) -> Entrant,
) -> Vec<Cost> {
    let mut costs = Vec::new();
    for row in rows.iter().filter(|row| row.to_string().contains(&bench.settings.row)) {
        let entrants = &*row.choose(entrants);
        let (what, row_name) = (format!("{what} {row}"), row.to_string());
        let measure = |entrant| measure(bench, entrant, row);
        let series = Series::run(bench, entrants, &what, measure, describe);
        let cost = |&entrant: &Entrant| Cost::new(&series, &row_name, entrant, base(entrant));
        costs.extend(entrants.iter().map(cost));
    }
    costs
}

fn measure(bench: &Bench<'_>, entrant: Entrant, row: &Row) -> Result<LoadReport> {
    let job = Job { message_len: row.framed_len(), ..Job::ECHO };
    let server = Running::start(bench, entrant, job)?;
    let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.3"]);
    let report = bench.load.run(bench, &server, &[row.arguments(), times].concat())?;
    match report.cpu_us().is_nan() {
        false => Ok(report),
        true => Err("no CPU time, or no message".into()),
    }
}

fn describe(report: &LoadReport) -> String {
    let limit = if report.client.was_limit { ", the client was the limit" } else { "" };
    let (rate, cpu) = (report.messages_per_s, report.cpu_us());
    format!("{rate:>9.0}/s, {cpu:>8.3} s of CPU per million{limit}")
}
