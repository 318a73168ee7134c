//! Rounds in which all take turns.

use std::time::Instant;

use super::Bench;
use super::interrupt::is_caught;
use super::statistics::Spread;
use crate::Result;
use crate::peer::Peer;

/// What came of measuring some peers some times.
#[derive(Debug)]
pub(crate) struct Series<T> {
    /// Each peer's values with their rounds.
    values: Vec<(Peer, u32, T)>,
    failures: Vec<(Peer, String)>,
}

impl<T> Series<T> {
    /// Measures each peer once a round. Who fails takes no further part; an interrupt ends it all.
    pub(crate) fn run(
        bench: &Bench<'_>,
        peers: &[Peer],
        what: &str,
        mut measure: impl FnMut(Peer) -> Result<T>,
        describe: impl Fn(&T) -> String,
    ) -> Self {
        let mut series = Self { values: Vec::new(), failures: Vec::new() };
        let rounds = bench.settings.rounds();
        for round in 0..rounds {
            for &peer in peers {
                if is_caught() || series.failure(peer).is_some() {
                    continue;
                }
                let start = Instant::now();
                let result = measure(peer);
                let seconds = start.elapsed().as_secs_f64();
                let turn = format!("{what}, round {} of {rounds}: {peer:<18}", round + 1);
                match result {
                    Ok(value) => {
                        eprintln!("{turn} {} ({seconds:.1} s)", describe(&value));
                        series.values.push((peer, round, value));
                    }
                    Err(_) if is_caught() => {}
                    Err(error) => {
                        eprintln!("{turn} FAILED: {error}");
                        series.failures.push((peer, error.to_string()));
                    }
                }
            }
        }
        series
    }

    /// The values of one peer.
    pub(crate) fn of(&self, peer: Peer) -> impl Iterator<Item = &T> {
        self.values.iter().filter(move |(owner, ..)| *owner == peer).map(|(.., value)| value)
    }

    /// What `figure` of a peer's values is, on the whole.
    pub(crate) fn spread(&self, peer: Peer, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        Spread::of(self.of(peer).map(figure))
    }

    /// The same beside the floor's, round by round: what slows all of a round down is in neither.
    pub(crate) fn ratio(&self, peer: Peer, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        let floor = |round| {
            let mut values = self.values.iter();
            values.find(|(owner, at, _)| (*owner, *at) == (Peer::Raw, round))
        };
        let own = self.values.iter().filter(|(owner, ..)| *owner == peer);
        Spread::of(own.filter_map(|(_, round, value)| {
            let (.., floor) = floor(*round)?;
            Some(figure(value) / figure(floor))
        }))
    }

    /// Why a peer has no further values.
    pub(crate) fn failure(&self, peer: Peer) -> Option<&str> {
        let mut failures = self.failures.iter();
        failures.find(|(owner, _)| *owner == peer).map(|(_, reason)| &**reason)
    }
}

/// The floor and then the others.
pub(crate) fn with_floor(peers: &[Peer]) -> Vec<Peer> {
    let others = peers.iter().copied().filter(|&peer| peer != Peer::Raw);
    [Peer::Raw].into_iter().chain(others).collect()
}
