//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use http::{HeaderName, HeaderValue};
use tickwire::frame::OpCode;

use crate::address::Address;
use crate::cpu_time::CpuTime;
use crate::error::LoadError;
use crate::pace::Spacing;

const EXAMPLES: &str = "\
Examples:
  load                                        50 connections to ws://127.0.0.1:9001/, one message
                                              in flight on each
  load -c 1000 -d 16 -s 1k ws://host/echo     as fast as it goes, 16 messages in flight on each
  load -c 100 --rate 20000 ws://host/echo     20,000 messages a second, whatever the server does;
                                              latency from when each was meant to be sent
  load --send '{\"op\":\"subscribe\",\"channel\":\"ticker\",\"symbols\":[\"*\"]}' ws://127.0.0.1:8080/ws
                                              subscribe on every connection to the `market_feed`
                                              example, count what arrives
  load --reconnect -c 20 ws://host/echo       handshakes per second
  taskset -c 1 load --json unix:/run/echo.sock > report.json
  load --pid 4242 tcp://127.0.0.1:7           a server that sends bytes back and speaks no WebSocket:
                                              what does it, and what does process 4242, cost?

Exit status: 0 if all went well; 1 if a message was lost, altered or out of order; 2 if the command
line is wrong or a connection failed.";

/// Loads a WebSocket server, and says how it bore that.
///
/// By default the server must be one that sends every message back as it came: each connection keeps
/// --depth messages in flight (a closed loop), or messages are sent at a fixed --rate (an open loop).
/// Every reply is compared with what was sent. With --subscribe or --send, nothing is sent but the
/// subscriptions, and what arrives is counted.
#[derive(Debug, Clone, Parser)]
#[command(name = "load", version, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The server: ws://HOST[:PORT][/PATH], the same with wss:// for TLS, unix:SOCKET[:/PATH], or tcp://HOST:PORT for one that
    /// speaks no WebSocket and sends all bytes back: messages are as long as frames would be
    #[arg(default_value = "ws://127.0.0.1:9001/", value_name = "ADDRESS")]
    pub(crate) address: Address,

    /// Connections
    #[arg(short, long, value_name = "COUNT", default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=MAX_CONNECTIONS))]
    pub(crate) connections: u32,

    /// Payload of a message in bytes, such as 64, 16k or 1M
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = parse_len)]
    pub(crate) size: usize,

    /// Closed loop: messages that each connection keeps in flight
    #[arg(short, long, value_name = "COUNT", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: u32,

    /// Open loop: messages per second on all connections together, sent on time whether or not
    /// replies have come
    #[arg(short, long, value_name = "MESSAGES", conflicts_with = "depth", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,

    /// How the messages of --rate follow each other: at `even` distances, or by chance, like those of
    /// many independent users (`poisson`)
    #[arg(long, value_name = "HOW", requires = "rate", default_value = "even")]
    pub(crate) spacing: Spacing,

    /// Handshakes: each connection is closed after its first reply, and opened anew for the next
    /// message; latency counts from when it began to connect
    #[arg(long, conflicts_with_all = ["depth", "rate", "subscribe", "send"])]
    pub(crate) reconnect: bool,

    /// Send no load; count what arrives
    #[arg(long, conflicts_with_all = ["depth", "rate", "size", "binary"])]
    pub(crate) subscribe: bool,

    /// Send this text once on every connection, and then as --subscribe; may be repeated
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["depth", "rate", "size", "binary"])]
    pub(crate) send: Vec<String>,

    /// Binary messages instead of text
    #[arg(short, long)]
    pub(crate) binary: bool,

    /// Compress what is sent, and take what is compressed (permessage-deflate); the payload is then
    /// something like JSON. The server must agree
    #[cfg(feature = "deflate")]
    #[arg(long)]
    deflate: bool,

    /// How long to measure, such as 10s, 500ms or 2m [default: 10s, or until --messages are done]
    #[arg(short = 't', long, value_name = "TIME", value_parser = parse_time)]
    duration: Option<Duration>,

    /// How many messages to measure
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: Option<u64>,

    /// Load before the measurement, which is not in the report
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub(crate) warm_up: Duration,

    /// New connections per second [default: as fast as the server accepts them]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) ramp_up: Option<f64>,

    /// Threads among which connections and rate are divided
    #[arg(long, value_name = "COUNT", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: u32,

    /// How a thread waits: `spin` never sleeps, sees replies at once and sends on the dot, and takes
    /// a whole core each; `sleep` sends up to a millisecond late [default: spin with --rate, else sleep]
    #[arg(long, value_name = "HOW")]
    wait: Option<Wait>,

    /// After the last message was sent, how long a silence means that what is missing is lost
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub(crate) patience: Duration,

    /// A header of the opening handshake, such as 'Authorization: Bearer 1'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) header: Vec<(HeaderName, HeaderValue)>,

    /// A subprotocol to offer; may be repeated, the preferred one first
    #[arg(long, value_name = "NAME")]
    pub(crate) subprotocol: Vec<String>,

    /// The congestion control of TCP connections, such as cubic [default: the system's]
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion: Option<String>,

    /// For wss://: a PEM file with the authorities to trust [default: the platform's]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// For wss://: believe any certificate
    #[arg(long, conflicts_with = "tls_ca")]
    pub(crate) tls_insecure: bool,

    /// The server's process, if it runs on this machine: reports the CPU time that it took
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,

    /// The report as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// A stamp has six digits for the connection.
const MAX_CONNECTIONS: i64 = 1 << 24;

/// The measurement, if nothing is said about it.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// Each connection keeps so many messages in flight.
    Closed { depth: u32 },
    /// So many messages per second in all.
    Open { rate: f64 },
    /// Nothing but listening.
    Subscribe,
}

/// How a thread waits for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    Spin,
    Sleep,
}

impl Options {
    /// Whether messages are compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflates(&self) -> bool {
        self.deflate && !self.address.is_plain()
    }

    #[cfg(not(feature = "deflate"))]
    #[allow(clippy::unused_self)]
    pub(crate) fn deflates(&self) -> bool {
        false
    }

    pub(crate) fn load(&self) -> Load {
        match self.rate {
            _ if self.subscribe || !self.send.is_empty() => Load::Subscribe,
            Some(rate) => Load::Open { rate },
            None => Load::Closed { depth: self.depth },
        }
    }

    /// How a load's messages are sent.
    pub(crate) fn opcode(&self) -> OpCode {
        if self.binary { OpCode::Binary } else { OpCode::Text }
    }

    /// `None`: until all messages are done.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.duration.or(self.messages.is_none().then_some(DEFAULT_DURATION))
    }

    pub(crate) fn wait(&self) -> Wait {
        let usual = if self.rate.is_some() { Wait::Spin } else { Wait::Sleep };
        self.wait.unwrap_or(usual)
    }

    /// What clap does not check.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        if self.threads > self.connections {
            let (threads, connections) = (self.threads, self.connections);
            return Err(LoadError::IdleThreads { threads, connections });
        }
        if self.address.is_plain() && self.load() == Load::Subscribe {
            return Err(LoadError::PlainSubscription);
        }
        if let Some(pid) = self.pid.filter(|&pid| CpuTime::of_process(pid).is_none()) {
            return Err(LoadError::UnknownProcess { pid });
        }
        Ok(())
    }
}

/// `64`, `16k` (1,024 bytes each), `1M`.
fn parse_len(text: &str) -> Result<usize, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let len = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(factor));
    len.filter(|&len| len <= 256 << 20)
        .ok_or_else(|| "give a number of bytes such as 64, 16k or 1M, 256M at most".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (1e-3..=1e9).contains(rate));
    rate.ok_or_else(|| "give a number per second, such as 20000".to_owned())
}

/// `10`, `10s`, `500ms`, `2m`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let number_len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let unit = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = f64::from_str(number).map(|number| number * unit);
    let time = seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| time.as_secs() <= 30 * 86_400)
        .ok_or_else(|| "give a time such as 10s, 500ms or 2m".to_owned())
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header = text.split_once(':').and_then(|(name, value)| {
        Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
    });
    header.ok_or_else(|| "give a header such as 'Authorization: Bearer 1'".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn lengths_times_and_rates_have_units_and_limits() {
        assert_eq!(parse_len("64"), Ok(64));
        assert_eq!(parse_len("16k"), Ok(16 << 10));
        assert_eq!(parse_len("1M"), Ok(1 << 20));
        for wrong in ["", "k", "-1", "1g", "1.5k", "300M", "99999999999999999999k"] {
            assert!(parse_len(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_time("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "1d", "-1s", "1.2.3", "9999h", "1e9"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "many"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn subscriptions_make_it_listen() {
        let load = |arguments: &[&str]| {
            let options = Options::try_parse_from([&["load"], arguments].concat());
            options.map(|options| options.load()).map_err(|error| error.kind())
        };
        assert_eq!(load(&[]), Ok(Load::Closed { depth: 1 }));
        assert_eq!(load(&["--rate", "5"]), Ok(Load::Open { rate: 5.0 }));
        assert_eq!(load(&["--subscribe"]), Ok(Load::Subscribe));
        assert_eq!(load(&["--send", "a", "--send", "b"]), Ok(Load::Subscribe));
        let conflict = clap::error::ErrorKind::ArgumentConflict;
        assert_eq!(load(&["--send", "a", "--rate", "5"]), Err(conflict));
        assert_eq!(load(&["--depth", "2", "--rate", "5"]), Err(conflict));
    }
}
