//! §10.4: limits on frames and messages. Announcing costs the sender nothing, so it must cost the
//! receiver nothing either.

use tickwire::protocol::{Endpoint, Event, Limits, ProtocolError, Workspace};

use super::allocations::measure;
use super::frames::{Frame, ROLES, encode_all};
use super::receiver::Receiver;
use super::{Seen, filler, stream};

const FRAME_LIMIT: Limits =
    Limits { max_frame_len: 10, max_message_len: 100, max_fragment_count: 100 };
const MESSAGE_LIMIT: Limits =
    Limits { max_frame_len: 100, max_message_len: 10, max_fragment_count: 100 };

#[test]
fn s10_4_a_frame_of_the_limit_passes_and_one_byte_more_fails_at_its_header() {
    let error = ProtocolError::FrameTooBig { limit: 10 };
    for role in ROLES {
        stream(role, &[Frame::binary(filler(10))])
            .under(FRAME_LIMIT)
            .yields(&[Seen::binary(filler(10))]);
        for len in [11, 126, 70_000, (1 << 63) - 1] {
            let frame = Frame::binary("").announcing(len);
            let needed = frame.header_len(role);
            stream(role, &[frame]).under(FRAME_LIMIT).fails(&[], error, 1009, needed);
            let frames =
                [Frame::binary(filler(10)).more(), Frame::continuation("").announcing(len)];
            stream(role, &frames).under(FRAME_LIMIT).fails(&[], error, 1009, needed);
        }
    }
}

#[test]
fn s10_4_a_message_of_the_limit_passes_and_one_byte_more_fails_at_its_header() {
    let error = ProtocolError::MessageTooBig { limit: 10 };
    for role in ROLES {
        stream(role, &[Frame::binary(filler(10))])
            .under(MESSAGE_LIMIT)
            .yields(&[Seen::binary(filler(10))]);
        let frame = Frame::binary("").announcing(11);
        let needed = frame.header_len(role);
        stream(role, &[frame]).under(MESSAGE_LIMIT).fails(&[], error, 1009, needed);
    }
}

#[test]
fn s10_4_the_message_limit_counts_all_fragments() {
    let error = ProtocolError::MessageTooBig { limit: 10 };
    for role in ROLES {
        for first_len in 0..=10 {
            let first = Frame::binary(filler(first_len)).more();
            let rest = 10 - first_len;
            let fits = [first.clone(), Frame::ping(filler(125)), Frame::continuation(filler(rest))];
            stream(role, &fits).under(MESSAGE_LIMIT).yields(&[
                Seen::ping(filler(125)),
                Seen::binary([filler(first_len), filler(rest)].concat()),
            ]);
            let over = Frame::continuation("").announcing(rest as u64 + 1);
            let needed = over.header_len(role);
            stream(role, &[first, over]).under(MESSAGE_LIMIT).fails(&[], error, 1009, needed);
        }
    }
}

#[test]
fn s10_4_the_message_limit_starts_afresh_with_each_message() {
    for role in ROLES {
        let message = [Frame::binary(filler(6)).more(), Frame::continuation(filler(4))];
        let seen = Seen::binary([filler(6), filler(4)].concat());
        stream(role, &[message.clone(), message.clone(), message].concat())
            .under(MESSAGE_LIMIT)
            .yields(&[seen.clone(), seen.clone(), seen]);
    }
}

#[test]
fn s10_4_limits_of_0_let_empty_messages_pass() {
    for role in ROLES {
        let limits = Limits::for_messages_up_to(0);
        let frames = [Frame::text(""), Frame::text("").more(), Frame::continuation("")];
        stream(role, &frames).under(limits).yields(&[Seen::text(""), Seen::text("")]);
        let frame = Frame::text("").announcing(1);
        let needed = frame.header_len(role);
        let error = ProtocolError::FrameTooBig { limit: 0 };
        stream(role, &[frame]).under(limits).fails(&[], error, 1009, needed);
    }
}

#[test]
fn s10_4_fragments_are_counted_even_when_they_are_empty() {
    let limits = Limits { max_fragment_count: 5, ..Limits::default() };
    let error = ProtocolError::TooManyFragments { limit: 5 };
    for role in ROLES {
        for payload in ["", "x"] {
            let mut frames = vec![Frame::continuation(payload).more(); 4];
            frames[0].opcode = Frame::text("").opcode;
            let fits = [&frames[..], &[Frame::continuation(payload)]].concat();
            stream(role, &[&fits[..], &fits[..]].concat())
                .under(limits)
                .yields(&[Seen::text(payload.repeat(5)), Seen::text(payload.repeat(5))]);
            frames.push(Frame::continuation(payload).more());
            for fin in [true, false] {
                let over = Frame { fin, ..Frame::continuation(payload) };
                let needed = over.header_len(role);
                stream(role, &[&frames[..], &[Frame::ping("p"), over]].concat())
                    .under(limits)
                    .fails(&[Seen::ping("p")], error, 1008, needed);
            }
        }
    }
}

#[test]
fn s10_4_a_flood_of_empty_fragments_ends_at_the_default_limit_and_holds_nothing() {
    for role in ROLES {
        let limit = Limits::default().max_fragment_count;
        let mut receiver = Receiver::new(role, Limits::default());
        receiver.feed(&Frame::binary("").more().encode(role));
        let flood = encode_all(role, &vec![Frame::continuation("").more(); 256]);
        let mut flood_count = 0;
        let ((), allocations) = measure(|| {
            while receiver.failure.is_none() && flood_count <= limit / 256 {
                receiver.feed(&flood);
                flood_count += 1;
            }
        });
        assert_eq!(receiver.failure, Some(ProtocolError::TooManyFragments { limit }));
        assert_eq!(flood_count, limit / 256);
        assert!(allocations.peak_len < 8 * 1024, "{allocations:?}");
    }
}

#[test]
fn s10_4_an_announced_length_reserves_nothing() {
    for role in ROLES {
        for first in [None, Some(Frame::binary("begun").more())] {
            let opening = if first.is_some() { Frame::continuation("") } else { Frame::binary("") };
            let mut bytes = encode_all(role, first.as_slice());
            bytes.extend(opening.announcing(1 << 30).encode(role));
            let limits = Limits::for_messages_up_to(1 << 31);
            let mut receiver = Receiver::new(role, limits);
            let ((), allocations) = measure(|| receiver.feed(&bytes));
            assert_eq!(receiver.failure, None);
            assert_eq!(receiver.endpoint.payload_remaining(), 1 << 30);
            assert!(allocations.peak_len < 1024, "{allocations:?}");

            let piece_len = 100_000;
            let ((), allocations) = measure(|| receiver.feed_direct(&vec![0; piece_len], 1 << 31));
            assert_eq!(receiver.endpoint.payload_remaining(), (1 << 30) - piece_len);
            // Twice what arrived, beside the half that it grew from, and the piece itself.
            assert!(allocations.peak_len < 5 * piece_len, "{allocations:?}");
        }
    }
}

#[test]
fn s10_4_an_endpoint_without_a_message_under_way_is_small() {
    let pointers = if cfg!(feature = "deflate") { 3 } else { 2 };
    assert!(size_of::<Endpoint>() <= pointers * size_of::<usize>());
}

#[test]
fn s10_4_messages_that_lie_whole_in_the_input_allocate_nothing() {
    for role in ROLES {
        let frames = [
            Frame::text("text κόσμε"),
            Frame::binary(filler(70_000)),
            Frame::ping("ping"),
            Frame::pong(""),
            Frame::close(1000, "bye"),
        ];
        let mut input = encode_all(role, &frames);
        let mut workspace = Workspace::new(role, Limits::default());
        let mut endpoint = Endpoint::new();
        let (event_count, allocations) = measure(|| {
            let (mut at, mut event_count) = (0, 0);
            while at < input.len() {
                let (consumed, event) =
                    endpoint.decode(&mut workspace, &mut input[at..]).expect("the stream is valid");
                assert!(!matches!(event, None | Some(Event::Assembled(_))));
                at += consumed;
                event_count += 1;
            }
            event_count
        });
        assert_eq!((event_count, allocations.count), (frames.len(), 0));
    }
}

#[test]
fn s10_4_assembled_messages_reuse_the_buffers_that_were_given_back() {
    for role in ROLES {
        let message =
            encode_all(role, &[Frame::text(vec![b'a'; 5000]).more(), Frame::continuation("b")]);
        let mut workspace = Workspace::new(role, Limits::default());
        let mut endpoint = Endpoint::new();
        let mut input = message.clone();
        let mut receive = || {
            input.copy_from_slice(&message);
            match endpoint.decode(&mut workspace, &mut input).expect("the message is valid") {
                (consumed, Some(Event::Assembled(assembled))) => {
                    assert_eq!((consumed, assembled.len()), (message.len(), 5001));
                    workspace.recycle(assembled);
                }
                other => panic!("expected an assembled message, not {other:?}"),
            }
        };
        receive();
        let ((), allocations) = measure(|| (0..100).for_each(|_| receive()));
        assert_eq!(allocations.count, 0, "after the first message, nothing is allocated");
    }
}
