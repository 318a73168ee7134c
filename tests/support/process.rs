//! Servers in a process of their own, and what Linux says of a process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tickwire::transport::LocalAddr;

/// The example of this name, built beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    // target/<profile>/deps/<test> and target/<profile>/examples/<name>
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("a profile's directory");
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "{} is not there: `cargo test` builds examples", path.display());
    path
}

/// Starts an example with its output piped.
#[track_caller]
pub(crate) fn spawn_example(name: &str, arguments: &[&str]) -> Child {
    Command::new(example(name))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// A server that says on its standard output where it listens; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: LocalAddr,
    /// Kept open: a server that has more to say must not fail for want of a listener.
    stdout: Mutex<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_loud(command.stderr(Stdio::null()))
    }

    /// Starts a server whose standard error is the command's affair.
    pub(crate) fn start_loud(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("the server's first line");
        let address = line.trim().strip_prefix("listening on ").and_then(|it| it.parse().ok());
        let Some(address) = address else { panic!("not an address: {line:?}") };
        Self { child, address: LocalAddr::Tcp(address), stdout: Mutex::new(stdout) }
    }

    /// Sends a line to a server whose standard input is piped, and returns the line that answers it.
    #[track_caller]
    pub(crate) fn ask(&self, question: &str) -> String {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdin = self.child.stdin.as_ref().expect("a piped standard input");
        writeln!(stdin, "{question}").expect("the server listens to its standard input");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("the server's answer");
        answer.trim_end().to_owned()
    }

    pub(crate) fn address(&self) -> &LocalAddr {
        &self.address
    }

    /// Waits for its end, which comes by itself.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn descriptor_count(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("/proc/PID/fd").count()
    }

    /// Bytes of memory that are resident.
    pub(crate) fn resident_len(&self) -> usize {
        let statm = fs::read_to_string(self.proc("statm")).expect("/proc/PID/statm");
        let pages: usize = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
        pages * 4096
    }

    /// The most bytes of memory that have been resident at once, since the start or the last
    /// [`forget_peak`](Self::forget_peak).
    pub(crate) fn peak_resident_len(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("/proc/PID/status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    pub(crate) fn forget_peak(&self) {
        fs::write(self.proc("clear_refs"), "5").expect("/proc/PID/clear_refs");
    }

    /// The names of all threads, sorted.
    pub(crate) fn thread_names(&self) -> Vec<String> {
        let threads = fs::read_dir(self.proc("task")).expect("/proc/PID/task");
        let name = |thread: std::io::Result<fs::DirEntry>| {
            let name = fs::read_to_string(thread.ok()?.path().join("comm")).ok()?;
            Some(name.trim_end().to_owned())
        };
        let mut names: Vec<_> = threads.filter_map(name).collect();
        names.sort_unstable();
        names
    }

    /// CPU time of all threads so far, in the kernel's ticks of 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).expect("/proc/PID/stat");
        // The name in parentheses may hold anything; behind it come fields 3 and on.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum();
        Duration::from_millis(10 * ticks)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
