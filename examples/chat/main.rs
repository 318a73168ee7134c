//! Chat rooms, with a page: `cargo run --release --example chat`, then open
//! <http://127.0.0.1:9001/> in two windows.
//!
//! Clients speak JSON text at `/ws`, which `wire.rs` describes. `rooms.rs` has the rules, `hub.rs`
//! the thread that applies them and tells everybody; each room is a topic.

mod hub;
mod rooms;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the hub needs the server between its start and its end")]
mod support;
mod wire;

use std::error::Error;
use std::thread;

use clap::Parser;
use http::{HeaderValue, Method, StatusCode, header};
use tickwire::{
    CloseCode, Closed, Context, Handler, Limits, Message, Refusal, Request, Response, Server,
    Upgrade,
};

use hub::{Hub, ToHub};
use wire::Notice;

/// The longest request, in bytes: a text of the longest kind, every character of it escaped.
const MAX_REQUEST_LEN: usize = 32 << 10;

/// Bytes that may wait for a slow reader before it is told to come back later.
const MAX_BACKPRESSURE: usize = 1 << 20;

const PAGE: &str = include_str!("page.html");

/// Chat rooms, with a page.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: support::ServerArgs,
}

struct Chat {
    hub: ToHub,
}

impl Handler for Chat {
    type State = ();

    fn upgrade(&self, request: &Request) -> Result<Upgrade<()>, Refusal> {
        match request.path() {
            "/ws" => Ok(Upgrade::new(())),
            _ => Err(StatusCode::NOT_FOUND.into()),
        }
    }

    fn open(&self, ctx: &mut Context<'_>, _: &mut ()) {
        self.hub.opened(ctx.id());
    }

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        let Some(text) = message.as_text() else {
            return ctx.close(CloseCode::UNSUPPORTED_DATA, "requests are text");
        };
        match serde_json::from_str(text) {
            Ok(request) => {
                if !self.hub.asked(ctx.id(), request) {
                    complain(ctx, "the server is overloaded: try again later");
                }
            }
            Err(error) => complain(ctx, &format!("not a request: {error}")),
        }
    }

    fn close(&self, ctx: &mut Context<'_>, _: &mut (), _: &Closed) {
        self.hub.closed(ctx.id());
    }

    fn http(&self, request: &Request) -> Response {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Response::new(StatusCode::METHOD_NOT_ALLOWED)
                .header(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        match request.path() {
            "/" => Response::html(PAGE),
            "/health" => Response::json(r#"{"status":"ok"}"#),
            "/ws" => Response::text("this is a WebSocket endpoint\n")
                .with_status(StatusCode::UPGRADE_REQUIRED)
                .header(header::UPGRADE, HeaderValue::from_static("websocket")),
            _ => Response::text("not found\n").with_status(StatusCode::NOT_FOUND),
        }
    }
}

fn complain(ctx: &mut Context<'_>, message: &str) {
    ctx.send(Notice::Error { message }.to_json());
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let (to_hub, inbox) = hub::channel();
    let args = Args::parse();
    let server: Server = args
        .server
        .builder()
        .limits(Limits::from(args.server.limits).with_messages_up_to(MAX_REQUEST_LEN))
        .max_backpressure(MAX_BACKPRESSURE)
        .start(Chat { hub: to_hub })?;
    let hub = Hub::new(server.handle());
    let hub = thread::Builder::new().name("hub".into()).spawn(move || hub.run(&inbox))?;
    support::end_on_signal(&server)?;
    support::announce(&server);
    server.join()?;
    // The handler went with the server, and the way to the hub with it.
    hub.join().map_err(|_| "the hub panicked".into())
}
