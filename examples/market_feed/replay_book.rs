//! A book rebuilt from a captured stream that has no starting snapshot.
//!
//! It holds the levels that were touched since the capture began. Depth messages keep those right,
//! but come up to 100 ms late; `bookTicker` messages come at once and prove which levels cannot
//! exist any more. Both carry update ids, which say which of the two is the newer truth.

use crate::level_book::LevelBook;
use crate::message::{Level, Side};

/// The book of one symbol of a replay.
#[derive(Debug, Default)]
pub(crate) struct ReplayBook {
    levels: LevelBook,
    /// The last update that the depth messages have brought.
    last_update: Option<u64>,
    best: Option<Best>,
    touched: Vec<(Side, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Best {
    update: u64,
    bid: Level,
    ask: Level,
}

/// How a depth message follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    /// It is the first, or follows without a gap.
    Follows,
    /// Updates are missing: the levels from before them were dropped.
    Gap,
    /// It brings nothing that is not known already, and was ignored.
    Repeated,
}

impl ReplayBook {
    /// Notes the best prices as of an update; they take effect with the next depth message.
    pub(crate) fn note_best(&mut self, update: u64, bid: Level, ask: Level) {
        if self.best.is_none_or(|best| best.update < update) {
            self.best = Some(Best { update, bid, ask });
        }
    }

    /// Applies a depth message. The levels that changed are appended, best first and each once,
    /// quantity zero for those that are gone.
    pub(crate) fn apply(
        &mut self,
        (first, last): (u64, u64),
        bids: &[Level],
        asks: &[Level],
        changed_bids: &mut Vec<Level>,
        changed_asks: &mut Vec<Level>,
    ) -> Continuity {
        let mut continuity = Continuity::Follows;
        if let Some(known) = self.last_update {
            if last <= known {
                return Continuity::Repeated;
            }
            if first > known + 1 {
                continuity = Continuity::Gap;
                self.drop_all();
            }
        }
        self.last_update = Some(last);
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            for level in levels {
                self.set(side, *level);
            }
        }
        match self.best {
            Some(best) if best.update > last => self.enforce(best),
            _ => self.uncross(bids, asks),
        }
        self.take_touched(changed_bids, changed_asks);
        continuity
    }

    /// Forgets everything, as at the beginning of a new pass. The levels that are gone are
    /// appended.
    pub(crate) fn reset(&mut self, changed_bids: &mut Vec<Level>, changed_asks: &mut Vec<Level>) {
        self.drop_all();
        self.last_update = None;
        self.best = None;
        self.take_touched(changed_bids, changed_asks);
    }

    fn drop_all(&mut self) {
        for side in [Side::Buy, Side::Sell] {
            self.touched.extend(self.levels.levels(side).map(|level| (side, level.price)));
        }
        self.levels.clear();
    }

    fn set(&mut self, side: Side, level: Level) {
        if self.levels.set(side, level.price, level.quantity) {
            self.touched.push((side, level.price));
        }
    }

    /// Removes the levels that newer best prices prove stale, and sets those prices' levels.
    fn enforce(&mut self, best: Best) {
        for (side, truth) in [(Side::Buy, best.bid), (Side::Sell, best.ask)] {
            if truth.quantity == 0 {
                continue;
            }
            while let Some(stale) = self.levels.best(side) {
                let is_beyond = match side {
                    Side::Buy => stale.price > truth.price,
                    Side::Sell => stale.price < truth.price,
                };
                if !is_beyond {
                    break;
                }
                self.set(side, Level { quantity: 0, ..stale });
            }
            self.set(side, truth);
        }
    }

    /// Without newer best prices: of two levels that cross, the one that the last message did not
    /// bring is stale; both are if neither or both came with it.
    fn uncross(&mut self, bids: &[Level], asks: &[Level]) {
        while self.levels.is_crossed() {
            let (Some(bid), Some(ask)) =
                (self.levels.best(Side::Buy), self.levels.best(Side::Sell))
            else {
                return;
            };
            let bid_is_new = bids.contains(&bid);
            let ask_is_new = asks.contains(&ask);
            if !bid_is_new || ask_is_new {
                self.set(Side::Buy, Level { quantity: 0, ..bid });
            }
            if !ask_is_new || bid_is_new {
                self.set(Side::Sell, Level { quantity: 0, ..ask });
            }
        }
    }

    fn take_touched(&mut self, bids: &mut Vec<Level>, asks: &mut Vec<Level>) {
        self.touched.sort_unstable_by_key(|&(side, price)| match side {
            // The complement reverses the order, and unlike the negation it cannot overflow.
            Side::Buy => (side, !price),
            Side::Sell => (side, price),
        });
        self.touched.dedup();
        for (side, price) in self.touched.drain(..) {
            let level = Level { price, quantity: self.levels.quantity(side, price) };
            match side {
                Side::Buy => bids.push(level),
                Side::Sell => asks.push(level),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(pairs: &[(i64, i64)]) -> Vec<Level> {
        pairs.iter().map(|&(price, quantity)| Level { price, quantity }).collect()
    }

    type Changes = (Vec<Level>, Vec<Level>);

    fn apply(
        book: &mut ReplayBook,
        updates: (u64, u64),
        bids: &[(i64, i64)],
        asks: &[(i64, i64)],
    ) -> (Continuity, Changes) {
        let (mut changed_bids, mut changed_asks) = (Vec::new(), Vec::new());
        let (bids, asks) = (levels(bids), levels(asks));
        let continuity = book.apply(updates, &bids, &asks, &mut changed_bids, &mut changed_asks);
        assert!(!book.levels.is_crossed());
        (continuity, (changed_bids, changed_asks))
    }

    #[test]
    fn reports_what_changed_best_first() {
        let mut book = ReplayBook::default();
        let first = apply(&mut book, (1, 5), &[(98, 1), (99, 2)], &[(102, 4), (101, 3)]);
        let changes = (levels(&[(99, 2), (98, 1)]), levels(&[(101, 3), (102, 4)]));
        assert_eq!(first, (Continuity::Follows, changes));
        let second = apply(&mut book, (6, 6), &[(99, 0), (98, 1), (50, 0)], &[]);
        assert_eq!(second, (Continuity::Follows, (levels(&[(99, 0)]), vec![])));
    }

    #[test]
    fn newer_best_prices_remove_what_they_prove_stale() {
        let mut book = ReplayBook::default();
        apply(&mut book, (1, 5), &[(98, 1), (99, 2)], &[(101, 3), (102, 4)]);
        book.note_best(9, Level { price: 101, quantity: 7 }, Level { price: 103, quantity: 8 });
        let (_, changes) = apply(&mut book, (6, 7), &[(97, 5)], &[(102, 9)]);
        assert_eq!(
            changes,
            (levels(&[(101, 7), (97, 5)]), levels(&[(101, 0), (102, 0), (103, 8)]))
        );
        // Best prices older than the depth message prove nothing against it.
        let (_, changes) = apply(&mut book, (8, 10), &[(102, 1)], &[]);
        assert_eq!(changes, (levels(&[(102, 1)]), vec![]));
        book.note_best(8, Level { price: 90, quantity: 1 }, Level { price: 91, quantity: 1 });
        let (_, changes) = apply(&mut book, (11, 11), &[], &[]);
        assert_eq!(changes, (vec![], vec![]));
    }

    #[test]
    fn without_best_prices_the_newer_level_wins() {
        let mut book = ReplayBook::default();
        apply(&mut book, (1, 5), &[(99, 2)], &[(101, 3), (102, 4)]);
        let (_, changes) = apply(&mut book, (6, 7), &[(101, 1)], &[]);
        assert_eq!(changes, (levels(&[(101, 1)]), levels(&[(101, 0)])));
        let (_, changes) = apply(&mut book, (8, 8), &[], &[(100, 6)]);
        assert_eq!(changes, (levels(&[(101, 0)]), levels(&[(100, 6)])));
    }

    #[test]
    fn a_gap_drops_the_levels_from_before_it() {
        let mut book = ReplayBook::default();
        apply(&mut book, (1, 5), &[(98, 1), (99, 2)], &[(101, 3)]);
        let (continuity, changes) = apply(&mut book, (9, 9), &[(98, 4)], &[]);
        assert_eq!(continuity, Continuity::Gap);
        assert_eq!(changes, (levels(&[(99, 0), (98, 4)]), levels(&[(101, 0)])));
        let (continuity, changes) = apply(&mut book, (7, 8), &[(97, 4)], &[]);
        assert_eq!((continuity, changes), (Continuity::Repeated, (vec![], vec![])));
    }

    #[test]
    fn a_reset_removes_everything() {
        let mut book = ReplayBook::default();
        apply(&mut book, (100, 105), &[(98, 1)], &[(101, 3)]);
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        book.reset(&mut bids, &mut asks);
        assert_eq!((bids, asks), (levels(&[(98, 0)]), levels(&[(101, 0)])));
        let (continuity, changes) = apply(&mut book, (1, 2), &[(98, 1)], &[]);
        assert_eq!((continuity, changes.0), (Continuity::Follows, levels(&[(98, 1)])));
    }
}
