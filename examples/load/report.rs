//! What came of it, for people and for programs.

use std::fmt::{self, Write as _};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::Nanos;
use crate::cpu_time::CpuTime;
use crate::figures::{bytes, count, rate, several, time};
use crate::options::{Load, Options};
use crate::tally::{Faults, Tally};

/// A thread that is busier than this has no room left: a faster server would not be seen.
const BUSY: f64 = 0.9;
/// A thread that lacks a CPU for more of the time than this shares its core with something.
const STARVED: f64 = 0.1;
/// Sends that are late by less than this many nanoseconds are nobody's concern.
const LATE_FROM: Nanos = 50_000;

/// The report. As JSON, its fields are what programs may rely on: `_ns` are nanoseconds, `_s` are
/// seconds, `bytes` are payload and `framed_bytes` are the frames around it, compressed if they were.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    address: String,
    load: LoadReport,
    connections: u32,
    threads: u32,
    warm_up_s: f64,
    elapsed_s: f64,
    is_interrupted: bool,
    messages: u64,
    messages_per_s: f64,
    bytes: u64,
    bytes_per_s: f64,
    framed_bytes: u64,
    /// None of a subscription.
    latency_ns: Option<Quantiles>,
    /// Only of a subscription.
    messages_per_connection: Option<Extremes>,
    faults: Faults,
    first_fault: Option<String>,
    ends: Vec<EndReport>,
    client: ClientReport,
    /// Only if its process is known.
    server: Option<ServerReport>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LoadReport {
    ClosedLoop { depth: u32, size: usize, binary: bool, reconnect: bool },
    OpenLoop { rate: f64, size: usize, binary: bool, unsent: u64, lateness_ns: Quantiles },
    Subscription,
}

/// In nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Quantiles {
    count: u64,
    mean: f64,
    min: Nanos,
    p50: Nanos,
    p90: Nanos,
    p99: Nanos,
    p999: Nanos,
    p9999: Nanos,
    max: Nanos,
}

#[derive(Debug, Serialize)]
struct Extremes {
    min: u64,
    max: u64,
}

/// How connections ended before their time.
#[derive(Debug, Serialize)]
struct EndReport {
    reason: String,
    connections: u64,
}

/// What the busiest thread of the tool did, as shares of the time from 0 to 1.
#[derive(Debug, Serialize)]
struct ClientReport {
    busy: Option<f64>,
    starved: Option<f64>,
    was_limit: bool,
}

/// What the server's threads had together.
#[derive(Debug, Serialize)]
struct ServerReport {
    cpu_ns: Nanos,
    cpu_ns_per_message: Option<f64>,
    /// Ready to run, without a CPU.
    waiting_ns: Nanos,
}

impl ServerReport {
    fn new(cpu: CpuTime, messages: u64) -> Self {
        let each = (messages > 0).then(|| cpu.running as f64 / messages as f64);
        Self { cpu_ns: cpu.running, cpu_ns_per_message: each, waiting_ns: cpu.waiting }
    }
}

impl Report {
    pub(crate) fn new(options: &Options, tally: Tally) -> Self {
        let (size, binary) = (options.size, options.binary || options.address.is_plain());
        let lateness = Quantiles::of(&tally.lateness);
        let load = match options.load() {
            Load::Closed { depth } => {
                let reconnect = options.reconnect;
                LoadReport::ClosedLoop { depth, size, binary, reconnect }
            }
            Load::Open { rate } => {
                let unsent = tally.unsent;
                LoadReport::OpenLoop { rate, size, binary, unsent, lateness_ns: lateness }
            }
            Load::Subscribe => LoadReport::Subscription,
        };
        let is_subscription = matches!(load, LoadReport::Subscription);
        let extremes = tally.extremes.filter(|_| is_subscription);
        let seconds = tally.elapsed as f64 / 1e9;
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let most =
            |share: fn(&_) -> Option<f64>| tally.efforts.iter().filter_map(share).reduce(f64::max);
        let client = ClientReport {
            busy: most(crate::cpu_time::Effort::busy),
            starved: most(crate::cpu_time::Effort::starved),
            was_limit: false,
        };
        let ends = tally.ends.into_iter();
        let mut report = Self {
            address: options.address.to_string(),
            load,
            connections: options.connections,
            threads: options.threads,
            warm_up_s: options.warm_up.as_secs_f64(),
            elapsed_s: seconds,
            is_interrupted: tally.is_interrupted,
            messages: tally.messages,
            messages_per_s: per_second(tally.messages),
            bytes: tally.bytes,
            bytes_per_s: per_second(tally.bytes),
            framed_bytes: tally.framed_bytes,
            latency_ns: (!is_subscription).then(|| Quantiles::of(&tally.latency)),
            messages_per_connection: extremes.map(|(min, max)| Extremes { min, max }),
            faults: tally.faults,
            first_fault: tally.first_fault,
            ends: ends.map(|(reason, connections)| EndReport { reason, connections }).collect(),
            client,
            server: tally.server_cpu.map(|cpu| ServerReport::new(cpu, tally.messages)),
            warnings: Vec::new(),
        };
        report.judge();
        report
    }

    /// 1 if the server did wrong by a message, 2 if connections failed.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.faults.is_none(), self.ends.is_empty()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a report of plain data");
        json.push('\n');
        json
    }

    /// What the reader must know before he believes the figures; a line each.
    pub(crate) fn warnings(&self) -> String {
        self.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
    }

    fn judge(&mut self) {
        let mut warnings = Vec::new();
        if self.is_interrupted {
            let part = if self.elapsed_s > 0.0 { "this is a part" } else { "nothing was measured" };
            warnings.push(format!("interrupted: {part}"));
        }
        if self.messages == 0 && self.elapsed_s > 0.0 {
            warnings.push("no message came".to_owned());
        }
        if let LoadReport::OpenLoop { unsent: unsent @ 1.., .. } = self.load {
            warnings.push(format!(
                "the server did not keep up: {} that were due could not be sent before the end, \
                 and are in no figure",
                several(unsent, "message")
            ));
        }
        if self.client.busy.is_some_and(|busy| busy > BUSY) {
            self.client.was_limit = true;
            warnings.push(format!(
                "the client was the limit: its busiest thread had work {} of the time. Give more \
                 --threads, or run more of it elsewhere",
                percent(self.client.busy)
            ));
        } else if let Some(lateness) = self.serious_lateness() {
            self.client.was_limit = true;
            warnings.push(format!(
                "the client was the limit: it was late itself by {} (p99), and the latency has \
                 that in it. Give it cores of its own, or --wait spin",
                time(lateness)
            ));
        }
        if self.client.starved.is_some_and(|starved| starved > STARVED) {
            warnings.push(format!(
                "the client waited for a CPU {} of the time: something else runs on its core. Pin \
                 the two apart, with `taskset -c`",
                percent(self.client.starved)
            ));
        }
        self.warnings = warnings;
    }

    /// How late the tool was itself, if that makes half of the latency at the same quantile.
    fn serious_lateness(&self) -> Option<Nanos> {
        let LoadReport::OpenLoop { lateness_ns, .. } = &self.load else { return None };
        let latency = self.latency_ns?;
        let late = lateness_ns.p99;
        (late >= LATE_FROM && late >= latency.p99 / 2).then_some(late)
    }
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        Self {
            count: histogram.len(),
            mean: histogram.mean(),
            min: histogram.min(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: histogram.max(),
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, nanos) in [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p999),
            ("p99.99", self.p9999),
            ("max", self.max),
        ] {
            write!(f, "\n    {name:<8}{:>9}", time(nanos))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = several(u64::from(self.connections), "connection");
        writeln!(f, "{}: {connections}, {}", self.address, self.load)?;
        writeln!(f, "measured {:.1} s after {:.1} s of warm-up\n", self.elapsed_s, self.warm_up_s)?;

        line(f, "messages", &count(self.messages), &rate(self.messages_per_s))?;
        let per_second = format!("{}/s", bytes(self.bytes_per_s));
        line(f, "payload", &bytes(self.bytes as f64), &per_second)?;
        if let Some(Extremes { min, max }) = self.messages_per_connection {
            line(f, "each", &count(min), &format!("to {} per connection", count(max)))?;
        }
        if let Some(latency) = self.latency_ns.filter(|latency| latency.count > 0) {
            writeln!(f, "\n  latency{latency}")?;
        }
        if let LoadReport::OpenLoop { lateness_ns, .. } = &self.load {
            let (p50, p99, max) = (lateness_ns.p50, lateness_ns.p99, lateness_ns.max);
            let [p50, p99, max] = [p50, p99, max].map(time);
            writeln!(f, "\n  the tool's own lateness: p50 {p50}, p99 {p99}, max {max}")?;
        }
        if self.client.busy.is_some() {
            let of = if self.threads > 1 { "its busiest thread" } else { "its thread" };
            let busy = percent(self.client.busy);
            writeln!(f, "\n  the tool's own load: {of} was busy {busy} of the time")?;
        }
        if let Some(ServerReport { cpu_ns, cpu_ns_per_message: Some(each), .. }) = self.server {
            let (cpu, each) = (time(cpu_ns), time(each as Nanos));
            writeln!(f, "\n  the server's CPU time: {cpu}, {each} for each message")?;
        }
        f.write_char('\n')?;
        self.write_faults(f)?;
        f.write_str(&self.warnings())
    }
}

impl Report {
    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { lost, altered, out_of_order, repeated, misdirected } = self.faults;
        if self.faults.is_none() && !matches!(self.load, LoadReport::Subscription) {
            writeln!(f, "every message came back as it was sent, and in order")?;
        }
        let kinds = [
            (lost, "never answered"),
            (altered, "altered"),
            (out_of_order, "out of order"),
            (repeated, "repeated"),
            (misdirected, "of another connection"),
        ];
        for (number, what) in kinds.into_iter().filter(|&(number, _)| number > 0) {
            writeln!(f, "FAULT: {} {what}", several(number, "message"))?;
        }
        if let Some(first) = &self.first_fault {
            writeln!(f, "  the first one: {first}")?;
        }
        for end in &self.ends {
            let connections = several(end.connections, "connection");
            writeln!(f, "ENDED: {connections}: {}", end.reason)?;
        }
        Ok(())
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |binary: bool| if binary { "binary" } else { "text" };
        match *self {
            Self::ClosedLoop { size, binary, reconnect: true, .. } => {
                write!(f, "opened anew for each message, {size} bytes of {}", kind(binary))
            }
            Self::ClosedLoop { depth, size, binary, .. } => {
                write!(f, "{depth} in flight on each, {size} bytes of {}", kind(binary))
            }
            Self::OpenLoop { rate: per_second, size, binary, .. } => {
                write!(f, "{} in all, {size} bytes of {}", rate(per_second), kind(binary))
            }
            Self::Subscription => f.write_str("listening"),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, total: &str, rate: &str) -> fmt::Result {
    writeln!(f, "  {name:<10}{total:>13}   {rate}")
}

fn percent(share: Option<f64>) -> String {
    format!("{:.0}%", share.unwrap_or(0.0) * 100.0)
}
