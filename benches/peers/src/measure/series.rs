//! Rounds in which all take turns.

use std::time::Instant;

use super::Bench;
use super::interrupt::is_caught;
use super::statistics::Spread;
use crate::Result;
use crate::entrant::Entrant;

/// What came of measuring some of them some times.
#[derive(Debug)]
pub(crate) struct Series<T> {
    /// Everybody's values with their rounds.
    values: Vec<(Entrant, u32, T)>,
    failures: Vec<(Entrant, String)>,
}

impl<T> Series<T> {
    /// Measures each once a round. Who fails takes no further part; an interrupt ends it all.
    pub(crate) fn run(
        bench: &Bench<'_>,
        entrants: &[Entrant],
        what: &str,
        mut measure: impl FnMut(Entrant) -> Result<T>,
        describe: impl Fn(&T) -> String,
    ) -> Self {
        let mut series = Self { values: Vec::new(), failures: Vec::new() };
        let rounds = bench.settings.rounds();
        for round in 0..rounds {
            for &entrant in entrants {
                if is_caught() || series.failure(entrant).is_some() {
                    continue;
                }
                let start = Instant::now();
                let result = measure(entrant);
                let seconds = start.elapsed().as_secs_f64();
                let turn = format!("{what}, round {} of {rounds}: {entrant:<24}", round + 1);
                match result {
                    Ok(value) => {
                        eprintln!("{turn} {} ({seconds:.1} s)", describe(&value));
                        series.values.push((entrant, round, value));
                    }
                    Err(_) if is_caught() => {}
                    Err(error) => {
                        eprintln!("{turn} FAILED: {error}");
                        series.failures.push((entrant, error.to_string()));
                    }
                }
            }
        }
        series
    }

    /// The values of one of them.
    pub(crate) fn of(&self, entrant: Entrant) -> impl Iterator<Item = &T> {
        self.values.iter().filter(move |(owner, ..)| *owner == entrant).map(|(.., value)| value)
    }

    /// What `figure` of its values is, on the whole.
    pub(crate) fn spread(&self, entrant: Entrant, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        Spread::of(self.of(entrant).map(figure))
    }

    /// The same beside another's, round by round: what slows all of a round down is in neither.
    pub(crate) fn ratio(
        &self,
        entrant: Entrant,
        base: Entrant,
        figure: impl Fn(&T) -> f64,
    ) -> Option<Spread> {
        let base = |round| {
            let mut values = self.values.iter();
            values.find(|(owner, at, _)| (*owner, *at) == (base, round))
        };
        let own = self.values.iter().filter(|(owner, ..)| *owner == entrant);
        Spread::of(own.filter_map(|(_, round, value)| {
            let (.., base) = base(*round)?;
            Some(figure(value) / figure(base))
        }))
    }

    /// Why it has no further values.
    pub(crate) fn failure(&self, entrant: Entrant) -> Option<&str> {
        let mut failures = self.failures.iter();
        failures.find(|(owner, _)| *owner == entrant).map(|(_, reason)| &**reason)
    }
}
