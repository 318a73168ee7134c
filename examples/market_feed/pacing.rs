//! Holds a replay back to the speed of those who read it.
//!
//! A replay at full speed is faster than any reader. Who reads must lose nothing, and who does not
//! read must not hold up the others for ever.

use std::time::{Duration, Instant};

/// Bytes that may wait for readers, all connections together, before the replay waits for them.
const WINDOW: u64 = 4 << 20;
/// How long readers may take for [`MIN_PROGRESS`] while the replay waits.
const STALL: Duration = Duration::from_secs(2);
/// In bytes, all connections together.
const MIN_PROGRESS: u64 = 1 << 20;

/// When to publish more.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    /// Queued bytes that are not waited for: their readers were given time enough. They go on
    /// until the engine closes them for their backpressure.
    given_up: u64,
    /// Since when the replay waits, and the bytes that had been sent then.
    wait: Option<(Instant, u64)>,
}

impl Pacing {
    /// Whether there is room for more, given the bytes that wait for all readers and those sent to
    /// them so far.
    pub(crate) fn has_room(&mut self, now: Instant, queued: u64, sent: u64) -> bool {
        self.given_up = self.given_up.min(queued);
        if queued - self.given_up <= WINDOW {
            self.wait = None;
            return true;
        }
        let (begun, sent_before) = *self.wait.get_or_insert((now, sent));
        // Whoever has stalled once gets less patience, not a lower pace.
        let part = if self.given_up > 0 { 4 } else { 1 };
        if now.saturating_duration_since(begun) < STALL / part {
            return false;
        }
        self.wait = None;
        let stalled = sent.saturating_sub(sent_before) < MIN_PROGRESS / u64::from(part);
        if stalled {
            self.given_up = queued;
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_while_readers_make_progress() {
        let (mut pacing, start) = (Pacing::default(), Instant::now());
        assert!(pacing.has_room(start, WINDOW, 0));
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            assert!(!pacing.has_room(now, WINDOW + 1, second * MIN_PROGRESS));
        }
        assert!(pacing.has_room(start + STALL, WINDOW, 0));
    }

    #[test]
    fn gives_up_on_what_nobody_reads_and_on_nothing_else() {
        let (mut pacing, start) = (Pacing::default(), Instant::now());
        let dead = 9 * WINDOW;
        assert!(!pacing.has_room(start, dead, 7));
        assert!(!pacing.has_room(start + STALL / 2, dead, 7));
        assert!(pacing.has_room(start + STALL, dead, 7 + MIN_PROGRESS - 1));
        // The others have a window of their own.
        assert!(pacing.has_room(start + STALL, dead + WINDOW, 7));
        assert!(!pacing.has_room(start + STALL, dead + WINDOW + 1, 7));
        // What stalls again is given up sooner.
        let later = start + STALL + STALL / 4;
        assert!(pacing.has_room(later, dead + WINDOW + 1, 7 + MIN_PROGRESS / 4 - 1));
        // Once the dead reader is gone, its bytes are no longer tolerated.
        assert!(pacing.has_room(later, 0, 7));
        assert!(!pacing.has_room(later, WINDOW + 1, 7));
    }
}
