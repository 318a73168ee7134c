//! Cores: the server has one, and everything else another.

use std::process::{Child, Command};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

impl Cores {
    /// Those that are asked for, else the first two that this program may use; it goes to the
    /// client's itself.
    pub(crate) fn choose(server: Option<usize>, client: Option<usize>) -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut others = (0..CpuSet::MAX_CPU)
            .filter(|&cpu| allowed.is_set(cpu) && Some(cpu) != server && Some(cpu) != client);
        let server = server.or_else(|| others.next());
        let client = client.or_else(|| others.next());
        let (Some(server), Some(client)) = (server, client) else {
            return Err("two cores are needed: one for the server, one for the load".into());
        };
        if server == client {
            return Err("the server and the load need a core each".into());
        }
        let cores = Self { server, client };
        pin(client)?;
        Ok(cores)
    }

    /// Starts a program on the servers' core, which its threads inherit.
    pub(crate) fn spawn_server(self, command: &mut Command) -> Result<Child> {
        pin(self.server)?;
        let child = command.spawn();
        pin(self.client)?;
        child.map_err(|error| format!("{command:?}: {error}").into())
    }
}

/// The calling thread's core, and that of whom it starts from now on.
fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("core {core}: {error}").into())
}
