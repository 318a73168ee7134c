//! What is sent (§6.1, §7.2.1).

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use tickwire::Compression;
use tickwire::deflate::{Agreement, Direction, WindowBits};
use tickwire::frame::{OpCode, encode_compressed_frame, encode_frame};
use tickwire::protocol::{Endpoint, Limits, Role, Workspace};

use super::peer::Inflater;
use super::receiver::Seen;
use super::{agreement, receiver};

fn sender(role: Role, agreement: &Agreement) -> (Endpoint, Workspace) {
    let workspace = Workspace::new(role, Limits::default());
    let workspace = workspace.with_compression(Compression::dedicated());
    (Endpoint::with_deflate(&workspace, agreement), workspace)
}

#[test]
fn only_the_first_frame_of_a_compressed_message_says_so() {
    let mut out = Vec::new();
    encode_compressed_frame(&mut out, false, OpCode::Text, None, b"\xf2\x48\xcd");
    encode_compressed_frame(&mut out, true, OpCode::Continuation, None, b"\xc9\xc9\x07\x00");
    // §7.2.3.1.
    assert_eq!(out, b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00");
    out.clear();
    encode_compressed_frame(&mut out, true, OpCode::Text, None, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    assert_eq!(out, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
}

#[test]
fn who_has_agreed_upon_nothing_compresses_nothing() {
    let mut workspace = Workspace::new(Role::Server, Limits::default());
    let mut endpoint = Endpoint::new();
    assert!(!endpoint.deflates());
    assert_eq!(endpoint.deflate(&mut workspace, &[b'a'; 1000], true), None);
    assert!(!endpoint.pass_by(1));
}

#[test]
fn only_what_takes_over_a_context_is_dedicated() {
    let (shared, mut workspace) = sender(Role::Server, &agreement(false, 15));
    let dedicated = Endpoint::with_deflate(&workspace, &agreement(true, 15));
    let mut compression = Compression::dedicated();
    let tickwire::CompressionMode::Dedicated(mode) = &mut compression.mode else { unreachable!() };
    mode.max_count = 1;
    workspace = workspace.with_compression(compression);
    assert!(!workspace.terms().unwrap().server.takes_over, "the one place is taken");
    drop(shared);
    assert!(!workspace.terms().unwrap().server.takes_over);
    drop(dedicated);
    assert!(workspace.terms().unwrap().server.takes_over);
}

#[test]
fn who_rests_begins_anew() {
    let (mut endpoint, mut workspace) = sender(Role::Server, &agreement(true, 15));
    let text = b"what is said again is short, and what is said first is not".as_slice();
    let first = endpoint.deflate(&mut workspace, text, true).unwrap().to_vec();
    let second = endpoint.deflate(&mut workspace, text, true).unwrap().to_vec();
    assert!(second.len() < first.len());
    endpoint.rest();
    assert_eq!(endpoint.deflate(&mut workspace, text, true).unwrap(), first);
}

#[test]
fn what_refers_back_too_far_does_not_pass_by() {
    let (mut short, _) = sender(Role::Server, &agreement(false, 9));
    assert!(short.pass_by(512) && !short.pass_by(513));
    let (mut long, _) = sender(Role::Server, &agreement(false, 15));
    assert!(long.pass_by(1 << 20));
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        4 => (1_usize..40, "[ab]{1,60}").prop_map(|(n, word)| word.repeat(n).into_bytes()),
    ]
}

#[derive(Clone, Debug)]
enum Act {
    Send(Vec<u8>),
    Publish(Vec<u8>),
    /// So many frames leave.
    Write(usize),
    Rest,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => message().prop_map(Act::Send),
        3 => message().prop_map(Act::Publish),
        3 => (1_usize..4).prop_map(Act::Write),
        1 => Just(Act::Rest),
    ];
    vec(act, 1..40)
}

/// A frame that waits: its payload, whether it is compressed, and what it means.
type Waiting = (bool, Vec<u8>, Vec<u8>);

/// A connection's queue: what is sent to it alone goes ahead of publications.
#[derive(Default)]
struct Queue {
    direct: VecDeque<Waiting>,
    publications: VecDeque<Waiting>,
}

impl Queue {
    fn pop(&mut self) -> Option<Waiting> {
        self.direct.pop_front().or_else(|| self.publications.pop_front())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// All parameters of both directions, both roles, by the crate on both sides.
    #[test]
    fn what_one_role_sends_the_other_receives(
        messages in vec((message(), any::<bool>()), 1..8),
        server: bool, client: bool, server_bits in 8_u8..=15, client_bits in 8_u8..=15,
    ) {
        let direction =
            |takes_over, bits| Direction { takes_over, window_bits: WindowBits::new(bits).unwrap() };
        let agreement = Agreement {
            server: direction(server, server_bits),
            client: direction(client, client_bits),
        };
        for (role, peer) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            let key = (role == Role::Client).then_some([7, 1, 0, 0xfe]);
            let (mut endpoint, mut workspace) = sender(role, &agreement);
            let mut receiver = receiver(peer, &agreement, Limits::default());
            for (message, fragmented) in &messages {
                let mut out = Vec::new();
                match endpoint.deflate(&mut workspace, message, true) {
                    Some(compressed) if *fragmented => {
                        let (first, rest) = compressed.split_at(compressed.len() / 2);
                        encode_compressed_frame(&mut out, false, OpCode::Binary, key, first);
                        encode_compressed_frame(&mut out, true, OpCode::Continuation, key, rest);
                    }
                    Some(compressed) => {
                        prop_assert!(compressed.len() < message.len());
                        encode_compressed_frame(&mut out, true, OpCode::Binary, key, compressed);
                    }
                    None => encode_frame(&mut out, true, OpCode::Binary, key, message),
                }
                receiver.feed(&out);
                prop_assert_eq!(receiver.failure, None);
                prop_assert_eq!(receiver.seen.pop(), Some(Seen::binary(message)));
            }
        }
    }

    /// Publications are compressed once for all, wait behind what is sent to one connection alone, and
    /// pass its compressor by: whatever leaves when, the peer understands it.
    #[test]
    fn publications_may_come_in_between(acts in acts(), takes_over: bool, bits in 8_u8..=15) {
        let (mut endpoint, mut workspace) = sender(Role::Server, &agreement(takes_over, bits));
        let mut peer = Inflater::new(takes_over, bits);
        let mut queue = Queue::default();
        let write = |queue: &mut Queue, peer: &mut Inflater, count| -> Result<(), TestCaseError> {
            for _ in 0..count {
                let Some((compressed, payload, message)) = queue.pop() else { break };
                if compressed {
                    prop_assert_eq!(peer.inflate(&payload), Some(message));
                }
            }
            Ok(())
        };
        for act in acts {
            match act {
                Act::Send(message) => {
                    let idle = queue.publications.is_empty();
                    let compressed = endpoint.deflate(&mut workspace, &message, idle);
                    let compressed = compressed.map(<[u8]>::to_vec);
                    queue.direct.push_back(match compressed {
                        Some(payload) => (true, payload, message),
                        None => (false, Vec::new(), message),
                    });
                }
                Act::Publish(message) => {
                    let compressed = workspace.deflate_alone(&message).map(<[u8]>::to_vec);
                    queue.publications.push_back(match compressed {
                        Some(payload) if endpoint.pass_by(message.len()) => (true, payload, message),
                        _ => (false, Vec::new(), message),
                    });
                }
                Act::Write(count) => write(&mut queue, &mut peer, count)?,
                Act::Rest => endpoint.rest(),
            }
        }
        write(&mut queue, &mut peer, usize::MAX)?;
    }
}
