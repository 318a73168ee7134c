//! The way from event loops to one handler thread: batches, bounded by what they weigh.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::batch::{BATCH_COUNT, Batch};
use crate::mailbox::Doorbell;

/// Emptied batches that wait for a loop to use them again.
const SPARE_BATCH_COUNT: usize = 32;

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
    bell: Bell,
}

/// A loop's end of a lane. When the last one is dropped the handler thread ends.
#[derive(Clone, Debug)]
pub(super) struct LaneSender {
    lane: Arc<Lane>,
    sender: Sender<Batch>,
    /// Behind the sender: rings once that is gone.
    _end: RingAtEnd,
}

/// The handler thread's end.
#[derive(Debug)]
pub(super) struct LaneReceiver {
    pub(super) lane: Arc<Lane>,
    receiver: Receiver<Batch>,
}

/// Wakes the handler thread.
#[derive(Debug, Default)]
struct Bell {
    doorbell: Doorbell,
    /// Set before the thread sleeps for the first time.
    thread: OnceLock<Thread>,
}

#[derive(Clone, Debug)]
struct RingAtEnd(Arc<Lane>);

impl Drop for RingAtEnd {
    fn drop(&mut self) {
        self.0.bell.ring();
    }
}

/// A lane for `loop_count` loops that is full at `max_len` bytes.
pub(super) fn lane(index: usize, loop_count: usize, max_len: usize) -> (LaneSender, LaneReceiver) {
    // A loop that finds the lane not full adds one batch more, and each may do so at once.
    let (sender, receiver) = crossbeam_channel::bounded(BATCH_COUNT + 2 * loop_count);
    let lane = Lane {
        index,
        max_len,
        weight: AtomicUsize::new(0),
        waiting: (0..loop_count).map(|_| AtomicBool::new(false)).collect(),
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
        batch.weight = batch.weigh(self.lane.max_len);
        let weight = self.lane.weight.fetch_add(batch.weight, Ordering::AcqRel) + batch.weight;
        // There is room by count while there is room by weight; the handler thread ends only after
        // all loops have.
        let _ = self.sender.send(batch);
        self.lane.bell.ring();
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

impl LaneReceiver {
    /// A batch that is there.
    #[inline]
    pub(super) fn try_recv(&self) -> Option<Batch> {
        self.receiver.try_recv().ok()
    }

    /// The next batch, slept for if need be; `None` once all loops have ended. Always called by the
    /// same thread.
    pub(super) fn recv(&self) -> Option<Batch> {
        let Bell { doorbell, thread } = &self.lane.bell;
        thread.get_or_init(std::thread::current);
        loop {
            // What rings in vain makes the next `park` end at once: one look too many.
            doorbell.prepare_to_sleep();
            match self.receiver.try_recv() {
                Err(TryRecvError::Empty) => std::thread::park(),
                received => {
                    doorbell.wake_up();
                    return received.ok();
                }
            }
        }
    }
}

impl Bell {
    /// Call after a batch is in the channel, or the last sender is gone.
    fn ring(&self) {
        self.doorbell.ring(|| {
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
        });
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
