//! Callbacks that panic: each loses its own connection and nothing else.

use std::sync::mpsc::{Receiver, channel};

use tickwire::{CloseCode, Closed, Context, Handler, Message};

use super::support::{Client, Mode, Received, Running, Script, in_each_mode, soon};
use super::with_closes;

/// A server whose handler panics in `callback` of connections whose path is `/panic`, or when a
/// message says so.
fn start(mode: Mode, script: Script) -> (Running, Client, Receiver<Closed>) {
    let (script, closes) = with_closes(script);
    let builder = mode.builder().handler_threads(usize::from(mode == Mode::Threads));
    let server = Running::start(builder, script);
    let bystander = server.connect();
    (server, bystander, closes)
}

fn echoes(client: &mut Client) {
    client.send_text("hello");
    client.expect_text("hello");
}

fn failed(closed: &Closed) {
    assert_eq!((closed.code, closed.was_clean), (CloseCode::INTERNAL_ERROR, false), "{closed:?}");
    assert!(!closed.reason.is_empty());
}

fn echo_or_panic() -> Script {
    Script::new().on_text(|ctx, text| {
        assert_ne!(text, "panic", "as the test wants it");
        ctx.send(text);
    })
}

/// What has been sent of a large message before the panic still arrives whole, though the socket took
/// only its beginning and the message's buffer is what the rest lies in.
#[test]
fn in_message_behind_a_large_reply() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new().on_message(|ctx, message| {
            ctx.send(message);
            panic!("as the test wants it");
        }));
        let server = Running::start(mode.builder(), script);
        let mut client = server.dial().receive_len(4 << 10).connect();
        let payload = super::filler(900_000);
        client.send_binary(&payload);
        client.expect(Received::Binary(payload));
        assert!(!client.expect_close(1011).is_empty());
        client.close(1011, "");
        client.expect_end();
        failed(&soon(&closes));
    });
}

#[test]
fn in_message() {
    in_each_mode(|mode| {
        let (server, mut bystander, closes) = start(mode, echo_or_panic());
        for _ in 0..3 {
            let mut client = server.connect();
            client.send_texts(["before", "panic", "after"]);
            client.expect_text("before");
            assert!(!client.expect_close(1011).is_empty());
            client.close(1011, "");
            client.expect_end();
            failed(&soon(&closes));
            echoes(&mut bystander);
        }
        bystander.leave();
        assert!(soon(&closes).was_clean);
        drop(server);
        assert_eq!(closes.iter().count(), 0, "close was called again");
    });
}

#[test]
fn in_open() {
    in_each_mode(|mode| {
        let first = std::sync::atomic::AtomicBool::new(true);
        let script = echo_or_panic().on_open(move |_| {
            let first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
            assert!(first, "only the bystander may come in");
        });
        let (server, mut bystander, closes) = start(mode, script);
        echoes(&mut bystander);
        let mut client = server.connect();
        client.expect_close(1011);
        let _ = client.try_send_raw(b"\x88\x80\0\0\0\0");
        assert_eq!(client.recv_to_end(), []);
        failed(&soon(&closes));
        echoes(&mut bystander);
        drop((bystander, server));
        assert_eq!(closes.iter().count(), 1, "the bystander's");
    });
}

#[test]
fn in_drain() {
    in_each_mode(|mode| {
        let script = Script::new()
            .on_text(|ctx, text| {
                if text == "flood" {
                    while ctx.send(&[7_u8; 10_000]).is_accepted() {}
                } else {
                    ctx.send(text);
                }
            })
            .on_drain(|_| panic!("as the test wants it"));
        let (server, mut bystander, closes) = start(mode, script);
        let mut client = server.dial().receive_len(16 << 10).connect();
        client.send_text("flood");
        let close = loop {
            match client.recv() {
                Received::Binary(_) => {}
                other => break other,
            }
        };
        assert!(matches!(close, Received::Close(1011, _)), "{close:?}");
        client.close(1011, "");
        client.expect_end();
        failed(&soon(&closes));
        echoes(&mut bystander);
    });
}

#[test]
fn in_close() {
    in_each_mode(|mode| {
        let (calls, called) = channel();
        let script = echo_or_panic().on_close(move |_, _| {
            calls.send(()).expect("the test listens");
            panic!("as the test wants it");
        });
        let server = mode.start(script);
        let mut bystander = server.connect();
        server.connect().leave();
        soon(&called);
        echoes(&mut bystander);
        bystander.leave();
        drop(server);
        assert_eq!(called.iter().count(), 1, "once for each connection");
    });
}

#[test]
fn in_upgrade() {
    in_each_mode(|mode| {
        let script = echo_or_panic().on_upgrade(|request| {
            assert_ne!(request.path(), "/panic", "as the test wants it");
            Ok(tickwire::Upgrade::new(()))
        });
        let (server, mut bystander, closes) = start(mode, script);
        let http = super::support::Dial::path(&server.address(), "/panic").send();
        assert_eq!(http.response().status, 500);
        http.expect_end();
        echoes(&mut bystander);
        bystander.leave();
        drop(server);
        assert_eq!(closes.iter().count(), 1, "the bystander's");
    });
}

#[test]
fn in_http() {
    in_each_mode(|mode| {
        let script = echo_or_panic().on_http(|_| panic!("as the test wants it"));
        let (server, mut bystander, _closes) = start(mode, script);
        let http = server.http();
        for _ in 0..2 {
            http.get("/");
            assert_eq!(http.response().status, 500);
        }
        echoes(&mut bystander);
    });
}

#[test]
fn in_the_drop_of_a_state() {
    #[derive(Default)]
    struct Fragile;

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }

    struct Careless;

    impl Handler for Careless {
        type State = Fragile;

        fn message(&self, ctx: &mut Context<'_>, _: &mut Fragile, message: Message<'_>) {
            ctx.send(message);
        }
    }

    in_each_mode(|mode| {
        let server = mode.start(Careless);
        let mut bystander = server.connect();
        for _ in 0..3 {
            server.connect().leave();
            echoes(&mut bystander);
        }
    });
}
