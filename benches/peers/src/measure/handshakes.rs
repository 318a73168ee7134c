//! Connections that are opened, used for one message and closed, again and again.

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

/// At a time.
const CONNECTIONS: u32 = 50;
const SIZE: usize = 20;

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    peer: Peer,
    handshakes_per_s: Option<Spread>,
    /// Of the server, for each.
    cpu_us: Option<Spread>,
    cpu_to_raw: Option<Spread>,
    client_was_limit: bool,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let peers = with_floor(&bench.peers);
    let describe = |report: &LoadReport| {
        format!("{:>7.0}/s, {:>6.1} µs of CPU each", report.messages_per_s, cpu_us(report))
    };
    let series = Series::run(bench, &peers, "handshakes", |peer| measure(bench, peer), describe);
    let outcomes: Vec<_> = peers.iter().map(|&peer| outcome(&series, peer)).collect();
    Ok(section(&peers, &outcomes))
}

fn measure(bench: &Bench<'_>, peer: Peer) -> Result<LoadReport> {
    let server = Running::start(bench, peer, Role::Echo, 1)?;
    let load = arguments([&"--reconnect", &"--binary", &"-c", &CONNECTIONS, &"-s", &SIZE]);
    let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.3"]);
    bench.load.run(bench, &server, &[load, times].concat())
}

fn cpu_us(report: &LoadReport) -> f64 {
    report.cpu_ns().unwrap_or(f64::NAN) / 1e3
}

fn outcome(series: &Series<LoadReport>, peer: Peer) -> Outcome {
    let limited = series.of(peer).filter(|report| report.client.was_limit).count();
    Outcome {
        row: format!("{CONNECTIONS} at a time"),
        peer,
        handshakes_per_s: series.spread(peer, |report| report.messages_per_s),
        cpu_us: series.spread(peer, cpu_us),
        cpu_to_raw: series.ratio(peer, cpu_us),
        client_was_limit: 2 * limited > series.of(peer).count(),
        failure: series.failure(peer).map(str::to_owned),
    }
}

fn section(peers: &[Peer], outcomes: &[Outcome]) -> Section {
    let intro = format!(
        "Connect, upgrade, echo {SIZE} bytes, close as RFC 6455 has it, and again; {CONNECTIONS} at \
         a time. `raw` accepts, echoes and closes. † the client was the limit."
    );
    let columns = ["row", "server", "handshakes/s", "CPU µs each", "÷ raw", "quartiles"];
    let mut section = Section::new("handshakes", "Handshakes", &intro, &columns, outcomes);
    let mut chart = Chart::bars("Server CPU time per handshake, µs", peers);
    for outcome in outcomes {
        let (name, failure) = (outcome.peer.name(), outcome.failure.as_deref());
        let rate = outcome.handshakes_per_s.map_or(Cell::None, |it| {
            let limit = if outcome.client_was_limit { " †" } else { "" };
            Cell::text(format!("{}{limit}", Cell::count(it.median)))
        });
        section.add(
            &outcome.row,
            name,
            failure,
            [
                rate,
                Cell::number(outcome.cpu_us.map(|it| it.median), 1),
                Cell::number(outcome.cpu_to_raw.map(|it| it.median), 2),
                Cell::range(outcome.cpu_to_raw.map(|it| (it.lower, it.upper)), 2),
            ],
        );
        if let Some(cpu) = outcome.cpu_us {
            chart.add(&outcome.row, outcome.peer, cpu);
        }
    }
    section.draw(chart)
}
