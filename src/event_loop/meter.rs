//! What a connection may take in, and has saved up to take in.
//!
//! A token bucket each for messages, bytes and control frames, all in sixteen bytes. How much has been
//! saved up is worked out when something has run out and not before, so that who stays within the limits
//! pays nothing for them but a subtraction a read. For that a bucket holds half of a burst only: the
//! other half may have been saved up since it was looked at.

use std::time::Duration;

use super::limits::Limits;
use super::rate::Rate;
use super::timer_wheel::Tick;

/// Messages and control frames are counted in parts, so that a tick brings some at any rate.
const PARTS: u32 = 64;

/// Whoever had to wait goes on once it has saved up what it may take in in this part of a second.
const READMISSION_DIVISOR: u32 = 16;

/// The longest burst of control frames: 16 bits count it.
pub(crate) const MAX_CONTROL_BURST: u32 = 2 * (u16::MAX as u32 / PARTS);

/// The longest burst of messages and of bytes: 31 bits count it.
pub(crate) const MAX_BURST: u32 = i32::MAX as u32 / PARTS;

#[derive(Debug)]
pub(super) struct Meter {
    /// Messages that may be handled before what has been saved up is looked at.
    pub(super) messages: u16,
    /// Control frames, in parts.
    control_frames: u16,
    /// Messages beside [`messages`](Self::messages), in parts. Negative: they have come already.
    saved: i32,
    /// Negative: they have come already.
    pub(super) bytes: i32,
    filled_at: Tick,
}

/// What a connection has had too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Messages,
    Bytes,
    ControlFrames,
}

impl Meter {
    /// That of a connection that begins: it has saved up half a burst. `max_messages` are handled before
    /// it is looked at again.
    pub(super) fn new(limits: &Limits, max_messages: u32, now: Tick) -> Self {
        let mut meter = Self { messages: 0, control_frames: 0, saved: 0, bytes: 0, filled_at: now };
        meter.saved = half_burst(limits.message_rate, PARTS);
        meter.bytes = half_burst(limits.byte_rate, 1);
        meter.control_frames = half_burst(limits.control_frame_rate, PARTS) as u16;
        meter.grant(max_messages);
        meter
    }

    /// Adds what has been saved up since the last look; says what is lacking nevertheless.
    pub(super) fn settle(
        &mut self,
        limits: &Limits,
        max_messages: u32,
        now: Tick,
    ) -> Option<Excess> {
        let millis = now.since(self.filled_at).as_millis() as u64;
        self.filled_at = now;
        self.saved = self.saved.saturating_add(i32::from(self.messages) * PARTS as i32);
        self.saved = filled(self.saved, limits.message_rate, PARTS, millis);
        self.bytes = filled(self.bytes, limits.byte_rate, 1, millis);
        let control_frames = i32::from(self.control_frames);
        // At most half of the longest burst.
        self.control_frames = filled(control_frames, limits.control_frame_rate, PARTS, millis)
            .clamp(0, i32::from(u16::MAX)) as u16;
        self.grant(max_messages);
        self.excess()
    }

    /// What the connection may not take in more of now.
    fn excess(&self) -> Option<Excess> {
        if self.messages == 0 {
            Some(Excess::Messages)
        } else if self.bytes < 0 {
            Some(Excess::Bytes)
        } else if u32::from(self.control_frames) < PARTS {
            Some(Excess::ControlFrames)
        } else {
            None
        }
    }

    /// How long until nothing will be lacking.
    pub(super) fn time_to_recover(&self, limits: &Limits) -> Duration {
        let control_frames = i32::from(self.control_frames);
        let messages = time_until(self.saved, PARTS as i32, limits.message_rate, PARTS);
        let bytes = time_until(self.bytes, 0, limits.byte_rate, 1);
        let rate = limits.control_frame_rate;
        messages.max(bytes).max(time_until(control_frames, PARTS as i32, rate, PARTS))
    }

    /// Counts a control frame; says whether others may follow.
    pub(super) fn take_control_frame(&mut self) -> bool {
        self.control_frames = self.control_frames.saturating_sub(PARTS as u16);
        u32::from(self.control_frames) >= PARTS
    }

    /// Counts messages beyond those that were granted.
    pub(super) fn take_messages(&mut self, count: u32) {
        let parts = i32::try_from(count.saturating_mul(PARTS)).unwrap_or(i32::MAX);
        self.saved = self.saved.saturating_sub(parts);
    }

    /// Gives messages back that were counted and were none.
    pub(super) fn give_messages(&mut self, count: u32) {
        let parts = i32::try_from(count.saturating_mul(PARTS)).unwrap_or(i32::MAX);
        self.saved = self.saved.saturating_add(parts);
    }

    /// Counts bytes beside those that were read.
    pub(super) fn take_bytes(&mut self, count: u64) {
        self.bytes = self.bytes.saturating_sub(i32::try_from(count).unwrap_or(i32::MAX));
    }

    fn grant(&mut self, max_messages: u32) {
        let whole = self.saved.max(0) as u32 / PARTS;
        let granted = whole.min(max_messages).min(u32::from(u16::MAX));
        self.messages = granted as u16;
        self.saved -= (granted * PARTS) as i32;
    }
}

/// What a bucket holds, in parts.
fn half_burst(rate: Option<Rate>, parts: u32) -> i32 {
    let half = rate.map_or(u32::MAX, |rate| rate.burst / 2);
    i32::try_from(half.saturating_mul(parts)).unwrap_or(i32::MAX)
}

fn filled(saved: i32, rate: Option<Rate>, parts: u32, millis: u64) -> i32 {
    let full = half_burst(rate, parts);
    let Some(rate) = rate else { return full };
    let a_second = u64::from(rate.per_second) * u64::from(parts);
    let gained = i32::try_from(millis.saturating_mul(a_second) / 1000).unwrap_or(i32::MAX);
    saved.saturating_add(gained).min(full)
}

/// Zero if there is at least `least`.
fn time_until(saved: i32, least: i32, rate: Option<Rate>, parts: u32) -> Duration {
    let Some(rate) = rate.filter(|_| saved < least) else { return Duration::ZERO };
    let comfort = (rate.per_second / READMISSION_DIVISOR).clamp(1, (rate.burst / 2).max(1));
    let missing = i64::from(comfort) * i64::from(parts) - i64::from(saved);
    let a_second = u64::from(rate.per_second) * u64::from(parts);
    Duration::from_millis((missing.unsigned_abs() * 1000).div_ceil(a_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        message_rate: Some(Rate::new(10, 20)),
        byte_rate: Some(Rate::new(1000, 4000)),
        control_frame_rate: Some(Rate::new(1, 4)),
        ..Limits::trusted()
    };
    const START: Tick = Tick::from_u32(1000);

    fn after(millis: u64) -> Tick {
        START.after(Duration::from_millis(millis))
    }

    fn meter() -> Meter {
        Meter::new(&LIMITS, 1024, START)
    }

    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Meter>(), 16);
    }

    #[test]
    fn without_limits_nothing_runs_out() {
        let limits = Limits::trusted();
        let mut meter = Meter::new(&limits, 1024, START);
        for _ in 0..3 {
            assert_eq!(meter.messages, 1024);
            (meter.messages, meter.bytes) = (0, -1);
            assert!((0..1000).all(|_| meter.take_control_frame()));
            assert_eq!(meter.settle(&limits, 1024, START), None);
        }
        assert_eq!(meter.time_to_recover(&limits), Duration::ZERO);
    }

    #[test]
    fn no_more_comes_at_once_than_a_burst_and_no_less_than_half() {
        let mut meter = meter();
        assert_eq!(meter.messages, 10);
        // Much time has gone by unnoticed.
        meter.messages = 0;
        assert_eq!(meter.settle(&LIMITS, 1024, after(60_000)), None);
        assert_eq!(meter.messages, 10);
        meter.messages = 0;
        assert_eq!(meter.settle(&LIMITS, 1024, after(60_000)), Some(Excess::Messages));
    }

    #[test]
    fn what_is_saved_up_is_the_rate_in_the_long_run() {
        let mut meter = meter();
        let mut taken = 0;
        for millis in (0..100_000).step_by(16) {
            taken += u32::from(std::mem::take(&mut meter.messages));
            meter.settle(&LIMITS, 1024, after(millis));
        }
        assert!((980..=1010).contains(&taken), "{taken} in 100 seconds at 10 a second");
    }

    #[test]
    fn a_debt_is_paid_before_anything_else_comes() {
        let mut meter = meter();
        meter.messages = 0;
        meter.take_messages(20);
        assert_eq!(meter.settle(&LIMITS, 1024, START), Some(Excess::Messages));
        let wait = meter.time_to_recover(&LIMITS);
        assert_eq!(wait, Duration::from_millis(2100));
        assert_eq!(meter.settle(&LIMITS, 1024, after(2000)), Some(Excess::Messages));
        assert_eq!(meter.settle(&LIMITS, 1024, after(2200)), None);
    }

    #[test]
    fn bytes_and_control_frames_have_buckets_of_their_own() {
        let mut meter = meter();
        meter.bytes -= 2001;
        assert_eq!(meter.settle(&LIMITS, 1024, START), Some(Excess::Bytes));
        assert_eq!(meter.settle(&LIMITS, 1024, after(100)), None);
        assert!(meter.take_control_frame());
        assert!(!meter.take_control_frame(), "none is left");
        assert_eq!(meter.settle(&LIMITS, 1024, after(100)), Some(Excess::ControlFrames));
        assert!(meter.time_to_recover(&LIMITS) <= Duration::from_secs(1));
        assert_eq!(meter.settle(&LIMITS, 1024, after(1200)), None);
        meter.take_bytes(u64::MAX);
        assert_eq!(meter.settle(&LIMITS, 1024, after(1200)), Some(Excess::Bytes));
    }

    #[test]
    fn one_turn_takes_no_more_than_its_share() {
        let limits = Limits { message_rate: Some(Rate::new(1, 10_000)), ..Limits::trusted() };
        let mut meter = Meter::new(&limits, 1024, START);
        let mut taken = 0;
        while meter.messages > 0 {
            assert!(meter.messages <= 1024);
            taken += u32::from(std::mem::take(&mut meter.messages));
            meter.settle(&limits, 1024, START);
        }
        assert_eq!(taken, 5000);
    }
}
