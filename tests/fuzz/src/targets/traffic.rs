//! Messages between two endpoints that have agreed upon permessage-deflate.

use tickwire::deflate::{Agreement, Direction, WindowBits};
use tickwire::frame::{OpCode, encode_compressed_frame, encode_frame};
use tickwire::protocol::{Endpoint, Limits, Role, Workspace};
use tickwire::{Compression, CompressionMode, DedicatedCompression};

use crate::receiver::{Receiver, Seen};

const KEY: [u8; 4] = [1, 0, 255, 7];

/// By the bits of a choice: 8 to 15 bits of window, with takeover or without.
pub(crate) fn direction(choice: u8) -> Direction {
    let window_bits = WindowBits::new(8 + (choice & 7)).unwrap_or_default();
    Direction { takes_over: choice & 8 != 0, window_bits }
}

/// Room for one connection with a compressor of its own.
pub(crate) fn compression(level: u8) -> Compression {
    let dedicated = DedicatedCompression { max_count: 1, ..DedicatedCompression::default() };
    Compression { mode: CompressionMode::Dedicated(dedicated), level, min_len: 0 }
}

/// One side that sends, and the other that receives.
pub(crate) struct Way {
    key: Option<[u8; 4]>,
    endpoint: Endpoint,
    workspace: Workspace,
    peer: Receiver,
    expected: Vec<Seen>,
    wire: Vec<u8>,
}

impl Way {
    /// From `sender`, which has agreed to `sends`, to the other side, which has agreed to `receives`.
    pub(crate) fn new(sender: Role, sends: &Agreement, receives: &Agreement, level: u8) -> Self {
        let other = if sender == Role::Server { Role::Client } else { Role::Server };
        let new_workspace =
            |role| Workspace::new(role, Limits::default()).with_compression(compression(level));
        let workspace = new_workspace(sender);
        let mut peer = Receiver::new(other, Limits::default());
        peer.workspace = new_workspace(other);
        peer.endpoint = Endpoint::with_deflate(&peer.workspace, receives);
        Self {
            key: (sender == Role::Client).then_some(KEY),
            endpoint: Endpoint::with_deflate(&workspace, sends),
            workspace,
            peer,
            expected: Vec::new(),
            wire: Vec::new(),
        }
    }

    /// Sends a message, in as many frames as its compressed bytes are cut into.
    pub(crate) fn send(&mut self, message: &[u8], fragment_len: usize) {
        let Self { key, endpoint, workspace, wire, expected, .. } = self;
        match endpoint.deflate(workspace, message, false) {
            Some(compressed) => {
                assert!(compressed.len() < message.len());
                let mut rest = compressed;
                let mut opcode = OpCode::Binary;
                while rest.len() > fragment_len {
                    let (fragment, behind) = rest.split_at(fragment_len);
                    encode_compressed_frame(wire, false, opcode, *key, fragment);
                    (rest, opcode) = (behind, OpCode::Continuation);
                }
                encode_compressed_frame(wire, true, opcode, *key, rest);
            }
            None => encode_frame(wire, true, OpCode::Binary, *key, message),
        }
        expected.push(Seen::binary(message));
    }

    /// Sends a message that was compressed for any number of receivers, if this one can have it.
    pub(crate) fn send_shared(&mut self, message: &[u8]) {
        let Some(compressed) = self.workspace.deflate_alone(message).map(<[u8]>::to_vec) else {
            return;
        };
        if self.endpoint.pass_by(message.len()) {
            let Self { key, wire, expected, .. } = self;
            encode_compressed_frame(wire, true, OpCode::Binary, *key, &compressed);
            expected.push(Seen::binary(message));
        }
    }

    /// Gives up the compressor's memory.
    pub(crate) fn rest(&mut self) {
        self.endpoint.rest();
    }

    /// All that was sent has arrived, as it was.
    pub(crate) fn check(&mut self, feed: impl FnOnce(&mut Receiver, &[u8])) {
        feed(&mut self.peer, &self.wire);
        assert_eq!(self.peer.failure, None);
        assert!(self.peer.seen == self.expected, "something else has arrived");
    }
}
