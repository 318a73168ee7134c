//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::entrant::Coding;
use crate::peer::Peer;

const EXAMPLES: &str = "\
Examples:
  peers --quick                                 a first look at everything
  peers echo --peers raw,tickwire,uwebsockets   throughput and CPU time per message
  peers instructions --peers tickwire           exact, and untouched by what else runs

The report goes to --out: report.md, report.json and a picture for each table. README.md beside the
sources tells how to read it.";

/// Measures tickwire side by side with other WebSocket servers.
///
/// Each server has one core and the load another one. They take turns, round by round, so that what
/// changes on the machine meanwhile meets all of them; figures are medians of the rounds.
#[derive(Debug, Parser)]
#[command(name = "peers", version, after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Everything (the default)
    All,
    /// Echo: messages per second, and CPU time per message beside the floor's
    Echo,
    /// Fan-out: CPU time per delivery beside a bare write loop's
    FanOut,
    /// Latency at fixed rates, messages coming by chance
    Latency,
    /// Echo over TLS, beside the same without
    Tls,
    /// Echo and fan-out with permessage-deflate, beside the same without
    Deflate,
    /// Resident memory per idle connection; also over TLS, and with compression
    Memory,
    /// Connections opened, used once and closed, per second
    Handshakes,
    /// CPU time per message of ten connections, while more and more others are idle
    Flat,
    /// User-space instructions per echoed message, counted by valgrind
    Instructions,
    /// One of the servers
    #[command(hide = true)]
    Serve(Serve),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Who takes part, the floor `raw` always among them [default: all that were built]
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) peers: Vec<Peer>,

    /// How often each is measured
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// How long each is measured, each time
    #[arg(long, global = true, default_value_t = 2.0)]
    pub(crate) seconds: f64,

    /// Only rows whose name contains this, such as `1KiB`
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    pub(crate) row: String,

    /// Two short rounds: rough figures
    #[arg(long, global = true)]
    pub(crate) quick: bool,

    /// Where the report goes
    #[arg(long, global = true, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(crate) out: PathBuf,

    /// The core of the servers [default: the first that this program may use]
    #[arg(long, global = true, value_name = "CPU")]
    pub(crate) server_core: Option<usize>,

    /// The core of the load [default: the second]
    #[arg(long, global = true, value_name = "CPU")]
    pub(crate) client_core: Option<usize>,

    /// The congestion control of both ends, by name, or `system` for what is set there [default:
    /// cubic, or reno: one that paces, such as bbr, works by timers whose cost hits whom it will]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) congestion: Option<String>,
}

const DEFAULT_OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/report");

impl Settings {
    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { self.rounds.min(2) } else { self.rounds }
    }

    pub(crate) fn seconds(&self) -> f64 {
        if self.quick { self.seconds.min(0.5) } else { self.seconds }
    }
}

/// What a server is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Serve {
    pub(crate) peer: Peer,
    pub(crate) role: Role,
    /// The congestion control, or `system`.
    pub(crate) congestion: String,
    /// Publications that a message to the broadcasting server makes.
    pub(crate) burst: usize,
    pub(crate) coding: Coding,
    /// Bytes of a message as a client sends it, for whoever cannot tell.
    #[arg(long, default_value_t = 0)]
    pub(crate) message_len: usize,
    /// With TLS the certificate and its key; else what is published, a line each.
    pub(crate) file: Option<PathBuf>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// It sends every message back.
    Echo,
    /// For every message it sends so many publications to everybody.
    Broadcast,
    /// The same, by a send to each.
    Each,
}

impl Role {
    /// As the servers' command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Broadcast => "broadcast",
            Self::Each => "each",
        }
    }
}
