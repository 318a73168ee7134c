//! The same stream through tungstenite: both accept the same messages, and both fail or neither.
//!
//! They are made to differ in the following, where the engine is the stricter or the quicker one:
//!
//! - The engine judges what has arrived of a frame, tungstenite whole frames: the stream is cut behind
//!   its last whole frame, or behind a header whose length both refuse at once.
//! - A length that is not in its shortest form (RFC 6455 §5.2: "the minimal number of bytes MUST be
//!   used") fails the connection here; tungstenite takes it.
//! - A close code that must not be on the wire fails the connection with 1002 here; tungstenite makes
//!   a close frame with 1002 of it. It does the same to 1014, which is registered with IANA.
//! - Behind a close frame the engine ignores everything, tungstenite as a client finds fault with it:
//!   nothing is compared behind one.

use std::io::{self, Read, Write};

use tickwire::frame::{FrameError, InvalidClose};
use tickwire::protocol::{Limits, ProtocolError, Role};
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

use crate::feed::feed_pieces;
use crate::input::Input;
use crate::receiver::{Receiver, Seen};

const MAX_FRAME_LEN: usize = 1000;
const MAX_MESSAGE_LEN: usize = 1500;

/// Choices: the role.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let role = if input.choices[0] & 1 == 0 { Role::Server } else { Role::Client };
    let stream = &input.stream[..whole_frames_len(input.stream)];

    let limits = Limits {
        max_message_len: MAX_MESSAGE_LEN,
        max_frame_len: MAX_FRAME_LEN,
        // tungstenite has no such limit.
        max_fragment_count: u32::MAX,
    };
    let mut ours = Receiver::new(role, limits);
    feed_pieces(&mut ours, &input, stream);
    let mut theirs = Theirs::read(role, stream);

    match ours.failure {
        // The longer forms of a length are too long for a control frame, whatever they say.
        Some(ProtocolError::Frame(FrameError::NotMinimal | FrameError::ControlTooLong)) => {
            assert!(theirs.seen.starts_with(&ours.seen));
        }
        Some(ProtocolError::Close(InvalidClose::Code(_))) => {
            // Its reason may be wrong, too.
            if !theirs.failed {
                assert!(theirs.seen.pop().is_some_and(|last| is_replaced_close(&last)));
            }
            assert_eq!(ours.seen, theirs.seen);
        }
        failure => {
            if matches!(ours.seen.last(), Some(Seen::Close(1014, _))) {
                ours.seen.pop();
                assert!(theirs.seen.pop().is_some_and(|last| is_replaced_close(&last)));
            }
            assert_eq!(ours.seen, theirs.seen);
            assert_eq!(failure.is_some(), theirs.failed, "{failure:?}");
        }
    }
}

/// What tungstenite says instead of a code that it does not like.
fn is_replaced_close(seen: &Seen) -> bool {
    *seen == Seen::close(1002, "Protocol violation")
}

/// The length of the frames at the beginning of `stream` that are there in whole, and of the header
/// behind them if its length is beyond the limit.
fn whole_frames_len(stream: &[u8]) -> usize {
    let mut at = 0;
    while let Some((head_len, payload_len)) = lengths(&stream[at..]) {
        if payload_len > MAX_FRAME_LEN as u64 {
            return at + head_len;
        }
        let end = at + head_len + payload_len as usize;
        if end > stream.len() {
            break;
        }
        at = end;
    }
    at
}

/// The lengths of a frame's header and payload, if the header is there in whole.
fn lengths(frame: &[u8]) -> Option<(usize, u64)> {
    let &[_, second, ref rest @ ..] = frame else { return None };
    let (len_len, payload_len) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        len => (0, u64::from(len)),
    };
    let head_len = 2 + len_len + if second & 0x80 == 0 { 0 } else { 4 };
    (head_len <= frame.len()).then_some((head_len, payload_len))
}

/// What tungstenite makes of a stream.
struct Theirs {
    seen: Vec<Seen>,
    failed: bool,
}

impl Theirs {
    fn read(role: Role, stream: &[u8]) -> Self {
        let role = if role == Role::Server { TheirRole::Server } else { TheirRole::Client };
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .max_frame_size(Some(MAX_FRAME_LEN))
            .max_message_size(Some(MAX_MESSAGE_LEN));
        let mut socket = WebSocket::from_raw_socket(OneWay(stream), role, Some(config));
        let mut theirs = Self { seen: Vec::new(), failed: false };
        loop {
            match socket.read() {
                Ok(message) => {
                    let seen = seen(message);
                    let is_close = matches!(seen, Seen::Close(..));
                    theirs.seen.push(seen);
                    if is_close {
                        return theirs;
                    }
                }
                // What comes when the stream ends.
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return theirs;
                }
                Err(_) => {
                    theirs.failed = true;
                    return theirs;
                }
            }
        }
    }
}

fn seen(message: Message) -> Seen {
    match message {
        Message::Text(text) => Seen::text(text.as_str()),
        Message::Binary(bytes) => Seen::binary(bytes),
        Message::Ping(payload) => Seen::ping(payload),
        Message::Pong(payload) => Seen::pong(payload),
        Message::Close(None) => Seen::close(1005, ""),
        Message::Close(Some(frame)) => Seen::close(frame.code.into(), &frame.reason),
        Message::Frame(_) => unreachable!("reading makes no bare frames"),
    }
}

/// A socket that has received what it will, and swallows what is sent.
struct OneWay<'a>(&'a [u8]);

impl Read for OneWay<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(into) }
    }
}

impl Write for OneWay<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
