//! The market's thread: it alone advances the market and publishes, and supplies the books to those
//! who come late or have fallen behind. Who subscribes to what is between the handler and the engine.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tickwire::ServerHandle;

use crate::clock::Clock;
use crate::market::{Market, Next};
use crate::pacing::Pacing;
use crate::status::{MarketFigures, Report, Status};
use crate::topics::LazyTopics;

/// The shortest pause between two turns of the market. Finer turns cost more than they show.
const MIN_PAUSE: Duration = Duration::from_micros(500);
/// The longest: for so long a reader may wait for a book, when nothing happens in the market.
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// The pause of a replay that waits for its readers.
const PACING_PAUSE: Duration = Duration::from_millis(1);

/// What this thread is told.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A connection has subscribed to something, for the first time.
    Subscribed,
    /// End.
    Stop,
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
    topics: Arc<LazyTopics>,
    errands: Receiver<Errand>,
    status: Arc<Status>,
    manner: Manner,
    /// Connections whose subscriptions are still waited for.
    awaited: usize,
    pacing: Pacing,
    clock: Clock,
    has_ended: bool,
}

impl Feed {
    pub(crate) fn new(
        market: Market,
        server: ServerHandle,
        topics: Arc<LazyTopics>,
        errands: Receiver<Errand>,
        status: Arc<Status>,
        manner: Manner,
    ) -> Self {
        Self {
            market,
            server,
            topics,
            errands,
            status,
            manner,
            awaited: manner.wait_for_subscribers,
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
            self.topics.of(&self.server).supply_books(&self.market, false);
            self.status.set_market(MarketFigures {
                stats: self.market.stats(),
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
        if self.has_ended || self.awaited > 0 {
            return MAX_PAUSE;
        }
        // A live market waits for nobody.
        if self.market.has_raw() {
            let total = self.server.stats().total;
            if !self.pacing.has_room(Instant::now(), total.bytes_queued, total.bytes_sent) {
                return PACING_PAUSE;
            }
        }
        let mut topics = self.topics.of(&self.server);
        let now = self.clock.now();
        match self.market.advance(now, &mut topics) {
            Next::At(next) if next <= now => Duration::ZERO,
            Next::At(next) => Duration::from_nanos(next - now).clamp(MIN_PAUSE, MAX_PAUSE),
            Next::Ended => {
                self.has_ended = true;
                topics.supply_books(&self.market, true);
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
        let mut next = self.errands.recv_timeout(pause);
        loop {
            match next {
                Ok(Errand::Subscribed) => self.note_subscriber(),
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Errand::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            next = self.errands.recv_timeout(Duration::ZERO);
        }
    }

    fn note_subscriber(&mut self) {
        if self.awaited > 0 {
            self.awaited -= 1;
            if self.awaited == 0 {
                log::info!("enough clients have subscribed: the replay begins");
            }
        }
    }
}
