//! A message to a server of one event loop and back, on one connection with a blocking client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use criterion::Criterion;
use tickwire::frame::{OpCode, encode_frame};

use super::support::echo::EchoServer;
use super::units::{Amount, bench_in_both, len_name};
use super::wire;

const MODES: [(&str, usize); 2] = [("inline", 0), ("handler thread", 1)];

/// Messages that are sent before the first reply is awaited.
const DEPTHS: [usize; 2] = [1, 16];

const LENGTHS: [usize; 2] = [20, 1 << 10];

pub(crate) fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for (mode, handler_threads) in MODES {
        let server = EchoServer::start(handler_threads);
        for depth in DEPTHS {
            for len in LENGTHS {
                let mut client = Client::connect(server.address, depth, len);
                let name = format!("{mode}, {}, depth {depth}", len_name(len));
                bench_in_both(&mut group, &name, Amount::of_messages(depth, len), |bencher| {
                    bencher.iter(|| client.exchange());
                });
            }
        }
        server.end();
    }
    group.finish();
}

/// A connection with what it sends at once, and what comes of it.
struct Client {
    stream: TcpStream,
    messages: Vec<u8>,
    expected: Vec<u8>,
    replies: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, depth: usize, len: usize) -> Self {
        let (mut messages, mut expected) = (Vec::new(), Vec::new());
        for i in 0..depth {
            let payload = vec![b'a' + i as u8; len];
            encode_frame(
                &mut messages,
                true,
                OpCode::Text,
                Some([0x37, 0xfa, 0x21, 0x3d]),
                &payload,
            );
            encode_frame(&mut expected, true, OpCode::Text, None, &payload);
        }
        let replies = vec![0; expected.len()];
        Self { stream: wire::connect_websocket(address), messages, expected, replies }
    }

    fn exchange(&mut self) {
        self.stream.write_all(&self.messages).expect("the server reads");
        self.stream.read_exact(&mut self.replies).expect("the server answers");
        assert!(self.replies == self.expected, "each message comes back, in order");
    }
}
