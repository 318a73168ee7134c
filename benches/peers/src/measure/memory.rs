//! What an idle connection holds of the server's resident memory: one that has been upgraded, and has
//! had a message echoed.

use serde::Serialize;

use super::Bench;
use super::client::Crowd;
use super::running::{Job, Running};
use super::series::Series;
use super::statistics::Spread;
use crate::Result;
use crate::entrant::{Coding, Entrant, coded, with_floor};
use crate::report::{Cell, Chart, Section};

const COUNTS: [usize; 2] = [5_000, 10_000];
/// With TLS or compression a connection is larger, and a client takes longer.
const CODED_COUNTS: [usize; 2] = [500, 1_000];

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    server: Entrant,
    /// Per connection.
    bytes: Option<Spread>,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = with_floor(&bench.peers);
    let outcomes = outcomes(bench, "memory", &entrants, COUNTS);
    let intro = "Resident memory of the server per idle connection, upgraded and having echoed once, \
                 beyond what it had with one. The kernel's own memory for sockets is the same for \
                 all, and not in it.";
    let chart = Chart::bars("Resident bytes per idle connection", &entrants);
    Ok(section(("memory", "Memory"), intro, chart, &outcomes))
}

pub(crate) fn run_coded(bench: &Bench<'_>) -> Result<Section> {
    let entrants = coded(&bench.peers, &Coding::ALL);
    let outcomes = outcomes(bench, "memory, coded", &entrants, CODED_COUNTS);
    let intro = "The same over TLS, and where messages are compressed: `shared` each by itself, \
                 `dedicated` with references to those before it. Of compressed messages each \
                 connection has echoed 40 KiB, which is more than a window holds.";
    let chart = Chart::bars("Resident bytes per idle connection", &entrants);
    Ok(section(("memory-coded", "Memory with TLS or compression"), intro, chart, &outcomes))
}

fn outcomes(
    bench: &Bench<'_>,
    what: &str,
    entrants: &[Entrant],
    counts: [usize; 2],
) -> Vec<Outcome> {
    let measure = |entrant| measure(bench, entrant, counts);
    let describe = |each: &[f64; 2]| format!("{:.0} and {:.0} bytes", each[0], each[1]);
    let series = Series::run(bench, entrants, what, measure, describe);
    let rows = counts.into_iter().enumerate();
    rows.flat_map(|(at, count)| {
        let series = &series;
        entrants.iter().map(move |&server| Outcome {
            row: Cell::count(count as f64),
            server,
            bytes: series.spread(server, |each| each[at]),
            failure: series.failure(server).map(str::to_owned),
        })
    })
    .collect()
}

/// Bytes per connection, at each count.
fn measure(bench: &Bench<'_>, entrant: Entrant, counts: [usize; 2]) -> Result<[f64; 2]> {
    let server = Running::start(bench, entrant, Job::ECHO)?;
    // What the first connection makes a server set up, it would have without the others.
    let mut crowd = Crowd::new(bench, entrant.coding)?;
    crowd.grow(&server, 1)?;
    let before = server.resident_len()?;
    let mut each = [0.0; 2];
    for (at, count) in counts.into_iter().enumerate() {
        crowd.grow(&server, count)?;
        let grown = server.resident_len()?.saturating_sub(before);
        each[at] = grown as f64 / (count - 1) as f64;
    }
    Ok(each)
}

fn section(
    (name, title): (&'static str, &'static str),
    intro: &str,
    mut chart: Chart,
    outcomes: &[Outcome],
) -> Section {
    let columns = ["connections", "server", "bytes each", "quartiles"];
    let mut section = Section::new(name, title, intro, &columns, outcomes);
    for outcome in outcomes {
        let (server, failure) = (outcome.server, outcome.failure.as_deref());
        let count = outcome.bytes.map_or(Cell::None, |it| Cell::text(Cell::count(it.median)));
        let range = Cell::range(outcome.bytes.map(|it| (it.lower, it.upper)), 0);
        section.add(&outcome.row, server, failure, [count, range]);
        if let Some(bytes) = outcome.bytes {
            chart.add(&outcome.row, server, bytes);
        }
    }
    section.draw(chart)
}
