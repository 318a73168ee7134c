//! The feed as the engine sees it. Requests that concern the market's order (subscriptions) are
//! passed on to the market's thread; all others are answered at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use http::StatusCode;
use tickwire::{ConnectionId, Context, Handler, Message, Refusal, Request, Response, Upgrade};

use crate::clock;
use crate::feed::{Errand, Subscription};
use crate::market::Market;
use crate::message::{Channel, Directory, Encoding};
use crate::request::{self, Code, Operation};
use crate::site;
use crate::status::Status;
use crate::wire;

/// Where the feed is; the page and the figures are beside it.
pub(crate) const FEED_PATH: &str = "/ws";

/// What the welcome says of the server.
const SERVER_NAME: &str = concat!("tickwire market_feed/", env!("CARGO_PKG_VERSION"));

/// The handler of all connections.
pub(crate) struct Service {
    directory: Arc<Directory>,
    source: &'static str,
    has_raw: bool,
    errands: SyncSender<Errand>,
    status: Arc<Status>,
}

/// What is kept of each connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    encoding: Encoding,
    subscriptions: HashSet<(Channel, u16)>,
}

impl Service {
    pub(crate) fn new(market: &Market, errands: SyncSender<Errand>, status: Arc<Status>) -> Self {
        Self {
            directory: Arc::clone(market.directory()),
            source: market.source_name(),
            has_raw: market.has_raw(),
            errands,
            status,
        }
    }

    /// Carries a request out, or passes it on; the answer, unless it comes from the market's thread.
    fn carry_out(
        &self,
        id: ConnectionId,
        session: &mut Session,
        request: request::Request<'_>,
    ) -> Result<Option<String>, (Code, String)> {
        let mut answer = String::new();
        let echo = request.id;
        match request.operation {
            Operation::List => wire::push_symbols(&mut answer, echo, &self.directory),
            Operation::Ping { t } => wire::push_pong(&mut answer, echo, t, clock::unix_micros()),
            Operation::Subscribe { channel, symbols } => {
                let keys: Vec<_> = symbols.iter().map(|&symbol| (channel, symbol)).collect();
                let subscription = Subscription::new(id, session.encoding, channel, symbols, echo);
                self.pass_on(Errand::Subscribe(subscription))?;
                session.subscriptions.extend(keys);
                return Ok(None);
            }
            Operation::Unsubscribe { channel, mut symbols } => {
                symbols.retain(|&symbol| session.subscriptions.contains(&(channel, symbol)));
                if symbols.is_empty() {
                    let channel = channel.name();
                    let message = format!("there is no subscription to {channel} of these symbols");
                    return Err((Code::NotSubscribed, message));
                }
                let keys: Vec<_> = symbols.iter().map(|&symbol| (channel, symbol)).collect();
                let subscription = Subscription::new(id, session.encoding, channel, symbols, echo);
                self.pass_on(Errand::Unsubscribe(subscription))?;
                for key in keys {
                    session.subscriptions.remove(&key);
                }
                return Ok(None);
            }
        }
        Ok(Some(answer))
    }

    /// Never waits: an event loop may be calling.
    fn pass_on(&self, errand: Errand) -> Result<(), (Code, String)> {
        self.errands.try_send(errand).map_err(|_| {
            (Code::NotAvailable, "too many requests wait: try again in a moment".to_owned())
        })
    }
}

impl Handler for Service {
    type State = Session;

    fn upgrade(&self, request: &Request) -> Result<Upgrade<Session>, Refusal> {
        if request.path() != FEED_PATH {
            return Err(site::not_found().into());
        }
        if request.subprotocols().next().is_none() {
            return Ok(Upgrade::new(Session::default()));
        }
        // The client's order of preference wins.
        let supported = |name: &str| Encoding::ALL.into_iter().find(|it| it.subprotocol() == name);
        let Some(encoding) = request.subprotocols().find_map(supported) else {
            let names = Encoding::ALL.map(Encoding::subprotocol).join(" or ");
            let reason =
                format!("no subprotocol in common: offer {names}, or none for the first\n");
            let refusal = Refusal::new(StatusCode::BAD_REQUEST);
            return Err(refusal.body("text/plain; charset=utf-8", reason));
        };
        let session = Session { encoding, ..Session::default() };
        Ok(Upgrade::new(session).subprotocol(encoding.subprotocol()))
    }

    fn open(&self, ctx: &mut Context<'_>, _: &mut Session) {
        let mut welcome = String::new();
        wire::push_welcome(&mut welcome, SERVER_NAME, self.source, clock::unix_micros());
        ctx.send(welcome);
    }

    fn message(&self, ctx: &mut Context<'_>, session: &mut Session, message: Message<'_>) {
        let Some(text) = message.as_text() else {
            let reason = "requests are JSON text messages, whatever the subprotocol";
            ctx.send(error(None, Code::BadRequest, reason));
            return;
        };
        match request::parse(text, &self.directory, self.has_raw) {
            Ok(request) => {
                let echo = request.id;
                match self.carry_out(ctx.id(), session, request) {
                    Ok(Some(answer)) => drop(ctx.send(answer)),
                    Ok(None) => {}
                    Err((code, reason)) => drop(ctx.send(error(echo, code, &reason))),
                }
            }
            Err(refusal) => {
                ctx.send(error(refusal.id, refusal.code, &refusal.message));
            }
        }
    }

    fn http(&self, request: &Request) -> Response {
        site::respond(request, &self.status)
    }
}

fn error(echo: Option<&str>, code: Code, message: &str) -> String {
    let mut text = String::new();
    wire::push_error(&mut text, echo, code.name(), message);
    text
}
