//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
#[cfg(feature = "deflate")]
use deflate::Deflate;
use tickwire::{Builder, Limits, Server, SlowConsumer};

use crate::feed::Manner;
use crate::market::Market;
use crate::profiles::{self, SelectError};
use crate::replay::{Replay, ReplayError};
use crate::replayed::Speed;
use crate::simulator::Simulator;

#[cfg(feature = "deflate")]
#[path = "../support/deflate.rs"]
mod deflate;

/// The longest request, in bytes: names of thousands of symbols.
const MAX_REQUEST_LEN: usize = 256 << 10;
/// Bytes that wait for one client before it gets only the latest tickers, and books anew. A client
/// that begins with the books of all symbols is not slow.
const LAG_LEN: usize = 256 << 10;
/// The same for a replay at full speed, which waits for its readers instead: more than it lets wait
/// for all of them together.
const LAG_LEN_AT_FULL_SPEED: usize = 16 << 20;

/// A market-data feed over WebSocket: order books, trades and tickers of a simulated exchange, or
/// of captured streams that are replayed.
#[derive(Debug, Parser)]
#[command(name = "market_feed", version)]
pub(crate) struct Options {
    /// Where to listen; the page is at http://ADDRESS/, the feed at ws://ADDRESS/ws
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Speak TLS, with the certificate in this PEM file: https:// and wss:// only
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Event-loop threads [default: chosen by the engine]
    #[arg(long, value_name = "COUNT")]
    pub(crate) event_loops: Option<NonZeroUsize>,

    /// Handler threads; 0 runs handlers on the event loops
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) handler_threads: usize,

    /// Clients beyond this number are refused
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    pub(crate) max_connections: NonZeroUsize,

    /// The same seed simulates the same market [default: 1]
    #[arg(long, value_name = "NUMBER", conflicts_with = "replay")]
    pub(crate) seed: Option<u64>,

    /// Simulated orders, cancels and takes per second, of all symbols together [default: 5000]
    #[arg(long, value_name = "EVENTS", conflicts_with = "replay", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,

    /// How many symbols to simulate, or the symbols by name, separated by commas [default: 20
    /// symbols simulated, every symbol of a replay]
    #[arg(long, value_name = "COUNT|NAMES")]
    pub(crate) symbols: Option<Symbols>,

    /// Replay captured Binance combined streams, plain or gzip, merged by receive time
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) replay: Vec<PathBuf>,

    /// How fast to replay: 1 as it happened, 10 ten times as fast, or max [default: 1]
    #[arg(long, value_name = "FACTOR", requires = "replay")]
    pub(crate) speed: Option<Speed>,

    /// Begin the replay again when it ends
    #[arg(long = "loop", requires = "replay")]
    pub(crate) is_loop: bool,

    /// Begin the replay when this many clients have subscribed to something
    #[arg(long, value_name = "COUNT", requires = "replay", default_value_t = 0)]
    pub(crate) wait_for_subscribers: usize,

    /// End when the replay has ended and all clients have got the rest of it
    #[arg(long, requires = "replay", conflicts_with = "is_loop")]
    pub(crate) exit_when_done: bool,

    /// Bytes that may wait for one client: one that leaves more trades unread is closed with 1013
    #[arg(long, value_name = "BYTES", default_value = "33554432", value_parser = parse_queue)]
    pub(crate) max_queue: usize,

    /// Close a client with 1013 whose tickers or books lag for longer than this [default: it may lag]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) max_lag: Option<Duration>,

    /// Compress JSON for clients that offer permessage-deflate
    #[cfg(feature = "deflate")]
    #[arg(long, value_name = "MODE", default_value = "shared")]
    pub(crate) deflate: Deflate,

    /// No line of figures every second while clients are connected
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Which symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Symbols {
    /// So many.
    Count(usize),
    /// These.
    Named(Vec<String>),
}

impl std::str::FromStr for Symbols {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("a name is empty: give names such as BTC-USD,ETH-USD".to_owned());
        }
        Ok(Self::Named(names))
    }
}

/// Why the market cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("--symbols: {0}")]
    Symbols(#[from] SelectError),
    #[error("--symbols: a replay needs names, such as BTCUSDT,ETHUSDT, and not a count")]
    CountOfReplay,
}

impl Options {
    /// The market that was asked for.
    pub(crate) fn market(&self) -> Result<Market, SetupError> {
        if !self.replay.is_empty() {
            let wanted = match &self.symbols {
                None => None,
                Some(Symbols::Named(names)) => Some(names.as_slice()),
                Some(Symbols::Count(_)) => return Err(SetupError::CountOfReplay),
            };
            let replay = Replay::open(&self.replay, wanted, self.is_loop)?;
            return Ok(Market::replayed(replay, self.speed.unwrap_or(Speed::Times(1.0))));
        }
        let profiles = match &self.symbols {
            None => profiles::all(),
            Some(Symbols::Count(count)) => profiles::first(*count)?,
            Some(Symbols::Named(names)) => profiles::named(names)?,
        };
        let rate = self.rate.unwrap_or(5000.0);
        Ok(Market::simulated(Simulator::new(profiles, rate, self.seed.unwrap_or(1))))
    }

    /// The server that was asked for.
    pub(crate) fn server(&self) -> Builder {
        let builder = self
            .bind(Server::builder())
            .handler_threads(self.handler_threads)
            .max_connections(self.max_connections.get())
            .limits(Limits::for_messages_up_to(MAX_REQUEST_LEN))
            .max_backpressure(self.max_queue)
            .slow_consumer(self.slow_consumer());
        #[cfg(feature = "deflate")]
        let builder = builder.compression(self.deflate.into());
        match self.event_loops {
            Some(count) => builder.event_loops(count.get()),
            None => builder,
        }
    }

    fn bind(&self, builder: Builder) -> Builder {
        #[cfg(feature = "tls")]
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return builder.bind_tls(self.listen, tickwire::Tls::from_files(certificate, key));
        }
        builder.bind(self.listen)
    }

    /// Whether browsers need an address with https://.
    pub(crate) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls_cert.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// What becomes of clients that do not keep up.
    fn slow_consumer(&self) -> SlowConsumer {
        let is_paced = self.speed == Some(Speed::Max);
        SlowConsumer {
            lag_len: if is_paced { LAG_LEN_AT_FULL_SPEED } else { LAG_LEN },
            max_lag: self.max_lag,
            ..SlowConsumer::default()
        }
    }

    /// How the feed was asked to behave.
    pub(crate) fn manner(&self) -> Manner {
        Manner {
            wait_for_subscribers: self.wait_for_subscribers,
            exit_when_done: self.exit_when_done,
            is_quiet: self.quiet,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=10_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("give a number from 0.01 to 10000000".to_owned()),
    }
}

fn parse_queue(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(len) if (1 << 16..=1 << 30).contains(&len) => Ok(len),
        _ => Err("give a number of bytes from 65536 to 1073741824".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=1e6).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.001 to 1000000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["market_feed"], arguments].concat())
    }

    #[test]
    fn defaults_are_a_simulated_market() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.listen.to_string(), "127.0.0.1:8080");
        let market = options.market().unwrap();
        assert_eq!((market.source_name(), market.directory().len()), ("simulator", 20));
        assert!(!market.has_raw());
    }

    #[test]
    fn symbols_are_a_count_or_names() {
        let names = |text| {
            let market = parse(&["--symbols", text]).unwrap().market();
            market.map(|market| market.directory().len()).map_err(|error| error.to_string())
        };
        assert_eq!(names("25"), Ok(25));
        assert_eq!(names("btc-usd, ETH-USD"), Ok(2));
        assert!(names("BTC-USD,XYZ").unwrap_err().contains("unknown symbol XYZ"));
        assert!(names("0").is_err());
        assert!(parse(&["--symbols", "BTC-USD,,"]).is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        for arguments in [
            &["--speed", "10"] as &[_],
            &["--loop"],
            &["--wait-for-subscribers", "1"],
            &["--exit-when-done"],
            &["--replay", "x", "--loop", "--exit-when-done"],
            &["--replay", "x", "--seed", "1"],
            &["--replay", "x", "--rate", "1"],
            &["--rate", "0"],
            &["--rate", "nan"],
            &["--replay", "x", "--speed", "0"],
            &["--event-loops", "0"],
            &["--max-queue", "1"],
            &["--max-lag", "0"],
            &["--listen", "localhost"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
        let options = parse(&["--replay", "a", "b", "--speed", "max", "--loop"]).unwrap();
        assert_eq!((options.replay.len(), options.speed), (2, Some(Speed::Max)));
        let options = parse(&["--replay", "no/such.gz"]).unwrap();
        assert!(options.market().err().unwrap().to_string().contains("no/such.gz"));
        let options = parse(&["--replay", "a", "--symbols", "3"]).unwrap();
        assert!(options.market().err().unwrap().to_string().contains("needs names"));
    }
}
