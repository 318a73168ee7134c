//! CPU time per delivery, beside the bare loop of `write`.
//!
//! One publication, or one run of them, is under way at a time: the next is made when the client has
//! it all. So each is a turn of its own, and each costs one wake-up of every thread, the yardstick's
//! too; with few subscribers that is most of what is measured.
//!
//! Many short rounds rather than few long ones: what else the machine does then weighs on both
//! contestants of a round alike.

use std::fmt::Write;

use tickwire::{Delivery, Overflow};

use super::bare::{Bare, Lobby};
use super::engine::Engine;
use super::puller::{Peer, Puller};
use super::rounds::{median, sorted};
use super::threads::Watched;
use super::{FRAME_LEN, PAYLOAD_LEN, Pace};

/// Publications in a row, which one turn of the engine is to take together.
const RUNS: [usize; 2] = [1, 16];

/// Subscribers.
const COUNTS: [usize; 5] = [1, 10, 100, 500, 5000];

/// The subscribers with which the other delivery is looked at too.
const SIDE_COUNTS: [usize; 2] = [10, 500];

const EVERY: (&str, Delivery) = ("Every", Delivery::Every { overflow: Overflow::Close });
const LATEST: (&str, Delivery) = ("Latest", Delivery::Latest);

struct Plan {
    subscribers: Vec<usize>,
    rounds: usize,
    /// Deliveries of a round, for a run of one publication.
    deliveries: usize,
    max_turns: usize,
}

impl Plan {
    fn of(pace: Pace, counts: &[usize]) -> Self {
        let (rounds, deliveries, max_turns, usual) = match pace {
            Pace::Full => (25, 40_000, 1000, &COUNTS[..]),
            Pace::Quick => (7, 15_000, 400, &COUNTS[..]),
            Pace::Test => (1, 20, 5, &COUNTS[..2]),
        };
        let subscribers = if counts.is_empty() { usual } else { counts }.to_vec();
        Self { subscribers, rounds, deliveries, max_turns }
    }

    fn turns(&self, subscribers: usize) -> usize {
        (self.deliveries / subscribers).clamp(2, self.max_turns)
    }
}

/// The table, for these numbers of subscribers or, if none, the usual ones.
pub(crate) fn run(pace: Pace, counts: &[usize]) -> String {
    let plan = Plan::of(pace, counts);
    let mut table = format!(
        "## CPU time per delivery of {PAYLOAD_LEN} bytes\n\n\
         Medians of {} rounds, in CPU seconds per million deliveries: the event loops' threads, and \
         as many threads that only write the same bytes. A run of publications leaves in one write \
         on both sides. `turns`: of the engine for a run; no more for many than for one when all of a \
         run is taken together. `half of the rounds`: the ratio's quartiles.\n\n\
         | delivery | event loops | subscribers | publications in a row | turns | engine | bare write \
         | ratio | half of the rounds |\n|--|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        plan.rounds
    );
    let mut add = |(name, delivery): (&str, Delivery), loops, subscribers| {
        for figures in measure(&plan, delivery, loops, subscribers) {
            let row = figures.row(name, loops, subscribers);
            eprint!("fan_out: cpu: {row}");
            table += &row;
        }
    };
    for loops in [1, 2] {
        for &subscribers in &plan.subscribers {
            add(EVERY, loops, subscribers);
        }
    }
    // To subscribers that keep up it is the same path.
    plan.subscribers.iter().filter(|count| SIDE_COUNTS.contains(count)).for_each(|&subscribers| {
        add(LATEST, 1, subscribers);
    });
    table + "\n"
}

fn measure(plan: &Plan, delivery: Delivery, loops: usize, subscribers: usize) -> Vec<Figures> {
    let engine = Engine::start(loops, delivery);
    let mut client = Puller::start();
    client.connect(Peer::Engine, engine.address, subscribers);
    client.await_answer();
    engine.await_subscribers(subscribers);
    let lobby = Lobby::open();
    client.connect(Peer::Bare, lobby.address, subscribers);
    let bare = lobby.start(subscribers, loops, RUNS[1] * FRAME_LEN);
    client.await_answer();
    [&engine.loops, &bare.writers].into_iter().for_each(Watched::schedule_as_batch);

    let mut match_ = Match { engine, bare, client, subscribers, turns: plan.turns(subscribers) };
    let figures = RUNS.map(|run| match_.play(run, plan.rounds));
    let Match { engine, bare, client, .. } = match_;
    drop(client);
    bare.end();
    engine.end();
    figures.into()
}

/// Both contestants with the client of both.
struct Match {
    engine: Engine,
    bare: Bare,
    client: Puller,
    subscribers: usize,
    turns: usize,
}

impl Match {
    fn play(&mut self, run: usize, rounds: usize) -> Figures {
        // The first round warms caches and the sockets' buffers up.
        self.round(Peer::Engine, run);
        self.round(Peer::Bare, run);
        let before = self.engine.counters();
        let mut pairs: Vec<Pair> = Vec::new();
        for i in 0..rounds {
            // Whoever goes first may find the machine otherwise than who goes second.
            let order = [Peer::Engine, Peer::Bare];
            let first = self.round(order[i % 2], run);
            let second = self.round(order[(i + 1) % 2], run);
            let (engine, bare) = if i % 2 == 0 { (first, second) } else { (second, first) };
            pairs.push(Pair { engine, bare });
        }
        let after = self.engine.counters();
        let deliveries = (rounds * self.turns * run * self.subscribers) as u64;
        assert_eq!(after.deliveries - before.deliveries, deliveries, "nothing is lost");
        let runs = (rounds * self.turns) as f64;
        Figures { run, pairs, turns: (after.turns - before.turns) as f64 / runs }
    }

    /// CPU time per delivery, in microseconds.
    fn round(&mut self, peer: Peer, run: usize) -> f64 {
        self.client.drain(peer, self.subscribers * run * FRAME_LEN, self.turns);
        let before = self.watched(peer).settled_cpu_time();
        for _ in 0..self.turns {
            match peer {
                Peer::Engine => (0..run).for_each(|_| self.engine.publish(&[b'x'; PAYLOAD_LEN])),
                Peer::Bare => self.bare.write_all(run * FRAME_LEN),
            }
            self.client.await_answer();
        }
        let cost = self.watched(peer).settled_cpu_time() - before;
        let deliveries = self.turns * run * self.subscribers;
        cost.as_secs_f64() * 1e6 / deliveries as f64
    }

    fn watched(&self, peer: Peer) -> &Watched {
        match peer {
            Peer::Engine => &self.engine.loops,
            Peer::Bare => &self.bare.writers,
        }
    }
}

/// What a delivery cost in two rounds next to each other, in microseconds.
struct Pair {
    engine: f64,
    bare: f64,
}

struct Figures {
    run: usize,
    pairs: Vec<Pair>,
    turns: f64,
}

impl Figures {
    fn row(&self, name: &str, loops: usize, subscribers: usize) -> String {
        let ratios = self.sorted(|pair| pair.engine / pair.bare);
        let mut row = String::new();
        writeln!(
            row,
            "| {name} | {loops} | {subscribers} | {} | {:.1} | {:.3} | {:.3} | {:.2} | {:.2} to {:.2} |",
            self.run,
            self.turns,
            median(&self.sorted(|pair| pair.engine)),
            median(&self.sorted(|pair| pair.bare)),
            median(&ratios),
            ratios[ratios.len() / 4],
            ratios[ratios.len() * 3 / 4],
        )
        .expect("a string takes everything");
        row
    }

    fn sorted(&self, figure: impl Fn(&Pair) -> f64) -> Vec<f64> {
        sorted(self.pairs.iter().map(figure))
    }
}
