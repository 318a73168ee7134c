//! From the moment a publication is meant to be made to the moment its last subscriber has it.
//!
//! An open loop: publications are made on schedule, also while earlier ones are still under way, and
//! the time counts from the schedule. A server that is held up pays for all that waits meanwhile.

use std::fmt::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tickwire::{Delivery, Overflow};

use super::engine::Engine;
use super::readers::{Readers, Stamp};
use super::rounds::{histogram, median, sorted};
use super::{PAYLOAD_LEN, Pace};

/// The deliveries under which a stalled subscriber stays: its connection is not closed.
const DELIVERIES: [(&str, Delivery); 2] = [
    ("Every, DropNewest", Delivery::Every { overflow: Overflow::DropNewest }),
    ("Latest", Delivery::Latest),
];

/// Fills what can hold bytes for a subscriber that does not read: both socket buffers and the
/// engine's queue, which takes 1 MiB.
const FILLING: [(usize, usize); 2] = [(160, 16 * 1024), (200, PAYLOAD_LEN)];

/// Before a publication is due its publisher stays awake: waking up takes the kernel that long.
const AWAKE: Duration = Duration::from_micros(150);

struct Plan {
    loops: &'static [usize],
    readers: usize,
    stalled: usize,
    rounds: usize,
    /// Publications of a round.
    publications: u64,
    /// Publications per second.
    rate: u64,
}

impl Plan {
    fn of(pace: Pace) -> Self {
        let full = Self {
            loops: &[1, 2],
            readers: 500,
            stalled: 5,
            rounds: 10,
            publications: 500,
            rate: 100,
        };
        match pace {
            Pace::Full => full,
            Pace::Quick => Self { loops: &[1], rounds: 3, publications: 200, ..full },
            Pace::Test => Self { readers: 20, stalled: 2, rounds: 1, publications: 20, ..full },
        }
    }
}

/// The table.
pub(crate) fn run(pace: Pace) -> String {
    let plan = Plan::of(pace);
    let mut table = format!(
        "## From publication to the last subscriber\n\n\
         {} subscribers read; {} publications of {PAYLOAD_LEN} bytes per second, {} of them in each of \
         {} rounds, those with and without {} further subscribers that never read in turn. Times in \
         microseconds from when a publication was meant to be made. `publisher p99`: how late it \
         was made, which the other times include. `busy`: the event loops' CPU time, of one core. \
         `p99 ratio`: with stalled subscribers to without; the median, lowest and highest of the \
         rounds' own.\n\n\
         | delivery | event loops | stalled | p50 | p99 | p99.9 | max | publisher p99 | busy | p99 \
         ratio |\n|--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        plan.readers, plan.rate, plan.publications, plan.rounds, plan.stalled
    );
    for (name, delivery) in DELIVERIES {
        for &loops in plan.loops {
            table += &compare(&plan, name, delivery, loops);
        }
    }
    table + "\n"
}

/// Two rows: with nobody and with somebody stalled.
fn compare(plan: &Plan, name: &str, delivery: Delivery, loops: usize) -> String {
    let mut sides = [0, plan.stalled].map(|stalled| Side::set_up(plan, delivery, loops, stalled));
    let mut ratios = Vec::new();
    for i in 0..plan.rounds {
        let mut p99 = [0.0; 2];
        for side in [i % 2, (i + 1) % 2] {
            p99[side] = sides[side].round(plan) as f64;
        }
        eprintln!(
            "fan_out: latency: {name}, {loops} loops, round {} of {}: p99 {:.0} us, with stalled \
             subscribers {:.0} us",
            i + 1,
            plan.rounds,
            p99[0] / 1e3,
            p99[1] / 1e3
        );
        ratios.push(p99[1] / p99[0]);
    }
    let ratios = sorted(ratios);
    let ratio =
        format!("{:.2} ({:.2} to {:.2})", median(&ratios), ratios[0], ratios[ratios.len() - 1]);
    let [calm, stalled] = sides;
    let rows = calm.row(name, loops, "") + &stalled.row(name, loops, &ratio);
    [calm, stalled].into_iter().for_each(Side::end);
    rows
}

/// A server with its subscribers, and what has been measured there.
struct Side {
    engine: Engine,
    readers: Readers,
    stalled: usize,
    base: Instant,
    /// Publications so far.
    published: u64,
    latencies: Histogram<u64>,
    lateness: Histogram<u64>,
    cpu: Duration,
    time: Duration,
}

impl Side {
    fn set_up(plan: &Plan, delivery: Delivery, loops: usize, stalled: usize) -> Self {
        let engine = Engine::start(loops, delivery);
        let base = Instant::now();
        let readers = Readers::connect(engine.address, plan.readers, stalled, base);
        engine.await_subscribers(plan.readers + stalled);
        let mut side = Self {
            engine,
            readers,
            stalled,
            base,
            published: 0,
            latencies: histogram(),
            lateness: histogram(),
            cpu: Duration::ZERO,
            time: Duration::ZERO,
        };
        side.fill();
        side
    }

    /// Publishes, each time waiting for the readers, until stalled subscribers can take no more.
    fn fill(&mut self) {
        for (count, len) in FILLING {
            for _ in 0..count {
                let now = self.base.elapsed().as_nanos() as u64;
                self.publish(&mut vec![0; len], now, 0);
                self.readers.await_publication(self.published);
            }
        }
        assert_eq!(self.is_holding_back(), self.stalled > 0, "who stalls is known");
    }

    /// Whether bytes wait though all who read have read everything.
    fn is_holding_back(&self) -> bool {
        self.engine.counters().bytes_queued > 0
    }

    /// One round on schedule; its 99th percentile in nanoseconds.
    fn round(&mut self, plan: &Plan) -> u64 {
        let cpu = self.engine.loops.cpu_time();
        let start = Instant::now();
        let interval = Duration::from_nanos(1_000_000_000 / plan.rate);
        let mut payload = [b'x'; PAYLOAD_LEN];
        // A moment to get going.
        let mut due = start + interval;
        for _ in 0..plan.publications {
            wait_until(due);
            let intended = (due - self.base).as_nanos() as u64;
            self.lateness.saturating_record((due.elapsed().as_nanos() as u64).max(1));
            self.publish(&mut payload, intended, interval.as_nanos() as u64);
            due += interval;
        }
        self.readers.await_publication(self.published);
        self.time += start.elapsed();
        self.cpu += self.engine.loops.cpu_time() - cpu;
        assert_eq!(self.is_holding_back(), self.stalled > 0, "who stalls stays stalled");
        let latencies = self.readers.take_latencies();
        assert_eq!(latencies.len(), plan.publications, "each publication has its time");
        self.latencies += &latencies;
        latencies.value_at_quantile(0.99)
    }

    fn publish(&mut self, payload: &mut [u8], intended: u64, interval: u64) {
        self.published += 1;
        Stamp { number: self.published, intended, interval }.write(payload);
        self.engine.publish(payload);
    }

    fn row(&self, name: &str, loops: usize, ratio: &str) -> String {
        let micros = |quantile| self.latencies.value_at_quantile(quantile) / 1000;
        let mut row = String::new();
        writeln!(
            row,
            "| {name} | {loops} | {} | {} | {} | {} | {} | {} | {:.0} % | {ratio} |",
            self.stalled,
            micros(0.5),
            micros(0.99),
            micros(0.999),
            micros(1.0),
            self.lateness.value_at_quantile(0.99) / 1000,
            100.0 * self.cpu.as_secs_f64() / self.time.as_secs_f64(),
        )
        .expect("a string takes everything");
        row
    }

    fn end(self) {
        drop(self.readers);
        self.engine.end();
    }
}

fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > AWAKE {
        std::thread::sleep(left - AWAKE);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}
