//! A limit-order book with price-time priority.
//!
//! Prices are whole ticks and quantities whole lots. Orders live in a slab and form one queue per
//! price; each side is a vector of levels with the best one last, because nearly everything that
//! happens in a market happens there. Placing and cancelling search a level by bisection, the best
//! prices are read in constant time, and an order's id finds its slot directly.

use thiserror::Error;

use crate::message::{Level, Side};

/// The largest quantity of one order, in lots. With [`MAX_ORDERS`] it keeps every sum in an `i64`.
pub(crate) const MAX_QUANTITY: i64 = 1 << 40;
/// The largest number of resting orders in one book.
pub(crate) const MAX_ORDERS: usize = 1 << 22;

/// Names a resting order. The id of an order that is gone never names another one (until a slot
/// has been used four billion times).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct OrderId {
    slot: u32,
    generation: u32,
}

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) side: Side,
    pub(crate) price: i64,
    /// What is left of it, in lots.
    pub(crate) quantity: i64,
}

/// One match. The price is the resting order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) maker: OrderId,
    pub(crate) taker_side: Side,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
}

/// Why an order was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// The quantity is not from 1 to [`MAX_QUANTITY`].
    #[error("a quantity must be from 1 to {MAX_QUANTITY} lots")]
    Quantity,
    /// [`MAX_ORDERS`] orders rest already.
    #[error("the book is full")]
    Full,
}

/// The book of one symbol.
#[derive(Debug, Default)]
pub(crate) struct Book {
    bids: Vec<Queue>,
    asks: Vec<Queue>,
    slots: Vec<Slot>,
    /// The first free slot; free slots are chained by `next`.
    free: Option<u32>,
    order_count: usize,
    /// The levels changed since the last take. A level that came and went can stand here twice.
    changed: Vec<(Side, i64)>,
    /// `changed` is rid of its repetitions when it reaches this length.
    compact_at: usize,
}

/// The orders at one price, oldest first.
#[derive(Debug)]
struct Queue {
    price: i64,
    /// The sum of its orders.
    quantity: i64,
    head: Option<u32>,
    tail: Option<u32>,
    /// Whether it stands in `Book::changed`.
    is_changed: bool,
}

#[derive(Debug)]
struct Slot {
    order: Resting,
    generation: u32,
    is_used: bool,
    previous: Option<u32>,
    next: Option<u32>,
}

impl Book {
    /// Places a limit order: it trades with what it meets at `price` or better, and the rest of it
    /// rests at `price`. Fills are appended to `fills`. Answers the id of what rests, if anything.
    pub(crate) fn place(
        &mut self,
        side: Side,
        price: i64,
        quantity: i64,
        fills: &mut Vec<Fill>,
    ) -> Result<Option<OrderId>, Refused> {
        check_quantity(quantity)?;
        if self.order_count >= MAX_ORDERS {
            return Err(Refused::Full);
        }
        let rest = self.trade(side, quantity, Some(price), fills);
        Ok((rest > 0).then(|| self.rest(Resting { side, price, quantity: rest })))
    }

    /// Trades at the best prices that there are, no worse than `worst` if one is given; the rest
    /// of the order is dropped. Answers the quantity traded.
    pub(crate) fn take(
        &mut self,
        side: Side,
        quantity: i64,
        worst: Option<i64>,
        fills: &mut Vec<Fill>,
    ) -> Result<i64, Refused> {
        check_quantity(quantity)?;
        Ok(quantity - self.trade(side, quantity, worst, fills))
    }

    /// Cancels an order and answers what was left of it; `None` if it is gone already.
    pub(crate) fn cancel(&mut self, id: OrderId) -> Option<Resting> {
        let order = self.order(id)?;
        let (previous, next) = {
            let slot = &self.slots[id.slot as usize];
            (slot.previous, slot.next)
        };
        if let Some(previous) = previous {
            self.slots[previous as usize].next = next;
        }
        if let Some(next) = next {
            self.slots[next as usize].previous = previous;
        }
        self.mark_changed(order.side, order.price);
        let queues = self.queues_mut(order.side);
        // A resting order's price has a queue: it is removed only with its last order.
        let at = position(queues, order.side, order.price);
        let queue = &mut queues[at];
        queue.quantity -= order.quantity;
        if queue.head == Some(id.slot) {
            queue.head = next;
        }
        if queue.tail == Some(id.slot) {
            queue.tail = previous;
        }
        if queue.head.is_none() {
            queues.remove(at);
        }
        self.release(id.slot);
        Some(order)
    }

    /// An order, while it rests.
    pub(crate) fn order(&self, id: OrderId) -> Option<Resting> {
        self.slots
            .get(id.slot as usize)
            .filter(|slot| slot.is_used && slot.generation == id.generation)
            .map(|slot| slot.order)
    }

    /// The number of resting orders.
    pub(crate) fn order_count(&self) -> usize {
        self.order_count
    }

    /// The best level of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Level> {
        self.queues(side).last().map(Queue::level)
    }

    /// The youngest order at the best price of a side.
    pub(crate) fn youngest_at_best(&self, side: Side) -> Option<OrderId> {
        let slot = self.queues(side).last()?.tail?;
        Some(OrderId { slot, generation: self.slots[slot as usize].generation })
    }

    /// The levels of a side, best first.
    pub(crate) fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + '_ {
        self.queues(side).iter().rev().map(Queue::level)
    }

    /// The whole quantity at a price.
    #[cfg(test)]
    pub(crate) fn quantity(&self, side: Side, price: i64) -> i64 {
        let queues = self.queues(side);
        queues
            .get(position(queues, side, price))
            .filter(|queue| queue.price == price)
            .map_or(0, |queue| queue.quantity)
    }

    /// Whether any level has changed since the last take.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Appends the levels that changed since the last take, best first, each once and with its
    /// quantity of now; zero for a level that is gone.
    pub(crate) fn take_changes(&mut self, bids: &mut Vec<Level>, asks: &mut Vec<Level>) {
        let mut changed = std::mem::take(&mut self.changed);
        remove_repetitions(&mut changed);
        for &(side, price) in &changed {
            let queues = self.queues_mut(side);
            let at = position(queues, side, price);
            let queue = queues.get_mut(at).filter(|queue| queue.price == price);
            let quantity = queue.map_or(0, |queue| {
                queue.is_changed = false;
                queue.quantity
            });
            match side {
                Side::Buy => bids.push(Level { price, quantity }),
                Side::Sell => asks.push(Level { price, quantity }),
            }
        }
        changed.clear();
        self.changed = changed;
    }

    /// Trades against the opposite side; answers the quantity that found no match.
    fn trade(
        &mut self,
        side: Side,
        mut quantity: i64,
        worst: Option<i64>,
        fills: &mut Vec<Fill>,
    ) -> i64 {
        let opposite = side.opposite();
        while quantity > 0 {
            let Some(best) = self.best(opposite) else { break };
            // A worst price that would outbid the best rival is one that this rival does not meet.
            if worst.is_some_and(|worst| is_better(opposite, worst, best.price)) {
                break;
            }
            self.mark_changed(opposite, best.price);
            quantity = self.trade_at_best(side, quantity, fills);
        }
        quantity
    }

    /// Trades at the opposite side's best level only, which must exist.
    fn trade_at_best(&mut self, side: Side, mut quantity: i64, fills: &mut Vec<Fill>) -> i64 {
        let queues = match side {
            Side::Buy => &mut self.asks,
            Side::Sell => &mut self.bids,
        };
        let Some(queue) = queues.last_mut() else { return quantity };
        while quantity > 0 {
            let Some(at) = queue.head else { break };
            let slot = &mut self.slots[at as usize];
            let traded = slot.order.quantity.min(quantity);
            fills.push(Fill {
                maker: OrderId { slot: at, generation: slot.generation },
                taker_side: side,
                price: queue.price,
                quantity: traded,
            });
            quantity -= traded;
            queue.quantity -= traded;
            slot.order.quantity -= traded;
            if slot.order.quantity > 0 {
                break;
            }
            queue.head = slot.next;
            match slot.next {
                Some(next) => self.slots[next as usize].previous = None,
                None => queue.tail = None,
            }
            free_slot(&mut self.slots, &mut self.free, at);
            self.order_count -= 1;
        }
        if queue.head.is_none() {
            queues.pop();
        }
        quantity
    }

    fn rest(&mut self, order: Resting) -> OrderId {
        let queues = match order.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let at = position(queues, order.side, order.price);
        if queues.get(at).is_none_or(|queue| queue.price != order.price) {
            queues.insert(at, Queue::new(order.price));
        }
        let queue = &mut queues[at];
        let previous = queue.tail;
        let id = match self.free {
            Some(slot) => {
                let free = &mut self.slots[slot as usize];
                self.free = free.next;
                *free = Slot { order, is_used: true, previous, next: None, ..*free };
                OrderId { slot, generation: free.generation }
            }
            None => {
                // MAX_ORDERS bounds the slots, so the index fits.
                let slot = self.slots.len() as u32;
                self.slots.push(Slot { order, generation: 0, is_used: true, previous, next: None });
                OrderId { slot, generation: 0 }
            }
        };
        queue.quantity += order.quantity;
        queue.tail = Some(id.slot);
        match previous {
            Some(previous) => self.slots[previous as usize].next = Some(id.slot),
            None => queue.head = Some(id.slot),
        }
        self.order_count += 1;
        self.mark_changed(order.side, order.price);
        id
    }

    fn release(&mut self, slot: u32) {
        free_slot(&mut self.slots, &mut self.free, slot);
        self.order_count -= 1;
    }

    /// Notes that an existing level changes.
    fn mark_changed(&mut self, side: Side, price: i64) {
        let queues = self.queues_mut(side);
        let at = position(queues, side, price);
        if std::mem::replace(&mut queues[at].is_changed, true) {
            return;
        }
        // Levels that come and go while nobody takes the changes must not fill the memory.
        if self.changed.len() >= self.compact_at {
            remove_repetitions(&mut self.changed);
            self.compact_at = (self.changed.len() * 2).max(1024);
        }
        self.changed.push((side, price));
    }

    fn queues(&self, side: Side) -> &Vec<Queue> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn queues_mut(&mut self, side: Side) -> &mut Vec<Queue> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Queue {
    fn new(price: i64) -> Self {
        Self { price, quantity: 0, head: None, tail: None, is_changed: false }
    }

    fn level(&self) -> Level {
        Level { price: self.price, quantity: self.quantity }
    }
}

fn check_quantity(quantity: i64) -> Result<(), Refused> {
    if (1..=MAX_QUANTITY).contains(&quantity) { Ok(()) } else { Err(Refused::Quantity) }
}

fn free_slot(slots: &mut [Slot], free: &mut Option<u32>, at: u32) {
    let slot = &mut slots[at as usize];
    slot.is_used = false;
    slot.generation = slot.generation.wrapping_add(1);
    slot.next = *free;
    *free = Some(at);
}

/// Whether `price` stands before `other` on a side: a higher bid, a lower ask.
fn is_better(side: Side, price: i64, other: i64) -> bool {
    match side {
        Side::Buy => price > other,
        Side::Sell => price < other,
    }
}

fn position(queues: &[Queue], side: Side, price: i64) -> usize {
    queues.partition_point(|queue| is_better(side, price, queue.price))
}

/// Sorts each side best first, and leaves every level once.
fn remove_repetitions(changed: &mut Vec<(Side, i64)>) {
    changed.sort_unstable_by_key(|&(side, price)| match side {
        // The complement reverses the order, and unlike the negation it cannot overflow.
        Side::Buy => (side, !price),
        Side::Sell => (side, price),
    });
    changed.dedup();
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
