//! What the engine promises to every service, one test each, by its number. That steady state
//! allocates nothing, promise 6, is in `steady_state.rs`, which has an allocator of its own.

#[path = "../support/mod.rs"]
mod support;

mod closes;
mod limits;
mod order;
mod panics;
mod shutdown;
mod waiting;
