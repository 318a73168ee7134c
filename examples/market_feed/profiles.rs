//! The markets that can be simulated: their symbols, prices and habits.

use crate::message::Instrument;

/// How one simulated market looks and behaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    pub(crate) instrument: Instrument,
    /// The smallest step of prices, in units of the instrument's price scale.
    pub(crate) tick: i64,
    /// The smallest step of quantities, in units of the instrument's quantity scale.
    pub(crate) lot: i64,
    /// The price around which the market begins, in ticks.
    pub(crate) price: i64,
    /// The distance that makers keep from the fair price, in ticks.
    pub(crate) half_spread: f64,
    /// The typical distance of resting orders behind the best price, in ticks.
    pub(crate) depth: f64,
    /// The standard deviation of the fair price's change, in basis points per square root second.
    pub(crate) volatility: f64,
    /// The typical quantity of an order, in lots.
    pub(crate) size: f64,
    /// The share of all events, relative to the other markets.
    pub(crate) activity: u32,
}

/// A row of the table below: symbol, name, price and quantity decimals, tick and lot in units of
/// those, price in ticks, half spread and depth in ticks, volatility, size in lots, activity.
type Row = (&'static str, &'static str, u32, u32, i64, i64, i64, f64, f64, f64, f64, u32);

#[rustfmt::skip]
const ROWS: [Row; 20] = [
    ("BTC-USD",  "Bitcoin",            2, 4, 10,  1, 612_345, 4.0,  90.0, 1.4, 900.0, 120),
    ("ETH-USD",  "Ether",              2, 4,  1, 10, 268_012, 4.0,  90.0, 1.7, 700.0, 100),
    ("SOL-USD",  "Solana",             2, 3,  1, 10,  15_520, 1.2,  14.0, 2.4, 600.0,  80),
    ("XRP-USD",  "XRP",                4, 1,  1,  1,   5_912, 0.8,   7.0, 2.0, 900.0,  60),
    ("DOGE-USD", "Dogecoin",           5, 0,  1,  1,  10_384, 1.3,  11.0, 2.6, 900.0,  60),
    ("ADA-USD",  "Cardano",            4, 1,  1,  1,   3_421, 0.7,   6.0, 2.2, 800.0,  40),
    ("AVAX-USD", "Avalanche",          2, 2,  1,  1,   2_231, 0.7,   6.0, 2.6, 900.0,  35),
    ("LINK-USD", "Chainlink",          3, 2,  1,  1,  10_552, 1.6,  13.0, 2.3, 800.0,  35),
    ("LTC-USD",  "Litecoin",           2, 3,  1, 10,   6_012, 0.9,   8.0, 1.8, 300.0,  30),
    ("DOT-USD",  "Polkadot",           3, 2,  1,  1,   4_783, 1.0,   8.0, 2.2, 900.0,  30),
    ("BCH-USD",  "Bitcoin Cash",       1, 3,  1, 10,   3_456, 0.9,   7.0, 2.2, 200.0,  25),
    ("UNI-USD",  "Uniswap",            3, 2,  1,  1,   6_021, 1.6,  11.0, 2.6, 700.0,  25),
    ("ATOM-USD", "Cosmos",             3, 2,  1,  1,   4_634, 1.2,   9.0, 2.2, 700.0,  20),
    ("ETH-BTC",  "Ether / Bitcoin",    5, 4,  1, 10,   4_377, 0.8,   6.0, 1.0, 400.0,  30),
    ("EUR-USD",  "Euro",               5, 0,  1, 1000, 109_152, 1.5, 14.0, 0.25, 120.0, 60),
    ("GBP-USD",  "Pound sterling",     5, 0,  1, 1000, 127_548, 2.5, 18.0, 0.28, 100.0, 40),
    ("USD-JPY",  "US dollar / yen",    3, 0,  1, 1000, 146_650, 2.0, 18.0, 0.35, 110.0, 45),
    ("XAU-USD",  "Gold",               2, 2,  5,  1,  48_624, 2.0,  14.0, 0.5, 300.0,  40),
    ("XAG-USD",  "Silver",             3, 1,  5,  1,   5_490, 1.0,   8.0, 0.9, 900.0,  25),
    ("WTI-USD",  "Crude oil",          2, 0,  1, 10,   7_685, 0.8,   7.0, 0.9, 40.0,   30),
];

/// Why no set of markets could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectError {
    /// There is no market of this name.
    #[error("unknown symbol {0}: choose from {1}, or give a number of markets")]
    Unknown(String, String),
    /// The number is not from 1 to 10,000.
    #[error("{0} markets are not from 1 to {MAX_COUNT}")]
    Count(usize),
}

/// The largest number of markets at once.
pub(crate) const MAX_COUNT: usize = 10_000;

/// The markets that have a name of their own.
pub(crate) fn all() -> Vec<Profile> {
    ROWS.iter().map(profile).collect()
}

/// The first `count` markets; beyond those with names of their own, numbered ones like them.
pub(crate) fn first(count: usize) -> Result<Vec<Profile>, SelectError> {
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(SelectError::Count(count));
    }
    let mut profiles = all();
    for number in profiles.len()..count {
        let mut profile = profiles[number % ROWS.len()].clone();
        profile.instrument.symbol = format!("SIM{:04}-USD", number + 1);
        profile.instrument.name = format!("Simulated market {}", number + 1);
        profiles.push(profile);
    }
    profiles.truncate(count);
    Ok(profiles)
}

/// The markets of these symbols, whatever their case, each once.
pub(crate) fn named(symbols: &[String]) -> Result<Vec<Profile>, SelectError> {
    let all = all();
    let mut profiles: Vec<Profile> = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        let is_wanted = |profile: &&Profile| profile.instrument.symbol.eq_ignore_ascii_case(symbol);
        let Some(profile) = all.iter().find(is_wanted) else {
            let names: Vec<_> = all.iter().map(|known| known.instrument.symbol.as_str()).collect();
            return Err(SelectError::Unknown(symbol.clone(), names.join(", ")));
        };
        if !profiles.iter().any(|chosen| chosen.instrument == profile.instrument) {
            profiles.push(profile.clone());
        }
    }
    if profiles.is_empty() { Err(SelectError::Count(0)) } else { Ok(profiles) }
}

fn profile(row: &Row) -> Profile {
    let &(symbol, name, price_decimals, quantity_decimals, tick, lot, price, ..) = row;
    let &(.., half_spread, depth, volatility, size, activity) = row;
    Profile {
        instrument: Instrument {
            symbol: symbol.into(),
            name: name.into(),
            price_decimals,
            quantity_decimals,
        },
        tick,
        lot,
        price,
        half_spread,
        depth,
        volatility,
        size,
        activity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn markets_are_chosen_by_number_or_by_name() {
        let symbol = |profile: &Profile| profile.instrument.symbol.clone();
        let many = first(250).unwrap();
        assert_eq!(many.len(), 250);
        assert_eq!(many.iter().map(symbol).collect::<HashSet<_>>().len(), 250);
        assert_eq!(symbol(&many[0]), "BTC-USD");
        assert_eq!(first(3).unwrap().len(), 3);
        let wanted = ["eth-usd".to_owned(), "BTC-USD".to_owned(), "ETH-USD".to_owned()];
        let named = named(&wanted).unwrap();
        assert_eq!(named.iter().map(symbol).collect::<Vec<_>>(), ["ETH-USD", "BTC-USD"]);
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        assert_eq!(first(0), Err(SelectError::Count(0)));
        assert_eq!(first(MAX_COUNT + 1), Err(SelectError::Count(MAX_COUNT + 1)));
        let error = named(&["XYZ".into()]).unwrap_err().to_string();
        assert!(error.contains("XYZ") && error.contains("BTC-USD"), "{error}");
    }
}
