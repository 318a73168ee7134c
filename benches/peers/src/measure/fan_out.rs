//! Fan-out: what a delivery takes of the server, beside that of a loop that only writes.
//!
//! One more client than are measured tells the server when to publish, at a pace that all of them
//! can keep: CPU time is compared, and a server that waits takes none.

use std::time::Duration;

use serde::Serialize;

use super::Bench;
use super::client::Conductor;
use super::load_tool::{LoadReport, arguments};
use super::running::Running;
use super::series::{Series, with_floor};
use super::statistics::Spread;
use crate::Result;
use crate::options::Role;
use crate::peer::Peer;
use crate::report::{Cell, Chart, Section};

const SUBSCRIBERS: u32 = 500;
/// Who is late by more than this did not keep the pace.
const PACE_TOLERANCE: f64 = 0.05;

/// So many publications, again and again.
#[derive(Clone, Copy, Debug)]
struct Row {
    burst: usize,
    interval: Duration,
}

const ROWS: [Row; 2] = [
    Row { burst: 1, interval: Duration::from_millis(5) },
    Row { burst: 16, interval: Duration::from_millis(40) },
];

impl Row {
    fn name(&self) -> String {
        format!("500×128B×{}", self.burst)
    }

    fn deliveries_per_s(&self) -> f64 {
        f64::from(SUBSCRIBERS) * self.burst as f64 / self.interval.as_secs_f64()
    }
}

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    peer: Peer,
    deliveries_per_s: Option<Spread>,
    /// Of the server, per million deliveries.
    cpu_s: Option<Spread>,
    cpu_to_raw: Option<Spread>,
    kept_pace: bool,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let peers = with_floor(&bench.peers);
    let mut outcomes = Vec::new();
    for row in ROWS.iter().filter(|row| row.name().contains(&bench.settings.row)) {
        let what = format!("fan-out {}", row.name());
        let measure = |peer| measure(bench, peer, row);
        let describe = |report: &LoadReport| {
            let (rate, cpu) = (report.messages_per_s, cpu_s(report));
            format!("{rate:>9.0}/s, {cpu:>8.3} s of CPU per million deliveries")
        };
        let series = Series::run(bench, &peers, &what, measure, describe);
        outcomes.extend(peers.iter().map(|&peer| outcome(&series, row, peer)));
    }
    Ok(section(&peers, &outcomes))
}

fn measure(bench: &Bench<'_>, peer: Peer, row: &Row) -> Result<LoadReport> {
    let server = Running::start(bench, peer, Role::Broadcast, row.burst)?;
    let _conductor = Conductor::start(&server, row.interval)?;
    let seconds = bench.settings.seconds();
    let listen = arguments([&"--subscribe", &"-c", &SUBSCRIBERS, &"-t", &seconds, &"-w", &"0.3"]);
    let report = bench.load.run(bench, &server, &listen)?;
    match report.messages {
        0 => Err("nothing is delivered".into()),
        _ => Ok(report),
    }
}

/// Of the server, for a million deliveries.
fn cpu_s(report: &LoadReport) -> f64 {
    let counted = report.server.and_then(|server| server.cpu_ns_per_message).unwrap_or(f64::NAN);
    // The conductor's deliveries are not in the count.
    counted / 1e3 * f64::from(SUBSCRIBERS) / f64::from(SUBSCRIBERS + 1)
}

fn outcome(series: &Series<LoadReport>, row: &Row, peer: Peer) -> Outcome {
    let deliveries_per_s = series.spread(peer, |report| report.messages_per_s);
    let least = row.deliveries_per_s() * (1.0 - PACE_TOLERANCE);
    Outcome {
        row: row.name(),
        peer,
        deliveries_per_s,
        cpu_s: series.spread(peer, cpu_s),
        cpu_to_raw: series.ratio(peer, cpu_s),
        kept_pace: deliveries_per_s.is_some_and(|rate| rate.median >= least),
        failure: series.failure(peer).map(str::to_owned),
    }
}

fn section(peers: &[Peer], outcomes: &[Outcome]) -> Section {
    let paces = ROWS.map(|row| {
        let (burst, ms) = (row.burst, row.interval.as_millis());
        let several = if burst == 1 { "publication" } else { "publications at once" };
        format!("{burst} {several} every {ms} ms")
    });
    let intro = format!(
        "128 bytes to {SUBSCRIBERS} subscribers: {}. CPU time is the server's. `raw` writes the \
         joined frames of a turn to one socket after the other. ‡ did not keep the pace.",
        paces.join(", and ")
    );
    let columns = ["row", "server", "deliveries/s", "CPU s per million", "÷ raw", "quartiles"];
    let mut section = Section::new("fan-out", "Fan-out", &intro, &columns, outcomes);
    let mut chart = Chart::bars("Server CPU time per delivery, raw = 1", peers);
    for outcome in outcomes {
        let (name, failure) = (outcome.peer.name(), outcome.failure.as_deref());
        let rate = outcome.deliveries_per_s.map_or(Cell::None, |it| {
            let late = if outcome.kept_pace { "" } else { " ‡" };
            Cell::text(format!("{}{late}", Cell::count(it.median)))
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
        if let Some(ratio) = outcome.cpu_to_raw {
            chart.add(&outcome.row, outcome.peer, ratio);
        }
    }
    section.draw(chart)
}
