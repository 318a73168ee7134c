//! Cores: the server has one, everything else another, where there are two.

use rustix::process::{getpid, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Moves this process, which has one thread yet, to the server's core.
pub(crate) fn be_the_server() {
    pin(0);
}

/// Moves the calling thread, and those that it starts from now on, to the clients' core.
pub(crate) fn be_a_client() {
    pin(1);
}

/// Lets everybody else have the core first.
pub(crate) fn be_unimportant() {
    setpriority_process(Some(getpid()), 19).expect("a lower priority");
}

fn pin(which: usize) {
    let allowed = sched_getaffinity(None).expect("the cores of this process");
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    // The server's processes inherit the core of who starts them.
    if let Some(&core) = cores.get(which) {
        let mut set = CpuSet::new();
        set.set(core);
        sched_setaffinity(None, &set).expect("a core of those that were allowed");
    }
}
