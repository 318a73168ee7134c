//! From frames to the socket: directly while it takes them, and by rank once it does not.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Bytes;

use super::connection::Io;
use super::core::Core;
use super::flags::Flags;
use super::timer_wheel::Tick;
use crate::buf::WriteQueue;
use crate::frame::find_frame_boundary;
use crate::protocol::AssembledMessage;
use crate::pubsub::{Parcel, TopicId};

impl Io {
    /// Sends what the cork holds: in one write if the socket takes it, else the rest is queued.
    #[inline]
    pub(super) fn uncork(&mut self, core: &mut Core) {
        if core.cork.is_empty() {
            return;
        }
        if self.queue.is_some() || self.flags.contains(Flags::BROKEN) {
            return self.send_cork(core);
        }
        let result = self.stream.write(&core.cork);
        let is_taken = matches!(result, Ok(written) if written == core.cork.len());
        if is_taken && self.stream.unflushed_len() == 0 {
            core.counters.bytes_sent += core.cork.len() as u64;
            return core.cork.clear();
        }
        self.queue_cork(core, result);
    }

    /// The cork behind what waits.
    #[cold]
    fn send_cork(&mut self, core: &mut Core) {
        let frames = std::mem::take(&mut core.cork);
        self.send_frames(core, &frames);
        core.cork = frames;
        core.cork.clear();
    }

    /// The socket did not take all of the cork.
    #[cold]
    fn queue_cork(&mut self, core: &mut Core, result: io::Result<usize>) {
        let written = self.judge_write(core, result);
        self.block(core);
        let frames = std::mem::take(&mut core.cork);
        if written < frames.len() {
            self.queue_frames(core, &frames, written);
        }
        core.cork = frames;
        core.cork.clear();
    }

    /// Sends whole frames: directly if nothing waits; only what the socket did not take is copied
    /// into the queue.
    pub(super) fn send_frames(&mut self, core: &mut Core, frames: &[u8]) {
        let written = self.write_directly(core, frames);
        if written < frames.len() {
            self.queue_frames(core, frames, written);
        }
    }

    /// Queues frames of which the socket has taken so many bytes. What ends with our close frame goes
    /// behind everything there.
    fn queue_frames(&mut self, core: &mut Core, frames: &[u8], written: usize) {
        if self.flags.contains(Flags::BROKEN) {
            return;
        }
        self.flags.insert(Flags::ANSWERS);
        let is_last = self.flags.contains(Flags::CLOSE_ENCODED);
        self.enqueue(core, |queue, at| {
            if is_last {
                queue.push_last(frames, written, at);
            } else {
                queue.push_direct(frames, written, at);
            }
        });
    }

    /// Sends one frame in shared memory to this connection alone; what the socket did not take is
    /// queued, without a copy if it is large.
    pub(super) fn send_shared(&mut self, core: &mut Core, frame: &Bytes) {
        let written = self.write_directly(core, frame);
        if written < frame.len() && !self.flags.contains(Flags::BROKEN) {
            self.enqueue(core, |queue, at| queue.push_direct_shared(frame, written, at));
        }
    }

    /// Sends publications: as [`send_shared`](Self::send_shared), but behind what is sent to this
    /// connection alone.
    #[inline]
    pub(super) fn send_publication(&mut self, core: &mut Core, parcel: &Parcel<'_>) {
        let written = self.write_directly(core, parcel.frames);
        if written < parcel.frames.len() && !self.flags.contains(Flags::BROKEN) {
            self.enqueue(core, |queue, at| {
                let owner = owner(parcel);
                queue.push_publication(parcel.frames, written, owner, parcel.count, at);
            });
        }
    }

    /// Puts publications into the queue, to be offered to the socket later.
    pub(super) fn queue_publication(&mut self, core: &mut Core, parcel: &Parcel<'_>) {
        if !parcel.frames.is_empty() {
            self.enqueue(core, |queue, at| {
                let owner = owner(parcel);
                queue.push_publication(parcel.frames, 0, owner, parcel.count, at);
            });
        }
    }

    /// When the oldest of what waits was queued.
    fn oldest_queued(&self, core: &Core) -> Option<Tick> {
        self.queue.as_ref()?.oldest_at(core.now.as_u32()).map(Tick::from_u32)
    }

    /// Drops publications that have waited for longer than `max_age` says of their topic and have not
    /// begun to leave; tells `dropped` of each topic and how many, maybe repeatedly.
    pub(super) fn drop_aged(
        &mut self,
        core: &mut Core,
        max_age: &dyn Fn(TopicId) -> Option<Duration>,
        mut dropped: impl FnMut(TopicId, u64),
    ) {
        let Some(queue) = &mut self.queue else { return };
        let mut ages = false;
        // Those of one topic often follow one another.
        let mut last = (NOBODY, None);
        let is_expired = |owner, at| {
            if owner == NOBODY {
                return false;
            }
            if last.0 != owner {
                last = (owner, max_age(TopicId(owner)));
            }
            let expired =
                last.1.is_some_and(|max_age| core.now.since(Tick::from_u32(at)) > max_age);
            ages |= !expired;
            expired
        };
        let len = queue.drop_publications(is_expired, |owner, count| {
            dropped(TopicId(owner), u64::from(count));
        });
        self.flags.keep_if(Flags::AGES, ages);
        self.dequeued(core, len);
    }

    /// Drops all that waits but for what has begun to leave.
    pub(super) fn drop_unbegun(&mut self, core: &mut Core) {
        if let Some(queue) = &mut self.queue {
            let len = queue.drop_unbegun();
            self.dequeued(core, len);
        }
    }

    /// Since when its socket has taken nothing of what waits.
    pub(super) fn stuck_since(&self) -> Option<Tick> {
        let queue = self.queue.as_ref().filter(|_| self.flags.contains(Flags::BLOCKED))?;
        Some(Tick::from_u32(queue.moved_at()))
    }

    /// Sends a large message from where it lies, behind what the cork holds.
    pub(super) fn send_split(
        &mut self,
        core: &mut Core,
        head: &[u8],
        payload: &[u8],
        shared: Option<&Bytes>,
    ) {
        let cork = std::mem::take(&mut core.cork);
        let total = cork.len() + head.len() + payload.len();
        let mut written = 0;
        if self.takes_bytes(core) {
            let slices = [IoSlice::new(&cork), IoSlice::new(head), IoSlice::new(payload)];
            let result = self.stream.write_vectored(&slices);
            written = self.judge_write(core, result);
        }
        if written < total && !self.flags.contains(Flags::BROKEN) {
            self.flags.insert(Flags::ANSWERS);
            self.block(core);
            let cork_written = written.min(cork.len());
            if cork_written < cork.len() {
                self.enqueue(core, |queue, at| queue.push_direct(&cork, cork_written, at));
            }
            let written = written - cork_written;
            self.enqueue_split(core, head, payload, shared, written);
        }
        core.cork = cork;
        core.cork.clear();
    }

    fn enqueue_split(
        &mut self,
        core: &mut Core,
        head: &[u8],
        payload: &[u8],
        shared: Option<&Bytes>,
        written: usize,
    ) {
        if let Some(range) = core.at_hand.lend(payload) {
            return self.enqueue(core, |queue, at| queue.push_adopted(head, range, written, at));
        }
        let payload = shared.cloned().unwrap_or_else(|| Bytes::copy_from_slice(payload));
        self.enqueue(core, |queue, at| queue.push_split(head, payload, written, at));
    }

    /// The message at hand has been handled: its buffer goes where what was sent of it waits, or back
    /// to the pool.
    pub(super) fn put_aside(&mut self, core: &mut Core, message: Option<AssembledMessage>) {
        let was_lent = core.at_hand.end();
        let Some(mut message) = message else { return };
        if was_lent {
            let buffer = message.take_vec();
            let adopted = match &mut self.queue {
                Some(queue) => queue.adopt(buffer),
                None => Err(buffer),
            };
            if let Err(buffer) = adopted {
                core.workspace.recycle_buffer(buffer);
            }
        }
        core.workspace.recycle(message);
    }

    /// Sends a control frame ahead of queued data, at the next boundary between frames.
    pub(super) fn send_urgent(&mut self, core: &mut Core, frame: &[u8]) {
        if self.queue.is_none() {
            core.cork.extend_from_slice(frame);
        } else {
            self.enqueue(core, |queue, at| queue.push_urgent(frame, at));
        }
    }

    /// Sends what is no frame: an HTTP response.
    pub(super) fn send_opaque(&mut self, core: &mut Core, bytes: Vec<u8>) {
        let written = self.write_directly(core, &bytes);
        if written < bytes.len() && !self.flags.contains(Flags::BROKEN) {
            self.enqueue(core, |queue, at| queue.push_opaque(bytes, written, at));
        }
    }

    /// Writes what the socket takes of the queue.
    pub(super) fn flush(&mut self, core: &mut Core) {
        const MAX_SLICES: usize = 64;
        while let Some(queue) = self.queue.as_mut().filter(|queue| !queue.is_empty()) {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = queue.fill_slices(&mut slices);
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let result = self.stream.write_vectored(&slices[..count]);
            let written = self.judge_write(core, result);
            if self.flags.contains(Flags::BROKEN) {
                return;
            }
            self.dequeue(core, written);
            if written < offered {
                self.block(core);
                return;
            }
        }
    }

    /// Gives the queue and the carry back to the pools.
    pub(super) fn release(&mut self, core: &mut Core) {
        self.count_kept(core);
        core.counters.bytes_queued -= self.stream.unflushed_len() as u64;
        if let Some(mut queue) = self.queue.take() {
            core.counters.bytes_queued -= queue.len() as u64;
            queue.clear();
            core.queues.give(queue);
        }
        self.drop_carry(core);
    }

    /// Writes what the socket takes of `bytes`, if nothing waits before them.
    #[inline]
    fn write_directly(&mut self, core: &mut Core, bytes: &[u8]) -> usize {
        if !self.takes_bytes(core) {
            return 0;
        }
        let result = self.stream.write(bytes);
        let written = self.judge_write(core, result);
        if written < bytes.len() {
            self.block(core);
        }
        written
    }

    /// Whether bytes may be offered to the socket now.
    #[inline]
    fn takes_bytes(&mut self, core: &mut Core) -> bool {
        if self.queue.is_some() {
            self.offer_unoffered(core);
        }
        self.queue.is_none() && !self.flags.contains(Flags::BROKEN)
    }

    /// Publications that have only been gathered are no backpressure: what is sent behind them must not
    /// overtake them.
    #[cold]
    fn offer_unoffered(&mut self, core: &mut Core) {
        if self.flags.contains(Flags::DIRTY) && !self.flags.contains(Flags::BLOCKED) {
            self.flush(core);
        }
    }

    /// The socket takes no more: whoever sends now is told so.
    #[cold]
    fn block(&mut self, core: &mut Core) {
        if self.flags.raise(Flags::BLOCKED) {
            if let Some(timeout) = core.config.limits.write_timeout {
                self.look_at(core, core.now.after(timeout));
            }
            core.link.directory.set_blocked(self.id.index, true);
            self.note_oldest(core);
        }
    }

    /// Lets other threads know since when the oldest byte waits. Not before the socket has refused
    /// bytes: where it takes everything, nobody asks.
    fn note_oldest(&self, core: &Core) {
        // What it refuses without having been queued before is queued now, or kept by the stream.
        let oldest = self.oldest_queued(core).unwrap_or(core.now);
        core.link.readers.note_oldest(self.id.index, oldest);
    }

    fn judge_write(&mut self, core: &mut Core, result: io::Result<usize>) -> usize {
        self.heed_kept(core);
        match result {
            Ok(written) => {
                core.counters.bytes_sent += written as u64;
                written
            }
            Err(error) => {
                self.flags.insert_if(Flags::BROKEN, error.kind() != io::ErrorKind::WouldBlock);
                0
            }
        }
    }

    /// Bytes that the stream itself keeps wait for the socket as those in the queue do, and what follows
    /// goes behind them.
    pub(super) fn heed_kept(&mut self, core: &mut Core) {
        self.count_kept(core);
        if self.stream.unflushed_len() > 0 {
            self.open_queue(core);
            self.block(core);
        }
    }

    fn count_kept(&mut self, core: &mut Core) {
        match self.stream.unflushed_change() {
            0 => {}
            change @ 1.. => self.charge(core, change.unsigned_abs()),
            change => self.discharge(core, change.unsigned_abs()),
        }
    }

    fn open_queue(&mut self, core: &mut Core) -> &mut WriteQueue {
        self.queue.get_or_insert_with(|| {
            let new = || Box::new(WriteQueue::new(find_frame_boundary));
            let mut queue = core.queues.take_or(new);
            queue.moved(core.now.as_u32());
            queue
        })
    }

    fn enqueue(&mut self, core: &mut Core, push: impl FnOnce(&mut WriteQueue, u32)) {
        let queue = self.open_queue(core);
        let before = queue.len();
        push(queue, core.now.as_u32());
        // A flood of urgent frames replaces earlier ones: the queue may shrink too.
        if queue.len() >= before {
            let growth = queue.len() - before;
            self.charge(core, growth);
        } else {
            let shrinkage = before - queue.len();
            self.discharge(core, shrinkage);
        }
    }

    fn charge(&self, core: &mut Core, len: usize) {
        core.counters.bytes_queued += len as u64;
        core.link.directory.charge(self.id.index, len);
    }

    fn discharge(&self, core: &mut Core, len: usize) {
        core.counters.bytes_queued -= len as u64;
        core.link.directory.discharge(self.id.index, len);
    }

    fn dequeue(&mut self, core: &mut Core, written: usize) {
        let Some(queue) = &mut self.queue else { return };
        queue.advance(written);
        if written > 0 {
            queue.moved(core.now.as_u32());
        }
        if let Some(buffer) = queue.take_spent() {
            core.workspace.recycle_buffer(buffer);
        }
        self.dequeued(core, written);
    }

    /// The queue has become shorter by `len` bytes; it goes back to the pool when nothing waits any more.
    pub(super) fn dequeued(&mut self, core: &mut Core, len: usize) {
        let Some(queue) = &self.queue else { return };
        self.discharge(core, len);
        if queue.is_empty() && self.stream.unflushed_len() == 0 {
            if let Some(queue) = self.queue.take() {
                core.queues.give(queue);
            }
            self.flags.remove(Flags::AGES);
            if self.flags.lower(Flags::BLOCKED) {
                core.link.directory.set_blocked(self.id.index, false);
                core.link.readers.note_empty(self.id.index);
            }
        } else if self.flags.contains(Flags::BLOCKED) {
            self.note_oldest(core);
        }
    }
}

/// Whose publications they are, for the queue. Those that do not grow old are nobody's, so that they
/// are not dropped with others of their topic: a replay, or a topic that leaves nothing out.
fn owner(parcel: &Parcel<'_>) -> u64 {
    let TopicId(topic) = parcel.topic;
    if parcel.ages { topic } else { NOBODY }
}

const NOBODY: u64 = u64::MAX;
