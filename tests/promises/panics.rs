use std::time::Duration;

use tickwire::Response;

use super::support::{Running, Script, Socket, eventually, in_each_mode};

/// No input panics; a handler that panics loses its own connection and nothing else.
#[test]
fn promise_4_no_input_panics() {
    in_each_mode(|mode| {
        let script = Script::new()
            .on_message(|ctx, message| {
                assert_ne!(message.as_bytes(), b"panic", "as the test wants it");
                ctx.send(message);
            })
            .on_http(|_| Response::text("ok"));
        let builder = mode.builder().event_loops(2).close_timeout(Duration::from_secs(1));
        let server = Running::start(builder, script);
        let mut bystander = server.connect();
        let mut random = fastrand::Rng::with_seed(4);
        let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n\r\n";
        for i in 0..300 {
            // Noise from the first byte on, behind a good handshake, or in the midst of good frames.
            let mut bytes = match i % 3 {
                0 => Vec::new(),
                _ => upgrade.as_bytes().to_vec(),
            };
            for _ in 0..random.usize(1..20) {
                if i % 3 == 2 {
                    bytes.extend_from_slice(b"\x81\x85\0\0\0\0panic");
                    let at = random.usize(upgrade.len()..bytes.len());
                    bytes[at] ^= 1 << random.u8(0..8);
                } else {
                    bytes.extend((0..random.usize(0..40)).map(|_| random.u8(..)));
                }
            }
            let socket = Socket::connect(&server.address()).expect("connect");
            for piece in bytes.chunks(random.usize(1..=bytes.len().max(1))) {
                if socket.write_all(piece).is_err() {
                    break;
                }
            }
            let _ = socket.shutdown(std::net::Shutdown::Write);
            // Until the server has had enough of it.
            let mut buffer = [0; 4096];
            while socket.read(&mut buffer).is_ok_and(|len| len > 0) {}
        }
        // The failing one is told so; what it sent before is answered.
        let mut failing = server.connect();
        failing.send_texts(["before", "panic", "behind"]);
        failing.expect_text("before");
        failing.expect_close(1011);
        failing.close(1011, "");
        failing.expect_end();
        bystander.send_text("still here");
        bystander.expect_text("still here");
        bystander.leave();
        eventually("all are gone", || server.handle().stats().connections == 0);
    });
}
