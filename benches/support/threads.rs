//! Threads as the kernel sees them: which there are, what they have cost, where they may run.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::machine;

/// Where servers and bare loops run.
pub(crate) const SERVER_CORE: usize = 0;

/// Where clients run.
pub(crate) const CLIENT_CORE: usize = 1;

/// Some threads of this process whose CPU time is looked at.
pub(crate) struct Watched {
    ids: Vec<u32>,
}

impl Watched {
    /// The threads with names that begin with `prefix` which `start` starts. `start` must not return
    /// before they have their names.
    pub(crate) fn started_by<T>(prefix: &str, start: impl FnOnce() -> T) -> (Self, T) {
        let before = named(prefix);
        let started = start();
        let ids: Vec<u32> = named(prefix).into_iter().filter(|id| !before.contains(id)).collect();
        (Self { ids }, started)
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Makes the scheduler let whoever wakes them finish its own bit of work first. Without it the
    /// first publication of a run that is made on the same core often leaves alone.
    pub(crate) fn schedule_as_batch(&self) {
        for id in &self.ids {
            run("chrt", &["--batch", "--pid", "0", &id.to_string()]);
        }
    }

    /// Time on a CPU so far, of all of them, once they sleep.
    pub(crate) fn settled_cpu_time(&self) -> Duration {
        std::thread::sleep(Duration::from_millis(2));
        self.cpu_time()
    }

    /// Time on a CPU so far, of all of them. Exact only while they sleep.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.ids.iter().map(|&id| cpu_time(id)).sum()
    }
}

fn named(prefix: &str) -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is mounted");
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let id = task.file_name().to_str()?.parse().ok()?;
            name.starts_with(prefix).then_some(id)
        })
        .collect()
}

/// The first number of `schedstat`: nanoseconds on a CPU.
fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/self/task/{id}/schedstat"))
        .expect("the thread runs, and the kernel keeps scheduler statistics");
    let nanos = stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("schedstat begins with a number"))
}

/// Keeps a whole process, all its threads now and to come, on one core.
pub(crate) fn pin_process(id: u32, core: usize) {
    taskset("-acp", id, core);
}

/// Keeps the calling thread on one core.
pub(crate) fn pin_this_thread(core: usize) {
    let link = fs::read_link("/proc/thread-self").expect("/proc is mounted");
    let id = link.file_name().and_then(|id| id.to_str()).and_then(|id| id.parse().ok());
    taskset("-cp", id.expect("it ends with the thread's id"), core);
}

/// Runs `run` on a thread of its own on one core.
pub(crate) fn on_core<T: Send>(core: usize, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin_this_thread(core);
            run()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn taskset(how: &str, id: u32, core: usize) {
    // Not `available_parallelism`: that is one once this process is pinned.
    if core < machine::core_count() {
        run("taskset", &[how, &core.to_string(), &id.to_string()]);
    }
}

/// The standard library has no safe call for these things, but util-linux has programs.
fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).stdout(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("`{program} {}` fails: figures will be rougher", args.join(" "));
    }
}
