//! Latency at fixed rates: messages are sent when their time has come, by chance like those of many
//! users, and wait from then on, whatever keeps them waiting.

use std::fmt;

use serde::Serialize;

use super::Bench;
use super::load_tool::{Latency, LoadReport, arguments};
use super::running::{Job, Running};
use super::series::Series;
use super::statistics::Spread;
use crate::Result;
use crate::entrant::{Entrant, with_floor};
use crate::report::{Cell, Chart, Section};

/// Messages per second.
const RATES: [u32; 2] = [20_000, 100_000];
const CONNECTIONS: u32 = 100;
const SIZE: usize = 64;

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    server: Entrant,
    /// In microseconds.
    p50: Option<Spread>,
    p99: Option<Spread>,
    p999: Option<Spread>,
    kept_pace: bool,
    client_was_limit: bool,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = with_floor(&bench.peers);
    let mut outcomes = Vec::new();
    for rate in RATES {
        let row = format!("{}/s", Cell::count(f64::from(rate)));
        if !row.contains(&bench.settings.row) {
            continue;
        }
        let what = format!("latency at {row}");
        let measure = |entrant| measure(bench, entrant, rate);
        let series = Series::run(bench, &entrants, &what, measure, ToString::to_string);
        outcomes.extend(entrants.iter().map(|&entrant| outcome(&series, &row, entrant)));
    }
    Ok(section(&entrants, &outcomes))
}

/// A round's.
struct Sample {
    latency: Latency,
    kept_pace: bool,
    client_was_limit: bool,
}

fn measure(bench: &Bench<'_>, entrant: Entrant, rate: u32) -> Result<Sample> {
    let server = Running::start(bench, entrant, Job::ECHO)?;
    let load = arguments([&"--binary", &"-c", &CONNECTIONS, &"-s", &SIZE, &"-w", &"0.3"]);
    let seconds = bench.settings.seconds();
    let pace = arguments([&"--rate", &rate, &"--spacing", &"poisson", &"-t", &seconds]);
    let report: LoadReport = bench.load.run(bench, &server, &[load, pace].concat())?;
    Ok(Sample {
        latency: report.latency_ns.ok_or("no message came back")?,
        kept_pace: report.kept_pace(),
        client_was_limit: report.client.was_limit,
    })
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, p999 } = self.latency;
        let [p50, p99, p999] = [p50, p99, p999].map(|nanos| nanos as f64 / 1e3);
        write!(f, "p50 {p50:>7.1} µs, p99 {p99:>8.1} µs, p99.9 {p999:>8.1} µs")
    }
}

fn outcome(series: &Series<Sample>, row: &str, entrant: Entrant) -> Outcome {
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let most = |is: fn(&Sample) -> bool| {
        let (all, such) =
            (series.of(entrant).count(), series.of(entrant).filter(|it| is(it)).count());
        2 * such > all
    };
    Outcome {
        row: row.to_owned(),
        server: entrant,
        p50: series.spread(entrant, |sample| micros(sample.latency.p50)),
        p99: series.spread(entrant, |sample| micros(sample.latency.p99)),
        p999: series.spread(entrant, |sample| micros(sample.latency.p999)),
        kept_pace: !most(|sample| !sample.kept_pace),
        client_was_limit: most(|sample| sample.client_was_limit),
        failure: series.failure(entrant).map(str::to_owned),
    }
}

fn section(entrants: &[Entrant], outcomes: &[Outcome]) -> Section {
    let intro = format!(
        "{CONNECTIONS} connections × {SIZE} bytes, in µs from when a message was meant to be sent; \
         medians of the rounds. † the client was the limit, and has a part in the figures. ‡ the \
         server did not keep up."
    );
    let columns = ["rate", "server", "p50", "p99", "p99.9"];
    let mut section = Section::new("latency", "Latency", &intro, &columns, outcomes);
    let mut chart = Chart::bars("99th percentile of the latency, µs", entrants);
    for outcome in outcomes {
        let server = match (outcome.client_was_limit, outcome.kept_pace) {
            (_, false) => format!("{} ‡", outcome.server),
            (true, true) => format!("{} †", outcome.server),
            (false, true) => outcome.server.to_string(),
        };
        let quantiles = [outcome.p50, outcome.p99, outcome.p999];
        let cells = quantiles.map(|it| Cell::number(it.map(|it| it.median), 1));
        section.add(&outcome.row, server, outcome.failure.as_deref(), cells);
        if let Some(p99) = outcome.p99 {
            chart.add(&outcome.row, outcome.server, p99);
        }
    }
    section.draw(chart)
}
