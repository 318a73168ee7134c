//! Properties of any stream: however it is cut it means the same, what one role encodes the other
//! decodes, and a slow, obvious decoder agrees about all that is wrong with it.

#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/reference.rs"]
mod reference;

mod mutation;
mod script;
mod split;

use frames::{CLOSE, Frame, ROLES, encode_all};
use mutation::{Mutation, mutation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use receiver::Receiver;
use reference::Reference;
use script::{Script, script};
use split::{Piece, cut, feed, split};
use tickwire::frame::{CloseCode, CloseFrame, OpCode, encode_close, encode_frame};
use tickwire::protocol::{Limits, Role};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_valid_stream_means_the_same_under_any_split(script in script(), split in split()) {
        for role in ROLES {
            let bytes = encode_all(role, &script.frames);
            let mut whole = Receiver::new(role, Limits::default());
            whole.feed(&bytes);
            prop_assert_eq!(whole.failure, None);
            prop_assert_eq!(&whole.seen, &script.seen);

            let mut receiver = Receiver::new(role, Limits::default());
            for piece in cut(&bytes, &split) {
                feed(&mut receiver, piece);
            }
            prop_assert_eq!(receiver.failure, None);
            prop_assert_eq!(&receiver.seen, &script.seen);
        }
    }

    #[test]
    fn what_one_role_encodes_the_other_decodes(script in script(), split in split()) {
        for (sender, receiver) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let mut bytes = Vec::new();
            for frame in &script.frames {
                encode(&mut bytes, sender, frame);
            }
            prop_assert_eq!(&bytes, &encode_all(receiver, &script.frames));
            let mut receiver = Receiver::new(receiver, Limits::default());
            for piece in cut(&bytes, &split) {
                feed(&mut receiver, piece);
            }
            prop_assert_eq!(receiver.failure, None);
            prop_assert_eq!(&receiver.seen, &script.seen);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_reference_agrees_about_mutated_streams(
        script in script(),
        mutations in vec(mutation(), 0..4),
        limits in limits(),
        closing in proptest::option::weighted(0.3, any::<Index>()),
        split in split(),
    ) {
        for role in ROLES {
            let bytes = mutated(&script, &mutations, role);
            let closing = closing.map(|at| at.index(bytes.len() + 1));
            agree(role, limits, &bytes, closing, &split)?;
        }
    }

    #[test]
    fn the_reference_agrees_about_any_bytes(
        mut bytes in vec(any::<u8>(), 0..200),
        first in proptest::option::weighted(0.8, (opening_byte(), any::<u8>())),
        limits in limits(),
        split in split(),
    ) {
        for role in ROLES {
            // Most bytes fail at once: make the first ones a header more often than chance does.
            if let (Some((opening, second)), [a, b, ..]) = (first, &mut bytes[..]) {
                *a = opening;
                *b = if role == Role::Server { second | 0x80 } else { second & 0x7f };
            }
            agree(role, limits, &bytes, None, &split)?;
        }
    }
}

/// Encodes `frame` as `sender` does, with the crate's own encoder.
fn encode(out: &mut Vec<u8>, sender: Role, frame: &Frame) {
    let key = (sender == Role::Client).then_some(frame.key);
    if frame.opcode == CLOSE {
        let close = CloseFrame::decode(&frame.payload)
            .unwrap_or(CloseFrame { code: CloseCode::NO_STATUS, reason: "" });
        return encode_close(out, close.code, close.reason, key);
    }
    let opcode = OpCode::from_bits(frame.opcode).expect("scripts hold valid opcodes");
    encode_frame(out, frame.fin, opcode, key, &frame.payload);
}

/// Small enough that scripts run into them, or the defaults.
fn limits() -> impl Strategy<Value = Limits> {
    let small = (0..200_usize, 0..300_usize, 0..5_u32).prop_map(|(frame, message, fragments)| {
        Limits { max_frame_len: frame, max_message_len: message, max_fragment_count: fragments }
    });
    prop_oneof![3 => Just(Limits::default()), 2 => small]
}

fn opening_byte() -> impl Strategy<Value = u8> {
    proptest::sample::select(vec![0x81, 0x82, 0x88, 0x89, 0x8a, 0x01, 0x02, 0x00, 0x80])
}

fn mutated(script: &Script, mutations: &[Mutation], role: Role) -> Vec<u8> {
    let mut frames = script.frames.clone();
    for mutation in mutations {
        mutation.apply_to_frames(&mut frames);
    }
    let mut bytes = encode_all(role, &frames);
    for mutation in mutations {
        mutation.apply_to_bytes(&mut bytes);
    }
    bytes
}

/// Holds the endpoint to the reference: the same events and the same close code, at the same byte.
/// `closing`: after so many bytes, this side sends a close frame.
fn agree(
    role: Role,
    limits: Limits,
    bytes: &[u8],
    closing: Option<usize>,
    split: &[(Index, Piece)],
) -> Result<(), TestCaseError> {
    let mut reference = Reference::new(role, limits);
    let mut bytewise = Receiver::new(role, limits);
    for (i, &byte) in bytes.iter().enumerate() {
        if closing == Some(i) {
            reference.close();
            bytewise.close(1000, "", None);
        }
        reference.push(byte);
        bytewise.feed(&[byte]);
        prop_assert_eq!(bytewise.failure.is_some(), reference.failure.is_some(), "at byte {}", i);
        prop_assert_eq!(bytewise.endpoint.is_input_ended(), reference.is_input_ended());
    }
    same_end(&bytewise, &reference)?;

    let (before, after) = bytes.split_at(closing.unwrap_or(bytes.len()));
    for whole in [true, false] {
        let mut receiver = Receiver::new(role, limits);
        let receive = |receiver: &mut Receiver, bytes: &[u8]| {
            if whole {
                receiver.feed(bytes);
            } else {
                cut(bytes, split).for_each(|piece| feed(receiver, piece));
            }
        };
        receive(&mut receiver, before);
        if closing.is_some() {
            receiver.close(1000, "", None);
        }
        receive(&mut receiver, after);
        same_end(&receiver, &reference)?;
    }
    Ok(())
}

fn same_end(receiver: &Receiver, reference: &Reference) -> Result<(), TestCaseError> {
    let code = receiver.failure.map(|error| error.close_code().to_u16());
    prop_assert_eq!(code, reference.failure, "{:?}", receiver.failure);
    prop_assert_eq!(&receiver.seen, &reference.seen);
    prop_assert_eq!(receiver.endpoint.is_input_ended(), reference.is_input_ended());
    Ok(())
}
