//! Whole connections under a virtual clock: the opening handshake, both endpoints, their write queues,
//! a topic and the event loop's timer wheel, joined by a network that splits, delays, stalls and cuts, in an order of
//! events that chance decides. All of it follows from one seed, which a failure names.
//!
//! Whatever happens: nothing is lost, repeated or reordered unless a connection broke, what opens closes
//! once, what waits keeps to its limits, deadlines are kept to within two ticks of the wheel, and everything comes to an end.
//!
//! `SIMULATION_COUNT` sets how many seeds are tried, `SIMULATION_SEED` which one alone.

mod client;
mod message;
mod pipe;
mod plan;
mod server;
mod side;
/// The event loop's own, with its own tests: it needs nothing of the loop, and is nobody else's.
#[allow(dead_code, reason = "the loop needs more of it")]
#[path = "../../src/event_loop/timer_wheel.rs"]
mod timer_wheel;
mod timers;
mod world;

use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use world::{Outcome, World};

const SEED_COUNT: u64 = 2000;

#[test]
fn every_history_keeps_the_promises() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().expect("a number"));
    if let Some(seed) = number("SIMULATION_SEED") {
        return println!("{:?}", run(seed));
    }
    let outcome = run_all(0..number("SIMULATION_COUNT").unwrap_or(SEED_COUNT));
    println!("{outcome:?}");
    // A simulation in which nothing happens proves nothing.
    assert!(outcome.is_varied(), "{outcome:?}");
}

fn run_all(seeds: Range<u64>) -> Outcome {
    let thread_count = thread::available_parallelism().map_or(1, NonZero::get);
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let share = |i| seeds.clone().skip(i).step_by(thread_count);
        let run_share = |i| move || share(i).map(run).collect::<Vec<_>>();
        let threads: Vec<_> = (0..thread_count).map(|i| scope.spawn(run_share(i))).collect();
        for thread in threads {
            thread
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))
                .iter()
                .for_each(|one| outcome.add(one));
        }
    });
    outcome
}

fn run(seed: u64) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| World::new(seed).run())).unwrap_or_else(|panic| {
        eprintln!(
            "seed {seed} fails: SIMULATION_SEED={seed} cargo test --all-features --test simulation"
        );
        resume_unwind(panic)
    })
}
