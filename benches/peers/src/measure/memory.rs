//! What an idle connection holds of the server's resident memory: one that has been upgraded, and has
//! had a message echoed.

use serde::Serialize;

use super::Bench;
use super::client::Crowd;
use super::running::Running;
use super::series::{Series, with_floor};
use super::statistics::Spread;
use crate::Result;
use crate::options::Role;
use crate::peer::Peer;
use crate::report::{Cell, Chart, Section};

const COUNTS: [usize; 2] = [5_000, 10_000];

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    peer: Peer,
    /// Per connection.
    bytes: Option<Spread>,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let peers = with_floor(&bench.peers);
    let measure = |peer| measure(bench, peer);
    let describe = |each: &[f64; 2]| format!("{:.0} and {:.0} bytes", each[0], each[1]);
    let series = Series::run(bench, &peers, "memory", measure, describe);
    let mut outcomes = Vec::new();
    for (at, count) in COUNTS.into_iter().enumerate() {
        outcomes.extend(peers.iter().map(|&peer| Outcome {
            row: Cell::count(count as f64),
            peer,
            bytes: series.spread(peer, |each| each[at]),
            failure: series.failure(peer).map(str::to_owned),
        }));
    }
    Ok(section(&peers, &outcomes))
}

/// Bytes per connection, at each count.
fn measure(bench: &Bench<'_>, peer: Peer) -> Result<[f64; 2]> {
    let server = Running::start(bench, peer, Role::Echo, 1)?;
    // What the first connection makes a server set up, it would have without the others.
    let mut crowd = Crowd::default();
    crowd.grow(&server, 1)?;
    let before = server.resident_len()?;
    let mut each = [0.0; COUNTS.len()];
    for (at, count) in COUNTS.into_iter().enumerate() {
        crowd.grow(&server, count)?;
        let grown = server.resident_len()?.saturating_sub(before);
        each[at] = grown as f64 / (count - 1) as f64;
    }
    Ok(each)
}

fn section(peers: &[Peer], outcomes: &[Outcome]) -> Section {
    let intro = "Resident memory of the server per idle connection, upgraded and having echoed once, \
                 beyond what it had with one. The kernel's own memory for sockets is the same for \
                 all, and not in it.";
    let columns = ["connections", "server", "bytes each", "quartiles"];
    let mut section = Section::new("memory", "Memory", intro, &columns, outcomes);
    let mut chart = Chart::bars("Resident bytes per idle connection", peers);
    for outcome in outcomes {
        let (name, failure) = (outcome.peer.name(), outcome.failure.as_deref());
        let count = outcome.bytes.map_or(Cell::None, |it| Cell::text(Cell::count(it.median)));
        let range = Cell::range(outcome.bytes.map(|it| (it.lower, it.upper)), 0);
        section.add(&outcome.row, name, failure, [count, range]);
        if let Some(bytes) = outcome.bytes {
            chart.add(&outcome.row, outcome.peer, bytes);
        }
    }
    section.draw(chart)
}
