//! What an idle connection holds of the server's resident memory: one that has been upgraded, and has
//! had a message echoed.

use std::thread;
use std::time::Duration;

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
/// After so long, who compresses with references may have given something back: tickwire does after ten
/// seconds by default.
const SILENCE: Duration = Duration::from_secs(12);

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
                 connection has echoed 40 KiB, which is more than a window holds. What is held for \
                 such references is measured again after 12 s in which nothing is sent: tickwire \
                 frees a compressor that has not been used for 10 s, its default.";
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
    let describe = |each: &Vec<f64>| {
        let each: Vec<_> = each.iter().map(|bytes| format!("{bytes:.0}")).collect();
        format!("{} bytes", each.join(", "))
    };
    let series = Series::run(bench, entrants, what, measure, describe);
    let outcome = |row: &str, at: usize, server: Entrant| Outcome {
        row: row.to_owned(),
        server,
        bytes: series.spread(server, |each| each[at]),
        failure: series.failure(server).map(str::to_owned),
    };
    let mut outcomes = Vec::new();
    for (at, count) in counts.into_iter().enumerate() {
        let row = Cell::count(count as f64);
        outcomes.extend(entrants.iter().map(|&server| outcome(&row, at, server)));
    }
    let row = format!("{}, after 12 s", Cell::count(counts[1] as f64));
    let resting = entrants.iter().filter(|server| server.coding == Coding::Dedicated);
    outcomes.extend(resting.map(|&server| outcome(&row, counts.len(), server)));
    outcomes
}

/// Bytes per connection, at each count, and with compressors of their own after a silence.
fn measure(bench: &Bench<'_>, entrant: Entrant, counts: [usize; 2]) -> Result<Vec<f64>> {
    let server = Running::start(bench, entrant, Job::ECHO)?;
    // What the first connection makes a server set up, it would have without the others.
    let mut crowd = Crowd::new(bench, entrant.coding)?;
    crowd.grow(&server, 1)?;
    let before = server.resident_len()?;
    let held = |count: usize| -> Result<f64> {
        let grown = server.resident_len()?.saturating_sub(before);
        Ok(grown as f64 / (count - 1) as f64)
    };
    let mut each = Vec::new();
    for count in counts {
        crowd.grow(&server, count)?;
        each.push(held(count)?);
    }
    if entrant.coding == Coding::Dedicated {
        thread::sleep(SILENCE);
        each.push(held(counts[1])?);
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
