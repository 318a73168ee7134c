//! A replay as a market: its records at their time, or at a multiple of their speed.

use std::str::FromStr;

use crate::binance::Payload;
use crate::market::{Next, Outlet, Sink};
use crate::message::Level;
use crate::replay::{Record, Replay};
use crate::replay_book::{Continuity, ReplayBook};

/// The most records of one turn: some milliseconds of work.
const MAX_RECORDS: usize = 1024;
/// A caller that comes later than this does not get all the records that it missed in a rush, in
/// nanoseconds of real time.
const MAX_LAG: u64 = 1_000_000_000;
/// The most levels in one delta; more are published as several.
const MAX_DELTA_LEVELS: usize = 1000;

/// How fast a replay runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// This many times as fast as it happened.
    Times(f64),
    /// As fast as it can be read.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(factor) if (0.001..=1_000_000.0).contains(&factor) => Ok(Self::Times(factor)),
            _ => Err("give a number from 0.001 to 1000000, or max".to_owned()),
        }
    }
}

/// A replay, and the books that it builds.
pub(crate) struct Replayed {
    replay: Replay,
    speed: Speed,
    /// The Unix time and the captured time from which the others are counted, once it has begun.
    origin: Option<(u64, u64)>,
    pass: u64,
    books: Vec<ReplayBook>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Replayed {
    /// A replay that begins with the first turn.
    pub(crate) fn new(replay: Replay, speed: Speed) -> Self {
        let count = replay.directory().len();
        Self {
            replay,
            speed,
            origin: None,
            pass: 1,
            books: std::iter::repeat_with(ReplayBook::default).take(count).collect(),
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// See [`crate::market::Market::advance`].
    pub(crate) fn advance(&mut self, now: u64, outlet: &mut Outlet, sink: &mut dyn Sink) -> Next {
        for _ in 0..MAX_RECORDS {
            let time = self.replay.next_time();
            outlet.stats.faults = self.replay.fault_count();
            let Some(time) = time else { return Next::Ended };
            let due = self.due(time, now, outlet);
            if due > now {
                return Next::At(due);
            }
            let Some(record) = self.replay.next_record() else { continue };
            if record.pass != self.pass {
                self.pass = record.pass;
                begin_pass(record.time, &mut self.books, outlet, sink);
            }
            outlet.stats.events += 1;
            let book = &mut self.books[usize::from(record.symbol)];
            self.bids.clear();
            self.asks.clear();
            publish(record, book, (&mut self.bids, &mut self.asks), outlet, sink);
        }
        Next::At(now)
    }

    /// When a record of this captured time is due.
    fn due(&mut self, time: u64, now: u64, outlet: &mut Outlet) -> u64 {
        let Speed::Times(factor) = self.speed else { return now };
        let (begun, first) = *self.origin.get_or_insert((now, time));
        let due = begun.saturating_add((time.saturating_sub(first) as f64 / factor) as u64);
        let lag = now.saturating_sub(due);
        if lag <= MAX_LAG {
            return due;
        }
        outlet.stats.lost_time += lag;
        self.origin = Some((now, time));
        now
    }
}

/// What was known of the day and the books is no longer true.
fn begin_pass(time: u64, books: &mut [ReplayBook], outlet: &mut Outlet, sink: &mut dyn Sink) {
    for (symbol, book) in (0..=u16::MAX).zip(books) {
        outlet.state_mut(symbol).close_day();
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        book.reset(&mut bids, &mut asks);
        for bids in bids.chunks(MAX_DELTA_LEVELS) {
            outlet.delta((time, symbol), bids, &[], sink);
        }
        for asks in asks.chunks(MAX_DELTA_LEVELS) {
            outlet.delta((time, symbol), &[], asks, sink);
        }
    }
}

fn publish(
    record: Record<'_>,
    book: &mut ReplayBook,
    (changed_bids, changed_asks): (&mut Vec<Level>, &mut Vec<Level>),
    outlet: &mut Outlet,
    sink: &mut dyn Sink,
) {
    let Record { time, symbol, payload, text, .. } = record;
    outlet.raw(symbol, text, sink);
    match payload {
        Payload::Trade { id, price, quantity, side } => {
            outlet.trade((time, symbol), Some(id), side, Level { price, quantity }, sink);
        }
        Payload::Best { update, bid, ask } => {
            book.note_best(update, bid, ask);
            outlet.state_mut(symbol).best(bid, ask);
            outlet.ticker((time, symbol), sink);
        }
        Payload::Depth { first, last, bids, asks } => {
            let continuity = book.apply((first, last), &bids, &asks, changed_bids, changed_asks);
            if continuity == Continuity::Gap {
                outlet.stats.gaps += 1;
            }
            outlet.delta((time, symbol), changed_bids, changed_asks, sink);
        }
        Payload::Other => {}
    }
}
