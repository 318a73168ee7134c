//! The order book beside a naive one that scans a list of orders.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use Side::{Buy, Sell};

fn place(book: &mut Book, side: Side, price: i64, quantity: i64) -> Option<OrderId> {
    let mut fills = Vec::new();
    let id = book.place(side, price, quantity, &mut fills).unwrap();
    assert!(fills.is_empty(), "the order was meant to rest");
    id
}

#[test]
fn the_oldest_order_at_the_best_price_trades_first() {
    let mut book = Book::default();
    let worse = place(&mut book, Sell, 102, 5).unwrap();
    let first = place(&mut book, Sell, 101, 5).unwrap();
    let second = place(&mut book, Sell, 101, 5).unwrap();
    let mut fills = Vec::new();
    assert_eq!(book.take(Buy, 12, None, &mut fills), Ok(12));
    let made: Vec<_> = fills.iter().map(|fill| (fill.maker, fill.price, fill.quantity)).collect();
    assert_eq!(made, [(first, 101, 5), (second, 101, 5), (worse, 102, 2)]);
    assert_eq!(book.order(worse).map(|order| order.quantity), Some(3));
    assert_eq!(book.order(first), None);
}

#[test]
fn a_limit_order_rests_with_what_did_not_trade() {
    let mut book = Book::default();
    place(&mut book, Sell, 101, 5);
    place(&mut book, Sell, 103, 5);
    let mut fills = Vec::new();
    let id = book.place(Buy, 102, 8, &mut fills).unwrap().unwrap();
    assert_eq!(fills.len(), 1);
    assert_eq!(book.order(id), Some(Resting { side: Buy, price: 102, quantity: 3 }));
    assert_eq!(book.best(Buy), Some(Level { price: 102, quantity: 3 }));
    assert_eq!(book.best(Sell), Some(Level { price: 103, quantity: 5 }));
}

#[test]
fn taking_stops_at_the_worst_price_given_and_at_the_end_of_the_book() {
    let mut book = Book::default();
    place(&mut book, Buy, 100, 5);
    place(&mut book, Buy, 99, 5);
    let mut fills = Vec::new();
    assert_eq!(book.take(Sell, 20, Some(100), &mut fills), Ok(5));
    assert_eq!(book.take(Sell, 20, None, &mut fills), Ok(5));
    assert_eq!(book.take(Sell, 20, None, &mut fills), Ok(0));
    assert_eq!(book.order_count(), 0);
}

#[test]
fn the_id_of_an_order_that_is_gone_names_no_other() {
    let mut book = Book::default();
    let gone = place(&mut book, Buy, 100, 5).unwrap();
    assert!(book.cancel(gone).is_some());
    let next = place(&mut book, Buy, 100, 5).unwrap();
    assert_eq!(next.slot, gone.slot, "the slot is used again");
    assert_eq!(book.cancel(gone), None);
    assert_eq!(book.order(gone), None);
    assert!(book.order(next).is_some());
    assert_eq!(book.youngest_at_best(Buy), Some(next));
}

#[test]
fn quantities_out_of_range_are_refused() {
    let mut book = Book::default();
    let mut fills = Vec::new();
    for quantity in [i64::MIN, -1, 0, MAX_QUANTITY + 1] {
        assert_eq!(book.place(Buy, 1, quantity, &mut fills), Err(Refused::Quantity));
        assert_eq!(book.take(Buy, quantity, None, &mut fills), Err(Refused::Quantity));
    }
    assert!(book.place(Buy, 1, MAX_QUANTITY, &mut fills).is_ok());
}

#[test]
fn untaken_changes_stay_bounded() {
    let mut book = Book::default();
    for _ in 0..100_000 {
        let id = place(&mut book, Buy, 100, 1).unwrap();
        book.cancel(id);
    }
    assert!(book.changed.len() <= 1024, "{} changes of one level", book.changed.len());
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    book.take_changes(&mut bids, &mut asks);
    assert_eq!(bids, [Level { price: 100, quantity: 0 }]);
    assert!(asks.is_empty() && !book.has_changes());
}

/// The obvious book: every order in one list, oldest first.
#[derive(Default)]
struct Naive {
    orders: Vec<(u32, Resting)>,
    changed: BTreeSet<(Side, i64)>,
}

impl Naive {
    fn trade(
        &mut self,
        side: Side,
        mut quantity: i64,
        worst: Option<i64>,
    ) -> (Vec<(u32, i64, i64)>, i64) {
        let mut fills = Vec::new();
        while quantity > 0 {
            let rivals = self.orders.iter_mut().filter(|(_, order)| order.side != side);
            // min_by_key answers the first of equals, which is the oldest.
            let best = rivals.min_by_key(|(_, order)| match side {
                Buy => order.price,
                Sell => -order.price,
            });
            let Some((number, order)) = best else { break };
            let acceptable = worst.is_none_or(|worst| match side {
                Buy => order.price <= worst,
                Sell => order.price >= worst,
            });
            if !acceptable {
                break;
            }
            let traded = quantity.min(order.quantity);
            fills.push((*number, order.price, traded));
            self.changed.insert((order.side, order.price));
            quantity -= traded;
            order.quantity -= traded;
            self.orders.retain(|(_, order)| order.quantity > 0);
        }
        (fills, quantity)
    }

    fn levels(&self, side: Side) -> Vec<Level> {
        let mut levels = BTreeMap::new();
        for (_, order) in self.orders.iter().filter(|(_, order)| order.side == side) {
            *levels.entry(order.price).or_insert(0) += order.quantity;
        }
        let ascending = levels.into_iter().map(|(price, quantity)| Level { price, quantity });
        match side {
            Buy => ascending.rev().collect(),
            Sell => ascending.collect(),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Place(bool, i64, i64),
    Take(bool, i64, Option<i64>),
    Cancel(prop::sample::Index),
    TakeChanges,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (any::<bool>(), 90..110i64, 1..20i64).prop_map(|(b, p, q)| Step::Place(b, p, q)),
        2 => (any::<bool>(), 1..40i64, prop::option::of(90..110i64))
            .prop_map(|(b, q, w)| Step::Take(b, q, w)),
        3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => Just(Step::TakeChanges),
    ]
}

fn side(buy: bool) -> Side {
    if buy { Buy } else { Sell }
}

proptest! {
    #[test]
    fn agrees_with_the_naive_book(steps in prop::collection::vec(step(), 1..300)) {
        let mut book = Book::default();
        let mut naive = Naive::default();
        let mut ids: Vec<OrderId> = Vec::new();
        let mut numbers: HashMap<OrderId, u32> = HashMap::new();
        for step in steps {
            let mut fills = Vec::new();
            let mut expected = Vec::new();
            match step {
                Step::Place(buy, price, quantity) => {
                    let side = side(buy);
                    let id = book.place(side, price, quantity, &mut fills).unwrap();
                    let (traded, rest) = naive.trade(side, quantity, Some(price));
                    expected = traded;
                    prop_assert_eq!(id.is_some(), rest > 0);
                    if let Some(id) = id {
                        let number = ids.len() as u32;
                        ids.push(id);
                        prop_assert!(numbers.insert(id, number).is_none(), "an id came twice");
                        naive.orders.push((number, Resting { side, price, quantity: rest }));
                        naive.changed.insert((side, price));
                    }
                }
                Step::Take(buy, quantity, worst) => {
                    let taken = book.take(side(buy), quantity, worst, &mut fills).unwrap();
                    let (traded, rest) = naive.trade(side(buy), quantity, worst);
                    expected = traded;
                    prop_assert_eq!(taken, quantity - rest);
                }
                Step::Cancel(index) if !ids.is_empty() => {
                    let number = index.index(ids.len());
                    let at = naive.orders.iter().position(|(other, _)| *other == number as u32);
                    let removed = at.map(|at| naive.orders.remove(at).1);
                    naive.changed.extend(removed.map(|order| (order.side, order.price)));
                    prop_assert_eq!(book.cancel(ids[number]), removed);
                }
                Step::Cancel(_) => {}
                Step::TakeChanges => {
                    let (mut bids, mut asks) = (Vec::new(), Vec::new());
                    book.take_changes(&mut bids, &mut asks);
                    prop_assert!(bids.is_sorted_by(|a, b| a.price > b.price));
                    prop_assert!(asks.is_sorted_by(|a, b| a.price < b.price));
                    let taken: BTreeSet<_> = bids.iter().map(|level| (Buy, level.price))
                        .chain(asks.iter().map(|level| (Sell, level.price))).collect();
                    prop_assert_eq!(&taken, &naive.changed);
                    naive.changed.clear();
                    for level in bids {
                        prop_assert_eq!(level.quantity, book.quantity(Buy, level.price));
                    }
                    for level in asks {
                        prop_assert_eq!(level.quantity, book.quantity(Sell, level.price));
                    }
                }
            }
            let made: Vec<_> = fills.iter()
                .map(|fill| (numbers[&fill.maker], fill.price, fill.quantity)).collect();
            prop_assert_eq!(made, expected);
            for side in [Buy, Sell] {
                let levels = naive.levels(side);
                prop_assert_eq!(book.best(side), levels.first().copied());
                prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), levels);
            }
            prop_assert_eq!(book.order_count(), naive.orders.len());
            if let (Some(bid), Some(ask)) = (book.best(Buy), book.best(Sell)) {
                prop_assert!(bid.price < ask.price, "the book is crossed");
            }
        }
    }
}
