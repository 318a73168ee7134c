//! From bytes to messages, and what they call for.

use super::Closed;
use super::connection::{Io, Open};
use super::core::Core;
use super::flags::Flags;
use super::outlet::Outlet;
use super::service::Service;
use crate::frame::CloseCode;
use crate::protocol::{AssembledMessage, Event, Message, ProtocolError};

/// So many bytes of an assembled message count as a message.
const COUNTED_LEN: usize = 1024;

/// Decodes frames and calls the service, up to the turn's budget of messages; returns how far it
/// came.
#[inline]
pub(super) fn consume_frames<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    input: &mut [u8],
) -> usize {
    io.heard(core);
    let mut used = input.len();
    guard(service, io, core, open, |service, io, core, open| {
        used = consume_all(service, io, core, open, input);
    });
    used
}

/// Calls `run`; if the handler panics in it, the connection fails, and what else its peer sends is ignored.
pub(super) fn guard<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    run: impl FnOnce(&mut S, &mut Io, &mut Core, &mut Open<S::State>),
) {
    if !service.guard(|service| run(service, io, core, open)) {
        let mut outlet = Outlet { io, session: &mut open.session, core };
        outlet.fail(CloseCode::INTERNAL_ERROR, "the handler failed");
    }
}

fn consume_all<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    input: &mut [u8],
) -> usize {
    let mut at = 0;
    let mut messages_left = u32::from(io.meter.messages);
    let mut may_renew = messages_left < core.config.max_messages_per_turn;
    while at < input.len() {
        if messages_left == 0 && may_renew {
            // What was left of an earlier grant: this turn's budget is not used up.
            may_renew = false;
            messages_left = settle(io, core, 0);
        }
        if messages_left == 0 || must_hold(service, io, core, open) {
            io.flags.insert(Flags::UNREAD);
            break;
        }
        messages_left -= 1;
        let rest = &mut input[at..];
        if let Some((used, message)) = open.session.endpoint.decode_whole(&mut core.workspace, rest)
        {
            at += used;
            match message {
                Ok(message) => receive(service, io, core, open, message),
                Err(error) => fail(service, io, core, open, &error),
            }
        } else {
            match consume_event(service, io, core, open, &mut input[at..], &mut messages_left) {
                0 => break,
                used => at += used,
            }
        }
        if io.flags.contains(Flags::BROKEN) {
            return input.len();
        }
    }
    // No more than were granted, which 16 bits count.
    io.meter.messages = messages_left as u16;
    if messages_left == 0 {
        io.renew(core, at < input.len());
    }
    at
}

/// Something granted has run out: what has been saved up since is granted. Returns the messages that may
/// follow; if there are none, or another thing is lacking, the connection waits.
#[cold]
fn settle(io: &mut Io, core: &mut Core, messages_left: u32) -> u32 {
    io.meter.messages = messages_left as u16;
    if io.settle(core) {
        return u32::from(io.meter.messages);
    }
    // It may have messages to spare: they are not lost to it.
    io.meter.give_messages(u32::from(io.meter.messages));
    0
}

/// Whatever is not a whole message of one frame; returns how far it came: 0 if more must arrive.
#[inline(never)]
fn consume_event<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    input: &mut [u8],
    messages_left: &mut u32,
) -> usize {
    let (fragments, taken_in) = (core.workspace.fragment_count(), core.taken_in());
    match open.session.endpoint.decode(&mut core.workspace, input) {
        Ok((used, event)) => {
            let inflated_len = core.taken_in() - taken_in;
            io.meter.take_bytes(inflated_len);
            let fragments = core.workspace.fragment_count() - fragments;
            count_frames(io, messages_left, fragments as u32, event.as_ref());
            if let Some(event) = event {
                let is_control = matches!(event, Event::Ping(_) | Event::Pong(_));
                handle(service, io, core, open, event);
                // What was read has been settled when it was; a whole buffer may be much more inflated.
                let lacks_bytes = inflated_len > 0 && io.meter.bytes < 0;
                if lacks_bytes || (is_control && !io.meter.take_control_frame()) {
                    *messages_left = settle(io, core, *messages_left);
                }
            }
            used
        }
        Err(error) => {
            fail(service, io, core, open, &error);
            input.len()
        }
    }
}

/// Counts what was decoded as what it is: one message has been counted for it.
fn count_frames(io: &mut Io, messages_left: &mut u32, fragments: u32, event: Option<&Event<'_>>) {
    // An empty fragment costs as much as a message.
    let count = fragments.max(u32::from(event.is_some()));
    if count == 0 {
        io.meter.give_messages(1);
    }
    let beyond = count.saturating_sub(1);
    let granted = beyond.min(*messages_left);
    *messages_left -= granted;
    io.meter.take_messages(beyond - granted);
    if let Some(Event::Assembled(message)) = event {
        // Little that is received may be much when it is inflated: other connections get their turn
        // sooner, though these are no messages.
        let extra = u32::try_from(message.len() / COUNTED_LEN).unwrap_or(u32::MAX);
        let extra = extra.min(*messages_left);
        *messages_left -= extra;
        io.meter.give_messages(extra);
    }
}

/// The connection's own answers fill its queue, or will: what asks for more of them waits until they
/// have drained, and TCP pushes back on the peer.
#[inline]
fn must_hold<S: Service>(service: &S, io: &mut Io, core: &Core, open: &Open<S::State>) -> bool {
    let may_answer = io.queue.is_some() || io.unhandled_len > 0;
    let holds = may_answer && !io.flags.contains(Flags::CLOSE_ENCODED);
    holds && (io.hold_if_full(core) || io.hold_if_greedy(service, &open.state))
}

/// Hands a message over, unless the handler has closed.
#[inline(always)]
fn receive<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    message: Message<'_>,
) {
    if !io.flags.contains(Flags::CLOSE_POSTED) {
        core.counters.messages_received += 1;
        let Open { state, session } = open;
        service.message(&mut Outlet { io, session, core }, state, message);
    }
}

/// Hands a message over that has a buffer of its own.
pub(super) fn receive_assembled<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    message: AssembledMessage,
) {
    if io.flags.contains(Flags::CLOSE_POSTED) {
        return core.workspace.recycle(message);
    }
    core.counters.messages_received += 1;
    // What waits counts as long as it is: its buffer must not be much longer.
    let is_roomy = message.held_len() > 2 * message.len();
    let lendable = if is_roomy { &[] } else { message.as_bytes() };
    core.at_hand.begin(lendable);
    let mut message = Some(message);
    // A guard of its own: what has been sent of the message needs its buffer also if this panics.
    guard(service, io, core, open, |service, io, core, open| {
        let Open { state, session } = open;
        service.assembled(&mut Outlet { io, session, core }, state, &mut message);
    });
    io.put_aside(core, message);
}

/// Does what an event calls for.
fn handle<S: Service>(
    service: &mut S,
    io: &mut Io,
    core: &mut Core,
    open: &mut Open<S::State>,
    event: Event<'_>,
) {
    match event {
        Event::Message(message) => receive(service, io, core, open, message),
        Event::Assembled(message) => receive_assembled(service, io, core, open, message),
        Event::Ping(payload) => {
            Outlet { io, session: &mut open.session, core }.pong(payload);
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
    let counters = &mut core.counters;
    counters.protocol_errors += 1;
    match error {
        ProtocolError::FrameTooBig { .. } | ProtocolError::MessageTooBig { .. } => {
            counters.messages_too_long += 1;
        }
        ProtocolError::TooManyFragments { .. } => counters.fragment_floods += 1,
        #[cfg(feature = "deflate")]
        ProtocolError::TooManyEnds { .. } | ProtocolError::TooManyBlocks { .. } => {
            counters.fragment_floods += 1;
        }
        _ => {}
    }
    let (code, reason) = (error.close_code(), error.to_string());
    end_input(service, io, core, open, Closed { code, reason, was_clean: false });
}

/// Nothing more is taken in. Our close frame goes behind the replies to the messages before it,
/// which callbacks may be at yet.
pub(super) fn end_input<S: Service>(
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
