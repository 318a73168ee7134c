//! The page and the figures, over plain HTTP.

use serde_json::Value;

use crate::program::{Feed, MODES, Program};
use crate::session::{JSON, Session};
use crate::support::HttpClient;

#[test]
fn the_page_is_served_under_a_strict_policy() {
    for mode in MODES {
        let feed = Feed::start(mode, &["--symbols", "1"]);
        let http = HttpClient::connect(&feed.address);
        for (path, content_type, part) in [
            ("/", "text/html; charset=utf-8", "<!doctype html>"),
            ("/app.js", "text/javascript; charset=utf-8", "import "),
            ("/style.css", "text/css; charset=utf-8", "{"),
        ] {
            http.get(path);
            let response = http.response();
            assert_eq!(
                (response.status, response.header("content-type")),
                (200, Some(content_type))
            );
            assert!(response.text().contains(part), "{path}");
            let policy = response.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            assert_eq!(response.header("cache-control"), Some("no-cache"));
        }
        http.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = http.head();
        assert!(head.status == 200 && head.header("content-length").is_some());
        http.get("/nothing-here");
        assert_eq!(http.response().status, 404);
        http.get("/ws");
        assert_eq!(http.response().status, 426);
        http.send("DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n");
        let refused = http.response();
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[test]
fn figures_are_told() {
    let feed = Feed::start(MODES[0], &["--symbols", "2"]);
    let mut session = Session::open(&feed, JSON);
    session.subscribe("trades", &["*"]);
    for _ in 0..50 {
        session.next().expect("the feed goes on");
    }
    let http = HttpClient::connect(&feed.address);
    let document = |path| -> Value {
        http.get(path);
        let response = http.response();
        assert_eq!(response.header("content-type"), Some("application/json"));
        serde_json::from_slice(&response.body).expect("JSON")
    };
    let health = document("/health");
    assert_eq!((health["status"].as_str(), health["connections"].as_u64()), (Some("ok"), Some(2)));
    let stats = document("/stats");
    assert_eq!(stats["market"]["symbols"], 2);
    assert!(stats["market"]["trades"].as_u64() >= Some(50), "{stats}");
    assert!(stats["server"]["total"]["deliveries"].as_u64() >= Some(50), "{stats}");
    assert_eq!(stats["server"]["total"]["deliveries_dropped"], 0);
    // The line on the terminal says it too, unless it is told not to.
    crate::support::eventually("the terminal shows figures", || {
        feed.program.stderr().iter().any(|line| line.contains("connections, "))
    });
}

#[test]
fn an_interrupt_ends_the_feed_cleanly() {
    for mode in MODES {
        for signal in ["INT", "TERM"] {
            let feed = Feed::start(mode, &["--quiet"]);
            let mut session = Session::open(&feed, JSON);
            session.subscribe("book", &["*"]);
            feed.program.signal(signal);
            // Everything up to the close frame, which must be 1001.
            while session.next().is_some() {}
            session.client.close(1001, "");
            session.client.expect_end();
            let ended = feed.program.ended();
            assert!(ended.status.success(), "{ended:?}");
            let lines: Vec<_> = ended.stdout.lines().collect();
            assert!(
                lines.len() == 2 && lines[1].starts_with("open http://127.0.0.1:"),
                "{lines:?}"
            );
            assert_eq!(ended.stderr, "");
        }
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_a_way_out() {
    let feed = Feed::start(MODES[0], &[]);
    let second = Program::start("market_feed", &["--listen", &feed.host()]);
    let ended = second.ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains(&feed.host()) && ended.stderr.contains("--listen"), "{ended:?}");
}
