//! A stream of frames to an endpoint that has agreed upon permessage-deflate: however it is cut the
//! same comes of it, no message is inflated beyond the limit, what is allocated keeps to the limits,
//! and an inflater that shares no code agrees about messages.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use tickwire::deflate::Agreement;
use tickwire::protocol::{Endpoint, Limits, Role, Workspace};

use super::answers;
use super::limits::{limits, max_allocated_len};
use super::traffic::{compression, direction};
use crate::allocations::measure;
use crate::feed::{drain, feed_pieces};
use crate::frames::Frame;
use crate::input::Input;
use crate::receiver::{Receiver, Seen};

/// A decompressor with its window, and two windows of which one is just growing.
const DEFLATE_LEN: usize = 160 * 1024;

/// Choices: the role, and whether the stream is the compressed bytes of one message after another;
/// the limits; what was agreed upon.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let [kind, limit, agreed, _] = input.choices;
    let role = if kind & 1 == 0 { Role::Server } else { Role::Client };
    let limits = limits(limit);
    let agreement = Agreement { server: direction(agreed), client: direction(agreed) };
    let framed = (kind & 2 != 0).then(|| framed(role, &input));
    let stream = framed.as_deref().unwrap_or(input.stream);

    let mut whole = receiver(role, &limits, &agreement);
    whole.feed(stream);
    let mut pieces = receiver(role, &limits, &agreement);
    feed_pieces(&mut pieces, &input, stream);
    assert_eq!(pieces.failure, whole.failure);
    assert!(pieces.seen == whole.seen, "pieces matter");
    for seen in &whole.seen {
        if let Seen::Text(_) | Seen::Binary(_) = seen {
            assert!(len(seen) <= limits.max_message_len);
        }
    }
    if framed.is_some() {
        second_opinion(&input, &agreement, &limits, &whole);
    }
    answers::check(role, &mut pieces);
    bounded(role, &limits, &agreement, &input, stream);
}

fn receiver(role: Role, limits: &Limits, agreement: &Agreement) -> Receiver {
    let mut receiver = Receiver::new(role, *limits);
    receiver.workspace = Workspace::new(role, *limits).with_compression(compression(3));
    receiver.endpoint = Endpoint::with_deflate(&receiver.workspace, agreement);
    receiver
}

/// Each piece of the input is the compressed form of a message: a fuzzer need not find out how to
/// frame it.
fn framed(role: Role, input: &Input<'_>) -> Vec<u8> {
    let frames = input.cut(input.stream).map(|(piece, _)| Frame::binary(piece).rsv(0x40));
    frames.flat_map(|frame| frame.encode(role)).collect()
}

fn len(seen: &Seen) -> usize {
    match seen {
        Seen::Text(text) => text.len(),
        Seen::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Messages of raw DEFLATE data, by one stream that goes on as long as the context does.
///
/// It knows no limits and no shorter windows, and ends with the first last block: as far as it goes,
/// it must have inflated what the engine has.
fn second_opinion(input: &Input<'_>, agreement: &Agreement, limits: &Limits, receiver: &Receiver) {
    let new = || InflateState::new_boxed(DataFormat::Raw);
    let mut state = new();
    let mut messages = receiver.seen.iter();
    for (piece, _) in input.cut(input.stream) {
        if !agreement.client.takes_over {
            state = new();
        }
        let theirs = inflate_message(&mut state, piece, limits.max_message_len);
        let ours = messages.next();
        match (theirs, ours) {
            (Inflated::Whole(theirs), Some(Seen::Binary(ours))) => {
                assert!(theirs == *ours, "{piece:x?}: {theirs:x?}, not {ours:x?}");
            }
            // It refers back further than was agreed upon, or is too long.
            (Inflated::Whole(_), None) => {
                return assert!(receiver.failure.is_some(), "a message is missing");
            }
            (Inflated::Corrupt, ours) => return assert!(ours.is_none(), "corrupt: {ours:?}"),
            (Inflated::Unknown, _) => return,
            (_, Some(other)) => panic!("not a message: {other:?}"),
        }
    }
}

enum Inflated {
    Whole(Vec<u8>),
    Corrupt,
    /// It is too long, or a last block has ended the stream.
    Unknown,
}

fn inflate_message(state: &mut InflateState, compressed: &[u8], max_len: usize) -> Inflated {
    let input = [compressed, &[0, 0, 0xff, 0xff]].concat();
    let (mut message, mut at) = (Vec::new(), 0);
    loop {
        let mut room = [0; 1000];
        let result = inflate(state, &input[at..], &mut room, MZFlush::Sync);
        at += result.bytes_consumed;
        message.extend_from_slice(&room[..result.bytes_written]);
        if message.len() > max_len {
            return Inflated::Unknown;
        }
        match result.status {
            Ok(MZStatus::Ok) if at == input.len() && result.bytes_written < room.len() => {
                return Inflated::Whole(message);
            }
            Ok(MZStatus::Ok) => {}
            Err(MZError::Buf) if at == input.len() => return Inflated::Whole(message),
            Ok(_) => return Inflated::Unknown,
            Err(_) => return Inflated::Corrupt,
        }
    }
}

fn bounded(role: Role, limits: &Limits, agreement: &Agreement, input: &Input<'_>, stream: &[u8]) {
    let mut room = [0; 4096];
    let ((), allocations) = measure(|| {
        let mut workspace = Workspace::new(role, *limits).with_compression(compression(3));
        let mut endpoint = Endpoint::with_deflate(&workspace, agreement);
        drain(&mut endpoint, &mut workspace, input, stream, &mut room);
    });
    // Compressed and inflated.
    let max_len = max_allocated_len(limits, 2 * stream.len())
        + max_allocated_len(limits, usize::MAX)
        + DEFLATE_LEN;
    assert!(allocations.peak_len <= max_len, "{} bytes allocated", allocations.peak_len);
}
