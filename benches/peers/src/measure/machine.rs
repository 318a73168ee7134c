//! What the figures are taken on.

use std::fs;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use socket2::{Domain, Socket, Type};

use super::Bench;
use crate::Result;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) server_core: usize,
    pub(crate) client_core: usize,
    pub(crate) congestion: String,
    pub(crate) rustc: String,
    /// How busy the machine was in the minute before.
    pub(crate) load_average: String,
}

pub(crate) fn describe(bench: &Bench<'_>) -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let of_cpu = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim())
    };
    let load_average = read("/proc/loadavg");
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    Machine {
        cpu: of_cpu("model name").to_owned(),
        cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        server_core: bench.cores.server,
        client_core: bench.cores.client,
        congestion: match &*bench.congestion {
            "system" => read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
            name => name.to_owned(),
        },
        rustc: rustc.map_or("unknown".to_owned(), |text| text.trim().to_owned()),
        load_average: load_average.split_whitespace().next().unwrap_or("unknown").to_owned(),
    }
}

/// The one that is asked for, else the first to be had of those that do not pace.
pub(crate) fn choose_congestion(wanted: Option<&str>) -> Result<String> {
    let is_there = |name: &str| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_tcp_congestion(name.as_bytes())
    };
    match wanted {
        Some("system") => Ok("system".to_owned()),
        Some(name) => match is_there(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(error) => Err(format!("congestion control {name}: {error}").into()),
        },
        None => {
            let found = ["cubic", "reno"].into_iter().find(|name| is_there(name).is_ok());
            Ok(found.unwrap_or("system").to_owned())
        }
    }
}

/// As many open files as are allowed: a connection is one at both ends.
pub(crate) fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Whoever needs more than there are will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
