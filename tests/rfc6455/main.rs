//! The rules of RFC 6455 that bind what an endpoint receives and sends once the opening handshake
//! is done (§5 to §8), one test a rule, named after its section.
//!
//! In memory, for both roles. Each stream is fed whole, byte by byte, cut at every byte and
//! received directly; what is wrong must fail at the first byte that shows it.

#[path = "../support/allocations.rs"]
mod allocations;
#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/stream.rs"]
mod stream;

mod closing;
mod control_frames;
mod fragmentation;
mod framing;
mod limits;
mod masking;
mod utf8;

use frames::Frame;
use receiver::Seen;
use stream::Stream;
use tickwire::protocol::Role;

/// `frames`, received by an endpoint of `role`.
fn stream(role: Role, frames: &[Frame]) -> Stream {
    Stream::new(role, frames)
}

/// Bytes that differ from place to place.
fn filler(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// The key of a client's own frames in these tests; a server has none.
fn sending_key(role: Role) -> Option<[u8; 4]> {
    (role == Role::Client).then_some([0x5a, 0x01, 0xfe, 0x80])
}

/// The other side.
fn peer_of(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// A message that stands before what a test is about, and what comes of it.
fn greeting() -> (Frame, Seen) {
    (Frame::text("hello"), Seen::text("hello"))
}
