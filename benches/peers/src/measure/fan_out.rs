//! Fan-out: what a delivery takes of the server, beside that of a loop that only writes.
//!
//! One more client than are measured tells the server when to publish, at a pace that all of them
//! can keep: CPU time is compared, and a server that waits takes none.

use std::time::Duration;

use super::Bench;
use super::client::Conductor;
use super::costs::{Cost, LATE, Table};
use super::load_tool::{LoadReport, arguments};
use super::running::{Job, Running};
use super::series::Series;
use crate::Result;
use crate::entrant::{Entrant, with_floor};
use crate::options::Role;
use crate::report::Section;

pub(crate) const SUBSCRIBERS: u32 = 500;
/// Who is late by more than this did not keep the pace.
const PACE_TOLERANCE: f64 = 0.05;

/// So many publications, again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) job: Job,
    pub(crate) interval: Duration,
}

const ROWS: [Row; 2] = [row("500×128B×1", 1, 5), row("500×128B×16", 16, 40)];

const fn row(name: &'static str, burst: usize, interval_ms: u64) -> Row {
    let job = Job { role: Role::Broadcast, burst, ..Job::ECHO };
    Row { name, job, interval: Duration::from_millis(interval_ms) }
}

impl Row {
    fn deliveries_per_s(&self) -> f64 {
        f64::from(SUBSCRIBERS) * self.job.burst as f64 / self.interval.as_secs_f64()
    }
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = with_floor(&bench.peers);
    let mut all = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&bench.settings.row)) {
        all.extend(costs(bench, "fan-out", row, &entrants, |_| Entrant::FLOOR));
    }
    let paces = ROWS.map(|row| {
        let (burst, ms) = (row.job.burst, row.interval.as_millis());
        let several = if burst == 1 { "publication" } else { "publications at once" };
        format!("{burst} {several} every {ms} ms")
    });
    let intro = format!(
        "128 bytes to {SUBSCRIBERS} subscribers: {}. CPU time is the server's. `raw` writes the \
         joined frames of a turn to one socket after the other. ‡ did not keep the pace.",
        paces.join(", and ")
    );
    let table = Table {
        name: "fan-out",
        title: "Fan-out",
        intro: &intro,
        columns: ["deliveries/s", "CPU s per million", "÷ raw"],
        tells_len: false,
        chart: ("Server CPU time per delivery, raw = 1", Cost::ratio),
    };
    Ok(table.of(&entrants, &all))
}

/// What delivering takes of everybody, beside what it takes of `base`.
pub(crate) fn costs(
    bench: &Bench<'_>,
    what: &str,
    row: &Row,
    entrants: &[Entrant],
    base: fn(Entrant) -> Entrant,
) -> Vec<Cost> {
    let what = format!("{what} {}", row.name);
    let measure = |entrant| measure(bench, entrant, row);
    let series = Series::run(bench, entrants, &what, measure, describe);
    let least = row.deliveries_per_s() * (1.0 - PACE_TOLERANCE);
    let cost = |&entrant: &Entrant| {
        let mut cost = Cost::new(&series, row.name, entrant, base(entrant));
        let is_late = cost.per_s.is_some_and(|rate| rate.median < least);
        cost.mark = is_late.then_some(LATE);
        cost
    };
    entrants.iter().map(cost).collect()
}

fn measure(bench: &Bench<'_>, entrant: Entrant, row: &Row) -> Result<LoadReport> {
    let server = Running::start(bench, entrant, row.job)?;
    let _conductor = Conductor::start(&server, row.interval)?;
    let seconds = bench.settings.seconds();
    let listen = arguments([&"--subscribe", &"-c", &SUBSCRIBERS, &"-t", &seconds, &"-w", &"0.3"]);
    let report = bench.load.run(bench, &server, &listen)?;
    match report.messages {
        0 => Err("nothing is delivered".into()),
        // The conductor's deliveries are not in the count.
        _ => Ok(report.of_more_messages(f64::from(SUBSCRIBERS + 1) / f64::from(SUBSCRIBERS))),
    }
}

fn describe(report: &LoadReport) -> String {
    let (rate, cpu) = (report.messages_per_s, report.cpu_us());
    format!("{rate:>9.0}/s, {cpu:>8.3} s of CPU per million deliveries")
}
