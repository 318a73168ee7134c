//! Coarse deadlines for many connections.
//!
//! A hashed wheel: a deadline goes into the slot of its tick modulo the wheel's size. Activity does
//! not touch it; when the slot comes round, the owner is asked what its deadline is *now*.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How long a tick is. Deadlines are kept to within about one.
pub(crate) const TICK: Duration = Duration::from_millis(16);

const SLOT_COUNT: u32 = 1024;

/// A point in time in ticks since the loop's start; comparisons wrap after two years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Tick(u32);

impl Tick {
    /// The tick as a number, for whoever keeps time without knowing what its unit is.
    pub(crate) fn as_u32(self) -> u32 {
        self.0
    }

    /// The tick that [`as_u32`](Self::as_u32) gave the number of.
    pub(crate) const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// Whether this tick is `other` or later.
    pub(crate) fn is_at_or_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) < 1 << 31
    }

    /// The time from the loop's start to this tick.
    pub(crate) fn elapsed(self) -> Duration {
        TICK * self.0
    }

    /// The earlier of two.
    pub(crate) fn earlier(self, other: Self) -> Self {
        if self.is_at_or_after(other) { other } else { self }
    }

    /// The first tick that is at least `wait` later.
    pub(crate) fn after(self, wait: Duration) -> Self {
        let ticks = wait.as_millis().div_ceil(TICK.as_millis()).clamp(1, 1 << 30);
        Self(self.0.wrapping_add(ticks as u32))
    }

    /// The later of two.
    pub(crate) fn later(self, other: Self) -> Self {
        if self.is_at_or_after(other) { self } else { other }
    }

    /// The tick that is so much earlier.
    pub(crate) fn before(self, time: Duration) -> Self {
        let ticks = (time.as_millis() / TICK.as_millis()).min(1 << 30);
        Self(self.0.wrapping_sub(ticks as u32))
    }

    /// The time from `earlier` to this tick; zero if it is the later one.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        if self.is_at_or_after(earlier) {
            TICK * self.0.wrapping_sub(earlier.0)
        } else {
            Duration::ZERO
        }
    }
}

/// A tick or none, in the space of one. The very first is taken for the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned(Option<NonZeroU32>);

impl Planned {
    pub(crate) fn at(tick: Tick) -> Self {
        Self(NonZeroU32::new(tick.0.max(1)))
    }

    pub(crate) fn tick(self) -> Option<Tick> {
        self.0.map(|tick| Tick(tick.get()))
    }
}

/// Counts ticks from when the loop was set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self { start: now }
    }

    /// The tick that `now` lies in. The first is 1: a default `Tick` is in the past.
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        let elapsed = now.saturating_duration_since(self.start).as_millis() / TICK.as_millis();
        Tick((elapsed as u32).wrapping_add(1))
    }

    /// When `tick` begins, seen from `now`.
    fn until(&self, tick: Tick, now: Instant) -> Duration {
        tick.since(self.tick(now))
    }
}

/// Who is to be asked, and for which tick: an owner that was given a new deadline meanwhile ignores
/// the entry of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: u32,
    pub(crate) tick: Tick,
}

#[derive(Debug)]
pub(crate) struct TimerWheel {
    slots: Vec<Vec<Entry>>,
    /// Every slot before this tick's has been looked at.
    next: Tick,
    /// No slot before this tick's holds anything: most turns look no further.
    first: Tick,
    len: usize,
}

impl TimerWheel {
    pub(crate) fn new(now: Tick) -> Self {
        Self { slots: vec![Vec::new(); SLOT_COUNT as usize], next: now, first: now, len: 0 }
    }

    /// Asks for `key` at `tick`.
    pub(crate) fn insert(&mut self, key: u32, tick: Tick) {
        // What is due already is asked for with the next slot that is looked at.
        let slot = if tick.is_at_or_after(self.next) { tick } else { self.next };
        self.slots[slot_of(slot)].push(Entry { key, tick });
        if self.len == 0 || !slot.is_at_or_after(self.first) {
            self.first = slot;
        }
        self.len += 1;
    }

    /// How long something has been due that has not been asked for.
    pub(crate) fn lateness(&self, now: Tick) -> Duration {
        if self.len == 0 { Duration::ZERO } else { now.since(self.first) }
    }

    /// Moves what is due by `now` to `due`.
    pub(crate) fn expire(&mut self, now: Tick, due: &mut Vec<Entry>) {
        if self.len == 0 {
            self.next = Tick(now.0.wrapping_add(1));
            return;
        }
        if !now.is_at_or_after(self.first) {
            return;
        }
        // After a long sleep every slot is looked at once, no more.
        let behind = now.0.wrapping_sub(self.next.0);
        if (SLOT_COUNT..1 << 31).contains(&behind) {
            self.next = Tick(now.0.wrapping_sub(SLOT_COUNT - 1));
        }
        while now.is_at_or_after(self.next) {
            let slot = &mut self.slots[slot_of(self.next)];
            let before = due.len();
            slot.retain(|entry| {
                let later = !now.is_at_or_after(entry.tick);
                if !later {
                    due.push(*entry);
                }
                later
            });
            if slot.is_empty() && slot.capacity() > 64 {
                *slot = Vec::new();
            }
            self.len -= due.len() - before;
            self.next = Tick(self.next.0.wrapping_add(1));
        }
        self.first = self.first_occupied();
    }

    /// The first tick from `next` on whose slot holds something, be it for a later round.
    fn first_occupied(&self) -> Tick {
        let mut ticks = (0..SLOT_COUNT).map(|ahead| Tick(self.next.0.wrapping_add(ahead)));
        ticks.find(|&tick| !self.slots[slot_of(tick)].is_empty()).unwrap_or(self.next)
    }

    /// How long until there may be something due; `None` when there is nothing at all.
    pub(crate) fn timeout(&self, clock: &Clock, now: Instant) -> Option<Duration> {
        if self.len == 0 {
            return None;
        }
        // One tick more than to its beginning at most: never early, so never in vain.
        Some(clock.until(self.first, now).max(Duration::from_millis(1)))
    }
}

fn slot_of(tick: Tick) -> usize {
    (tick.0 % SLOT_COUNT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expire(wheel: &mut TimerWheel, now: u32) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(Tick(now), &mut due);
        let mut keys: Vec<u32> = due.iter().map(|entry| entry.key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn entries_come_due_in_their_tick_and_not_before() {
        let mut wheel = TimerWheel::new(Tick(10));
        for (key, tick) in [(1, 11), (2, 11), (3, 12), (4, 11 + SLOT_COUNT), (5, 3)] {
            wheel.insert(key, Tick(tick));
        }
        assert_eq!(expire(&mut wheel, 10), [5], "what was due already");
        assert_eq!(expire(&mut wheel, 11), [1, 2]);
        assert_eq!(expire(&mut wheel, 11), []);
        assert_eq!(expire(&mut wheel, 500), [3]);
        assert_eq!(expire(&mut wheel, 10 + SLOT_COUNT), []);
        assert_eq!(expire(&mut wheel, 11 + SLOT_COUNT), [4]);
        assert_eq!(wheel.len, 0);
    }

    #[test]
    fn a_long_sleep_misses_nothing() {
        let mut wheel = TimerWheel::new(Tick(1));
        for key in 0..5000 {
            wheel.insert(key, Tick(1 + key));
        }
        assert_eq!(expire(&mut wheel, 20_000).len(), 5000);
    }

    #[test]
    fn lateness_is_that_of_the_first_entry() {
        let mut wheel = TimerWheel::new(Tick(1));
        assert_eq!(wheel.lateness(Tick(500)), Duration::ZERO);
        wheel.insert(1, Tick(100));
        wheel.insert(2, Tick(110));
        assert_eq!(wheel.lateness(Tick(99)), Duration::ZERO);
        assert_eq!(wheel.lateness(Tick(102)), 2 * TICK);
        expire(&mut wheel, 105);
        assert_eq!(wheel.lateness(Tick(120)), 10 * TICK);
    }

    #[test]
    fn ticks_wrap() {
        let last = Tick(u32::MAX);
        let next = last.after(TICK);
        assert_eq!(next, Tick(0));
        assert!(next.is_at_or_after(last) && !last.is_at_or_after(next));
        assert_eq!(next.since(last), TICK);
        assert_eq!(last.since(next), Duration::ZERO);
    }

    #[test]
    fn the_poller_sleeps_until_the_first_entry() {
        let now = Instant::now();
        let clock = Clock::new(now);
        let mut wheel = TimerWheel::new(clock.tick(now));
        assert_eq!(wheel.timeout(&clock, now), None);
        wheel.insert(1, clock.tick(now).after(Duration::from_secs(1)));
        let timeout = wheel.timeout(&clock, now).unwrap();
        assert!(timeout >= Duration::from_millis(990) && timeout <= Duration::from_millis(1032));
    }
}
