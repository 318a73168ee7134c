//! The simulator keeps its promises: determinism, sane books, believable prices.

use super::*;
use crate::profiles;

fn simulator(seed: u64) -> Simulator {
    Simulator::new(profiles::all(), 10_000.0, seed)
}

fn run(seed: u64, steps: usize) -> (Vec<Event>, Vec<Fill>) {
    let mut simulator = simulator(seed);
    let mut fills = Vec::new();
    let events = (0..steps)
        .map(|_| {
            let event = simulator.step();
            fills.extend_from_slice(simulator.fills());
            event
        })
        .collect();
    (events, fills)
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let (events, fills) = run(7, 50_000);
    assert_eq!((&events, &fills), (&run(7, 50_000).0, &run(7, 50_000).1));
    let (other_events, other_fills) = run(8, 50_000);
    assert_ne!(events, other_events);
    assert_ne!(fills, other_fills);
}

#[test]
fn events_come_in_order_and_at_the_wanted_rate() {
    let (events, _) = run(3, 100_000);
    assert!(events.is_sorted_by_key(|event| event.time));
    let seconds = events.last().unwrap().time as f64 / 1e9;
    assert!((9.8..10.2).contains(&seconds), "100,000 events at 10,000/s took {seconds} s");
    for symbol in 0..20 {
        let count = events.iter().filter(|event| event.symbol == symbol).count();
        assert!(count > 1000, "symbol {symbol} has {count} events");
    }
}

#[test]
fn books_are_never_crossed_or_empty_and_events_tell_the_truth() {
    let mut simulator = simulator(11);
    for _ in 0..100_000 {
        let event = simulator.step();
        let book = simulator.book(event.symbol);
        let bid = book.best(Side::Buy).expect("bids");
        let ask = book.best(Side::Sell).expect("asks");
        assert!(bid.price < ask.price, "{} has {bid:?} {ask:?}", event.symbol);
        assert!(bid.price > 0);
        match event.action {
            Action::Placed { id, side, price, quantity } => {
                assert_eq!(book.order(id), Some(Resting { side, price, quantity }));
                assert!(simulator.fills().is_empty());
            }
            Action::Cancelled { id, .. } => assert_eq!(book.order(id), None),
            Action::Took { side, quantity } => {
                let fills = simulator.fills();
                assert_eq!(fills.iter().map(|fill| fill.quantity).sum::<i64>(), quantity);
                assert!(fills.iter().all(|fill| fill.taker_side == side));
                assert!(quantity > 0);
            }
        }
    }
}

#[test]
fn memory_stays_bounded() {
    let mut simulator = simulator(5);
    for _ in 0..300_000 {
        simulator.step();
    }
    for market in &simulator.markets {
        let symbol = &market.profile.instrument.symbol;
        let order_count = market.book.order_count();
        assert!((200..1000).contains(&order_count), "{symbol} holds {order_count} orders");
        assert!(market.orders.len() <= 2 * 1000 + 64, "{symbol} remembers {}", market.orders.len());
    }
}

#[test]
fn prices_move_but_stay_believable() {
    let mut simulator = simulator(1);
    let mut traded = [0_u64; 20];
    let mut lows = [f64::MAX; 20];
    let mut highs = [0.0_f64; 20];
    let mut spreads = [0.0_f64; 20];
    let mut counts = [0.0_f64; 20];
    // Two minutes.
    while simulator.next_time() < 120_000_000_000 {
        let event = simulator.step();
        let at = usize::from(event.symbol);
        traded[at] += simulator.fills().len() as u64;
        let book = simulator.book(event.symbol);
        let (bid, ask) = (book.best(Side::Buy).unwrap(), book.best(Side::Sell).unwrap());
        let mid = (bid.price + ask.price) as f64 / 2.0;
        lows[at] = lows[at].min(mid);
        highs[at] = highs[at].max(mid);
        spreads[at] += (ask.price - bid.price) as f64;
        counts[at] += 1.0;
    }
    for (at, profile) in profiles::all().iter().enumerate() {
        let symbol = &profile.instrument.symbol;
        let range = (highs[at] / lows[at] - 1.0) * 1e4;
        let expected = profile.volatility * 120.0_f64.sqrt();
        let spread = spreads[at] / counts[at];
        println!(
            "{symbol:9} range {range:6.1} bp (walk {expected:5.1}), spread {spread:5.2} of \
             {:5.2} ticks, {} trades of {} events",
            2.0 * profile.half_spread,
            traded[at],
            counts[at]
        );
        assert!((0.4..8.0).contains(&(range / expected)), "{symbol} moved {range} bp");
        assert!(
            spread < 4.0 * profile.half_spread + 2.0,
            "{symbol} has a spread of {spread} ticks"
        );
        let share = traded[at] as f64 / counts[at];
        assert!((0.02..0.4).contains(&share), "{symbol} trades in {share} of its events");
        // The fair price is where the market is.
        let market = &simulator.markets[at];
        let mid = market.book.best(Side::Buy).unwrap().price as f64;
        assert!((mid - market.fair).abs() < profile.depth + 5.0 * profile.half_spread, "{symbol}");
    }
}
