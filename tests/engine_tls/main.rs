//! How the running engine behaves, once more over TLS: the same tests, of which each server and each
//! client speaks it.
#![cfg(feature = "tls")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../engine/behaviour.rs"]
mod behaviour;
