//! Messages in, messages out.

use tickwire::Limits;
use tickwire::frame::OpCode;

use super::filler;
use super::support::{Client, Plan, Proxy, Received, Running, Script, in_each_mode};

const LARGEST: usize = 16 << 20;

#[test]
fn messages_of_every_size_come_back() {
    in_each_mode(|mode| {
        let builder = mode.builder().limits(Limits::trusted().with_messages_up_to(LARGEST));
        let server = Running::start(builder, Script::echo());
        let mut client = server.connect();
        let around = |len: usize| [len - 1, len, len + 1];
        // Around the header's forms, the engine's own thresholds, and its read buffer.
        let lens = [16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20].into_iter().flat_map(around);
        for len in [0, 1, 125, 126, 65_535, 65_536].into_iter().chain(lens).chain([LARGEST]) {
            let payload = filler(len);
            client.send_binary(&payload);
            assert!(client.recv() == Received::Binary(payload), "a message of {len} bytes");
        }
        let text = "żółw ".repeat(50_000);
        client.send_text(&text);
        assert!(client.recv() == Received::Text(text), "a long text");
    });
}

#[test]
fn a_stream_in_pieces_of_one_byte_means_the_same() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let plan = Plan { piece_len: 1, ..Plan::default() };
        let mut client = Client::connect(Proxy::start(&server.address(), plan).address());
        let long = "long ".repeat(200);
        client.send_texts(["", "short", &long]);
        client.send_raw(&fragments(&["in ", "thr", "ee"]));
        for text in ["", "short", &long] {
            client.expect_text(text);
        }
        client.expect_text("in three");
        client.ping(b"there?");
        client.expect(Received::Pong(b"there?".to_vec()));
        client.leave();
    });
}

/// One text message in a frame for each part.
fn fragments(parts: &[&str]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let opcode = if i == 0 { OpCode::Text } else { OpCode::Continuation };
        let fin = i + 1 == parts.len();
        tickwire::frame::encode_frame(
            &mut frames,
            fin,
            opcode,
            Some([1, 2, 3, 4]),
            part.as_bytes(),
        );
    }
    frames
}

#[test]
fn replies_leave_in_the_order_of_their_sends() {
    in_each_mode(|mode| {
        // Small replies are corked, large ones leave from where they lie: none overtakes another.
        let large = "x".repeat(100_000);
        let script = Script::new().on_text({
            let large = large.clone();
            move |ctx, text| {
                ctx.send(format!("{text}: first"));
                ctx.send(format!("{text}: {large}"));
                let last = format!("{text}: last");
                ctx.send(&last);
            }
        });
        let server = Running::start(mode.builder().max_backpressure(16 << 20), script);
        let mut client = server.connect();
        let texts: Vec<String> = (0..50).map(|i| i.to_string()).collect();
        client.send_texts(texts.iter().map(String::as_str));
        for text in &texts {
            client.expect_text(&format!("{text}: first"));
            client.expect_text(&format!("{text}: {large}"));
            client.expect_text(&format!("{text}: last"));
        }
    });
}

#[test]
fn many_clients_are_served_by_many_loops() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(3), Script::echo());
        let mut clients: Vec<_> = (0..60).map(|_| server.connect()).collect();
        for round in 0..5 {
            for (i, client) in clients.iter().enumerate() {
                client.send_texts([&*format!("{round} to {i}"), "and another"]);
            }
            for (i, client) in clients.iter_mut().enumerate() {
                client.expect_text(&format!("{round} to {i}"));
                client.expect_text("and another");
            }
        }
        let stats = server.handle().stats();
        assert_eq!(stats.connections_per_loop, [20, 20, 20]);
        assert_eq!(stats.total.messages_received, 600);
    });
}

#[test]
fn a_ping_is_answered_by_the_engine() {
    in_each_mode(|mode| {
        let server = mode.start(Script::new());
        let mut client = server.connect();
        client.ping(b"");
        client.expect(Received::Pong(Vec::new()));
        client.ping(&[7; 125]);
        client.expect(Received::Pong(vec![7; 125]));
        client.pong(b"nobody asked");
        client.leave();
    });
}

#[test]
fn frames_right_behind_the_handshake_are_not_lost() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let long = "long ".repeat(8_000);
        let mut client = server
            .dial()
            .text_behind("at once")
            .text_behind("and more")
            .text_behind(&long)
            .connect();
        client.expect_text("at once");
        client.expect_text("and more");
        client.expect_text(&long);
        client.leave();
    });
}
