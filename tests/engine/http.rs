//! Plain HTTP requests on the same port (RFC 9112).

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use http::StatusCode;
use tickwire::{Request, Response, SocketOptions};

use super::filler;
use super::support::{HttpClient, Mode, Running, Script, Socket, eventually, in_each_mode};

/// A page at `/`, and its path at `/echo/...`.
fn site(request: &Request) -> Response {
    match request.path() {
        "/" => Response::html("<h1>hello</h1>"),
        "/empty" => Response::new(StatusCode::NO_CONTENT),
        path if path.starts_with("/echo/") => Response::text(path.to_owned()),
        _ => Response::text("no such page\n").with_status(StatusCode::NOT_FOUND),
    }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo().on_http(site));
        let http = server.http();
        for _ in 0..3 {
            http.get("/");
            let response = http.response();
            assert_eq!((response.status, response.text()), (200, "<h1>hello</h1>"));
            assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
            http.get("/nothing");
            assert_eq!(http.response().status, 404);
            http.get("/empty");
            assert_eq!(http.response().status, 204);
        }
        let stats = || server.handle().stats().total;
        eventually("all is counted", || (stats().accepted, stats().http_responses) == (1, 9));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo().on_http(site));
        let http = server.http();
        let requests: String =
            (0..100).map(|i| format!("GET /echo/{i} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
        http.send(requests);
        for i in 0..100 {
            assert_eq!(http.response().text(), format!("/echo/{i}"));
        }
        // And then the same connection becomes a WebSocket, all in one write.
        let upgrade = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\
                       Upgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n\r\n";
        http.send([upgrade.as_bytes(), b"\x81\x82\0\0\0\0hi"].concat());
        assert_eq!(http.response().status, 200);
        assert_eq!(http.head().status, 101);
        assert_eq!(http.bytes(4), b"\x81\x02hi");
    });
}

#[test]
fn head_has_no_content_and_connection_close_closes() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo().on_http(site));
        let http = server.http();
        http.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = http.head();
        assert_eq!((head.status, head.header("content-length")), (200, Some("14")));
        http.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let response = http.response();
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(response.text(), "<h1>hello</h1>");
        http.expect_end();
    });
}

#[test]
fn http_1_0_closes_unless_it_asks_to_stay() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo().on_http(site));
        let http = server.http();
        http.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = http.response();
        assert_eq!((response.status, response.header("connection")), (200, Some("keep-alive")));
        http.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(http.response().header("connection"), Some("close"));
        http.expect_end();
    });
}

/// Takes longer for a page than any timeout of the server: it is progress that counts.
#[test]
fn a_large_page_reaches_a_slow_reader_whole() {
    std::thread::scope(|scope| {
        for mode in [Mode::Inline, Mode::Threads] {
            for line in ["", "Connection: close\r\n"] {
                for half_close in [false, true] {
                    scope.spawn(move || read_slowly(mode, line, half_close));
                }
            }
        }
    });
}

fn read_slowly(mode: Mode, line: &str, half_close: bool) {
    const SHORT: Duration = Duration::from_millis(1500);
    const PACE: Duration = Duration::from_millis(40);
    let page = filler(4 << 20);
    let body = page.clone();
    let script =
        Script::new().on_http(move |_| Response::new(StatusCode::OK).body("image/x", body.clone()));
    // The kernel takes little at a time, and so the server makes progress whenever the client does.
    let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
    let builder = mode.builder().close_timeout(SHORT).handshake_timeout(SHORT);
    let server = Running::start(builder.socket_options(socket_options), script);
    let socket = Socket::connect_with(&server.address(), Some(256 << 10)).expect("connect");
    let http = HttpClient::new(socket);
    http.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n"));
    if half_close {
        http.shutdown_write();
    }
    let start = Instant::now();
    http.set_pace(PACE);
    let response = http.response();
    assert_eq!(response.status, 200);
    assert!(response.body == page, "the page has arrived damaged");
    assert!(start.elapsed() > SHORT, "it was read too fast to show anything");
}

#[test]
fn content_is_refused_with_413() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo().on_http(|_| panic!("a request with content")));
        let http = server.http();
        let body = "x".repeat(100_000);
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
        http.send(format!("{head}{body}"));
        let response = http.response();
        assert_eq!((response.status, response.header("connection")), (413, Some("close")));
        http.expect_end();
        let http = server.http();
        http.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        assert_eq!(http.response().status, 413);
        http.expect_end();
    });
}

#[test]
fn without_an_http_callback_the_client_is_told_what_this_is() {
    use tickwire::{Context, Handler, Message};

    struct Plain;

    impl Handler for Plain {
        type State = ();

        fn message(&self, _: &mut Context<'_>, (): &mut (), _: Message<'_>) {}
    }

    in_each_mode(|mode| {
        let server = mode.start(Plain);
        let http = server.http();
        http.get("/");
        let response = http.response();
        assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    });
}

/// A page costs no connection state: its default may be dear, or counted.
#[test]
fn a_plain_request_makes_no_state() {
    use tickwire::{Context, Handler, Message};

    #[derive(Default)]
    struct Site;

    struct Counted;

    static MADE: Mutex<u32> = Mutex::new(0);

    impl Default for Counted {
        fn default() -> Self {
            *MADE.lock().expect("a count") += 1;
            Self
        }
    }

    impl Handler for Site {
        type State = Counted;

        fn message(&self, _: &mut Context<'_>, _: &mut Counted, _: Message<'_>) {}
    }

    in_each_mode(|mode| {
        let server = mode.start(Site);
        let before = *MADE.lock().expect("a count");
        let http = server.http();
        http.get("/");
        http.response();
        server.connect().leave();
        assert_eq!(*MADE.lock().expect("a count"), before + 1, "one for the WebSocket alone");
    });
}

#[test]
fn the_callback_runs_once_for_each_request_however_it_is_cut() {
    in_each_mode(|mode| {
        let (requests, seen) = channel();
        let server = mode.start(Script::new().on_http(move |request| {
            requests.send(request.path().to_owned()).expect("the test listens");
            Response::text("ok")
        }));
        let http = server.http();
        for byte in b"GET /slowly HTTP/1.1\r\nHost: h\r\n\r\nGET /again HTTP/1.1\r\nHost: h\r\n\r\n"
        {
            http.send([*byte]);
        }
        assert_eq!((http.response().status, http.response().status), (200, 200));
        drop(server);
        assert_eq!(seen.iter().collect::<Vec<_>>(), ["/slowly", "/again"]);
    });
}

/// More than are answered in one go, and nothing behind them that would announce the rest.
#[test]
fn all_of_many_requests_that_come_at_once_are_answered() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let http = server.http();
        for count in [7, 8, 9, 100] {
            http.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(count));
            for _ in 0..count {
                assert_eq!(http.response().status, 404);
            }
        }
    });
}
