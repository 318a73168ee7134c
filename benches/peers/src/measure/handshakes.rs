//! Connections that are opened, used for one message and closed, again and again.

use super::Bench;
use super::costs::{Cost, Table};
use super::load_tool::{LoadReport, arguments};
use super::running::{Job, Running};
use super::series::Series;
use crate::Result;
use crate::entrant::{Entrant, with_floor};
use crate::report::Section;

/// At a time.
const CONNECTIONS: u32 = 50;
const SIZE: usize = 20;

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = with_floor(&bench.peers);
    let describe = |report: &LoadReport| {
        format!("{:>7.0}/s, {:>6.1} µs of CPU each", report.messages_per_s, report.cpu_us())
    };
    let measure = |entrant| measure(bench, entrant);
    let series = Series::run(bench, &entrants, "handshakes", measure, describe);
    let row = format!("{CONNECTIONS} at a time");
    let cost = |&entrant: &Entrant| Cost::new(&series, &row, entrant, Entrant::FLOOR);
    let costs: Vec<_> = entrants.iter().map(cost).collect();
    let intro = format!(
        "Connect, upgrade, echo {SIZE} bytes, close as RFC 6455 has it, and again; {CONNECTIONS} at \
         a time. `raw` accepts, echoes and closes. † the client was the limit."
    );
    let table = Table {
        name: "handshakes",
        title: "Handshakes",
        intro: &intro,
        columns: ["handshakes/s", "CPU µs each", "÷ raw"],
        tells_len: false,
        chart: ("Server CPU time per handshake, µs", Cost::cpu),
    };
    Ok(table.of(&entrants, &costs))
}

fn measure(bench: &Bench<'_>, entrant: Entrant) -> Result<LoadReport> {
    let server = Running::start(bench, entrant, Job::ECHO)?;
    let load = arguments([&"--reconnect", &"--binary", &"-c", &CONNECTIONS, &"-s", &SIZE]);
    let times = arguments([&"-t", &bench.settings.seconds(), &"-w", &"0.3"]);
    bench.load.run(bench, &server, &[load, times].concat())
}
