//! How a server ends.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tickwire::handshake::ClientRequest;
use tickwire::{CloseCode, Outcome, Response, SocketOptions};

use super::support::{
    Client, HttpClient, Mode, Received, Running, Script, Socket, eventually, in_each_mode,
    in_each_mode_at_once, soon,
};
use super::with_closes;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn everybody_is_told_1001_and_the_server_ends_when_all_have_answered() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = Running::start(mode.builder().event_loops(2), script);
        let address = server.address();
        let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
        let (idle, served) = (server.http(), server.http());
        served.get("/");
        served.response();

        let handle = server.handle().clone();
        handle.shutdown(LONG);
        for client in &mut clients {
            assert!(!client.expect_close(1001).is_empty());
            client.close(1001, "");
            client.expect_end();
        }
        idle.expect_gone();
        served.expect_gone();
        // Whoever does not hang up is waited for.
        drop((clients, idle, served));
        server.join();
        assert!(Socket::connect(&address).is_err(), "nobody listens any more");
        let closes: Vec<_> = closes.iter().collect();
        assert_eq!(closes.len(), 10);
        assert!(closes.iter().all(|it| it.code == CloseCode::GOING_AWAY && it.was_clean));
        assert_eq!(handle.stats().connections, 0);
    });
}

/// Longer than a peer may take to answer the close frame: it reads, and that is what counts.
#[test]
fn a_slow_reader_gets_everything_that_was_queued() {
    const COUNT: usize = 300;
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let (script, closes) = with_closes(Script::new());
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        // The kernel takes little at a time, and so the server makes progress whenever the client does.
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let builder =
            mode.builder().max_backpressure(32 << 20).close_timeout(Duration::from_secs(1));
        let server = Running::start(builder.socket_options(socket_options), script);
        let mut client = server.dial().receive_len(256 << 10).connect();
        let id = soon(&opened);
        for i in 0..COUNT {
            assert_ne!(
                server.handle().send(id, format!("{i} {}", "x".repeat(50_000))),
                Outcome::Dropped
            );
        }
        server.handle().shutdown(LONG);
        for i in 0..COUNT {
            std::thread::sleep(Duration::from_millis(5));
            let Received::Text(text) = client.recv() else { panic!("not a message") };
            assert!(text.starts_with(&format!("{i} ")) && text.len() > 50_000);
        }
        client.expect_close(1001);
        client.close(1001, "");
        client.expect_end();
        drop(client);
        server.join();
        assert!(soon(&closes).was_clean);
    });
}

#[test]
fn the_deadline_ends_what_does_not_answer() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = Running::start(mode.builder().event_loops(2), script);
        let mut deaf: Vec<_> = (0..3).map(|_| server.connect()).collect();
        server.handle().shutdown(Duration::from_millis(200));
        server.join();
        for client in &mut deaf {
            let received = client.recv_to_end();
            assert!(matches!(received[..], [Received::Close(1001, _)]), "{received:?}");
        }
        let closes: Vec<_> = closes.iter().collect();
        assert_eq!(closes.len(), 3);
        assert!(closes.iter().all(|it| it.code == CloseCode::ABNORMAL && !it.was_clean));
    });
}

#[test]
fn a_callback_may_shut_the_server_down() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, text| {
            ctx.server().shutdown(LONG);
            ctx.send(text);
        });
        let server = Running::start(mode.builder().event_loops(2), script);
        let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
        clients[0].send_text("last words");
        let leave = |client: &mut Client| {
            client.expect_close(1001);
            client.close(1001, "");
            client.expect_end();
        };
        // Its answer came after the wish to end: it may be late.
        match clients[0].recv() {
            Received::Text(_) => leave(&mut clients[0]),
            Received::Close(1001, _) => {
                clients[0].close(1001, "");
                clients[0].expect_end();
            }
            other => panic!("{other:?}"),
        }
        clients[1..].iter_mut().for_each(leave);
        drop(clients);
        server.join();
    });
}

#[test]
fn dropping_the_server_ends_it() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = Running::start(mode.builder(), script);
        let (address, mut client) = (server.address(), server.connect());
        drop(server.into_server());
        let received = client.recv_to_end();
        assert!(matches!(received[..], [] | [Received::Close(1001, _)]), "{received:?}");
        assert_eq!(closes.iter().count(), 1, "and the handler is dropped");
        eventually("nobody listens any more", || Socket::connect(&address).is_err());
    });
}

/// A second call may only shorten the wait.
#[test]
fn an_earlier_deadline_wins() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        server.handle().shutdown(LONG);
        client.expect_close(1001);
        server.handle().shutdown(Duration::ZERO);
        server.handle().shutdown(LONG);
        server.join();
        client.recv_to_end();
    });
}

#[test]
fn a_request_under_decision_is_answered_and_its_connection_closed() {
    let (release, gate) = channel::<()>();
    let (enter, entered) = channel();
    let gate = Arc::new(Mutex::new(gate));
    let wait = move || {
        enter.send(()).expect("the test listens");
        gate.lock().expect("a gate").recv().expect("the test lets go");
    };
    let wait = Arc::new(wait);
    let script = Script::echo()
        .on_http({
            let wait = wait.clone();
            move |_| {
                wait();
                Response::text("late")
            }
        })
        .on_upgrade(move |_| {
            wait();
            Ok(tickwire::Upgrade::new(()))
        });
    let server = Mode::Threads.start(script);
    let http: HttpClient = server.http();
    http.get("/");
    soon(&entered);
    let upgrade = {
        let address = server.address();
        std::thread::spawn(move || {
            let mut client = Client::connect(&address);
            client.expect_close(1001);
            client.close(1001, "");
            client.expect_end();
        })
    };
    // Two lanes, two gates.
    soon(&entered);
    server.handle().shutdown(LONG);
    release.send(()).expect("it waits");
    release.send(()).expect("it waits");
    let response = http.response();
    assert_eq!((response.text(), response.header("connection")), ("late", Some("close")));
    http.expect_end();
    drop(http);
    upgrade.join().expect("the upgraded client");
    server.join();
}

/// So that they do not all come back at once.
#[test]
fn clients_are_sent_away_one_after_another() {
    const COUNT: usize = 40;
    const WINDOW: Duration = Duration::from_millis(800);
    in_each_mode_at_once(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = Running::start(mode.builder().event_loops(2), script);
        let address = server.address();
        let clients: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
        let start = Instant::now();
        server.handle().shutdown_over(WINDOW, LONG);
        let leave = move |mut client: Client| {
            client.expect_close(1001);
            let told_after = start.elapsed();
            client.close(1001, "");
            client.expect_end();
            told_after
        };
        let leaving: Vec<_> =
            clients.into_iter().map(|client| std::thread::spawn(move || leave(client))).collect();
        let mut told: Vec<_> =
            leaving.into_iter().map(|client| client.join().expect("it leaves")).collect();
        server.join();
        assert!(Socket::connect(&address).is_err(), "nobody listens any more");
        told.sort_unstable();
        // Each has its time; a machine that is slow makes it later, and never earlier.
        for (i, told_after) in told.iter().enumerate() {
            let due = WINDOW.mul_f64((i / 2) as f64 / (COUNT / 2) as f64);
            assert!(*told_after >= due, "number {i} at {told_after:?}, which was due at {due:?}");
        }
        let closes: Vec<_> = closes.iter().collect();
        assert_eq!(closes.len(), COUNT);
        assert!(closes.iter().all(|it| it.code == CloseCode::GOING_AWAY && it.was_clean));
    });
}

#[test]
fn who_comes_to_its_request_while_others_are_sent_away_is_served() {
    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).handshake_timeout(LONG);
        let server = Running::start(builder, Script::echo());
        // Each has a loop of its own.
        let served = [(); 2].map(|()| server.http());
        for client in &served {
            client.get("/");
            assert_eq!(client.response().header("connection"), None);
        }
        let (idle, arriving): (_, Vec<_>) =
            (server.http(), (0..4).map(|_| server.http()).collect());
        eventually("they are accepted", || server.handle().stats().connections == 7);
        server.handle().shutdown_over(Duration::ZERO, LONG);
        // They have had their answers, and their loops know.
        served.iter().for_each(HttpClient::expect_end);
        for client in &arriving {
            client.get("/");
            assert_eq!(client.response().header("connection"), Some("close"));
            client.expect_end();
        }
        drop((served, arriving));
        eventually("only one is left", || server.handle().stats().connections == 1);
        // Its time is not over yet.
        server.handle().shutdown(LONG);
        idle.expect_end();
        server.join();
    });
}

#[test]
fn who_is_upgraded_while_others_are_sent_away_is_told_once_nobody_is_waited_for() {
    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(1).handshake_timeout(LONG);
        let server = Running::start(builder, Script::echo());
        let (served, arriving) = (server.http(), server.http());
        served.get("/");
        assert_eq!(served.response().header("connection"), None);
        eventually("both are accepted", || server.handle().stats().connections == 2);
        server.handle().shutdown_over(Duration::ZERO, LONG);
        served.expect_end();
        let mut request = Vec::new();
        let upgrade = ClientRequest::new("test.example", "/", *b"nonce of a test.");
        upgrade.encode(&mut request).expect("a request");
        arriving.send(&request);
        assert_eq!(arriving.head().status, 101);
        let close = arriving.bytes(4);
        assert_eq!((close[0], &close[2..]), (0x88, &1001_u16.to_be_bytes()[..]));
        drop(arriving);
        server.join();
    });
}

#[test]
fn nobody_there_means_no_wait() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), Script::echo());
        server.handle().shutdown_over(24 * 60 * LONG, LONG);
        server.join();
    });
}

#[test]
fn a_shutdown_cuts_a_longer_one_short() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), Script::echo());
        let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
        server.handle().shutdown_over(24 * 60 * LONG, LONG);
        server.handle().shutdown_over(Duration::ZERO, LONG);
        server.handle().shutdown(LONG);
        for client in &mut clients {
            client.expect_close(1001);
            client.close(1001, "");
            client.expect_end();
        }
        drop(clients);
        server.join();
    });
}

/// What was received before is answered before the close frame, though its callback takes its time.
#[test]
fn messages_under_way_are_answered_first() {
    let (entered, entries) = channel();
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let script = Script::new().on_text(move |ctx, text| {
        entered.send(()).expect("the test listens");
        gate.lock().expect("a gate").recv().expect("the test lets go");
        ctx.send(text);
    });
    let server = Mode::Threads.start(script);
    let mut client = server.connect();
    client.send_texts(["first", "second"]);
    soon(&entries);
    server.handle().shutdown(LONG);
    std::thread::sleep(Duration::from_millis(50));
    release.send(()).expect("it waits");
    soon(&entries);
    release.send(()).expect("it waits");
    client.expect_text("first");
    client.expect_text("second");
    client.expect_close(1001);
    client.close(1001, "");
    client.expect_end();
    drop(client);
    server.join();
}
