//! Publications to subscribers: encoded once, written from one memory to every socket.

use bytes::{Bytes, BytesMut};

use super::EventLoop;
use super::connection::{Connection, Phase};
use super::outlet::Outlet;
use super::service::Service;
use crate::frame::CloseCode;
use crate::pubsub::{Delivery, Overflow, TopicId};

/// Publications of one topic in one turn are joined up to this many bytes, so that each subscriber
/// gets them in one write.
const MAX_JOINED_LEN: usize = 64 * 1024;

impl<S: Service> EventLoop<S> {
    /// Hands out the publications gathered so far.
    pub(super) fn hand_out_publications(&mut self) {
        if self.publications.is_empty() {
            return;
        }
        let mut publications = std::mem::take(&mut self.publications);
        let topic = publications[0].0;
        if publications.iter().all(|publication| publication.0 == topic) {
            self.hand_out_topic(topic, &publications);
        } else {
            // A subscriber of several topics gets all of the turn in one write: queue, then flush.
            for (topic, frame) in &publications {
                self.deliver_all(*topic, frame, 1, Write::Later);
            }
            self.flush_dirty();
        }
        publications.clear();
        self.publications = publications;
    }

    fn hand_out_topic(&mut self, topic: TopicId, publications: &[(TopicId, Bytes)]) {
        let mut rest = publications;
        while let Some((_, first)) = rest.first() {
            let mut len = first.len();
            let mut count = 1;
            while let Some((_, next)) = rest.get(count) {
                if len + next.len() > MAX_JOINED_LEN {
                    break;
                }
                len += next.len();
                count += 1;
            }
            if count == 1 {
                self.deliver_all(topic, first, 1, Write::Now);
            } else {
                let mut joined = BytesMut::with_capacity(len);
                rest[..count].iter().for_each(|(_, frame)| joined.extend_from_slice(frame));
                self.deliver_all(topic, &joined.freeze(), count as u64, Write::Now);
            }
            rest = &rest[count..];
        }
    }

    /// Delivers `frames`, which are `count` publications, to every subscriber of the topic.
    fn deliver_all(&mut self, topic: TopicId, frames: &Bytes, count: u64, write: Write) {
        let Some(delivery) = self.core.subscribers.delivery(topic) else { return };
        self.core.counters.publications += count;
        let subscribers = self.core.subscribers.lend(topic);
        let mut finished = Vec::new();
        for &key in &subscribers {
            let Some(Connection { io, phase: Phase::Open(open) }) =
                self.connections.get_mut(key as usize)
            else {
                continue;
            };
            let outlet = &mut Outlet { io, session: &mut open.session, core: &mut self.core };
            match outlet.deliver(frames, count, delivery, write) {
                Delivered::Done => {}
                Delivered::Dirty => self.core.dirty.push(key),
                Delivered::Finish => finished.push(key),
            }
        }
        self.core.subscribers.put_back(topic, subscribers);
        for key in finished {
            self.finish_turn(key);
        }
    }

    /// Offers what this turn has queued to the sockets.
    pub(super) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.core.dirty);
        for key in dirty.drain(..) {
            if let Some(connection) = self.connections.get_mut(key as usize) {
                connection.io.flags.dirty = false;
                self.on_writable(key);
            }
        }
        self.core.dirty = dirty;
    }
}

/// Whether a delivery is offered to the socket at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Now,
    Later,
}

enum Delivered {
    Done,
    /// Queued, to be flushed at the end of the turn.
    Dirty,
    /// The connection is closing or broken.
    Finish,
}

impl Outlet<'_> {
    fn deliver(
        &mut self,
        frames: &Bytes,
        count: u64,
        delivery: Delivery,
        write: Write,
    ) -> Delivered {
        let Self { io, session, core } = self;
        if session.endpoint.is_close_sent() {
            return Delivered::Done;
        }
        let queued = io.queued_len();
        if queued > 0 && queued + frames.len() > core.config.max_backpressure {
            return self.overflow(count, delivery);
        }
        core.counters.deliveries += count;
        if write == Write::Now && queued == 0 {
            io.send_shared(core, frames);
            return if io.flags.broken { Delivered::Finish } else { Delivered::Done };
        }
        io.queue_shared(core, frames);
        // What waits for the socket already is flushed when that has room.
        if queued > 0 || std::mem::replace(&mut io.flags.dirty, true) {
            return Delivered::Done;
        }
        Delivered::Dirty
    }

    #[cold]
    fn overflow(&mut self, count: u64, delivery: Delivery) -> Delivered {
        let counters = &mut self.core.counters;
        counters.deliveries_dropped += count;
        match delivery {
            Delivery::Every { overflow: Overflow::DropNewest } => Delivered::Done,
            Delivery::Every { overflow: Overflow::Close } => {
                counters.subscribers_closed += 1;
                self.close_now(CloseCode::TRY_AGAIN_LATER, "too slow for the subscribed topics");
                // The cork is shared: the next subscriber of this delivery may be closed too.
                self.io.uncork(self.core);
                Delivered::Finish
            }
        }
    }
}
