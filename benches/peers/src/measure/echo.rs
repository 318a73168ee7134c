//! Echo in a closed loop: how much goes through one core, and what of its time a message takes.

use std::fmt;

use serde::Serialize;

use super::Bench;
use super::load_tool::{LoadReport, arguments};
use super::running::Running;
use super::series::{Series, with_floor};
use super::statistics::Spread;
use crate::Result;
use crate::options::Role;
use crate::peer::Peer;
use crate::report::{Cell, Chart, Section};

/// So many connections that keep so many messages of so many bytes in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) connections: u32,
    pub(crate) size: usize,
    pub(crate) depth: u32,
}

const fn row(connections: u32, size: usize, depth: u32) -> Row {
    Row { connections, size, depth }
}

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
    /// As the load tool takes it. Binary: no server has to look at the text.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { connections, size, depth } = *self;
        arguments([&"--binary", &"-c", &connections, &"-s", &size, &"-d", &depth])
    }
}

/// One peer in one row.
#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    peer: Peer,
    messages_per_s: Option<Spread>,
    /// Of the server, per million messages.
    cpu_s: Option<Spread>,
    cpu_to_raw: Option<Spread>,
    client_was_limit: bool,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let peers = with_floor(&bench.peers);
    let mut outcomes = Vec::new();
    for row in ROWS.iter().filter(|row| row.to_string().contains(&bench.settings.row)) {
        let measure = |peer| measure(bench, peer, row);
        let what = format!("echo {row}");
        let series = Series::run(bench, &peers, &what, measure, describe);
        outcomes.extend(peers.iter().map(|&peer| outcome(&series, row, peer)));
    }
    Ok(section(&peers, &outcomes))
}

fn measure(bench: &Bench<'_>, peer: Peer, row: &Row) -> Result<LoadReport> {
    let server = Running::start(bench, peer, Role::Echo, 1)?;
    let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.3"]);
    let report = bench.load.run(bench, &server, &[row.arguments(), times].concat())?;
    match report.cpu_ns() {
        Some(_) => Ok(report),
        None => Err("no CPU time, or no message".into()),
    }
}

fn describe(report: &LoadReport) -> String {
    let cpu = report.cpu_ns().unwrap_or(f64::NAN) / 1e3;
    let limit = if report.client.was_limit { ", the client was the limit" } else { "" };
    format!("{:>9.0}/s, {cpu:>8.3} s of CPU per million{limit}", report.messages_per_s)
}

fn outcome(series: &Series<LoadReport>, row: &Row, peer: Peer) -> Outcome {
    // Nanoseconds for one are milliseconds for a million.
    let cpu = |report: &LoadReport| report.cpu_ns().unwrap_or(f64::NAN) / 1e3;
    let limited = series.of(peer).filter(|report| report.client.was_limit).count();
    Outcome {
        row: row.to_string(),
        peer,
        messages_per_s: series.spread(peer, |report| report.messages_per_s),
        cpu_s: series.spread(peer, cpu),
        cpu_to_raw: series.ratio(peer, cpu),
        client_was_limit: 2 * limited > series.of(peer).count(),
        failure: series.failure(peer).map(str::to_owned),
    }
}

fn section(peers: &[Peer], outcomes: &[Outcome]) -> Section {
    let mut section = Section::new(
        "echo",
        "Echo",
        "Connections × payload × messages in flight on each. CPU time is the server's, of all its \
         threads, user and system. Its ratio to `raw` is taken within each round. † the client was \
         the limit, so that the server could have answered more messages per second; what a message \
         costs it is measured all the same.",
        &["row", "server", "messages/s", "CPU s per million", "÷ raw", "quartiles"],
        outcomes,
    );
    for outcome in outcomes {
        let (name, failure) = (outcome.peer.name(), outcome.failure.as_deref());
        let rate = outcome.messages_per_s.map_or(Cell::None, |it| {
            let limit = if outcome.client_was_limit { " †" } else { "" };
            Cell::text(format!("{}{limit}", Cell::count(it.median)))
        });
        section.add(
            &outcome.row,
            name,
            failure,
            [
                rate,
                Cell::number(outcome.cpu_s.map(|it| it.median), 3),
                Cell::number(outcome.cpu_to_raw.map(|it| it.median), 2),
                Cell::range(outcome.cpu_to_raw.map(|it| (it.lower, it.upper)), 2),
            ],
        );
    }
    let mut chart = Chart::bars("Server CPU time per echoed message, raw = 1", peers);
    for outcome in outcomes {
        if let Some(ratio) = outcome.cpu_to_raw {
            chart.add(&outcome.row, outcome.peer, ratio);
        }
    }
    section.draw(chart)
}
