//! Topics of latest values.

use tickwire::{Outcome, Topic, TopicOptions};

use super::rounds::{Feed, come_and_go};
use super::support::PATIENCE;

/// Values of sixty-four keys, each no more than its sequence number.
struct Values;

const KEY_COUNT: u64 = 64;

/// Keys come again soon or late, in no order.
fn key(sequence: u64) -> u8 {
    (sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8 % KEY_COUNT as u8
}

impl Feed for Values {
    type View = [u64; KEY_COUNT as usize];

    fn options(&self) -> TopicOptions {
        TopicOptions::latest()
    }

    fn publish(&self, topic: &Topic, sequence: u64) {
        let key = key(sequence);
        let outcome = topic.publish_keyed_wait([key], &sequence.to_le_bytes(), PATIENCE);
        assert_eq!(outcome, Outcome::Sent);
    }

    fn view(&self) -> Self::View {
        [0; KEY_COUNT as usize]
    }

    fn take(&self, view: &mut Self::View, payload: &[u8]) -> u64 {
        let sequence = u64::from_le_bytes(payload.try_into().expect("a sequence number"));
        view[usize::from(key(sequence))] = sequence;
        sequence
    }

    fn check(&self, view: &Self::View, sequence: u64) {
        let mut values = self.view();
        for earlier in (1..=sequence).rev() {
            let value = &mut values[usize::from(key(earlier))];
            *value = (*value).max(earlier);
            if values.iter().all(|&value| value > 0) {
                break;
            }
        }
        assert_eq!(*view, values, "after {sequence}");
    }
}

#[test]
fn who_subscribes_while_values_change_has_the_publishers_values() {
    come_and_go(&Values);
}
