//! A server that runs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};

use super::Bench;
use crate::Result;
use crate::entrant::{Coding, Entrant};
use crate::options::Role;
use crate::peer::Peer;

/// What a server is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) role: Role,
    /// Publications that a message makes.
    pub(crate) burst: usize,
    /// Bytes of a message as a client sends it, where it is always the same.
    pub(crate) message_len: usize,
    /// They are 1 KiB of market data, and not 128 bytes of nothing.
    pub(crate) is_market_data: bool,
}

impl Job {
    pub(crate) const ECHO: Self =
        Self { role: Role::Echo, burst: 1, message_len: 0, is_market_data: false };
}

/// A server in a process of its own; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) entrant: Entrant,
    /// The floor does where it broadcasts, for its clients' sake.
    pub(crate) speaks_websocket: bool,
    /// Host and port.
    pub(crate) host: String,
}

impl Running {
    pub(crate) fn start(bench: &Bench<'_>, entrant: Entrant, job: Job) -> Result<Self> {
        let (program, arguments) = command_line(bench, entrant, job)?;
        let is_floor = matches!(entrant.peer, Peer::Raw | Peer::RawMessages);
        let speaks_websocket = !is_floor || job.role != Role::Echo;
        Self::spawn(bench, entrant, speaks_websocket, Command::new(program).args(arguments))
    }

    /// An echo server whose instructions are counted; they are in `log` when it has ended.
    pub(crate) fn start_counted(bench: &Bench<'_>, entrant: Entrant, log: &Path) -> Result<Self> {
        let (program, arguments) = command_line(bench, entrant, Job::ECHO)?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
        command.arg(format!("--log-file={}", log.display()));
        Self::spawn(bench, entrant, entrant.peer != Peer::Raw, command.arg(program).args(arguments))
    }

    fn spawn(
        bench: &Bench<'_>,
        entrant: Entrant,
        speaks_websocket: bool,
        command: &mut Command,
    ) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = bench.cores.spawn_server(command)?;
        let output = child.stdout.take().expect("standard output is a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let host = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut running = Self { child, entrant, speaks_websocket, host: String::new() };
        running.host = host.ok_or("it does not start")?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of its memory that are resident.
    pub(crate) fn resident_len(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| "/proc tells no resident memory".into())
    }

    /// As the load tool takes it.
    pub(crate) fn address(&self) -> String {
        let scheme = match self.entrant.coding {
            Coding::Tls => "wss",
            _ if self.speaks_websocket => "ws",
            _ => "tcp",
        };
        format!("{scheme}://{}", self.host)
    }

    /// Ends it in a way that lets a tool around it say its last.
    pub(crate) fn terminate(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command_line(
    bench: &Bench<'_>,
    Entrant { peer, coding }: Entrant,
    Job { role, burst, message_len, is_market_data }: Job,
) -> Result<(PathBuf, Vec<String>)> {
    let burst = burst.to_string();
    let words = [role.name(), &bench.congestion, &burst, coding.name()];
    let mut arguments = words.map(str::to_owned).to_vec();
    let file = match coding {
        Coding::Tls => Some(bench.files.identity()),
        _ => is_market_data.then(|| bench.files.publications()),
    };
    arguments.extend(file.map(|path| path.display().to_string()));
    if peer == Peer::Uwebsockets {
        let program = PathBuf::from(option_env!("UWEBSOCKETS_SERVER").unwrap_or_default());
        if !fs::exists(&program)? {
            return Err(format!("{} is gone: build again", program.display()).into());
        }
        return Ok((program, arguments));
    }
    let message_len = message_len.to_string();
    let own = ["serve", peer.name(), "--message-len", &message_len].map(str::to_owned);
    Ok((env::current_exe()?, [&own[..], &arguments].concat()))
}
