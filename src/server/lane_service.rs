//! Handler-thread mode, as an event loop sees it: everything goes into lanes.

use std::sync::Arc;

use super::batch::{Batch, Job};
use super::lane::LaneSender;
use crate::event_loop::{Answer, Closed, ConnectionId, Outlet, Service};
use crate::frame::CloseCode;
use crate::handshake::Request;
use crate::protocol::{AssembledMessage, Message};
use crate::pubsub::TopicCore;

/// Messages in buffers of their own that are shorter than this are copied into the batch, so that
/// the loop keeps the buffer.
const MIN_HANDED_OVER_LEN: usize = 16 * 1024;

/// What part of a lane's room a connection may have. The more there are who want all of it, the less
/// each gets: when twelve have taken theirs a fifth of the lane is left.
const SHARE_DIVISOR: usize = 8;

pub(super) struct LaneService {
    loop_index: usize,
    lanes: Vec<OpenLane>,
    /// The lane that the next connection gets: they take turns.
    next: usize,
    /// Lanes with something in their open batch.
    touched: Vec<usize>,
}

struct OpenLane {
    sender: LaneSender,
    /// Gathered, not handed over yet.
    batch: Batch,
    /// The lane is full: what feeds it is not read.
    stalled: bool,
}

impl LaneService {
    pub(super) fn new(loop_index: usize, senders: Vec<LaneSender>) -> Self {
        let open =
            |sender: LaneSender| OpenLane { batch: Batch::default(), stalled: false, sender };
        let next = loop_index % senders.len().max(1);
        let lanes = senders.into_iter().map(open).collect();
        Self { loop_index, lanes, next, touched: Vec::new() }
    }

    fn push(&mut self, lane: usize, id: ConnectionId, job: Job) {
        let batch = &mut self.lanes[lane].batch;
        if batch.is_empty() {
            self.touched.push(lane);
        }
        batch.push(id, job);
    }

    fn push_message(&mut self, lane: usize, id: ConnectionId, message: Message<'_>) {
        let payload = message.as_bytes();
        self.lanes[lane].batch.payloads.extend_from_slice(payload);
        let is_text = matches!(message, Message::Text(_));
        self.push(lane, id, Job::Message { is_text, len: payload.len() });
    }
}

impl OpenLane {
    /// Hands the open batch over, unless the lane is full.
    fn hand_over(&mut self, loop_index: usize) {
        if self.stalled || self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, self.sender.take_batch());
        if !self.sender.send(batch) {
            self.stalled = !self.sender.wait(loop_index);
        }
    }
}

impl Service for LaneService {
    /// The lane of the connection.
    type State = usize;

    fn request(&mut self, id: ConnectionId, request: Request, upgrade: bool) -> Answer<usize> {
        let count = self.lanes.len();
        let mut turns = (0..count).map(|turn| (self.next + turn) % count);
        // A connection is on its lane for life: not on one that is full already.
        let Some(lane) = turns.find(|&lane| !self.lanes[lane].stalled) else {
            return Answer::Overloaded;
        };
        self.next = (lane + 1) % count;
        self.push(lane, id, Job::Request { request: Box::new(request), upgrade });
        Answer::Later(lane)
    }

    /// The handler thread calls `open` right after its decision, and says when that is done.
    fn open(&mut self, outlet: &mut Outlet<'_>, _: &mut usize) {
        outlet.hand_over(0);
    }

    #[inline]
    fn message(&mut self, outlet: &mut Outlet<'_>, lane: &mut usize, message: Message<'_>) {
        outlet.hand_over(message.len());
        self.push_message(*lane, outlet.id(), message);
    }

    fn assembled(
        &mut self,
        outlet: &mut Outlet<'_>,
        lane: &mut usize,
        message: &mut Option<AssembledMessage>,
    ) {
        let Some(whole) = message else { return };
        outlet.hand_over(whole.len());
        if whole.len() < MIN_HANDED_OVER_LEN {
            self.push_message(*lane, outlet.id(), whole.as_message());
        } else if let Some(message) = message.take() {
            self.push(*lane, outlet.id(), Job::Assembled(message));
        }
    }

    fn drain(&mut self, outlet: &mut Outlet<'_>, lane: &mut usize) {
        self.push(*lane, outlet.id(), Job::Drain);
    }

    fn slow(&mut self, outlet: &mut Outlet<'_>, lane: &mut usize) {
        self.push(*lane, outlet.id(), Job::Slow);
    }

    /// Others wait for it too: it goes where there is the least to be done, not where a callback of this
    /// connection may keep it.
    fn snapshot(&mut self, id: ConnectionId, topic: &Arc<TopicCore>) {
        let free_len = |&lane: &usize| self.lanes[lane].sender.free_len();
        if let Some(lane) = (0..self.lanes.len()).max_by_key(free_len) {
            self.push(lane, id, Job::Snapshot(topic.clone()));
        }
    }

    fn end_input(&mut self, id: ConnectionId, lane: &usize, code: CloseCode, reason: &str) -> bool {
        self.push(*lane, id, Job::EndOfInput { code, reason: reason.into() });
        false
    }

    fn close(&mut self, id: ConnectionId, lane: usize, closed: Closed) {
        self.push(lane, id, Job::Close(Box::new(closed)));
    }

    #[inline]
    fn hand_over(&mut self) {
        while let Some(lane) = self.touched.pop() {
            self.lanes[lane].hand_over(self.loop_index);
        }
    }

    fn share(&self, lane: &usize) -> usize {
        self.lanes[*lane].sender.free_len() / SHARE_DIVISOR
    }

    fn stalled_lane(&self, lane: &usize) -> Option<usize> {
        self.lanes[*lane].stalled.then_some(*lane)
    }

    fn resume(&mut self, lane: usize) -> bool {
        let open = &mut self.lanes[lane];
        open.stalled = false;
        open.hand_over(self.loop_index);
        !open.stalled
    }

    fn finish(&mut self) {
        for open in &mut self.lanes {
            open.stalled = false;
            open.hand_over(self.loop_index);
        }
    }
}
