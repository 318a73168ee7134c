//! What a thread counts, and the sum of all threads.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::{NEVER, Nanos, nanos};
use crate::connection::{Arrival, End};
use crate::cpu_time::{CpuTime, Effort};
use crate::flight::Reply;

/// The longest latency that is told apart from longer ones: an hour.
const MAX_LATENCY: Nanos = 3_600_000_000_000;
/// Latencies keep so many significant digits.
const PRECISION: u8 = 3;

/// The part of the run that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The end of the warm-up.
    pub(crate) from: Nanos,
    /// [`NEVER`] if a number of messages is measured, and not a time.
    pub(crate) until: Nanos,
}

impl Window {
    /// Of a load that begins then; without a `duration` it stays open.
    pub(crate) fn new(begin: Nanos, warm_up: Duration, duration: Option<Duration>) -> Self {
        let from = begin + nanos(warm_up);
        Self { from, until: duration.map_or(NEVER, |duration| from + nanos(duration)) }
    }

    /// It ends now, if it has not ended yet.
    pub(crate) fn end(&mut self, now: Nanos) {
        self.until = self.until.min(now);
    }

    fn contains(&self, at: Nanos) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// A number of messages is exact: those of the warm-up whose replies come late are none of them.
    fn counts(&self, intended: Nanos, at: Nanos) -> bool {
        self.contains(at) && (self.until != NEVER || intended >= self.from)
    }
}

/// What was wrong with messages, during the warm-up too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Sent and never answered.
    pub(crate) lost: u64,
    /// Not what was sent.
    pub(crate) altered: u64,
    /// After a later one.
    pub(crate) out_of_order: u64,
    /// Once more.
    pub(crate) repeated: u64,
    /// To another connection.
    pub(crate) misdirected: u64,
}

impl Faults {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) window: Window,
    /// Messages that came within the window.
    pub(crate) messages: u64,
    /// Bytes of their payload.
    pub(crate) bytes: u64,
    /// Bytes of their frames.
    pub(crate) framed_bytes: u64,
    /// Of the messages that were meant to be sent within the window, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// How late the tool itself came to send them, in nanoseconds.
    pub(crate) lateness: Histogram<u64>,
    /// Messages that were due when the load ended, and for which the sockets had no room.
    pub(crate) unsent: u64,
    pub(crate) faults: Faults,
    pub(crate) first_fault: Option<String>,
    /// Connections that ended before their time, by how.
    pub(crate) ends: BTreeMap<String, u64>,
    /// The fewest and the most messages that a connection got within the window.
    pub(crate) extremes: Option<(u64, u64)>,
    pub(crate) last_reply_at: Nanos,
    /// The length of the window as it came to be.
    pub(crate) elapsed: Nanos,
    pub(crate) is_interrupted: bool,
    /// One for each thread.
    pub(crate) efforts: Vec<Effort>,
    /// What the server took meanwhile, if its process is known.
    pub(crate) server_cpu: Option<CpuTime>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            window: Window { from: NEVER, until: NEVER },
            messages: 0,
            bytes: 0,
            framed_bytes: 0,
            latency: histogram(),
            lateness: histogram(),
            unsent: 0,
            faults: Faults::default(),
            first_fault: None,
            ends: BTreeMap::new(),
            extremes: None,
            last_reply_at: 0,
            elapsed: 0,
            is_interrupted: false,
            efforts: Vec::new(),
            server_cpu: None,
        }
    }

    /// Takes note of a reply.
    #[inline]
    pub(crate) fn add_reply(&mut self, reply: Reply, arrival: Arrival) {
        let at = arrival.at;
        self.last_reply_at = at;
        match reply {
            Reply::InOrder { intended } | Reply::Ahead { intended, .. } => {
                if self.window.counts(intended, at) {
                    self.add_message(arrival);
                }
                if self.window.contains(intended) {
                    self.latency.saturating_record(at.saturating_sub(intended));
                }
            }
            // What was overtaken is counted when it comes, or as lost in the end.
            Reply::Late => self.faults.out_of_order += 1,
            Reply::Repeated => self.faults.repeated += 1,
            Reply::Foreign { .. } => self.faults.misdirected += 1,
            Reply::Altered => self.faults.altered += 1,
        }
    }

    /// Takes note of a message that was not asked for one by one; says whether it is measured.
    #[inline]
    pub(crate) fn add_delivery(&mut self, arrival: Arrival) -> bool {
        self.last_reply_at = arrival.at;
        let counts = self.window.contains(arrival.at);
        if counts {
            self.add_message(arrival);
        }
        counts
    }

    #[inline]
    fn add_message(&mut self, arrival: Arrival) {
        self.messages += 1;
        self.bytes += arrival.len as u64;
        self.framed_bytes += arrival.framed_len as u64;
    }

    /// Takes note of a message that the tool meant to send at `intended` and came to send at `now`.
    #[inline]
    pub(crate) fn add_sending(&mut self, intended: Nanos, now: Nanos) {
        if self.window.contains(intended) {
            self.lateness.saturating_record(now.saturating_sub(intended));
        }
    }

    pub(crate) fn add_end(&mut self, end: &End) {
        *self.ends.entry(end.to_string()).or_default() += 1;
    }

    /// Takes note of how many messages a connection got.
    pub(crate) fn add_connection(&mut self, messages: u64) {
        let (fewest, most) = self.extremes.unwrap_or((messages, messages));
        self.extremes = Some((fewest.min(messages), most.max(messages)));
    }

    /// Nothing more will come. `has_all`: all messages that were to be measured, so that the last one
    /// ends the window.
    pub(crate) fn conclude(&mut self, has_all: bool) {
        let until = if has_all { self.last_reply_at } else { self.window.until };
        self.elapsed = until.saturating_sub(self.window.from);
    }

    /// All threads together.
    pub(crate) fn sum(tallies: Vec<Self>) -> Self {
        let mut sum = Self::new();
        for tally in tallies {
            sum.messages += tally.messages;
            sum.bytes += tally.bytes;
            sum.framed_bytes += tally.framed_bytes;
            sum.latency.add(tally.latency).expect("histograms of the same bounds");
            sum.lateness.add(tally.lateness).expect("histograms of the same bounds");
            sum.unsent += tally.unsent;
            sum.faults.lost += tally.faults.lost;
            sum.faults.altered += tally.faults.altered;
            sum.faults.out_of_order += tally.faults.out_of_order;
            sum.faults.repeated += tally.faults.repeated;
            sum.faults.misdirected += tally.faults.misdirected;
            sum.first_fault = sum.first_fault.or(tally.first_fault);
            for (end, count) in tally.ends {
                *sum.ends.entry(end).or_default() += count;
            }
            for messages in tally.extremes.into_iter().flat_map(|(fewest, most)| [fewest, most]) {
                sum.add_connection(messages);
            }
            sum.elapsed = sum.elapsed.max(tally.elapsed);
            sum.is_interrupted |= tally.is_interrupted;
            sum.efforts.extend(tally.efforts);
            sum.server_cpu = sum.server_cpu.or(tally.server_cpu);
        }
        sum
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY, PRECISION).expect("bounds that a histogram can have")
}
