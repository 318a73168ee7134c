//! Cores: the server has one, everything else another, where there are two.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    clients: usize,
}

impl Cores {
    /// Two of those that this process may use, or the only one.
    pub(crate) fn pick() -> Self {
        let allowed = sched_getaffinity(None).expect("the cores of this process");
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let server = cores.next().expect("a core");
        Self { server, clients: cores.next().unwrap_or(server) }
    }

    /// Moves the calling thread, and all threads and processes that it starts from now on.
    pub(crate) fn be_a_client(self) {
        pin(self.clients);
    }

    /// For how long the server's core has not been idle, whoever it worked for.
    pub(crate) fn busy_time(self) -> Duration {
        let stat = fs::read_to_string("/proc/stat").expect("/proc/stat");
        let name = format!("cpu{} ", self.server);
        let line = stat.lines().find_map(|line| line.strip_prefix(&name)).expect("a core's line");
        let ticks = line.split(' ').map(|ticks| ticks.parse::<u64>().expect("a number"));
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in user too.
        let busy = ticks.take(8).enumerate().filter(|&(at, _)| at != 3 && at != 4);
        Duration::from_millis(10 * busy.map(|(_, ticks)| ticks).sum::<u64>())
    }
}

/// Moves the calling thread to this core, and all threads that it starts from now on.
pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("a core of those that were allowed");
}

/// The calling thread, and those that it starts from now on, give way to other clients: what is measured is
/// how long these wait for the server, and not for each other.
pub(crate) fn give_way() {
    rustix::process::nice(10).expect("anybody may give way");
}

/// A command for a program that runs when nobody else wants its core, and leaves it at once to who does
/// (`SCHED_IDLE`). The lowest priority is not enough: who has it may run on for milliseconds while others
/// wait, and what is measured is how long they wait for the server.
pub(crate) fn idle(program: &Path) -> Command {
    let mut command = Command::new("chrt");
    command.args(["--idle", "0"]).arg(program);
    command
}
