//! The feed as the engine sees it: who may connect, and what becomes of requests.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use http::StatusCode;
use tickwire::{
    CloseCode, Closed, Context, Handler, Message, Outcome, Refusal, Request, Response, Subscribed,
    Upgrade,
};

use crate::clock;
use crate::feed::Errand;
use crate::market::Market;
use crate::message::{Channel, Directory, Encoding};
use crate::request::{self, Code, Operation};
use crate::site;
use crate::status::Status;
use crate::topics::LazyTopics;
use crate::wire::{self, Welcome};

/// Where the feed is; the page and the figures are beside it.
pub(crate) const FEED_PATH: &str = "/ws";

/// What the welcome says of the server.
const SERVER_NAME: &str = concat!("tickwire market_feed/", env!("CARGO_PKG_VERSION"));

/// The handler of all connections.
pub(crate) struct Service {
    directory: Arc<Directory>,
    source: &'static str,
    has_raw: bool,
    topics: Arc<LazyTopics>,
    errands: Sender<Errand>,
    status: Arc<Status>,
    /// When the server was made, in microseconds since the Unix epoch: names this run of it.
    run: u64,
}

/// What is kept of each connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    encoding: Encoding,
    subscriptions: HashSet<(Channel, u16)>,
    /// It has subscribed to something, and the market's thread was told.
    is_counted: bool,
}

impl Service {
    pub(crate) fn new(
        market: &Market,
        topics: Arc<LazyTopics>,
        errands: Sender<Errand>,
        status: Arc<Status>,
    ) -> Self {
        Self {
            directory: Arc::clone(market.directory()),
            source: market.source_name(),
            has_raw: market.has_raw(),
            topics,
            errands,
            status,
            run: clock::unix_micros(),
        }
    }

    fn carry_out(
        &self,
        ctx: &mut Context<'_>,
        session: &mut Session,
        request: request::Request<'_>,
    ) {
        let mut answer = String::new();
        let echo = request.id;
        match request.operation {
            Operation::List => wire::push_symbols(&mut answer, echo, &self.directory),
            Operation::Ping { t } => wire::push_pong(&mut answer, echo, t, clock::unix_micros()),
            Operation::Subscribe { channel, symbols, after } => {
                wire::push_subscribed(&mut answer, true, echo, channel, &symbols, &self.directory);
                self.tell(ctx, answer);
                return self.subscribe(ctx, session, channel, &symbols, &after);
            }
            Operation::Unsubscribe { channel, mut symbols } => {
                symbols.retain(|&symbol| session.subscriptions.remove(&(channel, symbol)));
                if symbols.is_empty() {
                    let channel = channel.name();
                    let reason = format!("there is no subscription to {channel} of these symbols");
                    return self.tell(ctx, error(echo, Code::NotSubscribed, &reason));
                }
                let topics = self.topics.of(ctx.server());
                for &symbol in &symbols {
                    ctx.unsubscribe(topics.of(channel, symbol, session.encoding));
                }
                wire::push_subscribed(&mut answer, false, echo, channel, &symbols, &self.directory);
            }
        }
        self.tell(ctx, answer);
    }

    /// The engine begins each subscription with what its topic retains, and goes on without a gap.
    fn subscribe(
        &self,
        ctx: &mut Context<'_>,
        session: &mut Session,
        channel: Channel,
        symbols: &[u16],
        after: &HashMap<u16, u64>,
    ) {
        let topics = self.topics.of(ctx.server());
        for &symbol in symbols {
            let topic = topics.of(channel, symbol, session.encoding);
            let last = after.get(&symbol).copied();
            let is_new = session.subscriptions.insert((channel, symbol));
            let begins_with_state = matches!(channel, Channel::Ticker | Channel::Book);
            if !is_new && (begins_with_state || last.is_some()) {
                // Whoever asks again begins again.
                ctx.unsubscribe(topic);
            }
            let Some(last) = last else {
                ctx.subscribe(topic);
                continue;
            };
            if let Subscribed::Gap { missed_upto } = ctx.subscribe_from(topic, last) {
                let symbol = self.directory.instrument(symbol).map_or("", |it| &it.symbol);
                let count = missed_upto.saturating_sub(last);
                let mut notice = String::new();
                wire::push_notice(&mut notice, channel, symbol, "gap", count, missed_upto);
                self.tell(ctx, notice);
            }
        }
        if !std::mem::replace(&mut session.is_counted, true) {
            // Without a receiver the feed has ended.
            let _ = self.errands.send(Errand::Subscribed);
        }
    }

    /// Sends what must not be lost: a connection that cannot take it is closed.
    fn tell(&self, ctx: &mut Context<'_>, message: String) {
        if ctx.send(message) == Outcome::Dropped {
            ctx.close(CloseCode::TRY_AGAIN_LATER, "too slow for what it asked for");
        }
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
        let connection = self.status.add_connection(ctx.id());
        let welcome = Welcome {
            server: SERVER_NAME,
            source: self.source,
            run: self.run,
            connection: &connection,
            time: clock::unix_micros(),
        };
        let mut text = String::new();
        wire::push_welcome(&mut text, &welcome);
        self.tell(ctx, text);
    }

    fn message(&self, ctx: &mut Context<'_>, session: &mut Session, message: Message<'_>) {
        let Some(text) = message.as_text() else {
            let reason = "requests are JSON text messages, whatever the subprotocol";
            return self.tell(ctx, error(None, Code::BadRequest, reason));
        };
        match request::parse(text, &self.directory, self.has_raw) {
            Ok(request) => self.carry_out(ctx, session, request),
            Err(refusal) => self.tell(ctx, error(refusal.id, refusal.code, &refusal.message)),
        }
    }

    fn close(&self, ctx: &mut Context<'_>, _: &mut Session, _: &Closed) {
        self.status.remove_connection(ctx.id());
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
