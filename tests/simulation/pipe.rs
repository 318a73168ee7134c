//! One direction of a connection: bytes on their way, in order, with a window like a socket's.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use super::plan::Link;

/// What comes out at its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// The sender has closed its side.
    End,
    /// Nothing has arrived.
    Nothing,
}

pub(crate) struct Pipe {
    link: Link,
    /// Written and not yet read, with the times of arrival.
    segments: VecDeque<(Duration, Vec<u8>)>,
    len: usize,
    /// Nothing is written behind this.
    ended_at: Option<Duration>,
    last_arrival: Duration,
    is_cut: bool,
    random: fastrand::Rng,
    /// When its reader will look next.
    planned: Option<Duration>,
}

impl Pipe {
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        Self {
            link,
            segments: VecDeque::new(),
            len: 0,
            ended_at: None,
            last_arrival: Duration::ZERO,
            is_cut: false,
            random: fastrand::Rng::with_seed(seed),
            planned: None,
        }
    }

    /// Takes as much as the window has room for; says how many bytes that was.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], now: Duration) -> usize {
        assert!(self.ended_at.is_none(), "written behind the end");
        let mut written = 0;
        for slice in slices {
            if self.is_cut {
                written += slice.len();
                continue;
            }
            let room = self.link.window - self.len;
            let mut rest = &slice[..slice.len().min(room)];
            written += rest.len();
            self.len += rest.len();
            while !rest.is_empty() {
                let len = self.random.usize(1..=self.link.max_segment).min(rest.len());
                let (segment, behind) = rest.split_at(len);
                let arrival = self.arrival(now);
                self.segments.push_back((arrival, segment.to_vec()));
                rest = behind;
            }
        }
        written
    }

    /// Nothing arrives earlier than what was sent before it, and nothing during a stall.
    fn arrival(&mut self, now: Duration) -> Duration {
        let jitter = self.link.jitter.mul_f64(self.random.f64());
        let mut time = self.last_arrival.max(now + self.link.latency + jitter);
        for &(from, to) in &self.link.stalls {
            if (from..to).contains(&time) {
                time = to;
            }
        }
        self.last_arrival = time;
        time
    }

    pub(crate) fn end(&mut self, now: Duration) {
        if self.ended_at.is_none() {
            self.ended_at = Some(self.arrival(now));
        }
    }

    /// Everything on its way is lost, and all that is written from here on.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.segments.clear();
        self.len = 0;
    }

    /// Reads what has arrived: at most what one call of a socket gives.
    pub(crate) fn read(&mut self, now: Duration) -> Piece {
        let max_len = self.random.usize(1..=self.link.max_read);
        let mut bytes = Vec::new();
        while bytes.len() < max_len {
            let Some((arrival, segment)) = self.segments.front_mut() else { break };
            if *arrival > now {
                break;
            }
            let len = segment.len().min(max_len - bytes.len());
            bytes.extend(segment.drain(..len));
            if segment.is_empty() {
                self.segments.pop_front();
            }
        }
        self.len -= bytes.len();
        if !bytes.is_empty() {
            return Piece::Bytes(bytes);
        }
        let at_end = self.segments.is_empty() && self.ended_at.is_some_and(|time| time <= now);
        if at_end { Piece::End } else { Piece::Nothing }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.len < self.link.window
    }

    /// When there is something to read next.
    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.segments.front().map(|(arrival, _)| *arrival).or(self.ended_at)
    }

    /// When its reader is to look, if no earlier look is planned.
    pub(crate) fn plan_look(&mut self) -> Option<Duration> {
        let next = self.next_arrival()?;
        if self.planned.is_some_and(|planned| planned <= next) {
            return None;
        }
        self.planned = Some(next);
        self.planned
    }

    /// Whether it is time for the look that is planned, which it is no longer then.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        self.planned.take_if(|planned| *planned <= now).is_some()
    }

    pub(crate) fn latency(&self) -> Duration {
        self.link.latency
    }
}
