//! What other threads want, carried out.

use std::time::Instant;

use super::ConnectionId;
use super::EventLoop;
use super::command::Command;
use super::connection::{Connection, Open, Phase};
use super::flags::Flags;
use super::outbox::{Replies, Reply};
use super::outlet::Outlet;
use super::service::Service;
use crate::frame::CloseCode;
use crate::protocol::Compress;

impl<S: Service> EventLoop<S> {
    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::Publish(batch) => self.outbound.gather(batch),
            Command::Adopt(accepted, visit) => self.adopt(accepted, visit),
            Command::Send { id, frame, compress } => self.send(id, &frame, compress),
            Command::Ping { id, payload } => {
                if self.with_open(id, |outlet| outlet.ping(&payload)).is_some() {
                    self.finish_turn(id.index);
                }
            }
            Command::Replies(replies) => self.send_replies(replies),
            Command::Subscribe { id, topic, subscription } => {
                self.subscribe(id, &topic, &subscription);
            }
            Command::Unsubscribe { id, topic } => self.unsubscribe(id, topic),
            Command::SubscribePrefix { id, prefix, options } => {
                self.subscribe_prefix(id, &prefix, options);
            }
            Command::UnsubscribePrefix { id, prefix } => self.unsubscribe_prefix(id, &prefix),
            Command::TopicMade { topic } => self.topic_made(&topic),
            Command::SnapshotSupplied { topic } => {
                self.with_subscribers(|subscribers, _, sockets| {
                    subscribers.snapshot_supplied(topic, sockets);
                });
            }
            Command::Close { id, code, reason } => {
                if self.with_open(id, |outlet| outlet.close_now(code, &reason)).is_some() {
                    self.finish_turn(id.index);
                }
            }
            Command::Fail { id, code, reason } => {
                if self.with_open(id, |outlet| outlet.fail(code, reason)).is_some() {
                    self.finish_turn(id.index);
                }
            }
            Command::Terminate { id } => {
                if let Some(key) = self.find(id) {
                    self.remove(key, "terminated by the service");
                }
            }
            Command::Decide { id, decision } => {
                if let Some(key) = self.find(id) {
                    self.decide_later(key, *decision);
                }
            }
            Command::Resume { lane } => self.resume(lane),
            #[cfg(feature = "hand-over")]
            Command::ShareListeners(reply) => {
                // Whoever has asked may have gone.
                let _ = reply.send(self.acceptor.share());
            }
            Command::Withdraw(plan) => self.begin_to_withdraw(plan),
            Command::Shutdown { deadline } => self.shut_down(deadline),
        }
    }

    /// Calls `act` with an open connection; `None` when it is gone or not open.
    pub(super) fn with_open<R>(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Outlet<'_>) -> R,
    ) -> Option<R> {
        let key = self.find(id)?;
        match self.connections.get_mut(key as usize) {
            Some(Connection { io, phase: Phase::Open(open) }) => {
                let (session, core) = (&mut open.session, &mut self.core);
                Some(act(&mut Outlet { io, session, core }))
            }
            _ => None,
        }
    }

    /// Sends a charged frame.
    fn send(&mut self, id: ConnectionId, frame: &bytes::Bytes, compress: Compress) {
        let sent = self.with_open(id, |outlet| {
            if !outlet.session.endpoint.is_close_sent() {
                outlet.core.counters.messages_sent += 1;
                if outlet.io.flags.contains(Flags::DEFLATES) && compress != Compress::Never {
                    outlet.send_compressed(frame, compress);
                } else {
                    outlet.io.send_shared(outlet.core, frame);
                }
            }
            // What is queued is charged by now: never is less charged than waits.
            outlet.core.link.directory.discharge(id.index, frame.len());
        });
        if sent.is_some() {
            self.finish_turn(id.index);
        }
    }

    /// Sends what a handler thread has gathered; each connection's frames leave in one write.
    fn send_replies(&mut self, replies: Replies) {
        let mut start = 0;
        for reply in &replies.replies {
            let frames = &replies.frames[start..reply.end];
            start = reply.end;
            let key = reply.id.index;
            let sent = self.with_open(reply.id, |outlet| outlet.send_reply(frames, reply));
            if let Some(was_held) = sent {
                self.finish_turn(key);
                self.release(key);
                if was_held {
                    self.schedule(key);
                }
            }
        }
        self.core.link.give_replies(replies);
    }

    /// A lane has room: the connections that wait for it are read again.
    fn resume(&mut self, lane: usize) {
        if self.service.resume(lane) {
            for key in std::mem::take(&mut self.stalled[lane]) {
                if let Some(connection) = self.connections.get_mut(key as usize) {
                    connection.io.flags.remove(Flags::STALLED);
                    connection.io.since = self.core.now;
                    self.schedule(key);
                    self.list(key);
                }
            }
        }
    }

    pub(super) fn shut_down(&mut self, deadline: Instant) {
        if self.deadline.is_some_and(|earlier| earlier <= deadline) {
            return;
        }
        self.deadline = Some(deadline);
        self.withdrawing = None;
        self.stop_accepting();
        let keys: Vec<u32> = self.connections.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            self.close_for_shutdown(key);
        }
    }

    /// Closes an open connection with 1001, behind what is queued and what callbacks that are under way
    /// still send; one without a request under way is let go.
    pub(super) fn close_for_shutdown(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        match &mut connection.phase {
            Phase::Open(open) => {
                let Open { state, session } = open;
                let (io, core) = (&mut connection.io, &mut self.core);
                // One that closes already has its own way to its end.
                if session.is_closing(io.flags) || session.owes_close() {
                    return;
                }
                let (code, reason) = (CloseCode::GOING_AWAY, "the server is shutting down");
                if self.service.end_input(io.id, state, code, reason) {
                    Outlet { io, session, core }.close_now(code, reason);
                }
                self.service.hand_over();
                self.finish_turn(key);
            }
            Phase::Proxied(_) => self.remove(key, "the server is shutting down"),
            Phase::Request(_) if connection.io.queued_len() == 0 => {
                self.remove(key, "the server is shutting down");
            }
            Phase::Request(_) => connection.phase = Phase::Lingering,
            Phase::Deciding(_) | Phase::Lingering => {}
        }
    }
}

impl Outlet<'_> {
    /// Says whether the connection waited for callbacks: it could not be heard meanwhile.
    fn send_reply(&mut self, frames: &[u8], reply: &Reply) -> bool {
        let Self { io, session, core } = self;
        let was_held = io.awaits_callbacks();
        if was_held {
            io.heard(core);
        }
        io.unhandled_len -= reply.handled_len;
        core.counters.sends_dropped += u64::from(reply.dropped_count);
        if !session.endpoint.is_close_sent() {
            io.flags.insert_if(Flags::DRAIN_OWED, reply.wants_drain);
            if !frames.is_empty() {
                core.counters.messages_sent += u64::from(reply.message_count);
                if io.flags.contains(Flags::DEFLATES) {
                    self.send_compressed(frames, reply.compress);
                } else {
                    io.send_frames(core, frames);
                }
            }
        }
        self.core.link.directory.discharge(reply.id.index, frames.len());
        was_held
    }
}
