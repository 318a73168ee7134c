//! What of the event loop the model checker looks at: what other threads read while the loop writes.
#![allow(dead_code, unused_imports, reason = "the loop itself is not here")]

mod directory;
mod id;
mod loom_tests;
mod outcome;
mod reader_stats;
mod timer_wheel;

pub(crate) use id::ConnectionId;
pub(crate) use outcome::Outcome;
