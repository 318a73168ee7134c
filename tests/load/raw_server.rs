//! A server for one connection that sends what a test says, byte by byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use tickwire::frame::{OpCode, encode_frame};
use tickwire::handshake::{
    HeadLimits, RequestDecoder, encode_switching_protocols, validate_upgrade,
};
use tickwire::protocol::{Endpoint, Event, Limits, Role, Workspace};
use tickwire::transport::LocalAddr;

use crate::support::{PATIENCE, eventually};

/// Where it will listen.
pub(crate) struct RawServer {
    listener: TcpListener,
}

impl RawServer {
    pub(crate) fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    pub(crate) fn address(&self) -> LocalAddr {
        LocalAddr::Tcp(self.listener.local_addr().expect("an address"))
    }

    /// A connection without a word.
    pub(crate) fn accept_silently(&self) -> TcpStream {
        // Nobody may come, where the program has failed: then so does the test, and does not hang.
        self.listener.set_nonblocking(true).expect("a listener that does not block");
        let mut accepted = None;
        eventually("a connection is there", || {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.expect("a connection");
        stream.set_nonblocking(false).expect("a stream that blocks");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// A connection that has shaken hands.
    pub(crate) fn accept(&self) -> RawConnection {
        let mut stream = self.accept_silently();
        let (mut input, mut piece) = (Vec::new(), [0; 4096]);
        let mut decoder = RequestDecoder::new();
        let (request, head_len) = loop {
            let len = stream.read(&mut piece).expect("a request");
            assert!(len > 0, "the request breaks off");
            input.extend_from_slice(&piece[..len]);
            let decoded = decoder.decode(&input, &HeadLimits::default());
            if let Some(decoded) = decoded.expect("a sound request") {
                break decoded;
            }
        };
        let upgrade = validate_upgrade(&request).expect("a WebSocket request");
        let mut head = Vec::new();
        encode_switching_protocols(
            &upgrade.accept(),
            None,
            None,
            &http::HeaderMap::new(),
            &mut head,
        );
        stream.write_all(&head).expect("to answer");
        input.drain(..head_len);
        let workspace = Workspace::new(Role::Server, Limits::default());
        RawConnection { stream, endpoint: Endpoint::new(), workspace, input }
    }
}

pub(crate) struct RawConnection {
    stream: TcpStream,
    endpoint: Endpoint,
    workspace: Workspace,
    input: Vec<u8>,
}

impl RawConnection {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("to write");
    }

    pub(crate) fn send(&mut self, fin: bool, opcode: OpCode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_frame(&mut frame, fin, opcode, None, payload);
        self.write(&frame);
    }

    /// The next thing that comes: an opcode and a payload. The end of the stream is a close frame
    /// without a code.
    pub(crate) fn next(&mut self) -> (OpCode, Vec<u8>) {
        let mut piece = [0; 4096];
        loop {
            let decoded = self.endpoint.decode(&mut self.workspace, &mut self.input);
            let (used_len, event) = decoded.expect("the client keeps to the protocol");
            let seen = event.map(|event| match event {
                Event::Message(message) => (message.opcode(), message.as_bytes().to_vec()),
                Event::Assembled(message) => {
                    (message.as_message().opcode(), message.as_message().as_bytes().to_vec())
                }
                Event::Ping(payload) => (OpCode::Ping, payload.to_vec()),
                Event::Pong(payload) => (OpCode::Pong, payload.to_vec()),
                Event::Close(frame) => (OpCode::Close, frame.code.to_u16().to_be_bytes().to_vec()),
            });
            self.input.drain(..used_len);
            match seen {
                Some(seen) => return seen,
                None => match self.stream.read(&mut piece).expect("something comes") {
                    0 => return (OpCode::Close, Vec::new()),
                    len => self.input.extend_from_slice(&piece[..len]),
                },
            }
        }
    }
}
