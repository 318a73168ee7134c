//! A client's copy of a book: a snapshot, then deltas, each verified by sequence and checksum.

use thiserror::Error;

use crate::checksum;
use crate::level_book::LevelBook;
use crate::message::{BookKind, BookMessage, Instrument, Side};

/// Why a client's book can no longer be trusted. The remedy is always the same: unsubscribe and
/// subscribe again, which brings a new snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BookFault {
    /// A delta came while there was no valid snapshot to apply it to.
    #[error("a delta came before a snapshot")]
    NoSnapshot,
    /// The delta does not follow the message before it.
    #[error("expected seq {expected}, received {received}")]
    Gap {
        /// The sequence number that had to come.
        expected: u64,
        /// The one that came.
        received: u64,
    },
    /// The book after the message is not the server's.
    #[error("checksum {computed} differs from the server's {received}")]
    Checksum {
        /// Of the rebuilt book.
        computed: u32,
        /// What the message said.
        received: u32,
    },
}

/// The book of one symbol, rebuilt from what the server sends.
#[derive(Debug)]
pub(crate) struct ClientBook {
    instrument: Instrument,
    levels: LevelBook,
    /// Of the last message applied; `None` until a snapshot and after a fault.
    seq: Option<u64>,
    scratch: String,
}

impl ClientBook {
    /// An empty book that waits for a snapshot.
    pub(crate) fn new(instrument: Instrument) -> Self {
        Self { instrument, levels: LevelBook::default(), seq: None, scratch: String::new() }
    }

    /// The levels as of the last message; meaningful while [`Self::seq`] is `Some`.
    pub(crate) fn levels(&self) -> &LevelBook {
        &self.levels
    }

    /// The sequence number of the last message applied.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// Applies a snapshot or a delta and verifies the outcome. After a fault only a snapshot is
    /// accepted.
    pub(crate) fn apply(&mut self, message: &BookMessage) -> Result<(), BookFault> {
        let previous = self.seq.take();
        if message.kind == BookKind::Snapshot {
            self.levels.clear();
        } else {
            let expected = previous.ok_or(BookFault::NoSnapshot)?.wrapping_add(1);
            if message.seq != expected {
                return Err(BookFault::Gap { expected, received: message.seq });
            }
        }
        for (side, levels) in [(Side::Buy, &message.bids), (Side::Sell, &message.asks)] {
            // Worst first: each insertion lands at the end of a side that is still being built.
            for level in levels.iter().rev() {
                self.levels.set(side, level.price, level.quantity);
            }
        }
        let computed = checksum::of_book(&self.levels, &self.instrument, &mut self.scratch);
        if computed != message.checksum {
            return Err(BookFault::Checksum { computed, received: message.checksum });
        }
        self.seq = Some(message.seq);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Level;

    fn instrument() -> Instrument {
        Instrument {
            symbol: "X-Y".into(),
            name: "X".into(),
            price_decimals: 1,
            quantity_decimals: 0,
        }
    }

    /// A message whose checksum is right for `after`.
    fn message(kind: BookKind, seq: u64, bids: &[(i64, i64)], after: &LevelBook) -> BookMessage {
        BookMessage {
            kind,
            seq,
            bids: bids.iter().map(|&(price, quantity)| Level { price, quantity }).collect(),
            checksum: checksum::of_book(after, &instrument(), &mut String::new()),
            ..BookMessage::default()
        }
    }

    fn book(bids: &[(i64, i64)]) -> LevelBook {
        let mut book = LevelBook::default();
        for &(price, quantity) in bids {
            book.set(Side::Buy, price, quantity);
        }
        book
    }

    #[test]
    fn follows_a_snapshot_and_its_deltas() {
        let mut client = ClientBook::new(instrument());
        let first = book(&[(10, 5), (9, 2)]);
        let snapshot = message(BookKind::Snapshot, 7, &[(10, 5), (9, 2)], &first);
        assert_eq!(client.apply(&snapshot), Ok(()));
        let second = book(&[(11, 1), (9, 2)]);
        let delta = message(BookKind::Delta, 8, &[(11, 1), (10, 0)], &second);
        assert_eq!(client.apply(&delta), Ok(()));
        assert_eq!(client.levels(), &second);
        assert_eq!(client.seq(), Some(8));
    }

    #[test]
    fn a_gap_a_repetition_and_a_wrong_checksum_demand_a_new_snapshot() {
        let state = book(&[(10, 5)]);
        let snapshot = message(BookKind::Snapshot, 7, &[(10, 5)], &state);
        let next = message(BookKind::Delta, 8, &[(10, 5)], &state);
        for (seq, fault) in [
            (9, BookFault::Gap { expected: 8, received: 9 }),
            (7, BookFault::Gap { expected: 8, received: 7 }),
        ] {
            let mut client = ClientBook::new(instrument());
            assert_eq!(client.apply(&next), Err(BookFault::NoSnapshot));
            client.apply(&snapshot).unwrap();
            let delta = BookMessage { seq, ..next.clone() };
            assert_eq!(client.apply(&delta), Err(fault));
            assert_eq!(client.apply(&next), Err(BookFault::NoSnapshot));
            assert_eq!(client.apply(&snapshot), Ok(()));
        }
        let mut client = ClientBook::new(instrument());
        client.apply(&snapshot).unwrap();
        let lost = message(BookKind::Delta, 8, &[], &book(&[(10, 6)]));
        assert!(matches!(client.apply(&lost), Err(BookFault::Checksum { .. })));
        assert_eq!(client.apply(&next), Err(BookFault::NoSnapshot));
    }
}
