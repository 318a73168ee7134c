//! The library's load generator, and what it reports.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::Bench;
use super::interrupt::is_caught;
use super::running::Running;
use crate::Result;
use crate::entrant::Coding;

/// How long a silence means that something is lost. A server under valgrind takes its time.
const PATIENCE: &str = "30s";

#[derive(Clone, Debug)]
pub(crate) struct LoadTool {
    program: PathBuf,
}

/// The part of its report that is needed here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LoadReport {
    pub(crate) messages: u64,
    pub(crate) messages_per_s: f64,
    framed_bytes: u64,
    load: Load,
    pub(crate) latency_ns: Option<Latency>,
    pub(crate) client: Client,
    pub(crate) server: Option<Server>,
    is_interrupted: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Load {
    /// Only of a load at a fixed rate.
    #[serde(default)]
    unsent: u64,
}

impl LoadReport {
    /// What a message took of the server, in microseconds, which are seconds for a million; not a
    /// number if that is not known.
    pub(crate) fn cpu_us(&self) -> f64 {
        let each = self.server.and_then(|server| server.cpu_ns_per_message);
        each.unwrap_or(f64::NAN) / 1e3
    }

    /// Bytes of frames that a message came in.
    pub(crate) fn framed_len(&self) -> f64 {
        self.framed_bytes as f64 / self.messages as f64
    }

    /// The same if the server has had so many times as many messages as are counted here.
    pub(crate) fn of_more_messages(mut self, factor: f64) -> Self {
        if let Some(each) = self.server.as_mut().and_then(|it| it.cpu_ns_per_message.as_mut()) {
            *each /= factor;
        }
        self
    }

    /// Whether all messages of a fixed rate could be sent.
    pub(crate) fn kept_pace(&self) -> bool {
        self.load.unsent == 0
    }
}

/// In nanoseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Client {
    pub(crate) was_limit: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) cpu_ns_per_message: Option<f64>,
}

impl LoadTool {
    /// Builds it, which takes a while the first time.
    pub(crate) fn build() -> Result<Self> {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
            .args(["build", "--release", "--example", "load", "--features", "tls,deflate"])
            .arg("--message-format=json")
            .current_dir(library)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err("the load generator, the library's example `load`, cannot be built".into());
        }
        let text = String::from_utf8(output.stdout)?;
        let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut programs = messages.filter(|message| message["target"]["name"] == "load");
        let program = programs.find_map(|it| it["executable"].as_str().map(PathBuf::from));
        Ok(Self { program: program.ok_or("cargo does not say where the load generator is")? })
    }

    /// Loads a server.
    ///
    /// # Errors
    /// A server that does not echo what it gets, and an interrupt.
    pub(crate) fn run(
        &self,
        bench: &Bench<'_>,
        server: &Running,
        arguments: &[String],
    ) -> Result<LoadReport> {
        let mut command = Command::new(&self.program);
        command.args([&server.address(), "--json", "--patience", PATIENCE]);
        command.args(["--pid", &server.pid().to_string()]);
        if bench.congestion != "system" {
            command.args(["--congestion", &bench.congestion]);
        }
        match server.entrant.coding {
            Coding::Plain => {}
            Coding::Tls => _ = command.arg("--tls-ca").arg(bench.files.identity()),
            Coding::Shared | Coding::Dedicated => _ = command.arg("--deflate"),
        }
        let output = command.args(arguments).stdin(Stdio::null()).output()?;
        if is_caught() {
            return Err("interrupted".into());
        }
        if !output.status.success() {
            return Err(reason(&output).into());
        }
        let report: LoadReport = serde_json::from_slice(&output.stdout)?;
        match report.is_interrupted {
            true => Err("interrupted".into()),
            false => Ok(report),
        }
    }
}

/// Why a load has failed: what was wrong with messages, else how connections ended, else what the tool
/// says.
fn reason(output: &Output) -> String {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let found = report["first_fault"].as_str().or(report["ends"][0]["reason"].as_str());
    found.map_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned(), str::to_owned)
}

/// `a 1 b 2` as arguments.
pub(crate) fn arguments<const N: usize>(parts: [&dyn ToString; N]) -> Vec<String> {
    parts.map(ToString::to_string).to_vec()
}
