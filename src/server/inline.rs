//! Inline mode: callbacks on the event loop itself.

use std::sync::Arc;

use http::StatusCode;

use super::guard::guard;
use super::handler::Handler;
use super::{Context, ServerHandle};
use crate::event_loop::{Answer, Closed, ConnectionId, Decision, Outlet, Service};
use crate::frame::CloseCode;
use crate::handshake::{HandshakeError, Refusal, Request, Response, Upgrade};
use crate::protocol::{AssembledMessage, Message};
use crate::pubsub::TopicCore;

pub(super) struct Inline<H> {
    handler: Arc<H>,
    server: ServerHandle,
}

impl<H: Handler> Inline<H> {
    pub(super) fn new(handler: Arc<H>, server: ServerHandle) -> Self {
        Self { handler, server }
    }

    #[inline]
    fn call(
        &self,
        callback: &str,
        outlet: &mut Outlet<'_>,
        run: impl FnOnce(&H, &mut Context<'_>),
    ) {
        let done = guard(callback, || {
            run(&self.handler, &mut Context::inline(&self.server, outlet.reborrow()));
        });
        if done.is_none() {
            outlet.fail(CloseCode::INTERNAL_ERROR, "the handler failed");
        }
    }
}

impl<H: Handler> Service for Inline<H> {
    type State = H::State;

    fn request(&mut self, _: ConnectionId, request: Request, upgrade: bool) -> Answer<H::State> {
        let (decision, state) = decide(&*self.handler, &request, upgrade);
        Answer::Now(decision, state)
    }

    fn open(&mut self, outlet: &mut Outlet<'_>, state: &mut H::State) {
        self.call("open", outlet, |handler, ctx| handler.open(ctx, state));
    }

    #[inline]
    fn guard(&mut self, run: impl FnOnce(&mut Self)) -> bool {
        guard("message", || run(self)).is_some()
    }

    #[inline]
    fn message(&mut self, outlet: &mut Outlet<'_>, state: &mut H::State, message: Message<'_>) {
        let ctx = &mut Context::inline(&self.server, outlet.reborrow());
        self.handler.message(ctx, state, message);
    }

    fn assembled(
        &mut self,
        outlet: &mut Outlet<'_>,
        state: &mut H::State,
        message: &mut Option<AssembledMessage>,
    ) {
        if let Some(message) = message {
            self.message(outlet, state, message.as_message());
        }
    }

    fn drain(&mut self, outlet: &mut Outlet<'_>, state: &mut H::State) {
        self.call("drain", outlet, |handler, ctx| handler.drain(ctx, state));
    }

    fn slow(&mut self, outlet: &mut Outlet<'_>, state: &mut H::State) {
        self.call("slow", outlet, |handler, ctx| handler.slow(ctx, state));
    }

    fn snapshot(&mut self, _: ConnectionId, topic: &Arc<TopicCore>) {
        self.server.take_snapshot(topic);
    }

    fn close(&mut self, id: ConnectionId, mut state: H::State, closed: Closed) {
        let (handler, mut ctx) = (&*self.handler, Context::gone(&self.server, id));
        // The state ends within: its drop is user code too.
        guard("close", move || handler.close(&mut ctx, &mut state, &closed));
    }
}

/// Asks the handler about a request; with a state if it becomes a connection.
pub(super) fn decide<H: Handler>(
    handler: &H,
    request: &Request,
    upgrade: bool,
) -> (Decision, Option<H::State>) {
    if !upgrade {
        let response = guard("http", || handler.http(request)).unwrap_or_else(internal_error);
        return (Decision::Respond(response), None);
    }
    let answer =
        guard("upgrade", || handler.upgrade(request).map(|upgrade| check(upgrade, request)));
    match answer {
        Some(Ok(Ok(upgrade))) => {
            let (state, subprotocol, headers) = upgrade.into_parts();
            (Decision::Upgrade { subprotocol, headers }, Some(state))
        }
        Some(Ok(Err(error))) => (Decision::Respond(error.to_response()), None),
        Some(Err(refusal)) => (Decision::Respond(Refusal::into_response(refusal)), None),
        None => (Decision::Respond(internal_error()), None),
    }
}

fn check<S>(upgrade: Upgrade<S>, request: &Request) -> Result<Upgrade<S>, HandshakeError> {
    match upgrade.check(request) {
        Ok(()) => Ok(upgrade),
        Err(error) => {
            log::error!("the handler's `upgrade` gave an answer that cannot be sent: {error}");
            Err(error)
        }
    }
}

fn internal_error() -> Response {
    Response::new(StatusCode::INTERNAL_SERVER_ERROR)
        .body("text/plain; charset=utf-8", "the handler failed\n")
}
