//! From bytes to messages, and what they call for.

use super::Closed;
use super::connection::{Io, Open};
use super::core::Core;
use super::flags::Flags;
use super::outlet::Outlet;
use super::service::Service;
use crate::protocol::{Event, ProtocolError};

/// Decodes frames and calls the service, up to the turn's budget of messages; returns how far it
/// came.
pub(super) fn consume_frames<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    input: &mut [u8],
) -> usize {
    io.heard(core);
    let mut at = 0;
    let mut messages_left = core.config.max_messages_per_turn;
    while at < input.len() {
        if messages_left == 0 || must_hold(io, core) {
            io.flags.insert(Flags::UNREAD);
            break;
        }
        match open.session.endpoint.decode(&mut core.workspace, &mut input[at..]) {
            Ok((used, event)) => {
                at += used;
                let Some(event) = event else { break };
                messages_left -= 1;
                handle(service, io, core, open, event);
            }
            Err(error) => {
                fail(service, io, core, open, &error);
                at = input.len();
            }
        }
        if io.flags.contains(Flags::BROKEN) {
            return input.len();
        }
    }
    if messages_left == 0 && at < input.len() {
        io.list(core);
    }
    at
}

/// The connection's own answers fill its queue, or will: what asks for more of them waits until they
/// have drained, and TCP pushes back on the peer.
fn must_hold(io: &mut Io, core: &Core) -> bool {
    io.flags.insert_if(Flags::HELD, io.answers_len() > core.config.max_backpressure / 2);
    io.flags.contains(Flags::HELD)
}

/// Does what an event calls for.
#[inline(always)]
pub(super) fn handle<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    event: Event<'_>,
) {
    match event {
        Event::Message(message) if !io.flags.contains(Flags::CLOSE_POSTED) => {
            core.counters.messages_received += 1;
            let Open { state, session } = open;
            service.message(&mut Outlet { io, session, core }, state, message);
        }
        event => handle_rarer(service, io, core, open, event),
    }
}

#[inline(never)]
fn handle_rarer<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    event: Event<'_>,
) {
    let Open { state, session } = open;
    match event {
        // The handler has closed.
        Event::Message(_) => {}
        Event::Assembled(message) if io.flags.contains(Flags::CLOSE_POSTED) => {
            core.workspace.recycle(message);
        }
        Event::Assembled(message) => {
            core.counters.messages_received += 1;
            let mut outlet = Outlet { io, session, core };
            if let Some(message) = service.assembled(&mut outlet, state, message) {
                core.workspace.recycle(message);
            }
        }
        Event::Ping(payload) => {
            Outlet { io, session, core }.pong(payload);
        }
        Event::Pong(_) => {}
        Event::Close(frame) => {
            let (code, reason) = (frame.code, frame.reason.to_owned());
            end_input(service, io, core, open, Closed { code, reason, was_clean: true });
        }
    }
}

#[cold]
pub(super) fn fail<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    error: &ProtocolError,
) {
    core.counters.protocol_errors += 1;
    let (code, reason) = (error.close_code(), error.to_string());
    end_input(service, io, core, open, Closed { code, reason, was_clean: false });
}

/// Nothing more is taken in. Our close frame goes behind the replies to the messages before it,
/// which callbacks may be at yet.
fn end_input<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    closed: Closed,
) {
    let Open { state, session } = open;
    session.endpoint.end_input(&mut core.workspace);
    session.closed = Some(Box::new(closed));
    if session.owes_close() {
        let (code, reason) = session.owed_close();
        if service.end_input(io.id, state, code, &reason) {
            Outlet { io, session, core }.close(code, &reason);
        }
    }
}
