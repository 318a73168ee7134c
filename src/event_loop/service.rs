//! What a loop asks of the application.

use std::sync::Arc;

use super::{Closed, ConnectionId, Decision, Outlet};
use crate::frame::CloseCode;
use crate::handshake::Request;
use crate::protocol::{AssembledMessage, Message};
use crate::pubsub::TopicCore;

/// The application as one loop sees it: handlers called on the spot, or lanes to handler threads.
///
/// No call may block. Only [`message`](Self::message) and [`assembled`](Self::assembled) may panic,
/// and are called within [`guard`](Self::guard); otherwise whoever runs user code catches.
pub(crate) trait Service {
    /// What is kept with each connection from its request on.
    type State;

    /// A request is whole. `upgrade` says that it is a valid opening handshake.
    fn request(&mut self, id: ConnectionId, request: Request, upgrade: bool)
    -> Answer<Self::State>;

    /// A connection is open.
    fn open(&mut self, outlet: &mut Outlet<'_>, state: &mut Self::State);

    /// Calls `run`, which hands over messages; says whether it came to its end. One guard for all the
    /// messages of a read: the handler's code becomes part of the loop that decodes them.
    #[inline]
    fn guard(&mut self, run: impl FnOnce(&mut Self)) -> bool {
        run(self);
        true
    }

    /// A message has arrived.
    fn message(&mut self, outlet: &mut Outlet<'_>, state: &mut Self::State, message: Message<'_>);

    /// A message has arrived in a buffer of its own. May take it.
    fn assembled(
        &mut self,
        outlet: &mut Outlet<'_>,
        state: &mut Self::State,
        message: &mut Option<AssembledMessage>,
    );

    /// What waited for the connection has been written.
    fn drain(&mut self, outlet: &mut Outlet<'_>, state: &mut Self::State);

    /// A lot waits for the connection: it is a slow consumer.
    fn slow(&mut self, outlet: &mut Outlet<'_>, state: &mut Self::State);

    /// A connection needs a snapshot: the topic's source is to be asked.
    fn snapshot(&mut self, id: ConnectionId, topic: &Arc<TopicCore>);

    /// Nothing more will be received, or nothing more is wanted. Says whether our close frame can go at
    /// once; otherwise the service answers with a [`Command::Close`](super::Command::Close) behind what the callbacks of
    /// the messages before still send.
    fn end_input(
        &mut self,
        _id: ConnectionId,
        _state: &Self::State,
        _code: CloseCode,
        _reason: &str,
    ) -> bool {
        true
    }

    /// The connection is gone. Comes once for each state, also for one whose request is undecided.
    fn close(&mut self, id: ConnectionId, state: Self::State, closed: Closed);

    /// A connection's bytes are done for now: what was gathered can be handed over.
    fn hand_over(&mut self) {}

    /// How much of what goes to a handler thread may be of this connection now, in bytes.
    fn share(&self, _state: &Self::State) -> usize {
        usize::MAX
    }

    /// The lane that must drain before more of this connection is read.
    fn stalled_lane(&self, _state: &Self::State) -> Option<usize> {
        None
    }

    /// A lane has room again; says whether its connections can be read.
    fn resume(&mut self, _lane: usize) -> bool {
        true
    }

    /// The loop has ended and takes no commands any more; waiting is allowed here.
    fn finish(&mut self) {}
}

/// What becomes of a request.
pub(crate) enum Answer<S> {
    /// It is answered now; by an upgrade with the connection's state.
    Now(Decision, Option<S>),
    /// A [`Command::Decide`](super::Command::Decide) will say.
    Later(S),
    /// Nobody has the time for it.
    Overloaded,
}
