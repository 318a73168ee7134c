//! What the figures were taken on.

use std::fs;

/// The head of the report.
pub(crate) fn describe() -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpuinfo = read("/proc/cpuinfo");
    let of_cpu = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim())
    };
    let model = match of_cpu("model name") {
        "unknown" => format!("{} family {}", of_cpu("vendor_id"), of_cpu("cpu family")),
        name => name.to_owned(),
    };
    let cores = core_count();
    format!(
        "Linux {}, {model}, {cores} cores; loopback; server on core {}, client on core {}.\n{}; ",
        kernel.trim(),
        super::threads::SERVER_CORE,
        super::threads::CLIENT_CORE,
        load("Load average before"),
    )
}

/// The cores that the system has.
pub(crate) fn core_count() -> usize {
    read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count()
}

/// How busy the machine is, ours included.
pub(crate) fn load(when: &str) -> String {
    let load = read("/proc/loadavg");
    format!("{when} {}", load.split_whitespace().next().unwrap_or("unknown"))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
