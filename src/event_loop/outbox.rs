//! What a handler thread sends, gathered until its connection's messages are done.

use std::cell::{Cell, RefCell};

use super::command::Command;
use super::outlet::message_weight;
use super::{ConnectionId, Loops, Outcome};
use crate::frame::encode_frame;
use crate::protocol::{Compress, Outgoing};

/// More than this many bytes go to the loop at once.
const MAX_GATHERED_LEN: usize = 64 * 1024;

/// The longest buffer that is kept for reuse, in bytes.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// Frames for connections of one loop: the bytes one behind another, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pub(crate) frames: Vec<u8>,
    pub(crate) replies: Vec<Reply>,
}

/// What callbacks of one connection came to.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) id: ConnectionId,
    /// Whether its messages are to be compressed.
    pub(crate) compress: Compress,
    /// Where its frames end in [`Replies::frames`].
    pub(crate) end: usize,
    pub(crate) message_count: u32,
    /// Sends that were refused.
    pub(crate) dropped_count: u32,
    /// The handler was told of backpressure and wants to hear of the drain.
    pub(crate) wants_drain: bool,
    /// What the messages weigh that have been handled.
    pub(crate) handled_len: usize,
}

impl Replies {
    /// The reply to the connection whose turn it is. One that gets messages which are to be compressed
    /// and ones which are not has several, one behind another.
    fn reply(&mut self, id: ConnectionId, compress: Compress) -> &mut Reply {
        let at = match self.replies.last() {
            Some(last) if last.id == id && last.compress == compress => self.replies.len() - 1,
            _ => {
                let end = self.frames.len();
                self.replies.push(Reply {
                    id,
                    compress,
                    end,
                    message_count: 0,
                    dropped_count: 0,
                    wants_drain: false,
                    handled_len: 0,
                });
                self.replies.len() - 1
            }
        };
        &mut self.replies[at]
    }

    /// The last reply to the connection whose turn it is, whatever its messages.
    fn last_reply(&mut self, id: ConnectionId) -> &mut Reply {
        let last = self.replies.last().filter(|last| last.id == id);
        self.reply(id, last.map_or(Compress::default(), |last| last.compress))
    }

    /// Empties the buffers; says whether they are worth keeping.
    pub(super) fn clear(&mut self) -> bool {
        self.frames.clear();
        self.replies.clear();
        self.frames.capacity() <= MAX_KEPT_LEN
    }
}

/// A handler thread's outbox. The thread's callbacks share it through `Rc`.
#[derive(Debug)]
pub(crate) struct Outbox {
    loops: Loops,
    max_backpressure: usize,
    replies: RefCell<Replies>,
    /// The loop that the gathered replies go to.
    loop_index: Cell<u16>,
}

impl Outbox {
    pub(crate) fn new(loops: Loops, max_backpressure: usize) -> Self {
        Self { loops, max_backpressure, replies: RefCell::default(), loop_index: Cell::new(0) }
    }

    /// Gathers one message. Everything else that the thread sends goes behind it.
    pub(crate) fn send(&self, id: ConnectionId, message: &Outgoing<'_>) -> Outcome {
        self.turn_to(id);
        let link = &self.loops[usize::from(id.loop_index)];
        let payload = message.as_bytes();
        let gathered = self.gathered_len(id);
        let outcome = link.directory.judge(id, gathered, payload.len(), self.max_backpressure);
        if outcome == Outcome::Gone {
            return outcome;
        }
        let mut replies = self.replies.borrow_mut();
        if outcome.is_accepted() {
            encode_frame(&mut replies.frames, true, message.opcode, None, payload);
        }
        let end = replies.frames.len();
        let reply = replies.reply(id, message.compress);
        reply.end = end;
        reply.message_count += u32::from(outcome.is_accepted());
        reply.dropped_count += u32::from(outcome == Outcome::Dropped);
        reply.wants_drain |= outcome != Outcome::Sent;
        drop(replies);
        if end >= MAX_GATHERED_LEN {
            self.flush();
        }
        outcome
    }

    /// A message of `len` bytes has been handled, whatever came of it.
    pub(crate) fn handled(&self, id: ConnectionId, len: usize) {
        self.turn_to(id);
        self.replies.borrow_mut().last_reply(id).handled_len += message_weight(len);
    }

    /// Bytes gathered for the connection whose turn it is.
    pub(crate) fn gathered_len(&self, id: ConnectionId) -> usize {
        let replies = self.replies.borrow();
        let others = replies.replies.iter().rposition(|reply| reply.id != id);
        replies.frames.len() - others.map_or(0, |at| replies.replies[at].end)
    }

    /// The next connection's turn: what was gathered for others leaves. Without frames there is no
    /// hurry.
    pub(crate) fn next_connection(&self) {
        if !self.replies.borrow().frames.is_empty() {
            self.flush();
        }
    }

    /// All that is gathered goes to one loop.
    fn turn_to(&self, id: ConnectionId) {
        if id.loop_index != self.loop_index.get() {
            self.flush();
            self.loop_index.set(id.loop_index);
        }
    }

    /// Hands everything gathered to its loop, waiting for room in its mailbox if need be. The loop
    /// never waits for a handler thread, so this ends.
    pub(crate) fn flush(&self) {
        let link = &self.loops[usize::from(self.loop_index.get())];
        let replies = {
            let mut gathered = self.replies.borrow_mut();
            if gathered.replies.is_empty() {
                return;
            }
            std::mem::replace(&mut *gathered, link.take_replies())
        };
        let mut start = 0;
        for &Reply { id, end, .. } in &replies.replies {
            // A connection that has gone meanwhile is found out by the loop too, by its id.
            link.directory.charge_accepted(id, end - start);
            start = end;
        }
        link.mailbox.send(Command::Replies(replies));
    }
}
