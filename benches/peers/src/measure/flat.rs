//! What a message takes of the server while more and more connections are open that do nothing. It
//! should be the same.

use serde::Serialize;

use super::Bench;
use super::client::Crowd;
use super::echo::Row;
use super::interrupt::is_caught;
use super::load_tool::{LoadReport, arguments};
use super::running::Running;
use super::series::{Series, with_floor};
use super::statistics::Spread;
use crate::Result;
use crate::options::Role;
use crate::peer::Peer;
use crate::report::{Cell, Chart, Section};

/// Open connections.
const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Those of them that are busy.
const ACTIVE: Row = Row { connections: 10, size: 20, depth: 1 };

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    peer: Peer,
    /// Of the server, per million messages, at each count.
    cpu_s: Vec<Option<Spread>>,
    /// With the most connections, to that with the fewest.
    growth: Option<Spread>,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let peers = with_floor(&bench.peers);
    let describe = |cpu: &[f64; COUNTS.len()]| {
        let [few, .., many] = cpu;
        format!("{few:.3} to {many:.3} s of CPU per million")
    };
    let series = Series::run(bench, &peers, "flat", |peer| measure(bench, peer), describe);
    let outcomes: Vec<_> = peers
        .iter()
        .map(|&peer| Outcome {
            row: ACTIVE.to_string(),
            peer,
            cpu_s: (0..COUNTS.len()).map(|at| series.spread(peer, |cpu| cpu[at])).collect(),
            growth: series.spread(peer, |cpu| cpu[COUNTS.len() - 1] / cpu[0]),
            failure: series.failure(peer).map(str::to_owned),
        })
        .collect();
    Ok(section(&peers, &outcomes))
}

/// CPU seconds per million messages, at each count.
fn measure(bench: &Bench<'_>, peer: Peer) -> Result<[f64; COUNTS.len()]> {
    let server = Running::start(bench, peer, Role::Echo, 1)?;
    let mut crowd = Crowd::default();
    let mut cpu = [0.0; COUNTS.len()];
    for (at, count) in COUNTS.into_iter().enumerate() {
        crowd.grow(&server, count - ACTIVE.connections as usize)?;
        if is_caught() {
            return Err("interrupted".into());
        }
        let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.2"]);
        let load = [ACTIVE.arguments(), times].concat();
        let report: LoadReport = bench.load.run(bench, &server, &load)?;
        cpu[at] = report.cpu_ns().ok_or("no CPU time, or no message")? / 1e3;
    }
    Ok(cpu)
}

fn section(peers: &[Peer], outcomes: &[Outcome]) -> Section {
    let intro = "Server CPU seconds per million messages of ten busy connections (20 bytes, one in \
                 flight on each), by how many are open in all; and the last beside the first.";
    let columns = ["row", "server", "10", "100", "1,000", "10,000", "growth", "quartiles"];
    let mut section = Section::new("flat", "Cost by open connections", intro, &columns, outcomes);
    let mut chart =
        Chart::lines("Server CPU seconds per million messages, by open connections", peers);
    for outcome in outcomes {
        let (name, failure) = (outcome.peer.name(), outcome.failure.as_deref());
        let mut figures = outcome.cpu_s.iter();
        let mut next = || Cell::number(figures.next().and_then(|it| Some((*it)?.median)), 3);
        let figures = [next(), next(), next(), next()];
        let [ten, hundred, thousand, ten_thousand] = figures;
        section.add(
            &outcome.row,
            name,
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
                chart.add(&Cell::count(count as f64), outcome.peer, cpu);
            }
        }
    }
    section.draw(chart)
}
