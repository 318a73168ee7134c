//! The opening handshake, as services and clients see it (RFC 6455 §4).

use std::sync::mpsc::channel;

use http::{HeaderName, HeaderValue, StatusCode, header};
use tickwire::{Refusal, Upgrade};

use super::support::{Dial, HttpClient, Running, Script, eventually, in_each_mode, soon};

#[test]
fn the_service_sees_the_whole_request() {
    in_each_mode(|mode| {
        let (requests, seen) = channel();
        let server = mode.start(Script::new().on_upgrade(move |request| {
            requests.send(request.clone()).expect("the test listens");
            Ok(Upgrade::new(()))
        }));
        Dial::path(&server.address(), "/chat?room=4")
            .origin("https://site.example")
            .header("x-token", "secret")
            .header("cookie", "user=ann; theme=dark")
            .subprotocol("chat.v1")
            .connect()
            .leave();
        let request = soon(&seen);
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=4")));
        assert_eq!(request.origin(), Some("https://site.example"));
        assert_eq!(request.header("X-Token"), Some("secret"));
        assert_eq!(request.cookies().collect::<Vec<_>>(), [("user", "ann"), ("theme", "dark")]);
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat.v1"]);
        assert_eq!(request.host(), Some("test.example"));
        assert!(request.peer_addr().is_some_and(|address| address.ip().is_loopback()));
    });
}

#[test]
fn a_refusal_is_sent_as_it_was_made_and_nothing_opens() {
    in_each_mode(|mode| {
        let (opened, opens) = channel();
        let script = Script::new()
            .on_upgrade(|request| match request.path() {
                "/bare" => Err(StatusCode::FORBIDDEN.into()),
                _ => Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS)
                    .header(header::RETRY_AFTER, HeaderValue::from_static("3"))
                    .body("application/json", r#"{"error":"slow down"}"#)),
            })
            .on_open(move |_| opened.send(()).expect("the test listens"))
            .on_close(|_, _| panic!("there was nothing to close"));
        let server = mode.start(script);

        let http = server.dial().send();
        let response = http.response();
        assert_eq!(response.status, 429);
        assert_eq!(response.header("retry-after"), Some("3"));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(response.text(), r#"{"error":"slow down"}"#);
        http.expect_end();

        let bare = Dial::path(&server.address(), "/bare").refused();
        assert_eq!((bare.status, bare.text()), (403, ""));
        let stats = || server.handle().stats().total;
        eventually("all is counted", || (stats().upgraded, stats().http_responses) == (0, 2));
        drop(server);
        assert_eq!(opens.iter().count(), 0);
    });
}

#[test]
fn a_subprotocol_and_headers_are_agreed_on() {
    in_each_mode(|mode| {
        let server = mode.start(Script::new().on_upgrade(|request| {
            let chosen = request.choose_subprotocol(&["v2", "v1"]).unwrap_or("none");
            Ok(Upgrade::new(())
                .subprotocol(chosen)
                .header(HeaderName::from_static("x-node"), HeaderValue::from_static("7")))
        }));
        let client = server.dial().subprotocol("v1").subprotocol("v2").connect();
        assert_eq!(client.response().subprotocol(), Some("v2"), "the server's order wins");
        assert_eq!(client.response().headers()["x-node"], "7");
        // "none" was not offered: the service's mistake, and no client could accept it.
        assert_eq!(server.dial().subprotocol("v3").refused().status, 500);
        assert_eq!(server.dial().refused().status, 500);
    });
}

#[test]
fn handshakes_that_are_out_of_order_never_reach_the_service() {
    in_each_mode(|mode| {
        let server = mode.start(Script::new().on_upgrade(|_| panic!("a bad handshake")));
        let good = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let cases = [
            ("Version: 13", "Version: 8", 426),
            ("Key: dGhl", "Key: dGh", 400),
            ("Connection: Upgrade", "Connection: close", 400),
            ("GET", "POST", 405),
            ("Host: h\r\n", "", 400),
            ("HTTP/1.1", "HTTP/1.0", 400),
            ("GET / HTTP", "\x16\x03\x01", 400),
        ];
        for (from, to, status) in cases {
            let http = server.http();
            http.send(good.replacen(from, to, 1));
            let response = http.response();
            assert_eq!(response.status, status, "{to:?}");
            if status == 426 {
                assert_eq!(response.header("sec-websocket-version"), Some("13"));
            }
            http.expect_end();
        }
        let errors = || server.handle().stats().total.protocol_errors;
        eventually("all is counted", || errors() == cases.len() as u64);
    });
}

#[test]
fn the_state_that_upgrade_made_stays_with_its_connection() {
    use tickwire::{Context, Handler, Message, Request};

    struct Named;

    impl Handler for Named {
        type State = (String, u32);

        fn upgrade(&self, request: &Request) -> Result<Upgrade<Self::State>, Refusal> {
            Ok(Upgrade::new((request.path().to_owned(), 0)))
        }

        fn message(&self, ctx: &mut Context<'_>, state: &mut Self::State, _: Message<'_>) {
            state.1 += 1;
            ctx.send(format!("{} {}", state.0, state.1));
        }
    }

    in_each_mode(|mode| {
        let server = Running::start(mode.builder().event_loops(2), Named);
        let paths: Vec<String> = (0..10).map(|i| format!("/user{i}")).collect();
        let mut clients: Vec<_> =
            paths.iter().map(|path| Dial::path(&server.address(), path).connect()).collect();
        for count in 1..=3 {
            for client in &clients {
                client.send_text("next");
            }
            for (client, path) in clients.iter_mut().zip(&paths) {
                client.expect_text(&format!("{path} {count}"));
            }
        }
    });
}

#[test]
fn a_client_that_hangs_up_while_the_service_decides_is_told_to_nobody_but_close() {
    in_each_mode(|mode| {
        let (entered, entries) = channel();
        let (ended, ends) = channel();
        let script = Script::new()
            .on_upgrade(move |_| {
                entered.send(()).expect("the test listens");
                Ok(Upgrade::new(()))
            })
            .on_close(move |_, closed| ended.send(closed.clone()).expect("the test listens"));
        let server = mode.start(script);
        for _ in 0..20 {
            let http: HttpClient = server.dial().send();
            http.into_socket().reset_on_close();
        }
        let upgrades = (0..20).take_while(|_| entries.recv_timeout(WAIT).is_ok()).count();
        let closes = (0..upgrades).take_while(|_| ends.recv_timeout(WAIT).is_ok()).count();
        assert_eq!(closes, upgrades, "every accepted upgrade has its close");
        drop(server);
        assert_eq!(ends.iter().count(), 0);
    });
}

/// Requests may be lost with the connection: then there is nothing to wait for.
const WAIT: std::time::Duration = std::time::Duration::from_secs(2);
