//! Pub/sub as a whole, in memory: random publishers and subscribers that stall, leave and come back,
//! on loops that hand out in slices, by a clock that the test sets. Whatever happens, what a
//! subscriber gets is held against all that was published, and what it does not get against what the
//! engine says about it.
//!
//! `PROPTEST_CASES` sets how many cases are tried.

mod connection;
mod event_loop;
mod frames;
mod shared;
mod sockets;
mod steps;
mod subscription;
mod topic;
mod world;

use proptest::prelude::*;
use steps::{Case, case};
use world::World;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_subscriber_has_everything_or_an_explanation(case in case()) {
        run(&case);
    }
}

fn config() -> ProptestConfig {
    const CASE_COUNT: u32 = 1000;
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASE_COUNT;
    }
    config
}

fn run(case: &Case) {
    let mut world = World::new(case);
    case.steps.iter().for_each(|step| world.take(step));
    world.settle();
    world.supply_all();
    world.end();
}
