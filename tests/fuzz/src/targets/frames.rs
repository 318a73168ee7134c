//! A stream of frames to an endpoint of either role: however it is cut, the same events come of it,
//! and the same that a slow, obvious decoder finds; what is allocated keeps to the limits, and the
//! answers are in order.

use tickwire::protocol::{Endpoint, Limits, Role, Workspace};

use super::answers;
use super::limits::{limits, max_allocated_len};
use crate::allocations::measure;
use crate::feed::{drain, feed_pieces};
use crate::input::Input;
use crate::receiver::Receiver;
use crate::reference::Reference;

/// Choices: the role, whether this side closes, the limits, and where it closes.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let [kind, limit, place, _] = input.choices;
    let role = if kind & 1 == 0 { Role::Server } else { Role::Client };
    let limits = limits(limit);
    let stream = input.stream;
    let closing = (kind & 2 != 0).then(|| usize::from(place).min(stream.len()));

    let reference = refer(role, limits, stream, closing);
    let whole = receive(role, limits, stream, closing, Receiver::feed);
    same_end(&whole, &reference);
    let mut pieces = receive(role, limits, stream, closing, |receiver, part| {
        feed_pieces(receiver, &input, part);
    });
    same_end(&pieces, &reference);
    assert_eq!(pieces.failure, whole.failure);
    answers::check(role, &mut pieces);
    bounded(role, &limits, &input);
}

fn receive(
    role: Role,
    limits: Limits,
    stream: &[u8],
    closing: Option<usize>,
    feed: impl Fn(&mut Receiver, &[u8]),
) -> Receiver {
    let mut receiver = Receiver::new(role, limits);
    let (before, behind) = stream.split_at(closing.unwrap_or(stream.len()));
    feed(&mut receiver, before);
    if closing.is_some() {
        receiver.close(1000, "", None);
    }
    feed(&mut receiver, behind);
    receiver
}

fn refer(role: Role, limits: Limits, stream: &[u8], closing: Option<usize>) -> Reference {
    let mut reference = Reference::new(role, limits);
    for (i, &byte) in stream.iter().enumerate() {
        if closing == Some(i) {
            reference.close();
        }
        reference.push(byte);
    }
    reference
}

fn same_end(receiver: &Receiver, reference: &Reference) {
    let code = receiver.failure.map(|error| error.close_code().to_u16());
    assert_eq!(code, reference.failure, "{:?}", receiver.failure);
    assert_eq!(receiver.seen, reference.seen);
    assert_eq!(receiver.endpoint.is_input_ended(), reference.is_input_ended());
}

fn bounded(role: Role, limits: &Limits, input: &Input<'_>) {
    let mut room = [0; 4096];
    let ((), allocations) = measure(|| {
        let mut workspace = Workspace::new(role, *limits);
        let mut endpoint = Endpoint::new();
        drain(&mut endpoint, &mut workspace, input, input.stream, &mut room);
    });
    let max_len = max_allocated_len(limits, input.stream.len());
    assert!(allocations.peak_len <= max_len, "{} bytes allocated", allocations.peak_len);
}
