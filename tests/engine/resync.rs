//! Topics of deltas, and the snapshots that they build upon.

use std::sync::{Arc, Mutex};

use tickwire::{Outcome, Topic, TopicOptions};

use super::rounds::{Feed, come_and_go};
use super::support::PATIENCE;

/// A state that every publication of the past has left its mark on: a subscriber has the publisher's
/// only if it has applied each exactly once, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    sequence: u64,
    digest: u64,
}

impl State {
    fn next(self) -> Self {
        let sequence = self.sequence + 1;
        let digest = (self.digest ^ sequence).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        Self { sequence, digest }
    }

    fn payload(self, kind: u8) -> Vec<u8> {
        let mut payload = vec![kind];
        payload.extend(self.sequence.to_le_bytes());
        payload.extend(self.digest.to_le_bytes());
        payload
    }

    fn of(payload: &[u8]) -> Self {
        let number = |at| u64::from_le_bytes(payload[at..at + 8].try_into().expect("8 bytes"));
        Self { sequence: number(1), digest: number(9) }
    }
}

const DELTA: u8 = b'd';
const SNAPSHOT: u8 = b's';

/// Where snapshots come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Snapshots {
    /// The publisher supplies one every so often.
    Supplied,
    /// The topic asks for one when it needs it.
    Asked,
}

struct Deltas {
    snapshots: Snapshots,
    state: Arc<Mutex<State>>,
}

/// The ring must reach back from one snapshot to the next, but not for ever.
const RING_COUNT: usize = 200;
const SUPPLY_EVERY: u64 = 50;

impl Deltas {
    fn new(snapshots: Snapshots) -> Self {
        Self { snapshots, state: Arc::default() }
    }
}

impl Feed for Deltas {
    type View = Option<State>;

    fn options(&self) -> TopicOptions {
        let options = TopicOptions::resync().replay(RING_COUNT, 1 << 20);
        match self.snapshots {
            Snapshots::Supplied => options,
            Snapshots::Asked => {
                let state = self.state.clone();
                options.snapshot_source(move || {
                    let state = *state.lock().expect("a state");
                    Some((state.sequence, state.payload(SNAPSHOT).into()))
                })
            }
        }
    }

    fn prepare(&self, topic: &Topic) {
        *self.state.lock().expect("a state") = State::default();
        assert!(topic.supply_snapshot(0, State::default().payload(SNAPSHOT)));
    }

    fn publish(&self, topic: &Topic, sequence: u64) {
        // Whoever takes a snapshot must not wait for a publisher that waits for room.
        let next = self.state.lock().expect("a state").next();
        assert_eq!(next.sequence, sequence);
        assert_eq!(topic.publish_wait(next.payload(DELTA), PATIENCE), Outcome::Sent);
        *self.state.lock().expect("a state") = next;
        if self.snapshots == Snapshots::Supplied && sequence % SUPPLY_EVERY == 0 {
            assert!(topic.supply_snapshot(sequence, next.payload(SNAPSHOT)));
        }
    }

    fn view(&self) -> Option<State> {
        None
    }

    fn take(&self, view: &mut Option<State>, payload: &[u8]) -> u64 {
        let received = State::of(payload);
        match view {
            None => assert_eq!(payload[0], SNAPSHOT, "it begins with a snapshot"),
            Some(state) => {
                assert_eq!(payload[0], DELTA, "one snapshot is enough");
                assert_eq!(received, state.next(), "a gap or an overlap");
            }
        }
        *view = Some(received);
        received.sequence
    }

    fn check(&self, view: &Option<State>, sequence: u64) {
        // Each step has been held against the publisher's digest.
        assert_eq!(view.map(|state| state.sequence), Some(sequence));
    }
}

#[test]
fn who_subscribes_under_load_has_a_snapshot_and_what_follows_it() {
    come_and_go(&Deltas::new(Snapshots::Supplied));
}

#[test]
fn who_subscribes_under_load_has_a_snapshot_that_was_asked_for_and_what_follows_it() {
    come_and_go(&Deltas::new(Snapshots::Asked));
}
