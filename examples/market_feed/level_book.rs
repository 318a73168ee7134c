//! A book of levels: what is published, and what a client rebuilds. No orders, only the whole
//! quantity at each price.

use crate::message::{Level, Side};

/// The levels of both sides. Each side is sorted with its best price last, where most changes
/// happen, so that they move few levels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LevelBook {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl LevelBook {
    /// Sets the quantity at a price; zero removes the level. Answers whether anything changed.
    pub(crate) fn set(&mut self, side: Side, price: i64, quantity: i64) -> bool {
        let levels = self.side_mut(side);
        let at = position(levels, side, price);
        match levels.get_mut(at).filter(|level| level.price == price) {
            Some(level) if level.quantity == quantity => return false,
            Some(_) if quantity == 0 => drop(levels.remove(at)),
            Some(level) => level.quantity = quantity,
            None if quantity == 0 => return false,
            None => levels.insert(at, Level { price, quantity }),
        }
        true
    }

    /// The quantity at a price, zero where there is no level.
    pub(crate) fn quantity(&self, side: Side, price: i64) -> i64 {
        let levels = self.side(side);
        levels
            .get(position(levels, side, price))
            .filter(|level| level.price == price)
            .map_or(0, |level| level.quantity)
    }

    /// The best level of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Level> {
        self.side(side).last().copied()
    }

    /// The levels of a side, best first.
    pub(crate) fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + '_ {
        self.side(side).iter().rev().copied()
    }

    /// Whether a bid stands at or above an ask, which no book of a working market shows.
    pub(crate) fn is_crossed(&self) -> bool {
        match (self.best(Side::Buy), self.best(Side::Sell)) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// The number of levels on both sides.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// Removes every level.
    pub(crate) fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    fn side(&self, side: Side) -> &Vec<Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Vec<Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

fn position(levels: &[Level], side: Side, price: i64) -> usize {
    match side {
        Side::Buy => levels.partition_point(|level| level.price < price),
        Side::Sell => levels.partition_point(|level| level.price > price),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(changes in prop::collection::vec((any::<bool>(), 0..40i64, 0..4i64), 0..200)) {
            let mut book = LevelBook::default();
            let mut twin = [BTreeMap::new(), BTreeMap::new()];
            for (buy, price, quantity) in changes {
                let side = if buy { Side::Buy } else { Side::Sell };
                let map = &mut twin[usize::from(buy)];
                let before = if quantity == 0 { map.remove(&price) } else { map.insert(price, quantity) };
                prop_assert_eq!(book.set(side, price, quantity), before.unwrap_or(0) != quantity);
                prop_assert_eq!(book.quantity(side, price), quantity);
            }
            let bids: Vec<_> = twin[1].iter().rev().map(|(&price, &quantity)| Level { price, quantity }).collect();
            let asks: Vec<_> = twin[0].iter().map(|(&price, &quantity)| Level { price, quantity }).collect();
            prop_assert_eq!(book.best(Side::Buy), bids.first().copied());
            prop_assert_eq!(book.best(Side::Sell), asks.first().copied());
            prop_assert_eq!(book.len(), bids.len() + asks.len());
            prop_assert_eq!(book.levels(Side::Buy).collect::<Vec<_>>(), bids);
            prop_assert_eq!(book.levels(Side::Sell).collect::<Vec<_>>(), asks);
        }
    }

    #[test]
    fn knows_a_crossed_book() {
        let mut book = LevelBook::default();
        book.set(Side::Buy, 10, 1);
        assert!(!book.is_crossed());
        book.set(Side::Sell, 11, 1);
        assert!(!book.is_crossed());
        book.set(Side::Sell, 10, 1);
        assert!(book.is_crossed());
        book.clear();
        assert_eq!(book.len(), 0);
    }
}
