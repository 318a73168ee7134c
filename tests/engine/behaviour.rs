//! What services and clients see of the running engine, whatever is between: in inline mode and with
//! handler threads.

mod backpressure;
mod closing;
#[cfg(feature = "deflate")]
mod compression;
mod echo;
mod http;
mod lanes;
mod limits;
mod limits_connections;
mod limits_memory;
mod limits_origins;
mod limits_rates;
mod limits_time;
mod panics;
mod protocol_errors;
mod proxied;
mod publishing;
mod sending;
mod shutdown;
mod slow_subscribers;
mod upgrade;
mod visibility;

use std::sync::mpsc::{Receiver, channel};

use tickwire::Closed;

use crate::support::{self, Script};

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
    let period: [u8; 251] = std::array::from_fn(|i| (i * 31 % 251) as u8);
    let mut filler = period.repeat(len.div_ceil(period.len()));
    filler.truncate(len);
    filler
}
