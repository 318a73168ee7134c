use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::mpsc::channel;

use tickwire::handshake::HeadLimits;
use tickwire::{Counters, Limits, Outcome};

use super::support::{
    Client, Process, Running, Script, Socket, eventually, example, in_each_mode, soon,
};

const CONNECTION_COUNT: usize = 300;

/// No client can make the engine allocate more than its configured limits: header bytes, frame and
/// message length (before and after inflating), fragment count, queued bytes, connections, and
/// connections per address each have their own. Each says no in its own way.
#[test]
fn promise_3_limits() {
    let limits = Limits {
        max_message_len: 2000,
        max_frame_len: 1000,
        max_fragment_count: 5,
        ..Limits::trusted()
    };
    in_each_mode(|mode| {
        let head_limits = HeadLimits { max_head_len: 512, max_header_count: 16 };
        let builder = mode
            .builder()
            .limits(limits)
            .head_limits(head_limits)
            .max_connections(CONNECTION_COUNT);
        let server = Running::start(builder, Script::echo());
        let fragment = |len: usize| {
            let mut frame = Vec::new();
            let opcode = tickwire::frame::OpCode::Continuation;
            tickwire::frame::encode_frame(&mut frame, false, opcode, Some([0; 4]), &vec![0; len]);
            frame
        };
        let first = b"\x02\x80\0\0\0\0".to_vec();
        for (bytes, code) in [
            (fragment(1001)[..8].to_vec(), 1009),
            ([fragment(900), fragment(900), fragment(900)].concat(), 1009),
            (fragment(0).repeat(5), 1008),
        ] {
            let mut client = server.connect();
            client.send_raw(&first);
            client.send_raw(&bytes);
            client.expect_close(code);
        }
        for (headers, status) in
            [(format!("X: {}", "x".repeat(1000)), 431), ("X: y\r\n".repeat(20), 431)]
        {
            let http = server.http();
            http.send(format!("GET / HTTP/1.1\r\n{headers}"));
            assert_eq!(http.response().status, status);
        }
        eventually("all are gone", || server.handle().stats().connections == 0);
        let Counters { messages_too_long, fragment_floods, heads_too_long, .. } =
            server.handle().stats().total;
        assert_eq!((messages_too_long, fragment_floods, heads_too_long), (2, 1, 2));
        let sockets: Vec<_> = (0..CONNECTION_COUNT)
            .map(|_| Socket::connect(&server.address()).expect("connect"))
            .collect();
        let connected = || server.handle().stats().connections;
        eventually("all are in", || connected() == CONNECTION_COUNT);
        assert_eq!(server.dial().refused().status, 503);
        drop(sockets);
    });
}

/// One address has its share and no more; others have theirs.
#[test]
fn promise_3_limit_of_connections_per_address() {
    in_each_mode(|mode| {
        let limits = Limits {
            max_connections_per_address: Some(3),
            counts_loopback: true,
            ..Limits::trusted()
        };
        let server = Running::start(mode.builder().event_loops(2).limits(limits), Script::echo());
        let from = |host| server.dial().from(Ipv4Addr::new(127, 0, 0, host).into());
        let clients: Vec<_> = (0..3).map(|_| from(2).connect()).collect();
        assert_eq!(from(2).refused().status, 429);
        from(3).connect().leave();
        clients.into_iter().for_each(Client::leave);
        eventually("all are gone", || server.handle().stats().connections == 0);
        from(2).connect().leave();
    });
}

/// What waits for a client that does not read stays within its limit: sends beyond are refused, and
/// whose own messages cause it is not read.
#[test]
fn promise_3_limit_of_queued_bytes() {
    const MAX_LEN: usize = 64 << 10;
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let script = Script::echo().on_open(move |ctx| ids.send(ctx.id()).expect("the test"));
        let server = Running::start(mode.builder().max_backpressure(MAX_LEN), script);
        let waiting = |id| server.handle().buffered_amount(id).expect("a connection");

        let echoed = server.dial().receive_len(8 << 10).connect();
        let id = soon(&opened);
        let mut message = Vec::new();
        let opcode = tickwire::frame::OpCode::Binary;
        tickwire::frame::encode_frame(&mut message, true, opcode, Some([0; 4]), &[0; 1000]);
        let filled = echoed.fill(&message, 100_000);
        assert!(filled.pushed_back, "{filled:?}");
        // All that was read is answered, and no echo is lost.
        assert!(waiting(id) <= MAX_LEN, "{} wait", waiting(id));
        assert_eq!(server.handle().stats().total.sends_dropped, 0);

        let _deaf = server.dial().receive_len(8 << 10).connect();
        let id = soon(&opened);
        eventually("no more is taken", || {
            let outcome = server.handle().send(id, vec![0; 1000]);
            assert!(waiting(id) <= MAX_LEN, "{} wait", waiting(id));
            outcome == Outcome::Dropped
        });
    });
}

/// A few bytes that would become many.
#[cfg(feature = "deflate")]
#[test]
fn promise_3_limits_after_inflating() {
    use tickwire::Compression;
    use tickwire::deflate::Params;

    in_each_mode(|mode| {
        let limits = Limits { max_message_len: 10_000, ..Limits::default() };
        for compression in [Compression::shared(), Compression::dedicated()] {
            let builder = mode.builder().limits(limits).compression(compression);
            let server = Running::start(builder, Script::echo());
            let mut client = server.dial().deflate(Params::default()).connect();
            client.send_deflated(&"x".repeat(10_000));
            client.expect_text(&"x".repeat(10_000));
            client.send_deflated(&"x".repeat(10_001));
            client.expect_close(1009);
            let total = || server.handle().stats().total;
            eventually("it is counted", || total().messages_too_long == 1);
        }
    });
}

/// What is announced is not believed: memory follows what arrives.
#[test]
fn promise_3_announced_lengths_reserve_nothing() {
    let server = Process::start(Command::new(example("echo")).args([
        "--listen",
        "127.0.0.1:0",
        "--event-loops",
        "2",
    ]));
    let announce = |count: usize| -> Vec<Client> {
        let announced = |_| {
            let client = Client::connect(server.address());
            // A frame of 60 MB, of which some bytes come.
            client.send_raw(b"\x82\xff\0\0\0\0\x03\x93\x87\0\0\0\0\0and nothing more");
            client
        };
        (0..count).map(announced).collect()
    };
    let few = announce(20);
    let before = server.resident_len();
    let many = announce(CONNECTION_COUNT);
    Client::connect(server.address()).leave();
    let growth = server.resident_len() - before;
    let allowed = CONNECTION_COUNT * (64 << 10);
    assert!(growth < allowed, "{growth} bytes for {CONNECTION_COUNT} announcements");
    drop((few, many));
}
