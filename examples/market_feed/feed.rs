//! The market's thread: it alone advances the market, publishes, and subscribes connections.
//!
//! Whatever one thread asks of the engine for one connection arrives in that order. So a book's
//! snapshot, the subscription and the deltas that follow need no lock between them: this thread
//! sends the first, asks for the second, and only then goes on to publish the third.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use tickwire::{CloseCode, ConnectionId, Outcome, Outgoing, ServerHandle};

use crate::clock::Clock;
use crate::market::{Encoded, Market, Next};
use crate::message::{Channel, Encoding};
use crate::pacing::Pacing;
use crate::status::{MarketFigures, Report, Status};
use crate::topics::Topics;
use crate::wire;

/// The shortest pause between two turns of the market. Finer turns cost more than they show.
const MIN_PAUSE: Duration = Duration::from_micros(500);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// The pause of a replay that waits for its readers.
const PACING_PAUSE: Duration = Duration::from_millis(1);
/// How long requests are carried out before the market gets its turn.
const MAX_ERRAND_TIME: Duration = Duration::from_millis(5);
/// How long an answer waits for an event loop that is thousands of messages behind.
const PATIENCE: Duration = Duration::from_millis(200);

/// What others ask of this thread.
#[derive(Debug)]
pub(crate) enum Errand {
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    /// End.
    Stop,
}

/// What a connection wants, or wants no longer.
#[derive(Debug)]
pub(crate) struct Subscription {
    id: ConnectionId,
    encoding: Encoding,
    channel: Channel,
    symbols: Vec<u16>,
    /// The JSON text to echo in the answer.
    echo: Option<String>,
}

impl Subscription {
    pub(crate) fn new(
        id: ConnectionId,
        encoding: Encoding,
        channel: Channel,
        symbols: Vec<u16>,
        echo: Option<&str>,
    ) -> Self {
        Self { id, encoding, channel, symbols, echo: echo.map(str::to_owned) }
    }
}

/// How the feed behaves, apart from its market.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The market begins when so many connections have subscribed to something.
    pub(crate) wait_for_subscribers: usize,
    /// Return when the replay is over, instead of serving its last state.
    pub(crate) exit_when_done: bool,
    /// No figures on the terminal.
    pub(crate) is_quiet: bool,
}

/// The running feed.
pub(crate) struct Feed {
    market: Market,
    server: ServerHandle,
    topics: Topics,
    errands: Receiver<Errand>,
    status: Arc<Status>,
    manner: Manner,
    /// Connections that have subscribed, until there are enough of them.
    awaited: Option<HashSet<ConnectionId>>,
    pacing: Pacing,
    clock: Clock,
    has_ended: bool,
}

impl Feed {
    pub(crate) fn new(
        market: Market,
        server: ServerHandle,
        errands: Receiver<Errand>,
        status: Arc<Status>,
        manner: Manner,
    ) -> Self {
        let topics = Topics::new(&server, market.directory());
        Self {
            market,
            server,
            topics,
            errands,
            status,
            manner,
            awaited: (manner.wait_for_subscribers > 0).then(HashSet::new),
            pacing: Pacing::default(),
            clock: Clock::new(),
            has_ended: false,
        }
    }

    /// Runs the market until it is told to stop, or until a replay is over if it should end then.
    pub(crate) fn run(mut self) {
        let mut report = Report::new(Instant::now());
        let mut pause = Duration::ZERO;
        while self.carry_out_errands(pause) {
            pause = self.turn();
            self.status.set_market(MarketFigures {
                stats: self.market.stats(),
                lost: self.topics.lost(),
                has_ended: self.has_ended,
            });
            let now = Instant::now();
            if now >= report.due() {
                let line = report.line(now, &self.server, self.market.stats().events);
                if let Some(line) = line.filter(|_| !self.manner.is_quiet) {
                    // Whoever started the feed may have closed this pipe.
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
            if self.has_ended && self.manner.exit_when_done {
                return;
            }
            pause = pause.min(report.due().saturating_duration_since(now));
        }
    }

    /// One turn of the market. Answers how long it has nothing to do.
    fn turn(&mut self) -> Duration {
        if self.has_ended || self.awaited.is_some() {
            return MAX_PAUSE;
        }
        // A live market waits for nobody.
        if self.market.has_raw() {
            let total = self.server.stats().total;
            if !self.pacing.has_room(Instant::now(), total.bytes_queued, total.bytes_sent) {
                return PACING_PAUSE;
            }
        }
        let now = self.clock.now();
        match self.market.advance(now, &mut self.topics) {
            Next::At(next) if next <= now => Duration::ZERO,
            Next::At(next) => Duration::from_nanos(next - now).clamp(MIN_PAUSE, MAX_PAUSE),
            Next::Ended => {
                self.has_ended = true;
                let stats = self.market.stats();
                log::info!(
                    "the replay has ended: {} messages, {} lines skipped, {} gaps in the capture",
                    stats.events,
                    stats.faults,
                    stats.gaps,
                );
                MAX_PAUSE
            }
        }
    }

    /// Carries out what is asked within `pause`, and more if it is there already; `false`: stop.
    fn carry_out_errands(&mut self, pause: Duration) -> bool {
        let mut next = match self.errands.recv_timeout(pause) {
            Ok(errand) => Some(errand),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let start = Instant::now();
        while let Some(errand) = next {
            match errand {
                Errand::Subscribe(subscription) => self.subscribe(&subscription),
                Errand::Unsubscribe(subscription) => self.unsubscribe(&subscription),
                Errand::Stop => return false,
            }
            if start.elapsed() >= MAX_ERRAND_TIME {
                break;
            }
            next = match self.errands.try_recv() {
                Ok(errand) => Some(errand),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return false,
            };
        }
        true
    }

    fn subscribe(&mut self, subscription: &Subscription) {
        let &Subscription { id, encoding, channel, ref symbols, .. } = subscription;
        if !self.answer(subscription, true) {
            return;
        }
        for &symbol in symbols {
            let topic = self.topics.of(channel, symbol, encoding);
            let current = match channel {
                Channel::Ticker => self.market.ticker(symbol, encoding),
                Channel::Book => {
                    // Whoever asks again gets a new snapshot, and no delta of before behind it.
                    self.server.unsubscribe(id, topic);
                    Some(self.market.snapshot(symbol, encoding))
                }
                Channel::Trades | Channel::Raw => None,
            };
            let is_told = match current {
                Some(Encoded::Json(text)) => self.send(id, text),
                Some(Encoded::Binary(bytes)) => self.send(id, bytes),
                None => true,
            };
            if !is_told {
                return;
            }
            self.server.subscribe(id, topic);
        }
        self.note_subscriber(id);
    }

    fn note_subscriber(&mut self, id: ConnectionId) {
        let Some(awaited) = &mut self.awaited else { return };
        awaited.insert(id);
        if awaited.len() >= self.manner.wait_for_subscribers {
            log::info!("enough clients have subscribed: the replay begins");
            self.awaited = None;
        }
    }

    fn unsubscribe(&mut self, subscription: &Subscription) {
        for &symbol in &subscription.symbols {
            let topic = self.topics.of(subscription.channel, symbol, subscription.encoding);
            self.server.unsubscribe(subscription.id, topic);
        }
        self.answer(subscription, false);
    }

    fn answer(&mut self, subscription: &Subscription, is_subscribed: bool) -> bool {
        let mut text = String::new();
        wire::push_subscribed(
            &mut text,
            is_subscribed,
            subscription.echo.as_deref(),
            subscription.channel,
            &subscription.symbols,
            self.market.directory(),
        );
        self.send(subscription.id, text)
    }

    /// Sends what must not be lost: a connection that cannot take it is closed. Answers whether
    /// there is still a point in sending more.
    fn send(&self, id: ConnectionId, message: impl Into<Outgoing<'static>>) -> bool {
        let message = message.into();
        let start = Instant::now();
        loop {
            let outcome = self.server.send(id, message.clone());
            if outcome != Outcome::Dropped {
                return outcome.is_accepted();
            }
            // With nothing queued for the connection, it is its event loop that is behind.
            let is_slow = self.server.buffered_amount(id).is_none_or(|len| len > 0);
            if is_slow || start.elapsed() >= PATIENCE {
                self.server.close(id, CloseCode::TRY_AGAIN_LATER, "too slow for what it asked for");
                return false;
            }
            thread::sleep(PACING_PAUSE);
        }
    }
}
