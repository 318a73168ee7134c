//! The event loop's timers, on the event loop's own wheel, for a virtual clock.

use std::time::{Duration, Instant};

use super::timer_wheel::{Clock, Planned, TICK, TimerWheel};

/// A deadline is met within one tick of the first that begins behind it.
pub(crate) const MAX_LATENESS: Duration = TICK.saturating_mul(2);

pub(crate) struct Timers {
    /// Where the virtual clock begins.
    start: Instant,
    clock: Clock,
    wheel: TimerWheel,
    /// By their keys, as connections know it: the wheel's valid entry for each.
    scheduled: Vec<Planned>,
    /// When the loop is to wake up for the wheel's sake, as far as that is planned.
    wake: Option<Duration>,
}

impl Timers {
    pub(crate) fn new(key_count: usize) -> Self {
        let start = Instant::now();
        let clock = Clock::new(start);
        Self {
            start,
            clock,
            wheel: TimerWheel::new(clock.tick(start)),
            scheduled: vec![Planned::default(); key_count],
            wake: None,
        }
    }

    /// Asks for a look at `deadline`, unless an earlier one is planned.
    pub(crate) fn schedule(&mut self, key: usize, deadline: Duration) {
        // Never before: the first tick that begins behind it.
        let tick = self.clock.tick(self.start + deadline).after(TICK);
        if self.scheduled[key].tick().is_none_or(|planned| !tick.is_at_or_after(planned)) {
            self.scheduled[key] = Planned::at(tick);
            self.wheel.insert(key as u32, tick);
        }
    }

    /// Who is to be looked at by now, each once.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<usize> {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
        }
        let mut entries = Vec::new();
        self.wheel.expire(self.clock.tick(self.start + now), &mut entries);
        // A deadline that came nearer meanwhile has an entry of its own.
        entries.retain(|entry| {
            let scheduled = &mut self.scheduled[entry.key as usize];
            let is_valid = *scheduled == Planned::at(entry.tick);
            if is_valid {
                *scheduled = Planned::default();
            }
            is_valid
        });
        entries.iter().map(|entry| entry.key as usize).collect()
    }

    /// When to look again, if nothing happens before and that is not planned already.
    pub(crate) fn next_wake(&mut self, now: Duration) -> Option<Duration> {
        let wake = now + self.wheel.timeout(&self.clock, self.start + now)?;
        if self.wake.is_some_and(|planned| planned <= wake) {
            return None;
        }
        self.wake = Some(wake);
        self.wake
    }
}
