//! How the running engine behaves, once more over TLS: the same tests, of which each server and each
//! client speaks it. What topics do is the same whatever their publications travel by.
#![cfg(feature = "tls")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../engine/behaviour.rs"]
mod behaviour;
