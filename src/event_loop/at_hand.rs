//! A large message while its handler has it.

use std::ops::Range;

/// Where the message lies, so that what is sent of it is recognised: an echo, say, or what is passed
/// on to the sender under another head. What the socket does not take of that is not copied: the
/// queue gets the message's own buffer once the handler is done with it.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    /// Addresses; empty if there is no such message.
    range: Range<usize>,
    is_lent: bool,
}

impl AtHand {
    /// A message is about to be handled.
    pub(super) fn begin(&mut self, message: &[u8]) {
        *self = Self { range: addresses(message), is_lent: false };
    }

    /// Where in the message `payload` lies, if its buffer may be had for that: once.
    pub(super) fn lend(&mut self, payload: &[u8]) -> Option<Range<usize>> {
        let Range { start, end } = addresses(payload);
        if self.is_lent || start < self.range.start || end > self.range.end || start == end {
            return None;
        }
        self.is_lent = true;
        Some(start - self.range.start..end - self.range.start)
    }

    /// The message has been handled; says whether its buffer was lent.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(self).is_lent
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let Range { start, end } = bytes.as_ptr_range();
    start as usize..end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_message_is_lent_once_and_nothing_else_is() {
        let (message, other) = (vec![0; 100], [0; 100]);
        let mut at_hand = AtHand::default();
        assert_eq!(at_hand.lend(&message), None, "no message");
        at_hand.begin(&message);
        assert_eq!(at_hand.lend(&other), None);
        assert_eq!(at_hand.lend(&message[50..50]), None);
        assert_eq!(at_hand.lend(&message[10..60]), Some(10..60));
        assert_eq!(at_hand.lend(&message), None, "lent already");
        assert!(at_hand.end());
        assert_eq!(at_hand.lend(&message), None, "handled");
        at_hand.begin(&message);
        assert!(!at_hand.end());
    }
}
