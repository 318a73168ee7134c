//! The way from event loops to one handler thread: batches, bounded by what they weigh.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::batch::{BATCH_COUNT, Batch};
use crate::mailbox::{Backlog, Bell, RingAtEnd};

/// Emptied batches that wait for a loop to use them again.
const SPARE_BATCH_COUNT: usize = 32;

/// What loops and handler thread share of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    /// The batches that have not been worked through, and the loops that stopped reading for them.
    backlog: Backlog,
    spare: (Sender<Batch>, Receiver<Batch>),
    bell: Bell,
}

/// A loop's end of a lane. When the last one is dropped the handler thread ends.
#[derive(Clone, Debug)]
pub(super) struct LaneSender {
    lane: Arc<Lane>,
    sender: Sender<Batch>,
    /// Behind the sender: rings once that is gone.
    _end: RingAtEnd<Lane>,
}

/// The handler thread's end.
#[derive(Debug)]
pub(super) struct LaneReceiver {
    pub(super) lane: Arc<Lane>,
    receiver: Receiver<Batch>,
}

impl AsRef<Bell> for Lane {
    fn as_ref(&self) -> &Bell {
        &self.bell
    }
}

/// A lane for `loop_count` loops that is full at `max_len` bytes.
pub(super) fn lane(index: usize, loop_count: usize, max_len: usize) -> (LaneSender, LaneReceiver) {
    // A loop that finds the lane not full adds one batch more, and each may do so at once.
    let (sender, receiver) = crossbeam_channel::bounded(BATCH_COUNT + 2 * loop_count);
    let lane = Lane {
        index,
        backlog: Backlog::new(max_len, loop_count),
        spare: crossbeam_channel::bounded(SPARE_BATCH_COUNT),
        bell: Bell::default(),
    };
    let lane = Arc::new(lane);
    let end = RingAtEnd(lane.clone());
    let receiver = LaneReceiver { lane: lane.clone(), receiver };
    (LaneSender { lane, sender, _end: end }, receiver)
}

impl LaneSender {
    /// An empty batch, used before if possible.
    pub(super) fn take_batch(&self) -> Batch {
        self.lane.spare.1.try_recv().unwrap_or_default()
    }

    /// Hands a batch to the handler thread; says whether the lane has room for more.
    pub(super) fn send(&self, mut batch: Batch) -> bool {
        let backlog = &self.lane.backlog;
        let waiting = backlog.max_weight().saturating_sub(backlog.free_weight());
        if waiting > backlog.max_weight() / BATCH_COUNT * SPARE_BATCH_COUNT {
            // Batches are weighed by what is in them: only as many as are kept anyway may have room for more.
            batch.tighten();
        }
        batch.weight = batch.weigh(backlog.max_weight());
        let has_room = backlog.add(batch.weight);
        // There is room by count while there is room by weight; the handler thread ends only after
        // all loops have.
        let _ = self.sender.send(batch);
        self.lane.bell.ring();
        has_room
    }

    /// How many bytes more the lane takes before it is full.
    pub(super) fn free_len(&self) -> usize {
        self.lane.backlog.free_weight()
    }

    /// Asks to be told when the lane has drained to half; says that it has already.
    pub(super) fn wait(&self, loop_index: usize) -> bool {
        self.lane.backlog.wait(loop_index)
    }
}

impl LaneReceiver {
    /// A batch that is there.
    #[inline]
    pub(super) fn try_recv(&self) -> Option<Batch> {
        self.receiver.try_recv().ok()
    }

    /// The next batch, slept for if need be; `None` once all loops have ended. Always called by the
    /// same thread.
    pub(super) fn recv(&self) -> Option<Batch> {
        self.lane.bell.wait_for(|| match self.receiver.try_recv() {
            Err(TryRecvError::Empty) => None,
            received => Some(received.ok()),
        })
    }
}

impl Lane {
    /// A batch has been worked through: calls `resume` for each loop that waits, if it is time.
    pub(super) fn done(&self, mut batch: Batch, resume: impl FnMut(usize)) {
        let weight = batch.weight;
        if batch.clear() {
            // Full: enough of them wait already.
            let _ = self.spare.0.try_send(batch);
        }
        self.backlog.take_off(weight, resume);
    }
}
