//! The loop's connections as the fan-out sees them.

use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::connection::{Connection, Open, Phase};
use super::core::Core;
use super::deflate::compressed_frames;
use super::fan_out::Errands;
use super::flags::Flags;
use super::outlet::Outlet;
use crate::frame::CloseCode;
use crate::pubsub::{Note, Offer, Parcel, Sink, TopicCore, TopicId};

/// Whether a delivery is offered to the socket at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Now,
    Later,
}

impl Write {
    /// What a delivery costs, beside one that only goes into a queue.
    pub(super) fn cost(self) -> usize {
        match self {
            Self::Now => 16,
            Self::Later => 1,
        }
    }
}

pub(super) struct Sockets<'a, S> {
    pub(super) connections: &'a mut Slab<Connection<S>>,
    pub(super) core: &'a mut Core,
    pub(super) write: Write,
    pub(super) errands: &'a mut Errands,
}

impl<S> Sockets<'_, S> {
    fn with_open<R>(
        &mut self,
        key: u32,
        act: impl FnOnce(&mut Outlet<'_>, &mut Errands) -> R,
    ) -> Option<R> {
        match self.connections.get_mut(key as usize) {
            Some(Connection { io, phase: Phase::Open(Open { session, .. }) }) => {
                Some(act(&mut Outlet { io, session, core: self.core }, self.errands))
            }
            _ => None,
        }
    }
}

impl<S> Sink for Sockets<'_, S> {
    #[inline]
    fn offer(&mut self, key: u32, parcel: &Parcel<'_>) -> Offer {
        let Some(Connection { io, phase: Phase::Open(Open { session, .. }) }) =
            self.connections.get_mut(key as usize)
        else {
            return Offer::Gone;
        };
        if session.endpoint.is_close_sent() {
            return Offer::Gone;
        }
        let core = &mut *self.core;
        let compressed = compressed_frames(core, io, session, parcel);
        let compressed = compressed.as_ref().map(|frames| Parcel { frames, ..*parcel });
        let parcel = compressed.as_ref().unwrap_or(parcel);
        let limit = parcel.limit.min(core.config.max_backpressure);
        let mut queued = io.queued_len();
        if queued > 0 && queued + parcel.frames.len() > limit && io.flags.contains(Flags::DIRTY) {
            // What has not been offered to the socket yet is no sign of a slow reader.
            io.flush(core);
            queued = io.queued_len();
        }
        if queued > 0 && queued + parcel.frames.len() > limit {
            return Offer::Full;
        }
        core.counters.deliveries += u64::from(parcel.count);
        if self.write == Write::Now && queued == 0 {
            io.send_publication(core, parcel);
            if io.flags.contains(Flags::BROKEN) {
                self.errands.finished.push(key);
            }
        } else {
            io.queue_publication(core, parcel);
            // What waits for the socket already is flushed when that has room.
            if queued == 0 && io.flags.raise(Flags::DIRTY) {
                core.dirty.push_back(key);
            }
        }
        let waiting = io.queued_len();
        if waiting > 0 {
            io.flags.insert_if(Flags::AGES, parcel.ages);
            if waiting > parcel.warn_len
                && !io.flags.contains(Flags::DIRTY)
                && !io.flags.contains(Flags::SLOW)
            {
                io.flags.insert(Flags::SLOW);
                self.errands.slow.push(key);
            }
        }
        Offer::Taken
    }

    fn queued_len(&self, key: u32) -> usize {
        self.connections.get(key as usize).map_or(0, |connection| connection.io.queued_len())
    }

    fn drop_aged(
        &mut self,
        key: u32,
        max_age: &dyn Fn(TopicId) -> Option<Duration>,
        dropped: &mut dyn FnMut(TopicId, u64),
    ) {
        let count = self.with_open(key, |outlet, _| {
            let mut total = 0;
            outlet.io.drop_aged(outlet.core, max_age, |topic, count| {
                total += count;
                dropped(topic, count);
            });
            total
        });
        if let Some(count @ 1..) = count {
            self.note(key, Note::Dropped(count));
        }
    }

    fn lenient_until(&self) -> Duration {
        self.core.lenient_until.elapsed()
    }

    #[cold]
    fn close(&mut self, key: u32) {
        self.with_open(key, |outlet, errands| {
            if outlet.session.endpoint.is_close_sent() {
                // Another of its topics was quicker.
                return;
            }
            outlet.core.counters.subscribers_closed += 1;
            outlet.close_now(CloseCode::TRY_AGAIN_LATER, "too slow for the subscribed topics");
            // The cork is shared: the next subscriber of this delivery may be closed too.
            outlet.io.uncork(outlet.core);
            errands.finished.push(key);
        });
    }

    fn set_lagging(&mut self, key: u32, topic: TopicId, lagging: bool) {
        self.with_open(key, |outlet, _| outlet.session.set_lagging(topic, lagging));
    }

    fn catch_up_soon(&mut self, key: u32) {
        self.with_open(key, |outlet, errands| {
            errands.look_behind(outlet.io, outlet.session, usize::MAX);
        });
    }

    fn look_again_at(&mut self, key: u32, time: Duration) {
        self.errands.wakes.push((key, time));
    }

    fn ask_for_snapshot(&mut self, key: u32, topic: &Arc<TopicCore>) {
        self.errands.wanted.push((key, topic.clone()));
    }

    fn note(&mut self, key: u32, note: Note) {
        let (counters, readers) = (&mut self.core.counters, &self.core.link.readers);
        match note {
            Note::Conflated(count) => {
                counters.deliveries_conflated += count;
                readers.note_conflated(key, count);
            }
            Note::Dropped(count) => {
                counters.deliveries_dropped += count;
                readers.note_dropped(key, count);
            }
            Note::Resynced => {
                counters.resyncs += 1;
                readers.note_resynced(key);
            }
        }
    }
}
