//! What becomes of connections when something goes wrong beneath them: peers that reset, end or stop in
//! every state that a connection can be in, signals, time that jumps.
//!
//! Whatever happens, each `open` has one `close`, and descriptors and memory return to what they were.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/allocations.rs"]
mod allocations;

mod ends;
mod ledger;
mod pressure;
mod proxies;
mod silence;
mod states;
mod stopped;
mod throttled;
mod withdrawal;
