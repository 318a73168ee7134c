//! A simulated exchange: agents that place, cancel and take orders on real order books.
//!
//! Each market has a fair price that nobody sees: a random walk that is pulled back to a slowly
//! moving anchor, with bursts of momentum. Makers quote around it and withdraw quotes that it has
//! passed, informed takers trade towards it, others trade at random. Prices, spreads and depth
//! follow from what these orders do to the book.
//!
//! The same seed and the same profiles give the same events. No clock is read: events carry the
//! time since the beginning, and the caller decides when that time has come.

use fastrand::Rng;

use crate::book::{Book, Fill, OrderId, Resting};
use crate::message::Side;
use crate::profiles::Profile;

/// The orders that a market tends to hold.
const TARGET_ORDERS: usize = 480;
/// A side with fewer levels than this is filled up before anything else happens to it.
const MIN_LEVELS: usize = 12;

/// All simulated markets.
pub(crate) struct Simulator {
    rng: Rng,
    markets: Vec<SimulatedMarket>,
    /// Draws a market by its activity: each stands here as often as it has shares.
    draw: Vec<u16>,
    mean_gap: f64,
    /// When the next event happens, in nanoseconds since the beginning.
    next_at: f64,
    fills: Vec<Fill>,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// Nanoseconds since the beginning.
    pub(crate) time: u64,
    pub(crate) symbol: u16,
    pub(crate) action: Action,
}

/// What an agent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// An order came to rest.
    Placed { id: OrderId, side: Side, price: i64, quantity: i64 },
    /// An order was withdrawn.
    Cancelled { id: OrderId, order: Resting },
    /// An order traded at once; see [`Simulator::fills`].
    Took { side: Side, quantity: i64 },
}

struct SimulatedMarket {
    profile: Profile,
    book: Book,
    /// Orders to choose from when one is cancelled. Some of them are gone already.
    orders: Vec<OrderId>,
    /// In ticks.
    fair: f64,
    anchor: f64,
    /// Ticks per square root second.
    volatility: f64,
    /// Ticks per second while a burst lasts.
    momentum: f64,
    /// Seconds since the beginning.
    burst_until: f64,
    last_event: f64,
}

impl Simulator {
    /// Markets with filled books. `rate` is in events per second, of all markets together.
    ///
    /// # Panics
    ///
    /// If there is no profile, or more than 65,536, or `rate` is not a positive number.
    pub(crate) fn new(profiles: Vec<Profile>, rate: f64, seed: u64) -> Self {
        assert!(rate.is_finite() && rate > 0.0, "the rate must be a positive number");
        assert!(!profiles.is_empty() && profiles.len() <= usize::from(u16::MAX) + 1);
        let mut rng = Rng::with_seed(seed);
        let mut draw = Vec::new();
        for (profile, symbol) in profiles.iter().zip(0..=u16::MAX) {
            draw.extend(std::iter::repeat_n(symbol, profile.activity.max(1) as usize));
        }
        let markets = profiles.into_iter().map(|profile| SimulatedMarket::new(profile, &mut rng));
        let mut simulator = Self {
            markets: markets.collect(),
            rng,
            draw,
            mean_gap: 1e9 / rate,
            next_at: 0.0,
            fills: Vec::new(),
        };
        simulator.next_at = simulator.gap();
        simulator
    }

    /// When the next event happens, in nanoseconds since the beginning.
    pub(crate) fn next_time(&self) -> u64 {
        self.next_at as u64
    }

    /// Makes the next event happen.
    pub(crate) fn step(&mut self) -> Event {
        self.fills.clear();
        let symbol = self.draw[self.rng.usize(..self.draw.len())];
        let market = &mut self.markets[usize::from(symbol)];
        market.move_fair(self.next_at / 1e9, &mut self.rng);
        let action = market.act(&mut self.rng, &mut self.fills);
        let event = Event { time: self.next_time(), symbol, action };
        self.next_at += self.gap();
        event
    }

    /// The matches of the last step, in the order in which they happened.
    pub(crate) fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The number of markets.
    pub(crate) fn len(&self) -> usize {
        self.markets.len()
    }

    /// A market's profile.
    pub(crate) fn profile(&self, symbol: u16) -> &Profile {
        &self.markets[usize::from(symbol)].profile
    }

    /// A market's book.
    pub(crate) fn book(&self, symbol: u16) -> &Book {
        &self.markets[usize::from(symbol)].book
    }

    /// A market's book, to take its changes from.
    pub(crate) fn book_mut(&mut self, symbol: u16) -> &mut Book {
        &mut self.markets[usize::from(symbol)].book
    }

    /// The time to the next event: independent events at a mean rate.
    fn gap(&mut self) -> f64 {
        exponential(&mut self.rng) * self.mean_gap
    }
}

impl SimulatedMarket {
    fn new(profile: Profile, rng: &mut Rng) -> Self {
        let fair = profile.price as f64;
        let mut market = Self {
            book: Book::default(),
            orders: Vec::new(),
            fair,
            anchor: fair,
            volatility: fair * profile.volatility / 1e4,
            momentum: 0.0,
            burst_until: 0.0,
            last_event: 0.0,
            profile,
        };
        for number in 0..TARGET_ORDERS {
            let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
            market.quote(side, rng, &mut Vec::new());
        }
        market
    }

    /// Lets the fair price go on to `now`, in seconds since the beginning.
    fn move_fair(&mut self, now: f64, rng: &mut Rng) {
        let elapsed = now - self.last_event;
        self.last_event = now;
        if now >= self.burst_until {
            self.momentum = 0.0;
            // A burst every forty seconds on average.
            if rng.f64() < elapsed / 40.0 {
                let direction = if rng.bool() { 1.0 } else { -1.0 };
                self.momentum = direction * self.volatility * (0.8 + 1.2 * rng.f64());
                self.burst_until = now + 1.0 + 4.0 * rng.f64();
            }
        }
        let noise = self.volatility * elapsed.sqrt() * normal(rng);
        let pull = (self.anchor - self.fair) * (elapsed * 0.02).min(0.5);
        // Where events are rare, agents could not follow a price that runs at its full speed.
        let limit = 2.0 * self.profile.half_spread + 0.05 * self.profile.depth;
        let change = (noise + pull + self.momentum * elapsed).clamp(-limit, limit);
        let start = self.profile.price as f64;
        let floor = (start * 0.2).max(4.0 * self.profile.depth);
        self.fair = (self.fair + change).clamp(floor, start * 5.0);
        self.anchor += (self.fair - self.anchor) * (elapsed * 0.01).min(0.5);
        self.anchor += (start - self.anchor) * (elapsed * 0.0005).min(0.5);
    }

    /// One agent does one thing.
    fn act(&mut self, rng: &mut Rng, fills: &mut Vec<Fill>) -> Action {
        for side in [Side::Buy, Side::Sell] {
            if self.book.levels(side).len() < MIN_LEVELS {
                return self.quote(side, rng, fills);
            }
        }
        // A fair price beyond a best price is an opportunity: the maker flees or a taker comes.
        for side in [Side::Buy, Side::Sell] {
            let Some(best) = self.book.best(side) else { continue };
            let passed = match side {
                Side::Buy => best.price as f64 - self.fair,
                Side::Sell => self.fair - best.price as f64,
            };
            if passed > 0.0 {
                match rng.u32(..100) {
                    0..45 => return self.withdraw_best(side, rng, fills),
                    45..70 => return self.take(side.opposite(), rng, fills),
                    _ => break,
                }
            }
        }
        let order_count = self.book.order_count() as f64;
        let shortage = (1.0 - order_count / TARGET_ORDERS as f64).clamp(-1.0, 1.0);
        let choice = rng.f64();
        let place = 0.5 + 0.3 * shortage;
        if choice < place {
            let side = if rng.bool() { Side::Buy } else { Side::Sell };
            self.quote(side, rng, fills)
        } else if choice < place + 0.04 {
            // Momentum draws a crowd.
            let buys = if self.momentum > 0.0 {
                0.8
            } else if self.momentum < 0.0 {
                0.2
            } else {
                0.5
            };
            let side = if rng.f64() < buys { Side::Buy } else { Side::Sell };
            self.take(side, rng, fills)
        } else {
            self.withdraw_any(rng, fills)
        }
    }

    /// A maker places an order behind the fair price; it never trades at once.
    fn quote(&mut self, side: Side, rng: &mut Rng, fills: &mut Vec<Fill>) -> Action {
        let Profile { half_spread, depth, size, .. } = self.profile;
        // Some makers compete for the best price, the others wait deeper in the book.
        let scale = if rng.u32(..100) < 35 { half_spread } else { depth };
        let behind = exponential(rng) * scale;
        let distance = half_spread * (0.7 + 0.6 * rng.f64()) + behind;
        let price = match side {
            Side::Buy => {
                let limit = self.book.best(Side::Sell).map_or(i64::MAX, |ask| ask.price - 1);
                ((self.fair - distance).floor() as i64).min(limit)
            }
            Side::Sell => {
                let limit = self.book.best(Side::Buy).map_or(0, |bid| bid.price + 1);
                ((self.fair + distance).ceil() as i64).max(limit)
            }
        };
        let quantity = draw_size(size * (1.0 + 0.4 * behind / depth), 0.9, rng);
        match self.book.place(side, price, quantity, fills) {
            Ok(Some(id)) => {
                self.remember(id);
                Action::Placed { id, side, price, quantity }
            }
            // Neither happens: the price is clear of the other side, the quantity in range, and
            // a full book is thousands of times the target.
            Ok(None) | Err(_) => Action::Took { side, quantity: 0 },
        }
    }

    /// A taker trades, but does not pay any price.
    fn take(&mut self, side: Side, rng: &mut Rng, fills: &mut Vec<Fill>) -> Action {
        let Profile { half_spread, depth, size, .. } = self.profile;
        let reach = (half_spread + 0.15 * depth).ceil() as i64;
        let worst = self.book.best(side.opposite()).map(|best| match side {
            Side::Buy => best.price + reach,
            Side::Sell => best.price - reach,
        });
        let quantity = draw_size(size, 1.2, rng);
        // The quantity is in range, so nothing is refused.
        let quantity = self.book.take(side, quantity, worst, fills).unwrap_or(0);
        Action::Took { side, quantity }
    }

    /// The maker of the youngest order at the best price thinks better of it.
    fn withdraw_best(&mut self, side: Side, rng: &mut Rng, fills: &mut Vec<Fill>) -> Action {
        let id = self.book.youngest_at_best(side);
        match id.and_then(|id| Some((id, self.book.cancel(id)?))) {
            Some((id, order)) => Action::Cancelled { id, order },
            None => self.quote(side, rng, fills),
        }
    }

    /// Some order is withdrawn; of two, more often the one farther from the fair price.
    fn withdraw_any(&mut self, rng: &mut Rng, fills: &mut Vec<Fill>) -> Action {
        let one = self.draw_order(rng);
        let other = if rng.u32(..100) < 55 { self.draw_order(rng) } else { None };
        let distance = |id: OrderId| {
            self.book.order(id).map_or(0.0, |order| (order.price as f64 - self.fair).abs())
        };
        let id = match (one, other) {
            (Some(one), Some(other)) if distance(other) > distance(one) => Some(other),
            (one, other) => one.or(other),
        };
        match id.and_then(|id| Some((id, self.book.cancel(id)?))) {
            Some((id, order)) => Action::Cancelled { id, order },
            None => self.quote(Side::Buy, rng, fills),
        }
    }

    /// A resting order at random; forgets those that it finds gone.
    fn draw_order(&mut self, rng: &mut Rng) -> Option<OrderId> {
        while !self.orders.is_empty() {
            let at = rng.usize(..self.orders.len());
            let id = self.orders[at];
            if self.book.order(id).is_some() {
                return Some(id);
            }
            self.orders.swap_remove(at);
        }
        None
    }

    fn remember(&mut self, id: OrderId) {
        if self.orders.len() >= 2 * self.book.order_count() + 64 {
            let book = &self.book;
            self.orders.retain(|&id| book.order(id).is_some());
        }
        self.orders.push(id);
    }
}

/// A quantity around `typical`, often a round one, from 1 to what a book accepts.
fn draw_size(typical: f64, spread: f64, rng: &mut Rng) -> i64 {
    let size = typical * (spread * normal(rng) - 0.5 * spread * spread).exp();
    let size = (size as i64).clamp(1, 1_000_000_000);
    match rng.u32(..10) {
        0..3 if size > 100 => size / 100 * 100,
        3..5 if size > 10 => size / 10 * 10,
        _ => size,
    }
}

/// Mean 1.
fn exponential(rng: &mut Rng) -> f64 {
    // 1 - f64() is never zero.
    -(1.0 - rng.f64()).ln()
}

/// Mean 0, variance 1, near enough to normal: the sum of four uniform draws.
fn normal(rng: &mut Rng) -> f64 {
    let bits = rng.u64(..);
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    // Each part has the mean 32767.5 and the variance 65536² / 12.
    (sum as f64 - 131_070.0) / (65_536.0 / 3.0_f64.sqrt())
}

#[cfg(test)]
#[path = "simulator_tests.rs"]
mod tests;
