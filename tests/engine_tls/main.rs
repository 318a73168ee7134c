//! What the running engine does, once more over TLS: the same tests, of which each server and each
//! client speaks it.
#![cfg(feature = "tls")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../engine/backpressure.rs"]
mod backpressure;
#[path = "../engine/closing.rs"]
mod closing;
#[path = "../engine/echo.rs"]
mod echo;
#[path = "../engine/http.rs"]
mod http;
#[path = "../engine/lanes.rs"]
mod lanes;
#[path = "../engine/limits.rs"]
mod limits;
#[path = "../engine/panics.rs"]
mod panics;
#[path = "../engine/protocol_errors.rs"]
mod protocol_errors;
#[path = "../engine/proxied.rs"]
mod proxied;
#[path = "../engine/publishing.rs"]
mod publishing;
#[path = "../engine/sending.rs"]
mod sending;
#[path = "../engine/shutdown.rs"]
mod shutdown;
#[path = "../engine/upgrade.rs"]
mod upgrade;

use std::sync::mpsc::{Receiver, channel};

use support::Script;
use tickwire::Closed;

/// `script`, and the ends of its connections as its handler hears of them.
fn with_closes(script: Script) -> (Script, Receiver<Closed>) {
    let (sender, receiver) = channel();
    let script = script.on_close(move |_, closed| {
        let _ = sender.send(closed.clone());
    });
    (script, receiver)
}

/// Bytes that differ from place to place.
fn filler(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}
