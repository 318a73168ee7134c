//! One end of a connection: what whoever owns an endpoint does around it.

use std::io::IoSlice;
use std::time::Duration;

use tickwire::buf::WriteQueue;
use tickwire::frame::{CloseCode, OpCode, encode_close, encode_frame, find_frame_boundary};
use tickwire::protocol::{Endpoint, Event, Limits, Role, Workspace};

use super::pipe::Pipe;

/// The most that an endpoint may leave unconsumed: a control frame without its last byte.
const MAX_UNCONSUMED_LEN: usize = 2 + 4 + 125 - 1;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By close frames, with this code from the other side.
    Closed(CloseCode),
    /// The stream ended or broke without.
    Broken,
    /// It did not wait any longer.
    GaveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Before and within the opening handshake.
    Opening,
    Open,
    Ended(End),
}

/// What has come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Vec<u8>),
    Pong(Vec<u8>),
    Close,
}

pub(crate) struct Side {
    role: Role,
    pub(crate) state: State,
    pub(crate) endpoint: Endpoint,
    workspace: Workspace,
    pub(crate) queue: WriteQueue,
    /// Received and not consumed.
    pub(crate) carry: Vec<u8>,
    pub(crate) last_heard: Duration,
    /// When a close frame was first sent or received.
    pub(crate) closing_since: Option<Duration>,
    peer_code: Option<CloseCode>,
    /// Of the close frame that it has sent.
    pub(crate) own_code: Option<CloseCode>,
    mask: fastrand::Rng,
}

impl Side {
    pub(crate) fn new(role: Role, limits: Limits, seed: u64) -> Self {
        Self {
            role,
            state: State::Opening,
            endpoint: Endpoint::new(),
            workspace: Workspace::new(role, limits),
            queue: WriteQueue::new(find_frame_boundary),
            carry: Vec::new(),
            last_heard: Duration::ZERO,
            closing_since: None,
            peer_code: None,
            own_code: None,
            mask: fastrand::Rng::with_seed(seed),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Open, and nobody has begun to close.
    pub(crate) fn is_at_work(&self) -> bool {
        self.is_open() && self.closing_since.is_none()
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    pub(crate) fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.last_heard = now;
        self.carry.extend_from_slice(bytes);
    }

    /// Takes the next message or end out of what was received, and answers control frames on the way.
    pub(crate) fn take(&mut self, now: Duration) -> Option<Incoming> {
        loop {
            let Self { endpoint, workspace, carry, .. } = self;
            let (consumed, event) = endpoint.decode(workspace, carry).expect("nobody errs");
            let incoming = match event {
                None => {
                    carry.drain(..consumed);
                    assert!(carry.len() <= MAX_UNCONSUMED_LEN, "{} bytes unconsumed", carry.len());
                    return None;
                }
                Some(Event::Message(message)) => Some(Incoming::Message(message.as_bytes().into())),
                Some(Event::Assembled(message)) => {
                    let payload = message.as_bytes().to_vec();
                    workspace.recycle(message);
                    Some(Incoming::Message(payload))
                }
                Some(Event::Pong(payload)) => Some(Incoming::Pong(payload.into())),
                Some(Event::Ping(payload)) => {
                    let payload = payload.to_vec();
                    self.send_control(OpCode::Pong, &payload);
                    None
                }
                Some(Event::Close(frame)) => {
                    let code = frame.code;
                    self.peer_code = Some(code);
                    self.close(code, now);
                    Some(Incoming::Close)
                }
            };
            self.carry.drain(..consumed);
            if incoming.is_some() {
                return incoming;
            }
        }
    }

    fn key(&mut self) -> Option<[u8; 4]> {
        (self.role == Role::Client).then(|| self.mask.u32(..).to_be_bytes())
    }

    /// Queues a message in so many frames.
    pub(crate) fn send(&mut self, payload: &[u8], frame_count: usize) {
        let (mut frames, mut rest) = (Vec::new(), payload);
        for i in 0..frame_count {
            let (opcode, fin) =
                (if i == 0 { OpCode::Binary } else { OpCode::Continuation }, i + 1 == frame_count);
            let (fragment, behind) = rest.split_at(if fin { rest.len() } else { rest.len() / 2 });
            encode_frame(&mut frames, fin, opcode, self.key(), fragment);
            rest = behind;
        }
        self.queue.push_direct(&frames, 0, 0);
    }

    pub(crate) fn send_control(&mut self, opcode: OpCode, payload: &[u8]) {
        if !self.endpoint.is_close_sent() {
            let mut frame = Vec::new();
            encode_frame(&mut frame, true, opcode, self.key(), payload);
            self.queue.push_urgent(&frame, 0);
        }
    }

    /// Begins to close, or answers the other side's close frame.
    pub(crate) fn close(&mut self, code: CloseCode, now: Duration) {
        self.closing_since.get_or_insert(now);
        let (mut frame, key) = (Vec::new(), self.key());
        if self.endpoint.close(&mut frame, code, "", key) {
            self.own_code = Some(code);
            self.queue.push_last(&frame, 0, 0);
            // Nothing is behind it, whoever asks for it.
            let mut again = Vec::new();
            assert!(!self.endpoint.close(&mut again, code, "", key) && again.is_empty());
            encode_close(&mut again, code, "", key);
            assert_eq!(frame, again);
        }
    }

    /// Writes what the pipe takes.
    pub(crate) fn flush(&mut self, pipe: &mut Pipe, now: Duration) {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = self.queue.fill_slices(&mut slices);
            let written = pipe.write(&slices[..count], now);
            if written == 0 {
                return;
            }
            self.queue.advance(written);
        }
    }

    /// Both have closed, and the other side has been told.
    pub(crate) fn has_closed(&self) -> bool {
        self.endpoint.is_closed() && self.queue.is_empty()
    }

    /// It is over. Must be said once.
    pub(crate) fn end(&mut self, gave_up: bool) {
        assert!(!self.is_over(), "a second end");
        self.state = State::Ended(match self.peer_code {
            Some(code) if self.endpoint.is_closed() && !gave_up => End::Closed(code),
            _ if gave_up => End::GaveUp,
            _ => End::Broken,
        });
        self.queue.clear();
    }
}
