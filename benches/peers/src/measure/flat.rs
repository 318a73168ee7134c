//! What a message takes of the server while more and more connections are open that do nothing. It
//! should be the same.

use serde::Serialize;

use super::Bench;
use super::client::Crowd;
use super::echo::Row;
use super::interrupt::is_caught;
use super::load_tool::{LoadReport, arguments};
use super::running::{Job, Running};
use super::series::Series;
use super::statistics::Spread;
use crate::Result;
use crate::entrant::{Entrant, with_floor};
use crate::report::{Cell, Chart, Section};

/// Open connections.
const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Those of them that are busy.
const ACTIVE: Row = Row { connections: 10, size: 20, depth: 1 };

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    server: Entrant,
    /// Of the server, per million messages, at each count.
    cpu_s: Vec<Option<Spread>>,
    /// With the most connections, to that with the fewest.
    growth: Option<Spread>,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = with_floor(&bench.peers);
    let describe = |cpu: &[f64; COUNTS.len()]| {
        let [few, .., many] = cpu;
        format!("{few:.3} to {many:.3} s of CPU per million")
    };
    let series = Series::run(bench, &entrants, "flat", |entrant| measure(bench, entrant), describe);
    let outcomes: Vec<_> = entrants
        .iter()
        .map(|&entrant| Outcome {
            row: ACTIVE.to_string(),
            server: entrant,
            cpu_s: (0..COUNTS.len()).map(|at| series.spread(entrant, |cpu| cpu[at])).collect(),
            growth: series.spread(entrant, |cpu| cpu[COUNTS.len() - 1] / cpu[0]),
            failure: series.failure(entrant).map(str::to_owned),
        })
        .collect();
    Ok(section(&entrants, &outcomes))
}

/// CPU seconds per million messages, at each count.
fn measure(bench: &Bench<'_>, entrant: Entrant) -> Result<[f64; COUNTS.len()]> {
    let server = Running::start(bench, entrant, Job::ECHO)?;
    let mut crowd = Crowd::new(bench, entrant.coding)?;
    let mut cpu = [0.0; COUNTS.len()];
    for (at, count) in COUNTS.into_iter().enumerate() {
        crowd.grow(&server, count - ACTIVE.connections as usize)?;
        if is_caught() {
            return Err("interrupted".into());
        }
        let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.2"]);
        let load = [ACTIVE.arguments(), times].concat();
        let report: LoadReport = bench.load.run(bench, &server, &load)?;
        cpu[at] = report.cpu_us();
    }
    Ok(cpu)
}

fn section(entrants: &[Entrant], outcomes: &[Outcome]) -> Section {
    let intro = "Server CPU seconds per million messages of ten busy connections (20 bytes, one in \
                 flight on each), by how many are open in all; and the last beside the first.";
    let columns = ["row", "server", "10", "100", "1,000", "10,000", "growth", "quartiles"];
    let mut section = Section::new("flat", "Cost by open connections", intro, &columns, outcomes);
    let mut chart =
        Chart::lines("Server CPU seconds per million messages, by open connections", entrants);
    for outcome in outcomes {
        let (server, failure) = (outcome.server, outcome.failure.as_deref());
        let mut figures = outcome.cpu_s.iter();
        let mut next = || Cell::number(figures.next().and_then(|it| Some((*it)?.median)), 3);
        let figures = [next(), next(), next(), next()];
        let [ten, hundred, thousand, ten_thousand] = figures;
        section.add(
            &outcome.row,
            server,
            failure,
            [
                ten,
                hundred,
                thousand,
                ten_thousand,
                Cell::number(outcome.growth.map(|it| it.median), 2),
                Cell::range(outcome.growth.map(|it| (it.lower, it.upper)), 2),
            ],
        );
    }
    for (at, count) in COUNTS.into_iter().enumerate() {
        for outcome in outcomes {
            if let Some(cpu) = outcome.cpu_s[at] {
                chart.add(&Cell::count(count as f64), outcome.server, cpu);
            }
        }
    }
    section.draw(chart)
}
