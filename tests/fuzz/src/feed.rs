//! Ways to bring a stream to an endpoint.

use tickwire::protocol::{Endpoint, Event, Workspace};

use super::input::{Input, Way};
use super::receiver::Receiver;

/// Brings `stream` in the pieces of `input`.
pub(crate) fn feed_pieces(receiver: &mut Receiver, input: &Input<'_>, stream: &[u8]) {
    for (piece, way) in input.cut(stream) {
        match way {
            Way::Decoded => receiver.feed(piece),
            Way::Direct(step) => receiver.feed_direct(piece, step),
        }
    }
}

/// Brings `stream` in the same pieces and lets go of all that comes of it at once: what is allocated
/// meanwhile is the endpoint's and its workspace's. `room` is where the pieces lie.
pub(crate) fn drain(
    endpoint: &mut Endpoint,
    workspace: &mut Workspace,
    input: &Input<'_>,
    stream: &[u8],
    room: &mut [u8],
) {
    let mut held = 0;
    for (piece, _) in input.cut(stream) {
        for piece in piece.chunks(room.len() / 2) {
            room[held..held + piece.len()].copy_from_slice(piece);
            let filled = held + piece.len();
            let Some(consumed) = drain_filled(endpoint, workspace, &mut room[..filled]) else {
                return;
            };
            room.copy_within(consumed..filled, 0);
            held = filled - consumed;
        }
    }
}

/// Says how many bytes are done with; `None`: the connection is to be failed.
fn drain_filled(
    endpoint: &mut Endpoint,
    workspace: &mut Workspace,
    filled: &mut [u8],
) -> Option<usize> {
    let mut at = 0;
    loop {
        let (consumed, event) = endpoint.decode(workspace, &mut filled[at..]).ok()?;
        at += consumed;
        match event {
            Some(Event::Assembled(message)) => workspace.recycle(message),
            Some(_) => {}
            None => return Some(at),
        }
    }
}
