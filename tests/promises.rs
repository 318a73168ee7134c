//! What the engine promises to every service, one test each. That steady state allocates nothing is
//! in `steady_state.rs`, which has an allocator of its own.

mod support;

use std::collections::HashMap;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{
    Client, Dial, HttpClient, Mode, Process, Received, Running, Script, Socket, eventually,
    example, in_each_mode, soon,
};
use tickwire::handshake::HeadLimits;
use tickwire::{
    CloseCode, ConnectionId, Context, Delivery, Handler, Limits, Message, Outcome, Overflow,
    Refusal, Request, Response, Upgrade,
};

const LONG: Duration = Duration::from_secs(30);

/// Messages of a connection are handled in order; sends from one thread to one connection arrive in
/// order; publications of one publisher on a topic arrive in order, with no duplicate, and every gap
/// is one that a policy made and counted.
#[test]
fn promise_1_order() {
    const COUNT: usize = 2_000;

    /// Counts its connection's messages.
    struct InOrder;

    impl Handler for InOrder {
        type State = usize;

        fn message(&self, ctx: &mut Context<'_>, next: &mut usize, message: Message<'_>) {
            assert_eq!(message.as_text(), Some(&*next.to_string()));
            *next += 1;
            if *next == COUNT {
                let topic = ctx.server().topic_with("t", DROP_NEWEST);
                ctx.subscribe(&topic);
                ctx.send(ctx.id().to_string());
            }
        }
    }

    const DROP_NEWEST: Delivery = Delivery::Every { overflow: Overflow::DropNewest };
    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).max_backpressure(100_000);
        let server = Running::start(builder, InOrder);
        let handle = server.handle().clone();
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        std::thread::scope(|scope| {
            for client in &clients {
                let writer = client.writer();
                scope.spawn(move || (0..COUNT).for_each(|i| writer.send_text(&i.to_string())));
            }
        });
        for client in &mut clients {
            assert!(matches!(client.recv(), Received::Text(_)), "all came, in order");
        }

        // Two publishers that do not care whether anybody keeps up.
        let topic = handle.topic_with("t", DROP_NEWEST);
        std::thread::scope(|scope| {
            for publisher in 0..2 {
                let topic = topic.clone();
                scope.spawn(move || {
                    for i in 0..COUNT {
                        let text = format!("{publisher} {i} {}", "x".repeat(1000));
                        assert_eq!(topic.publish_wait(text, LONG), Outcome::Sent);
                    }
                });
            }
        });
        let end = topic.publish_wait("end", LONG);
        assert_eq!(end, Outcome::Sent);
        let stats = || handle.stats().total;
        let published = 4 * (2 * COUNT as u64 + 1);
        eventually("all is counted", || {
            stats().deliveries + stats().deliveries_dropped == published
        });
        let mut received = 0;
        for client in clients {
            received += receive_in_order(client);
        }
        assert_eq!(received + stats().deliveries_dropped, published, "every gap is counted");
    });
}

/// Everything that arrives until the client has left, each publisher's numbers rising.
fn receive_in_order(mut client: Client) -> u64 {
    client.close(1000, "");
    let mut next = HashMap::new();
    let mut count = 0;
    for received in client.recv_to_end() {
        match received {
            Received::Close(1000, _) => return count,
            Received::Text(text) => {
                count += 1;
                let mut words = text.split(' ');
                let publisher = words.next().expect("a publisher").to_owned();
                let i: usize = words.next().map_or(0, |i| i.parse().expect("a number"));
                let next = next.entry(publisher).or_insert(0);
                assert!(i >= *next, "a duplicate or disorder");
                *next = i + 1;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("no close frame")
}

/// One `open` (or refused upgrade) has exactly one `close`, whatever happens.
#[test]
fn promise_2_one_close_for_each_open() {
    in_each_mode(|mode| {
        let calls: Arc<Mutex<HashMap<ConnectionId, (u32, u32)>>> = Arc::default();
        let (opens, closes) = (calls.clone(), calls.clone());
        let script = Script::new()
            .on_upgrade(|request| match request.path() {
                "/refused" => Err(http::StatusCode::FORBIDDEN.into()),
                _ => Ok(Upgrade::new(())),
            })
            .on_open(move |ctx| opens.lock().unwrap().entry(ctx.id()).or_default().0 += 1)
            .on_text(|ctx, text| match text {
                "close" => ctx.close(CloseCode::NORMAL, ""),
                "terminate" => ctx.terminate(),
                "panic" => panic!("as the test wants it"),
                text => {
                    ctx.send(text);
                }
            })
            .on_close(move |ctx, _| closes.lock().unwrap().entry(ctx.id()).or_default().1 += 1);
        let builder = mode.builder().event_loops(2).close_timeout(Duration::from_millis(100));
        let server = Running::start(builder, script);
        let mut stay = Vec::new();
        let mut accepted = 0;
        for i in 0..180 {
            let path = if i % 9 == 0 { "/refused" } else { "/" };
            if path == "/refused" {
                assert_eq!(Dial::path(&server.address(), path).refused().status, 403);
                continue;
            }
            accepted += 1;
            let client = server.connect();
            match i % 9 {
                1 => client.close(1000, ""),
                2 => client.send_texts(["close", "ignored"]),
                3 => client.send_texts(["terminate", "ignored"]),
                4 => client.send_texts(["panic", "ignored"]),
                5 => client.send_raw(b"\xff\xff"),
                6 => client.shutdown_write(),
                7 => {
                    client.send_text("lost");
                    client.reset();
                    continue;
                }
                _ => {}
            }
            // Half of them hang up, the others wait for the server to do something.
            if i % 2 == 0 {
                stay.push(client);
            }
        }
        server.handle().shutdown(Duration::from_millis(500));
        server.join();
        let calls = calls.lock().unwrap();
        assert_eq!(calls.len(), accepted);
        for (id, calls) in calls.iter() {
            assert_eq!(*calls, (1, 1), "calls of open and close for {id}");
        }
    });
}

/// No client can make the engine allocate more than its configured limits.
#[test]
fn promise_3_limits() {
    const COUNT: usize = 300;
    // The limits say no, each by its own code.
    let limits = Limits {
        max_message_len: 2000,
        max_frame_len: 1000,
        max_fragment_count: 5,
        ..Limits::internet()
    };
    in_each_mode(|mode| {
        let head_limits = HeadLimits { max_head_len: 512, max_header_count: 16 };
        let builder = mode.builder().limits(limits).head_limits(head_limits).max_connections(COUNT);
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
        let http = server.http();
        http.send(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1000)));
        assert_eq!(http.response().status, 431);
        drop(http);
        eventually("all are gone", || server.handle().stats().connections == 0);
        let sockets: Vec<_> =
            (0..COUNT).map(|_| Socket::connect(&server.address()).expect("connect")).collect();
        eventually("all are in", || server.handle().stats().connections == COUNT);
        assert_eq!(server.dial().refused().status, 503);
        drop(sockets);
    });

    // What is announced is not believed: memory follows what arrives.
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
    let many = announce(COUNT);
    Client::connect(server.address()).leave();
    let growth = server.resident_len() - before;
    assert!(growth < COUNT * (64 << 10), "{growth} bytes for {COUNT} announcements");
    drop((few, many));
}

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
        let server = Running::start(mode.builder().event_loops(2), script);
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
        bystander.send_text("still here");
        bystander.expect_text("still here");
        bystander.leave();
        eventually("all are gone", || server.handle().stats().connections == 0);
    });
}

/// No loop blocks, and no lock is held while user code runs.
#[test]
fn promise_5_nobody_waits_for_user_code() {
    let (release, gate) = channel::<()>();
    let (enter, entered) = channel();
    let gate = Mutex::new(gate);
    let script = Script::new()
        .on_open(|ctx| {
            let topic = ctx.server().topic("t");
            ctx.subscribe(&topic);
        })
        .on_text(move |ctx, text| {
            if text != "block" {
                ctx.send(text);
                return;
            }
            // Every call of the API from within a callback comes back.
            let (server, topic) = (ctx.server(), ctx.server().topic("t"));
            assert_eq!(topic.publish("from within"), Outcome::Sent);
            assert!(server.stats().connections > 0 && topic.subscriber_count() > 0);
            assert_eq!(server.send(ctx.id(), "by the handle"), Outcome::Sent);
            enter.send(()).expect("the test listens");
            gate.lock().expect("a gate").recv().expect("the test lets go");
        });
    let server = Running::start(Mode::Threads.builder(), script);
    let mut blocked = server.connect();
    let mut other = server.connect();
    blocked.send_text("block");
    soon(&entered);
    blocked.expect_text("from within");
    blocked.expect_text("by the handle");

    // While that callback runs: the loop reads, answers, accepts and publishes, and so does everybody.
    blocked.ping(b"loop?");
    blocked.expect(Received::Pong(b"loop?".to_vec()));
    assert_eq!(server.handle().topic("t").publish("from outside"), Outcome::Sent);
    blocked.expect_text("from outside");
    other.expect_text("from within");
    other.expect_text("from outside");
    other.send_text("other lane");
    other.expect_text("other lane");
    let accepted = server.handle().stats().total.accepted;
    let http: HttpClient = server.http();
    eventually("the loop accepts", || server.handle().stats().total.accepted > accepted);
    drop(http);

    release.send(()).expect("it waits");
    blocked.send_text("free");
    blocked.expect_text("free");
}

/// `shutdown(deadline)` stops accepting, closes with 1001, drains queues, then returns; nothing
/// queued before it is lost while the peer reads.
#[test]
fn promise_7_shutdown_loses_nothing() {
    const COUNT: usize = 300;

    struct Subscribed;

    impl Handler for Subscribed {
        type State = ();

        fn upgrade(&self, _: &Request) -> Result<Upgrade<()>, Refusal> {
            Ok(Upgrade::new(()))
        }

        fn open(&self, ctx: &mut Context<'_>, (): &mut ()) {
            let topic = ctx.server().topic("t");
            ctx.subscribe(&topic);
            ctx.send(format!("{}", ctx.id()));
        }

        fn message(&self, ctx: &mut Context<'_>, (): &mut (), message: Message<'_>) {
            ctx.send(message);
        }
    }

    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).max_backpressure(64 << 20);
        let server = Running::start(builder, Subscribed);
        let address = server.address();
        let mut clients: Vec<_> =
            (0..4).map(|_| server.dial().receive_len(32 << 10).connect()).collect();
        for client in &mut clients {
            assert!(matches!(client.recv(), Received::Text(_)), "subscribed");
        }
        let topic = server.handle().topic("t");
        let text = |i: usize| format!("{i} {}", "x".repeat(20_000));
        for i in 0..COUNT {
            assert_eq!(topic.publish(text(i)), Outcome::Sent);
        }
        server.handle().shutdown(2 * LONG);
        std::thread::scope(|scope| {
            for mut client in clients {
                scope.spawn(move || {
                    for i in 0..COUNT {
                        client.expect_text(&text(i));
                    }
                    client.expect_close(1001);
                    client.close(1001, "");
                    client.expect_end();
                });
            }
        });
        server.join();
        assert!(Socket::connect(&address).is_err(), "nobody listens any more");
    });
}
