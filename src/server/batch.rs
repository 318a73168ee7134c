//! What goes through a lane: callbacks to run, gathered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::event_loop::{Closed, ConnectionId};
use crate::frame::CloseCode;
use crate::handshake::Request;
use crate::protocol::AssembledMessage;
use crate::pubsub::TopicCore;

/// A lane is never asked to hold more batches than this before it is full by weight: each batch
/// weighs at least its share.
pub(super) const BATCH_COUNT: usize = 1024;

/// The longest buffer of a batch that is kept for reuse, in bytes.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// So much room is never too much, in bytes.
const MIN_ROOM_LEN: usize = 4 * 1024;

/// What one event loop has for one handler thread, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The payloads of [`Job::Message`], one behind another.
    pub(super) payloads: Vec<u8>,
    jobs: VecDeque<(ConnectionId, Job)>,
    /// Where the next job's payload begins.
    payload_at: usize,
    /// Whose jobs they are.
    whose: Whose,
    /// What the lane was charged for it.
    pub(super) weight: usize,
    /// Bytes of memory that requests hold, and messages in buffers of their own.
    apart_len: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whose {
    #[default]
    Nobodys,
    Of(Place),
    Several,
}

/// Where a connection is: those that have the same place one after another share it, and a connection's
/// last job is done before the first one of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) loop_index: u16,
    pub(super) index: u32,
}

/// One callback to run.
#[derive(Debug)]
pub(super) enum Job {
    Request {
        request: Box<Request>,
        upgrade: bool,
    },
    /// A small message: its payload is the next `len` bytes of the batch.
    Message {
        is_text: bool,
        len: usize,
    },
    /// A large one, in the buffer that it was received into.
    Assembled(AssembledMessage),
    Slow,
    Drain,
    /// The topic's source is to be asked for a snapshot.
    Snapshot(Arc<TopicCore>),
    /// The messages are over: to be answered by this close frame, behind what they made the
    /// callbacks send.
    EndOfInput {
        code: CloseCode,
        reason: Box<str>,
    },
    Close(Box<Closed>),
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    #[inline]
    pub(super) fn push(&mut self, id: ConnectionId, job: Job) {
        self.apart_len += match &job {
            Job::Assembled(message) => message.held_len(),
            Job::Request { request, .. } => request.held_len(),
            _ => 0,
        };
        let whose = Whose::Of(place_of(id));
        self.whose = match self.whose {
            Whose::Nobodys => whose,
            before if before == whose => whose,
            _ => Whose::Several,
        };
        self.jobs.push_back((id, job));
    }

    /// Takes the next job out, with its payload if it is a [`Job::Message`].
    #[inline]
    pub(super) fn next(&mut self) -> Option<(ConnectionId, Job, &[u8])> {
        let (id, job) = self.jobs.pop_front()?;
        let start = self.payload_at;
        if let Job::Message { len, .. } = job {
            self.payload_at += len;
        }
        Some((id, job, &self.payloads[start..self.payload_at]))
    }

    /// Whose jobs they are; `None`: those of several connections.
    pub(super) fn place(&self) -> Option<Place> {
        match self.whose {
            Whose::Of(place) => Some(place),
            Whose::Nobodys | Whose::Several => None,
        }
    }

    /// A batch for each connection. Together they weigh as much.
    pub(super) fn split(mut self) -> impl Iterator<Item = (Place, Self)> {
        let mut parts: Vec<(Place, Self)> = Vec::new();
        let mut part_of = HashMap::new();
        while let Some((id, job, payload)) = self.next() {
            let place = place_of(id);
            let at = *part_of.entry(place).or_insert(parts.len());
            if at == parts.len() {
                parts.push((place, Self::default()));
            }
            let part = &mut parts[at].1;
            part.payloads.extend_from_slice(payload);
            part.push(id, job);
        }
        let mut weight = self.weight;
        if let Some(((_, first), others)) = parts.split_first_mut() {
            for (_, part) in others {
                part.weight = part.weigh(0).min(weight);
                weight -= part.weight;
            }
            first.weight = weight;
        }
        parts.into_iter()
    }

    /// Gives memory back that it does not need, if that is much: it may have been of use to a larger one.
    pub(super) fn tighten(&mut self) {
        let enough = 2 * self.payloads.len() + MIN_ROOM_LEN;
        if self.payloads.capacity() > enough {
            self.payloads.shrink_to(enough);
        }
        self.jobs.shrink_to(2 * self.jobs.len());
    }

    /// What it counts in a lane that is full at `max_len` bytes.
    pub(super) fn weigh(&self, max_len: usize) -> usize {
        let held = self.payloads.len() + self.apart_len + self.jobs.len() * size_of::<Job>();
        held.max(max_len.div_ceil(BATCH_COUNT))
    }

    /// Empties it; says whether it is worth keeping.
    pub(super) fn clear(&mut self) -> bool {
        self.payloads.clear();
        self.jobs.clear();
        self.payload_at = 0;
        self.whose = Whose::Nobodys;
        self.apart_len = 0;
        self.payloads.capacity() <= MAX_KEPT_LEN
    }
}

fn place_of(id: ConnectionId) -> Place {
    Place { loop_index: id.loop_index, index: id.index }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{OpCode, encode_frame};
    use crate::protocol::{Endpoint, Event, Limits, Role, Workspace};

    /// A message in two fragments, gathered in a buffer that was of use before.
    fn assembled(len: usize, buffer_len: usize) -> AssembledMessage {
        let mut workspace = Workspace::new(Role::Client, Limits::default());
        workspace.recycle_buffer(vec![0; buffer_len]);
        let mut frames = Vec::new();
        encode_frame(&mut frames, false, OpCode::Binary, None, &vec![7; len / 2]);
        encode_frame(&mut frames, true, OpCode::Continuation, None, &vec![7; len - len / 2]);
        let (mut endpoint, mut at) = (Endpoint::new(), 0);
        loop {
            let decoded = endpoint.decode(&mut workspace, &mut frames[at..]);
            let (consumed, event) = decoded.expect("a message");
            at += consumed;
            if let Some(Event::Assembled(message)) = event {
                return message;
            }
        }
    }

    #[test]
    fn a_message_weighs_what_its_buffer_holds() {
        let mut batch = Batch::default();
        batch.push(id(0), Job::Assembled(assembled(20_000, 1 << 20)));
        let weight = batch.weigh(BATCH_COUNT);
        assert!(weight > 1 << 20, "{weight} bytes");
    }

    fn id(index: u32) -> ConnectionId {
        ConnectionId { loop_index: 0, index, generation: 0 }
    }

    fn push_text(batch: &mut Batch, index: u32, text: &str) {
        batch.payloads.extend_from_slice(text.as_bytes());
        batch.push(id(index), Job::Message { is_text: true, len: text.len() });
    }

    #[test]
    fn the_parts_of_a_batch_weigh_what_it_weighed() {
        let mut batch = Batch::default();
        for index in [1, 2, 1, 3] {
            push_text(&mut batch, index, "hello");
        }
        batch.weight = batch.weigh(1 << 20);
        let whole = batch.weight;
        let weights: Vec<_> = batch.split().map(|(_, part)| part.weight).collect();
        assert_eq!((weights.len(), weights.iter().sum()), (3, whole));
        assert!(weights.iter().all(|&weight| weight > 0), "{weights:?}");
    }

    #[test]
    fn room_for_much_is_not_kept_for_little() {
        let mut batch = Batch::default();
        push_text(&mut batch, 1, &"x".repeat(200_000));
        assert!(batch.clear());
        push_text(&mut batch, 1, "hello");
        batch.tighten();
        assert!(batch.payloads.capacity() < 2 * MIN_ROOM_LEN);
        assert!(matches!(batch.next(), Some((_, Job::Message { .. }, b"hello"))));
    }
}
