//! User-space instructions per echoed message, as cachegrind counts them: exact, the same on every
//! run, and untouched by what else the machine does.
//!
//! Two runs of different length, and the difference of one over that of the other: what starting,
//! opening and closing take is in both. A server under valgrind is far slower than the load, so that
//! all connections have something for it whenever it looks: what is done once a turn is shared by as
//! many messages as there are connections, or by as many as the server takes at once.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Serialize;

use super::Bench;
use super::echo::Row;
use super::interrupt::is_caught;
use super::load_tool::arguments;
use super::running::Running;
use crate::Result;
use crate::entrant::{Coding, Entrant};
use crate::measure::statistics::Spread;
use crate::report::{Cell, Chart, Section};

/// With the messages that the shorter run has; the longer one has three times as many.
const ROWS: [(Row, u64); 4] = [
    (Row { connections: 50, size: 20, depth: 1 }, 20_000),
    (Row { connections: 200, size: 1 << 10, depth: 1 }, 20_000),
    (Row { connections: 50, size: 20, depth: 16 }, 80_000),
    (Row { connections: 200, size: 1 << 10, depth: 16 }, 40_000),
];
/// Over TLS, where a record is as long as what is sent at once.
const TLS_ROWS: [(Row, u64); 2] = [
    (Row { connections: 50, size: 125, depth: 1 }, 20_000),
    (Row { connections: 10, size: 16 << 10, depth: 4 }, 10_000),
];

#[derive(Debug, Serialize)]
struct Outcome {
    row: String,
    server: Entrant,
    instructions: Option<f64>,
    failure: Option<String>,
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let version = Command::new("valgrind").arg("--version").stderr(Stdio::null()).output();
    let Ok(version) = version else {
        return Err("valgrind is needed to count instructions: install it".into());
    };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let mut outcomes = Vec::new();
    let all = [(Coding::Plain, &ROWS[..]), (Coding::Tls, &TLS_ROWS)];
    for (coding, rows) in all {
        for (row, messages) in
            rows.iter().filter(|it| it.0.to_string().contains(&bench.settings.row))
        {
            for &peer in bench.peers.iter().filter(|peer| peer.has(coding)) {
                if is_caught() {
                    break;
                }
                outcomes.push(outcome(bench, Entrant { peer, coding }, row, *messages));
            }
        }
    }
    Ok(section(&outcomes, &version))
}

fn outcome(bench: &Bench<'_>, server: Entrant, row: &Row, messages: u64) -> Outcome {
    let result = count(bench, server, row, messages);
    match &result {
        Ok(count) => eprintln!("instructions {row}: {server:<24} {count:>9.1}"),
        Err(error) => eprintln!("instructions {row}: {server:<24} FAILED: {error}"),
    }
    let (instructions, failure) = match result {
        Ok(count) => (Some(count), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Outcome { row: row.to_string(), server, instructions, failure }
}

/// Instructions per message.
fn count(bench: &Bench<'_>, server: Entrant, row: &Row, messages: u64) -> Result<f64> {
    let few = total(bench, server, row, messages)?;
    let many = total(bench, server, row, 3 * messages)?;
    Ok((many as f64 - few as f64) / (2 * messages) as f64)
}

/// Instructions of a server from its start to its end.
fn total(bench: &Bench<'_>, server: Entrant, row: &Row, messages: u64) -> Result<u64> {
    let log = Log(std::env::temp_dir().join(format!("peers-{}.log", std::process::id())));
    let server = Running::start_counted(bench, server, &log.0)?;
    let number = arguments([&"-n", &messages, &"-w", &"0"]);
    bench.load.run(bench, &server, &[row.arguments(), number].concat())?;
    server.terminate()?;
    let text = fs::read_to_string(&log.0)?;
    parse_total(&text).ok_or_else(|| format!("valgrind counts nothing: {text}").into())
}

/// valgrind's own words; removed when it is dropped.
struct Log(PathBuf);

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `==123== I   refs:      34,475,600`
fn parse_total(log: &str) -> Option<u64> {
    let count = log.lines().find_map(|line| {
        let (before, count) = line.split_once("refs:")?;
        before.trim_end().ends_with('I').then_some(count)
    })?;
    count.trim().replace(',', "").parse().ok()
}

fn section(outcomes: &[Outcome], version: &str) -> Section {
    let intro = format!(
        "User-space instructions of the server per echoed message ({version}, cachegrind), all \
         connections busy. Rows as above.",
    );
    let columns = ["row", "server", "instructions"];
    let mut section = Section::new("instructions", "Instructions", &intro, &columns, outcomes);
    let mut entrants: Vec<_> = outcomes.iter().map(|outcome| outcome.server).collect();
    entrants.dedup();
    let mut chart = Chart::bars("User-space instructions per echoed message", &entrants);
    for outcome in outcomes {
        let (server, failure) = (outcome.server, outcome.failure.as_deref());
        let cell = outcome.instructions.map_or(Cell::None, |it| Cell::text(Cell::count(it)));
        section.add(&outcome.row, server, failure, [cell]);
        if let Some(count) = outcome.instructions {
            let spread = Spread { lower: count, median: count, upper: count };
            chart.add(&outcome.row, outcome.server, spread);
        }
    }
    section.draw(chart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let old = "==9615== \n==9615== I   refs:      34,475,600\n";
        let new = "==1== I refs:        5,000\n==1== D refs: 7\n";
        assert_eq!((parse_total(old), parse_total(new)), (Some(34_475_600), Some(5_000)));
        assert_eq!(parse_total("==1== D refs: 7\n"), None);
    }
}
