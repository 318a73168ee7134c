//! What is measured, one kind a file; and what all kinds need: cores, servers, the load tool.

mod client;
mod cores;
mod echo;
mod fan_out;
mod instructions;
mod interrupt;
mod load_tool;
mod machine;
mod running;
mod series;
mod statistics;

use crate::options::{Command, Settings};
use crate::report::Report;
use crate::{Result, peer};

use cores::Cores;
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
}

/// Measures what is asked for, and writes the report, of all that was done if it is interrupted.
pub(crate) fn run(command: Command, settings: &Settings) -> Result<()> {
    interrupt::catch()?;
    machine::raise_descriptor_limit();
    let peers = peer::choose(&settings.peers)?;
    let cores = Cores::choose(settings.server_core, settings.client_core)?;
    let congestion = machine::choose_congestion(settings.congestion.as_deref())?;
    let load = LoadTool::build()?;
    let bench = Bench { settings, peers, cores, congestion, load };

    let mut report = Report::new(machine::describe(&bench));
    let wants = |kind| command == Command::All || command == kind;
    if wants(Command::Echo) {
        report.add(echo::run(&bench)?);
    }
    if wants(Command::FanOut) {
        report.add(fan_out::run(&bench)?);
    }
    if wants(Command::Instructions) {
        report.add(instructions::run(&bench)?);
    }
    report.write(&settings.out)
}
