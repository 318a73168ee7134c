//! The application.

use http::{HeaderValue, StatusCode, header};

use super::Context;
use crate::event_loop::Closed;
use crate::handshake::{Refusal, Request, Response, Upgrade};
use crate::protocol::Message;

/// What a service does with its connections. One handler serves all of them, from several threads.
///
/// All callbacks of one connection run on one thread, in order: with handler threads on one of
/// those, in inline mode on the connection's event loop. `upgrade` comes first, then `open`, then
/// any number of `message`, `slow` and `drain`, then `close`, exactly once for each `open`, whatever
/// happens.
///
/// A callback that panics loses its own connection (1011; a request gets 500) and nothing else.
/// With handler threads a callback may block: only the connections of its own thread wait. In
/// inline mode it must not: the whole loop would.
pub trait Handler: Send + Sync + 'static {
    /// What the service keeps with each connection. The default `upgrade` makes a default one.
    type State: Default + Send + 'static;

    /// Decides upon an opening handshake that is in order (RFC 6455 §4.2.2): path, headers, origin,
    /// cookies and subprotocols are in the `request`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with the HTTP response to send instead.
    fn upgrade(&self, request: &Request) -> Result<Upgrade<Self::State>, Refusal> {
        let _ = request;
        Ok(Upgrade::new(Self::State::default()))
    }

    /// A connection is open.
    fn open(&self, ctx: &mut Context<'_>, state: &mut Self::State) {
        let _ = (ctx, state);
    }

    /// A message has arrived. It is borrowed: to keep its bytes is to copy them.
    fn message(&self, ctx: &mut Context<'_>, state: &mut Self::State, message: Message<'_>);

    /// A connection that had answered `Queued` or `Dropped` to what a callback of its own has sent by its
    /// [`Context`], or that [`slow`](Self::slow) has told of, has taken all that waited for it. Of sends by a
    /// [`ServerHandle`](super::ServerHandle::send) it tells nothing. A loop may have sent all there was while a
    /// callback on a handler thread was still sending: what that has sent last may wait again by now, and
    /// [`Context::buffered_amount`] tells how much it is.
    fn drain(&self, ctx: &mut Context<'_>, state: &mut Self::State) {
        let _ = (ctx, state);
    }

    /// More waits for the connection than its topics' [`SlowConsumer::warn_len`](crate::SlowConsumer):
    /// it does not take publications as fast as they come. Once for each backlog; `drain` tells when
    /// all of it has been taken.
    fn slow(&self, ctx: &mut Context<'_>, state: &mut Self::State) {
        let _ = (ctx, state);
    }

    /// The connection has ended; what is sent to it now is `Gone`.
    fn close(&self, ctx: &mut Context<'_>, state: &mut Self::State, closed: &Closed) {
        let _ = (ctx, state, closed);
    }

    /// Answers a plain HTTP request on the same port: a page, a health check. Requests with content
    /// do not get here: they are answered with 413.
    fn http(&self, request: &Request) -> Response {
        let _ = request;
        Response::new(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .body("text/plain; charset=utf-8", "this is a WebSocket endpoint\n")
    }
}
