//! Watches a market feed in the terminal, and proves its books: every message is checked for its
//! place and its checksum.
//!
//! `cargo run --release --example market_feed_client`, while `market_feed` runs.
//!
//! `connection.rs` is a WebSocket client of the engine's sans-IO parts, `watch.rs` keeps what is
//! known, `table.rs` shows it.

mod address;
mod connection;
mod table;
mod terminal;
mod watch;
mod wire;

// The protocol is the server's, which uses the other half of it.
#[allow(dead_code, reason = "to encode is the server's part")]
#[path = "../market_feed/binary.rs"]
mod binary;
#[path = "../market_feed/checksum.rs"]
mod checksum;
#[path = "../market_feed/client_book.rs"]
mod client_book;
#[allow(dead_code, reason = "some numbers are only written by the server")]
#[path = "../market_feed/fixed.rs"]
mod fixed;
#[path = "../market_feed/incoming.rs"]
mod incoming;
#[allow(dead_code, reason = "the server asks more of a book")]
#[path = "../market_feed/level_book.rs"]
mod level_book;
#[allow(dead_code, reason = "some names are only written by the server")]
#[path = "../market_feed/message.rs"]
mod message;

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use address::Address;
use connection::{Connection, State};
use message::Encoding;
use table::Style;
use terminal::Terminal;
use watch::Watch;

/// How long the connection is waited for before the screen and Ctrl-C get their turn.
const TICK: Duration = Duration::from_millis(50);
/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(200);
/// Time between two computations of the rates, and between two plain reports.
const SECOND: Duration = Duration::from_secs(1);
/// The first pause before a reconnection, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Watches a market feed: prices, rates and latency of all symbols, with books that are verified
/// message by message.
#[derive(Debug, Parser)]
#[command(name = "market_feed_client", version)]
struct Options {
    /// The feed
    #[arg(default_value = "ws://127.0.0.1:8080/ws", value_name = "ADDRESS")]
    address: Address,

    /// For wss://: a PEM file with the authorities to trust [default: the platform's]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Only these symbols, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    symbols: Vec<String>,

    /// Show the order book of this symbol below the table
    #[arg(long, value_name = "SYMBOL")]
    book: Option<String>,

    /// Ask for the binary encoding instead of JSON
    #[arg(long)]
    binary: bool,

    /// Print lines instead of a table, also in a terminal
    #[arg(long)]
    plain: bool,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market_feed_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    ctrlc::set_handler({
        let stop = Arc::clone(&stop);
        move || stop.store(true, Ordering::Relaxed)
    })?;
    Client::new(options, stop).run()
}

struct Client {
    options: Options,
    watch: Watch,
    view: View,
    stop: Arc<AtomicBool>,
    reconnects: u64,
}

impl Client {
    fn new(options: Options, stop: Arc<AtomicBool>) -> Self {
        let view = View::new(&options);
        let watch = Watch::new(options.symbols.clone(), options.book.clone());
        Self { options, watch, view, stop, reconnects: 0 }
    }

    /// Watches over one connection after another, until it is told to stop.
    fn run(mut self) -> Result<(), Box<dyn Error>> {
        let mut pause = FIRST_PAUSE;
        let mut was_live = false;
        while !self.is_stopped() {
            let encoding = if self.options.binary { Encoding::Binary } else { Encoding::Json };
            let opened = Connection::open(
                &self.options.address,
                self.options.tls_ca.as_deref(),
                encoding.subprotocol(),
                TICK,
            );
            let end = match opened {
                Ok(connection) => {
                    self.reconnects += u64::from(was_live);
                    was_live = true;
                    pause = FIRST_PAUSE;
                    self.watch.begin_connection();
                    match self.converse(connection)? {
                        None => break,
                        Some(end) => end,
                    }
                }
                Err(error) if was_live && error.is_passing() => error.to_string(),
                Err(error) if error.is_passing() => {
                    let hint = "is market_feed running? Start it with: \
                        cargo run --release --example market_feed";
                    return Err(format!("{error}\n{hint}").into());
                }
                Err(error) => return Err(error.into()),
            };
            self.wait(&end, pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Watches over one connection. Answers how it ended, `None` if this side was told to stop.
    fn converse(&mut self, mut connection: Connection) -> Result<Option<String>, Box<dyn Error>> {
        let status = match self.reconnects {
            0 => format!("{} live", self.options.address),
            1 => format!("{} live, reconnected once", self.options.address),
            count => format!("{} live, reconnected {count} times", self.options.address),
        };
        loop {
            let mut fault = None;
            let state = connection.receive(&mut |message| {
                if fault.is_none() {
                    fault = self.watch.take(message).err();
                }
            });
            if let Some(fault) = fault {
                connection.close();
                return Err(fault.into());
            }
            if let State::Ended(end) = state {
                return Ok(Some(end));
            }
            if self.is_stopped() {
                connection.close();
                return Ok(None);
            }
            self.view.show(&mut self.watch, &status)?;
            for request in self.watch.take_requests() {
                if let Err(error) = connection.send(&request) {
                    return Ok(Some(error.to_string()));
                }
            }
        }
    }

    /// Waits before the next connection, and says why.
    fn wait(&mut self, end: &str, pause: Duration) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + pause;
        let status = format!("{end}; trying again in {:.1} s", pause.as_secs_f64());
        self.view.announce(&status, &mut self.watch)?;
        while !self.is_stopped() && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Where it is shown.
struct View {
    /// `None`: plain lines.
    terminal: Option<Terminal>,
    book: Option<String>,
    has_colour: bool,
    framed_at: Option<Instant>,
    ticked_at: Instant,
}

impl View {
    fn new(options: &Options) -> Self {
        let terminal = if options.plain { None } else { Terminal::take() };
        Self {
            terminal,
            book: options.book.clone(),
            has_colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            framed_at: None,
            ticked_at: Instant::now(),
        }
    }

    /// Shows what is due.
    fn show(&mut self, watch: &mut Watch, status: &str) -> io::Result<()> {
        let now = Instant::now();
        let has_ticked = now.saturating_duration_since(self.ticked_at) >= SECOND;
        if has_ticked {
            self.ticked_at = now;
            watch.tick(now);
        }
        let Some(terminal) = &mut self.terminal else {
            return if has_ticked { print(&table::plain(watch)) } else { Ok(()) };
        };
        if has_ticked {
            terminal.measure();
        }
        if self.framed_at.is_some_and(|at| now.saturating_duration_since(at) < FRAME) {
            return Ok(());
        }
        self.framed_at = Some(now);
        let style = Style { has_colour: self.has_colour, size: terminal.size() };
        terminal.draw(&table::screen(watch, self.book.as_deref(), status, style))
    }

    /// Says something at once.
    fn announce(&mut self, text: &str, watch: &mut Watch) -> io::Result<()> {
        if self.terminal.is_none() {
            return writeln!(io::stderr(), "{text}");
        }
        self.framed_at = None;
        self.show(watch, text)
    }
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
