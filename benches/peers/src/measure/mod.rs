//! What is measured, one kind a file; and what all kinds need: cores, servers, the load tool.

mod client;
mod cores;
mod costs;
mod deflate;
mod echo;
mod fan_out;
mod files;
mod flat;
mod handshakes;
mod instructions;
mod interrupt;
mod latency;
mod load_tool;
mod machine;
mod memory;
mod running;
mod series;
mod statistics;
mod tls;

use crate::options::{Command, Settings};
use crate::report::{Report, Section};
use crate::{Result, peer};

use cores::Cores;
use files::Files;
use load_tool::LoadTool;

pub(crate) use machine::Machine;
pub(crate) use statistics::Spread;

/// What all measurements share.
pub(crate) struct Bench<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) peers: Vec<peer::Peer>,
    pub(crate) cores: Cores,
    pub(crate) congestion: String,
    pub(crate) load: LoadTool,
    pub(crate) files: Files,
}

/// Measures what is asked for, and writes the report, of all that was done if it is interrupted.
pub(crate) fn run(command: Command, settings: &Settings) -> Result<()> {
    interrupt::catch()?;
    machine::raise_descriptor_limit();
    let peers = peer::choose(&settings.peers)?;
    let cores = Cores::choose(settings.server_core, settings.client_core)?;
    let congestion = machine::choose_congestion(settings.congestion.as_deref())?;
    let load = LoadTool::build()?;
    let files = Files::create()?;
    let bench = Bench { settings, peers, cores, congestion, load, files };

    let mut report = Report::new(machine::describe(&bench));
    for (kind, measure) in KINDS {
        if interrupt::is_caught() || (command != Command::All && command != kind) {
            continue;
        }
        match measure(&bench) {
            Ok(section) => report.add(section),
            // The others may work out.
            Err(error) if command == Command::All => eprintln!("without {kind:?}: {error}"),
            Err(error) => return Err(error),
        }
        // Again after each kind: what is there is there, whatever comes.
        report.write(&settings.out)?;
    }
    report.print(&settings.out);
    Ok(())
}

type Measure = fn(&Bench<'_>) -> Result<Section>;

/// In the order of the report.
const KINDS: [(Command, Measure); 11] = [
    (Command::Echo, echo::run),
    (Command::FanOut, fan_out::run),
    (Command::Latency, latency::run),
    (Command::Tls, tls::run),
    (Command::Deflate, deflate::run),
    (Command::Deflate, deflate::run_fan_out),
    (Command::Memory, memory::run),
    (Command::Memory, memory::run_coded),
    (Command::Handshakes, handshakes::run),
    (Command::Flat, flat::run),
    (Command::Instructions, instructions::run),
];
