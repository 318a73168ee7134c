//! Ten thousand connections on one process with two event loops, each echoing; after all have
//! closed, memory and descriptors are back where they were.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use support::{Process, eventually, example};
use tickwire::transport::LocalAddr;

const CONNECTION_COUNT: usize = 10_000;

/// What ten thousand connections may leave behind, in bytes: the allocator's caches vary.
const MAX_LEFT_LEN: usize = 4 << 20;

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn ten_thousand_connections_come_echo_and_leave_nothing_behind() {
    // Ten thousand here and as many in the server, which has a limit of its own.
    if descriptor_limit() < CONNECTION_COUNT + 100 {
        eprintln!(
            "SKIPPED: the descriptor limit is too low: `ulimit -n {}`",
            CONNECTION_COUNT + 100
        );
        return;
    }
    for handler_threads in ["0", "2"] {
        let server = Process::start(Command::new(example("echo")).args([
            "--listen",
            "127.0.0.1:0",
            "--event-loops",
            "2",
            "--handler-threads",
            handler_threads,
        ]));
        let fresh_descriptors = server.descriptor_count();
        // The first round makes what is kept for reuse; the second must add nothing to it.
        round(&server, fresh_descriptors);
        let before = server.resident_len();
        round(&server, fresh_descriptors);
        let left = server.resident_len().saturating_sub(before);
        assert!(left <= MAX_LEFT_LEN, "{left} bytes more than after the first round");
    }
}

/// Opens all connections, lets each echo once, closes all.
fn round(server: &Process, fresh_descriptors: usize) {
    let LocalAddr::Tcp(address) = server.address() else { panic!("the server listens on TCP") };
    let mut connections: Vec<TcpStream> = (0..CONNECTION_COUNT)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("the server accepts");
            stream.set_read_timeout(Some(support::PATIENCE)).expect("a socket option");
            stream.write_all(UPGRADE).expect("the server reads");
            stream
        })
        .collect();
    for stream in &mut connections {
        read_head(stream);
    }
    assert!(server.descriptor_count() >= fresh_descriptors + CONNECTION_COUNT);
    for (i, stream) in connections.iter_mut().enumerate() {
        let [a, b] = (i as u16).to_be_bytes();
        // A masking key of zeros: the payload is sent as it is.
        stream.write_all(&[0x82, 0x82, 0, 0, 0, 0, a, b]).expect("the server reads");
    }
    for (i, stream) in connections.iter_mut().enumerate() {
        let [a, b] = (i as u16).to_be_bytes();
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).expect("the server echoes");
        assert_eq!(echo, [0x82, 2, a, b], "connection {i}");
    }
    for stream in &mut connections {
        stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).expect("the server reads");
    }
    for stream in &mut connections {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server ends the stream");
        assert_eq!(rest, [0x88, 2, 0x03, 0xe8], "a close frame with the same code");
    }
    drop(connections);
    eventually("all descriptors are closed", || server.descriptor_count() == fresh_descriptors);
}

fn read_head(stream: &mut TcpStream) {
    let (mut buffer, mut len) = ([0; 512], 0);
    // The server sends nothing behind the head by itself.
    while !buffer[..len].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer[len..]).expect("the server answers");
        assert!(read > 0, "the stream ended within the head");
        len += read;
    }
    let head = &buffer[..len];
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(head));
}

fn descriptor_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc/self/limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}
