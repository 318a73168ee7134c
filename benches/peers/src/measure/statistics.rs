//! Medians and quartiles.

use serde::Serialize;

/// What several rounds gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Spread {
    /// Quartiles, between two values in proportion; `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |quantile: f64| {
            let place = quantile * last as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { lower: at(0.25), median: at(0.5), upper: at(0.75) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7.0]), Some(Spread { lower: 7.0, median: 7.0, upper: 7.0 }));
        let expected = Spread { lower: 2.0, median: 3.0, upper: 4.0 };
        assert_eq!(spread(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some(expected));
        let expected = Spread { lower: 1.25, median: 1.5, upper: 1.75 };
        assert_eq!(spread(&[2.0, 1.0]), Some(expected));
    }
}
