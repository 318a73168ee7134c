//! Of which sites' scripts handshakes are accepted.

use tickwire::{AllowedOrigins, NoOrigin};

use super::support::{Running, Script, eventually, in_each_mode};

#[test]
fn handshakes_of_other_origins_are_refused_with_403() {
    let origins = ["https://example.com", "https://*.example.org", "http://localhost:3000"];
    let cases = [
        (Some("https://example.com"), true),
        (Some("https://example.com:443"), true),
        (Some("https://a.b.example.org"), true),
        (Some("http://localhost:3000"), true),
        (Some("http://example.com"), false),
        (Some("https://example.org"), false),
        (Some("https://example.com.evil.example"), false),
        (Some("http://localhost:3001"), false),
        (Some("null"), false),
    ];
    in_each_mode(|mode| {
        for (no_origin, without) in [(NoOrigin::Accepted, true), (NoOrigin::Refused, false)] {
            let origins = AllowedOrigins::new(origins, no_origin);
            let server = Running::start(mode.builder().allowed_origins(origins), Script::echo());
            let mut refused = 0;
            for (origin, accepted) in cases.into_iter().chain([(None, without)]) {
                let dial = origin.iter().fold(server.dial(), |dial, origin| dial.origin(origin));
                if accepted {
                    dial.connect().leave();
                } else {
                    let response = dial.refused();
                    assert_eq!(response.status, 403, "{origin:?}");
                    assert_eq!(response.text(), "this origin is not allowed\n");
                    refused += 1;
                }
            }
            // It is about upgrades alone.
            let http = server.http();
            http.send("GET / HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example\r\n\r\n");
            assert_eq!(http.response().status, 404);
            eventually("they are counted", || {
                server.handle().stats().total.origins_refused == refused
            });
        }
    });
}
