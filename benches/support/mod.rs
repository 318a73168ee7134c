//! What benches share: a server that echoes, a connection to one, and threads and their costs.
#![allow(dead_code, reason = "each bench asks for what it needs")]

pub(crate) mod echo;
pub(crate) mod machine;
pub(crate) mod pace;
pub(crate) mod rounds;
pub(crate) mod socket;
pub(crate) mod threads;
pub(crate) mod units;
pub(crate) mod wire;
