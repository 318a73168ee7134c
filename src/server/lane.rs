//! The way from event loops to one handler thread: batches, bounded by what they weigh.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use crossbeam_channel::{Receiver, Sender};

use crate::event_loop::{Closed, ConnectionId};
use crate::frame::CloseCode;
use crate::handshake::Request;
use crate::protocol::AssembledMessage;
use crate::pubsub::TopicCore;

/// A lane is never asked to hold more batches than this before it is full by weight: each batch
/// weighs at least its share.
const BATCH_COUNT: usize = 1024;

/// Emptied batches that wait for a loop to use them again.
const SPARE_BATCH_COUNT: usize = 32;

/// The longest buffer of a batch that is kept for reuse, in bytes.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// What one event loop has for one handler thread, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The payloads of [`Job::Message`], one behind another.
    pub(super) payloads: Vec<u8>,
    pub(super) jobs: Vec<(ConnectionId, Job)>,
    /// What the lane was charged for it.
    pub(super) weight: usize,
    /// Bytes of messages in buffers of their own.
    assembled_len: usize,
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

    pub(super) fn push(&mut self, id: ConnectionId, job: Job) {
        if let Job::Assembled(message) = &job {
            self.assembled_len += message.len();
        }
        self.jobs.push((id, job));
    }

    fn weigh(&self, max_len: usize) -> usize {
        let held = self.payloads.len() + self.assembled_len + self.jobs.len() * size_of::<Job>();
        held.max(max_len / BATCH_COUNT)
    }

    fn clear(&mut self) -> bool {
        self.payloads.clear();
        self.jobs.clear();
        self.assembled_len = 0;
        self.payloads.capacity() <= MAX_KEPT_LEN
    }
}

/// What loops and handler thread share of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    max_len: usize,
    /// The weight of the batches that have not been worked through.
    weight: AtomicUsize,
    /// The loops that stopped reading for this lane and want to be told.
    waiting: Box<[AtomicBool]>,
    spare: (Sender<Batch>, Receiver<Batch>),
}

/// A loop's end of a lane. When the last one is dropped the handler thread ends.
#[derive(Clone, Debug)]
pub(super) struct LaneSender {
    pub(super) lane: Arc<Lane>,
    sender: Sender<Batch>,
}

/// A lane for `loop_count` loops that is full at `max_len` bytes.
pub(super) fn lane(
    index: usize,
    loop_count: usize,
    max_len: usize,
) -> (LaneSender, Receiver<Batch>) {
    // A loop that finds the lane not full adds one batch more, and each may do so at once.
    let (sender, receiver) = crossbeam_channel::bounded(BATCH_COUNT + 2 * loop_count);
    let lane = Lane {
        index,
        max_len,
        weight: AtomicUsize::new(0),
        waiting: (0..loop_count).map(|_| AtomicBool::new(false)).collect(),
        spare: crossbeam_channel::bounded(SPARE_BATCH_COUNT),
    };
    (LaneSender { lane: Arc::new(lane), sender }, receiver)
}

impl LaneSender {
    /// An empty batch, used before if possible.
    pub(super) fn take_batch(&self) -> Batch {
        self.lane.spare.1.try_recv().unwrap_or_default()
    }

    /// Hands a batch to the handler thread; says whether the lane has room for more.
    pub(super) fn send(&self, mut batch: Batch) -> bool {
        batch.weight = batch.weigh(self.lane.max_len);
        let weight = self.lane.weight.fetch_add(batch.weight, Ordering::AcqRel) + batch.weight;
        // There is room by count while there is room by weight; the handler thread ends only after
        // all loops have.
        let _ = self.sender.send(batch);
        weight < self.lane.max_len
    }

    /// Asks to be told when the lane has drained to half; says that it has already.
    pub(super) fn wait(&self, loop_index: usize) -> bool {
        let waiting = &self.lane.waiting[loop_index];
        waiting.store(true, Ordering::SeqCst);
        // Either this sees what the handler thread has worked off, or that sees the flag.
        fence(Ordering::SeqCst);
        self.lane.has_drained() && waiting.swap(false, Ordering::SeqCst)
    }
}

impl Lane {
    fn has_drained(&self) -> bool {
        self.weight.load(Ordering::SeqCst) <= self.max_len / 2
    }

    /// A batch has been worked through: calls `resume` for each loop that waits, if it is time.
    pub(super) fn done(&self, mut batch: Batch, mut resume: impl FnMut(usize)) {
        self.weight.fetch_sub(batch.weight, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if batch.clear() {
            // Full: enough of them wait already.
            let _ = self.spare.0.try_send(batch);
        }
        if self.has_drained() {
            for (index, waiting) in self.waiting.iter().enumerate() {
                if waiting.load(Ordering::SeqCst) && waiting.swap(false, Ordering::SeqCst) {
                    resume(index);
                }
            }
        }
    }
}
