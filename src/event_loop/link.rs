//! What all threads share of one loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use mio::Waker;

use super::ConnectionId;
use super::addresses::Addresses;
use super::command::Command;
use super::counters::{Counters, PublishedCounters};
use super::directory::Directory;
use super::outbox::Replies;
use super::reader_stats::{ReaderStats, Reading};
use super::timer_wheel::Clock;
use crate::mailbox::{Inbox, Mailbox, mailbox};

/// All loops of a server.
pub(crate) type Loops = Arc<[Arc<LoopLink>]>;

/// Commands that may wait for a loop.
const MAILBOX_CAPACITY: usize = 16 * 1024;

/// Emptied reply buffers kept for handler threads.
const SPARE_REPLIES_COUNT: usize = 64;

#[derive(Debug)]
pub(crate) struct LoopLink {
    pub(crate) index: u16,
    pub(crate) mailbox: Mailbox<Command>,
    pub(crate) directory: Directory,
    pub(super) readers: ReaderStats,
    /// What the loop counts its ticks by.
    pub(crate) clock: Clock,
    /// Connections, those on their way from the accepting loop included.
    pub(crate) connection_count: AtomicUsize,
    /// Somebody needs the next descriptors that become free more than new clients do.
    pub(crate) accepting_held: AtomicBool,
    /// Shared by all loops.
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) counters: PublishedCounters,
    /// Sends that were refused on the senders' own threads.
    pub(crate) sends_refused: AtomicU64,
    spare_replies: (Sender<Replies>, Receiver<Replies>),
}

impl LoopLink {
    pub(crate) fn new(
        index: u16,
        waker: Waker,
        max_connections: usize,
        addresses: Arc<Addresses>,
    ) -> (Self, Inbox<Command>) {
        let (mailbox, inbox) = mailbox(MAILBOX_CAPACITY, waker);
        let link = Self {
            index,
            mailbox,
            directory: Directory::new(max_connections),
            readers: ReaderStats::new(max_connections),
            clock: Clock::new(Instant::now()),
            connection_count: AtomicUsize::new(0),
            accepting_held: AtomicBool::new(false),
            addresses,
            counters: PublishedCounters::default(),
            sends_refused: AtomicU64::new(0),
            spare_replies: crossbeam_channel::bounded(SPARE_REPLIES_COUNT),
        };
        (link, inbox)
    }

    /// The loop's numbers as of its last turn.
    pub(crate) fn read_counters(&self) -> Counters {
        let mut counters = self.counters.read();
        counters.sends_dropped += self.sends_refused.load(Ordering::Relaxed);
        counters
    }

    /// Bytes that wait for a connection, and its numbers as a reader; `None` for a stale id.
    pub(crate) fn read_stats(&self, id: ConnectionId) -> Option<(usize, Reading)> {
        self.directory.buffered(id)?;
        let reading = self.readers.read(id.index);
        self.directory.buffered(id).map(|buffered| (buffered, reading))
    }

    /// The connections that are there, and the bytes that wait for each.
    pub(crate) fn live_connections(&self) -> impl Iterator<Item = (ConnectionId, usize)> {
        let id = |index, generation| ConnectionId { index, generation, loop_index: self.index };
        self.directory.live().map(move |(index, generation, len)| (id(index, generation), len))
    }

    /// An empty buffer for replies, used before if possible.
    pub(crate) fn take_replies(&self) -> Replies {
        self.spare_replies.1.try_recv().unwrap_or_default()
    }

    /// Gives a buffer back that the loop has emptied.
    pub(crate) fn give_replies(&self, mut replies: Replies) {
        if replies.clear() {
            // Full: enough of them wait already.
            let _ = self.spare_replies.0.try_send(replies);
        }
    }
}
