//! What a handler thread sends, gathered until its connection's messages are done.

use std::cell::{Cell, RefCell};

use super::command::Command;
use super::{ConnectionId, Loops, Outcome, Outgoing, fits};
use crate::frame::encode_frame;

/// More than this many bytes go to the loop at once.
const MAX_GATHERED_LEN: usize = 64 * 1024;

/// The longest buffer that is kept for reuse, in bytes.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// Frames for connections of one loop: the bytes one behind another, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pub(crate) frames: Vec<u8>,
    /// Each connection's frames end at the given offset.
    pub(crate) ends: Vec<(ConnectionId, usize)>,
}

impl Replies {
    /// Empties the buffers; says whether they are worth keeping.
    pub(super) fn clear(&mut self) -> bool {
        self.frames.clear();
        self.ends.clear();
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
        if id.loop_index != self.loop_index.get() {
            self.flush();
            self.loop_index.set(id.loop_index);
        }
        let link = &self.loops[usize::from(id.loop_index)];
        let Some(buffered) = link.directory.buffered(id) else { return Outcome::Gone };
        let gathered = self.gathered_len(id);
        let payload = message.as_bytes();
        if !fits(buffered + gathered, payload.len(), self.max_backpressure) {
            return Outcome::Dropped;
        }
        let end = {
            let mut replies = self.replies.borrow_mut();
            encode_frame(&mut replies.frames, true, message.opcode, None, payload);
            let end = replies.frames.len();
            match replies.ends.last_mut() {
                Some(last) if last.0 == id => last.1 = end,
                _ => replies.ends.push((id, end)),
            }
            end
        };
        if end >= MAX_GATHERED_LEN {
            self.flush();
        }
        if buffered == 0 { Outcome::Sent } else { Outcome::Queued }
    }

    /// Bytes gathered for the connection whose turn it is.
    pub(crate) fn gathered_len(&self, id: ConnectionId) -> usize {
        let replies = self.replies.borrow();
        let start = match replies.ends.len() {
            0 | 1 => 0,
            count => replies.ends[count - 2].1,
        };
        match replies.ends.last() {
            Some(&(last, end)) if last == id => end - start,
            _ => 0,
        }
    }

    /// Hands everything gathered to its loop, waiting for room in its mailbox if need be. The loop
    /// never waits for a handler thread, so this ends.
    pub(crate) fn flush(&self) {
        let link = &self.loops[usize::from(self.loop_index.get())];
        let replies = {
            let mut gathered = self.replies.borrow_mut();
            if gathered.ends.is_empty() {
                return;
            }
            std::mem::replace(&mut *gathered, link.take_replies())
        };
        let mut start = 0;
        for &(id, end) in &replies.ends {
            // A connection that has gone meanwhile is found out by the loop too, by its id.
            let _ = link.directory.admit(id, end - start, usize::MAX);
            start = end;
        }
        link.mailbox.send(Command::Replies(replies));
    }
}
