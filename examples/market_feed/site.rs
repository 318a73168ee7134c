//! What is answered to plain HTTP requests: the page, the health check and the figures.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use tickwire::{Request, Response};

use crate::service::FEED_PATH;
use crate::status::Status;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Scripts and styles come from here alone, and none stand in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

macro_rules! page_file {
    ($content_type:expr, $name:literal) => {
        (concat!("/", $name), $content_type, include_bytes!(concat!("page/", $name)) as &[u8])
    };
}

/// The files of the page: path, content type and content.
const PAGE: [(&str, &str, &[u8]); 18] = [
    ("/", HTML, include_bytes!("page/index.html")),
    page_file!(CSS, "style.css"),
    page_file!(JAVASCRIPT, "app.js"),
    page_file!(JAVASCRIPT, "book.js"),
    page_file!(JAVASCRIPT, "canvas.js"),
    page_file!(JAVASCRIPT, "chart.js"),
    page_file!(JAVASCRIPT, "feed.js"),
    page_file!(JAVASCRIPT, "format.js"),
    page_file!(JAVASCRIPT, "keyboard.js"),
    page_file!(JAVASCRIPT, "ladder.js"),
    page_file!(JAVASCRIPT, "market.js"),
    page_file!(JAVASCRIPT, "quote.js"),
    page_file!(JAVASCRIPT, "slow.js"),
    page_file!(JAVASCRIPT, "socket.js"),
    page_file!(JAVASCRIPT, "tape.js"),
    page_file!(JAVASCRIPT, "theme.js"),
    page_file!(JAVASCRIPT, "watch.js"),
    page_file!(HTML, "index.html"),
];

/// Answers a request that is no upgrade.
pub(crate) fn respond(request: &Request, status: &Status) -> Response {
    let path = request.path();
    let response = if let Some((_, content_type, content)) = PAGE.iter().find(|it| it.0 == path) {
        Response::new(StatusCode::OK)
            .body(content_type, *content)
            .header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
            .header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    } else {
        match path {
            "/health" => Response::json(status.health()),
            "/stats" => match request.query().and_then(|it| it.strip_prefix("connection=")) {
                None => Response::json(status.stats()),
                Some(name) => match status.connection(name) {
                    Some(figures) => Response::json(figures),
                    None => return not_found(),
                },
            },
            FEED_PATH => Response::new(StatusCode::UPGRADE_REQUIRED)
                .header(UPGRADE, HeaderValue::from_static("websocket"))
                .body(TEXT, "this is a WebSocket endpoint; the page is at /\n"),
            _ => return not_found(),
        }
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Response::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(ALLOW, HeaderValue::from_static("GET, HEAD"))
            .body(TEXT, "use GET\n");
    }
    response.header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

/// Says where things are.
pub(crate) fn not_found() -> Response {
    let hint = "not found: the page is at /, the feed at /ws, figures at /stats and /health\n";
    Response::new(StatusCode::NOT_FOUND).body(TEXT, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/market_feed/page");
        for entry in std::fs::read_dir(dir).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let served = PAGE.iter().find(|(path, ..)| path[1..] == name);
            let (_, content_type, content) = served.unwrap_or_else(|| panic!("{name} is not"));
            assert_eq!(*content, std::fs::read(format!("{dir}/{name}")).unwrap());
            let kind = match name.rsplit_once('.').unwrap().1 {
                "html" => HTML,
                "css" => CSS,
                "js" => JAVASCRIPT,
                other => panic!("what is .{other}?"),
            };
            assert_eq!(*content_type, kind, "{name}");
        }
    }
}
