//! The rules of RFC 7692 that bind what an endpoint receives and sends once permessage-deflate is
//! agreed upon (§6, §7.2), in memory, for both roles.
//!
//! The peer's side is not the crate's: frames are built by hand and compressed by a plain stream.
#![cfg(feature = "deflate")]

#[path = "../support/frames.rs"]
mod frames;
mod peer;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../streams/split.rs"]
mod split;

mod receiving;
mod sending;

use receiver::Receiver;
use tickwire::deflate::{Agreement, Direction, WindowBits};
use tickwire::protocol::{Endpoint, Limits, Role, Workspace};

/// Both directions alike.
fn agreement(takes_over: bool, bits: u8) -> Agreement {
    let direction = Direction { takes_over, window_bits: WindowBits::new(bits).unwrap() };
    Agreement { server: direction, client: direction }
}

/// A receiver with which permessage-deflate was agreed upon.
fn receiver(role: Role, agreement: &Agreement, limits: Limits) -> Receiver {
    let mut receiver = Receiver::new(role, limits);
    receiver.workspace =
        Workspace::new(role, limits).with_compression(tickwire::Compression::dedicated());
    receiver.endpoint = Endpoint::with_deflate(&receiver.workspace, agreement);
    receiver
}
