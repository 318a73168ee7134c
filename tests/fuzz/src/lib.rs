//! What no bytes may do to the engine, held up to a fuzzer.
//!
//! Each target is a function of arbitrary bytes that panics when a promise is broken. `fuzz_targets/`
//! hands them to libFuzzer; the tests here run them over their seeds, which `seeds` has made of real
//! frames and heads.

#[path = "../../support/allocations.rs"]
mod allocations;
#[path = "../../support/frames.rs"]
mod frames;
#[path = "../../support/receiver.rs"]
mod receiver;
#[path = "../../support/reference.rs"]
mod reference;

mod feed;
mod input;
mod seeds;
mod targets;

pub use seeds::write_seeds;
pub use targets::{TARGETS, Target, run};
