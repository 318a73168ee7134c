//! A lagging subscriber is brought up to date.

use std::time::Duration;

use super::history::{Lacking, Piece, Position};
use super::lag::Lag;
use super::notice::{Missed, Notice};
use super::subscribers::Subscribers;
use super::{Delivery, Note, Offer, Overflow, Parcel, SharedFrame, Sink, SubscriberTable, TopicId};

impl SubscriberTable {
    /// Sends a lagging subscriber the next piece of what it lacks, if it can take more. Once it lacks
    /// nothing it is live again; until then the sink is told when to call this again, unless it is
    /// when the subscriber's queue has drained. Says whether it has come any further.
    pub fn catch_up(
        &mut self,
        topic: TopicId,
        key: u32,
        now: Duration,
        sink: &mut impl Sink,
    ) -> bool {
        let Some(subscribers) = self.by_topic.get_mut(&topic) else { return false };
        let Some(mut lag) = subscribers.take_lagging(key) else { return false };
        let next = subscribers.bring_up(&mut lag, key, now, sink);
        if let Some(end) = subscribers.end_of(&lag, sink).filter(|_| next != Next::Live) {
            sink.look_again_at(key, end);
        }
        if next == Next::Live {
            sink.set_lagging(key, topic, false);
            subscribers.live.push(key);
        } else {
            subscribers.add_lagging(key, lag);
        }
        subscribers.publish_pending();
        next != Next::Waits
    }
}

/// How a lagging subscriber goes on.
#[derive(PartialEq, Eq)]
enum Next {
    /// It lacks nothing.
    Live,
    /// It has got a piece.
    Lags,
    /// It gets nothing now.
    Waits,
}

/// The next piece for one subscriber, ready to be sent, and what it means in numbers.
#[derive(Default)]
struct Update {
    frames: Vec<SharedFrame>,
    /// Where the subscriber is once it has it.
    delivered: u64,
    counted: u64,
    /// Values taken from what was merged for it.
    merged_count: usize,
    /// Publications that were in values which are gone.
    lost_count: u64,
    delivered_count: u64,
    replayed_count: u64,
    /// Publications that it does not get.
    missed_count: u64,
    has_snapshot: bool,
}

impl Subscribers {
    fn bring_up(&mut self, lag: &mut Lag, key: u32, now: Duration, sink: &mut impl Sink) -> Next {
        if lag.closed
            || self.is_too_late(lag, key, now, sink)
            || self.keeps_pace(lag, key, now, sink)
        {
            return Next::Waits;
        }
        let slow_consumer = *self.topic.slow_consumer();
        let queued = sink.queued_len(key);
        if queued > slow_consumer.lag_len / 4 {
            return self.refuse(lag, now);
        }
        let room = slow_consumer.lag_len.saturating_sub(queued).max(1024);
        let Some(update) = self.next_update(lag, room, key, sink) else {
            lag.pace.iter_mut().for_each(|pace| pace.refused_since = None);
            return Next::Waits;
        };
        if !update.frames.is_empty() {
            let frames = SharedFrame::join(&update.frames);
            let parcel = Parcel {
                topic: self.topic.id(),
                frames: &frames,
                shared: &frames,
                count: u32::try_from(update.delivered_count).unwrap_or(u32::MAX),
                limit: usize::MAX,
                warn_len: slow_consumer.warn_len,
                ages: false,
            };
            // Full: its queue has something in it, and is heard of when that has left.
            if sink.offer(key, &parcel) != Offer::Taken {
                return self.refuse(lag, now);
            }
        }
        self.settle(lag, &update, key, sink);
        let lacks_nothing = self.lacks_nothing(lag);
        match &mut lag.pace {
            None if lacks_nothing => Next::Live,
            Some(pace) if lacks_nothing => {
                pace.next = now.saturating_add(pace.interval);
                if !std::mem::replace(&mut pace.idle, true) {
                    self.idle.push(key);
                }
                lag.new = false;
                Next::Lags
            }
            Some(_) | None => {
                // Otherwise it is heard of when its queue has drained.
                if sink.queued_len(key) <= slow_consumer.lag_len / 4 {
                    sink.catch_up_soon(key);
                } else {
                    self.refuse(lag, now);
                }
                Next::Lags
            }
        }
    }

    /// Its queue has no room for the next piece.
    fn refuse(&self, lag: &mut Lag, now: Duration) -> Next {
        if !self.lacks_nothing(lag) {
            lag.pace.iter_mut().for_each(|pace| {
                pace.refused_since.get_or_insert(now);
            });
        }
        Next::Waits
    }

    fn lacks_nothing(&self, lag: &Lag) -> bool {
        lag.delivered == Some(self.sequence)
            && lag.merged.as_ref().is_none_or(|merged| merged.is_empty())
    }

    /// Whether it has lagged for too long: then it is closed.
    fn is_too_late(&self, lag: &mut Lag, key: u32, now: Duration, sink: &mut impl Sink) -> bool {
        if std::mem::take(&mut lag.awaits_snapshot) {
            // It could take what there was not.
            lag.since = now;
        }
        let is_too_late = self.end_of(lag, sink).is_some_and(|end| now >= end);
        if is_too_late {
            self.close(lag, key, sink);
        }
        is_too_late
    }

    /// Until when it may lag, unless it waits for others.
    fn end_of(&self, lag: &Lag, sink: &impl Sink) -> Option<Duration> {
        let max_lag = self.topic.slow_consumer().max_lag?;
        // One that lags on purpose has its time from when it does not take what it wanted.
        let since = lag.pace.map_or(Some(lag.since), |pace| pace.refused_since);
        let since = since.filter(|_| !lag.closed && !lag.awaits_snapshot)?;
        Some(since.saturating_add(max_lag).max(sink.lenient_until()))
    }

    fn close(&self, lag: &mut Lag, key: u32, sink: &mut impl Sink) {
        lag.closed = true;
        self.stats().closed.add(1);
        sink.close(key);
    }

    /// Whether its next update is not due yet.
    fn keeps_pace(&self, lag: &Lag, key: u32, now: Duration, sink: &mut impl Sink) -> bool {
        let Some(pace) = lag.pace.filter(|pace| now < pace.next) else { return false };
        if lag.delivered != Some(self.sequence) {
            // Whoever looks in earlier, for another topic, has used up what was planned.
            sink.look_again_at(key, pace.next);
        }
        true
    }

    /// What the subscriber gets next; `None` when it has to wait for something.
    fn next_update(
        &mut self,
        lag: &mut Lag,
        room: usize,
        key: u32,
        sink: &mut impl Sink,
    ) -> Option<Update> {
        let mut upto = self.sequence;
        if let Some(merged) = &mut lag.merged {
            if lag.delivered.is_some_and(|delivered| delivered >= merged.after) {
                self.topic.thin_out(merged, self.topic.options().max_key_count);
                return Some(self.merged_update(lag, room));
            }
            upto = merged.after;
        }
        let position = Position { delivered: lag.delivered, upto, wants_replay: lag.wants_replay };
        let piece = match self.topic.next_piece(position, room) {
            Ok(piece) => piece,
            Err(lacking) => self.make_do(lag, lacking, position, room, key, sink)?,
        };
        Some(self.count(lag, piece))
    }

    /// What was published cannot be had any more.
    #[cold]
    fn make_do(
        &mut self,
        lag: &mut Lag,
        lacking: Lacking,
        position: Position,
        room: usize,
        key: u32,
        sink: &mut impl Sink,
    ) -> Option<Piece> {
        match lacking {
            Lacking::Patience => {
                lag.awaits_snapshot = true;
                // The publications may outrun that snapshot before it will do.
                self.topic.watch_for_snapshot(self.loop_index);
                None
            }
            Lacking::Snapshot => {
                lag.awaits_snapshot = true;
                let next = self.topic.next_piece_or_await(self.loop_index, position, room);
                if next.as_ref().is_err_and(|&first| first)
                    && self.topic.options().snapshot_source.is_some()
                {
                    sink.ask_for_snapshot(key, &self.topic);
                }
                next.ok()
            }
            Lacking::Publications(upto) => {
                // The topic may be ahead of its loop: what follows is on its way here.
                let upto = upto.min(self.sequence);
                self.stats().dropped.add(upto.saturating_sub(lag.counted));
                // Also what was published before it subscribed, and was promised to it.
                let missed = upto.saturating_sub(lag.delivered.unwrap_or(upto));
                sink.note(key, Note::Dropped(missed));
                lag.counted = lag.counted.max(upto);
                lag.delivered = Some(upto);
                if self.topic.delivery() == (Delivery::Every { overflow: Overflow::Close }) {
                    self.close(lag, key, sink);
                    return None;
                }
                sink.catch_up_soon(key);
                None
            }
        }
    }

    /// What was merged for this subscriber.
    fn merged_update(&self, lag: &Lag, room: usize) -> Update {
        let mut update =
            Update { delivered: self.sequence, counted: lag.counted, ..Update::default() };
        let mut len = 0;
        for value in lag.merged.iter().flat_map(|merged| merged.iter()) {
            if len > 0 && len + value.frame.len() > room {
                break;
            }
            len += value.frame.len();
            update.frames.push(value.frame.clone());
            update.merged_count += 1;
            update.delivered_count += 1;
            update.missed_count += value.count - 1;
            update.counted += value.count;
        }
        update.lost_count = lag.merged.as_ref().map_or(0, |merged| merged.lost_count);
        update.missed_count += update.lost_count;
        update.counted += update.lost_count;
        self.announce(&mut update, lag, Missed::Conflated);
        update
    }

    fn count(&self, lag: &Lag, piece: Piece) -> Update {
        let mut update = Update { counted: lag.counted, ..Update::default() };
        let miss_upto = |update: &mut Update, sequence: u64| {
            if sequence > update.counted {
                update.missed_count += sequence - update.counted;
                update.counted = sequence;
            }
        };
        if let Some(snapshot) = piece.snapshot {
            miss_upto(&mut update, snapshot.sequence);
            update.frames.push(snapshot.frame);
            update.has_snapshot = true;
        }
        for (sequence, frame) in piece.frames {
            update.frames.push(frame);
            if sequence > update.counted {
                miss_upto(&mut update, sequence - 1);
                update.counted = sequence;
                update.delivered_count += 1;
            } else {
                update.replayed_count += 1;
            }
        }
        miss_upto(&mut update, piece.delivered);
        update.delivered = piece.delivered;
        let missed = if update.has_snapshot { Missed::Resynced } else { Missed::Conflated };
        self.announce(&mut update, lag, missed);
        update
    }

    /// Puts a notice in front, if the subscriber misses something that it did not ask to miss.
    fn announce(&self, update: &mut Update, lag: &Lag, missed: Missed) {
        let Some(maker) = &self.topic.options().notice else { return };
        if update.missed_count > 0 && lag.pace.is_none() {
            let notice = Notice {
                topic: self.topic.name(),
                missed,
                count: update.missed_count,
                sequence: update.delivered,
            };
            update.frames.splice(0..0, maker.make(&notice));
        }
    }

    /// The subscriber has got an update.
    fn settle(&mut self, lag: &mut Lag, update: &Update, key: u32, sink: &mut impl Sink) {
        let stats = self.stats();
        stats.delivered.add(update.delivered_count);
        stats.replayed.add(update.replayed_count);
        if update.has_snapshot {
            stats.snapshots.add(1);
            if !lag.new {
                stats.resyncs.add(1);
                sink.note(key, Note::Resynced);
            }
        }
        if update.missed_count > 0 {
            if self.topic.delivery() == Delivery::Latest {
                stats.conflated.add(update.missed_count);
                sink.note(key, Note::Conflated(update.missed_count));
            } else {
                stats.dropped.add(update.missed_count);
                sink.note(key, Note::Dropped(update.missed_count));
            }
        }
        if let Some(merged) = &mut lag.merged {
            merged.remove_first(update.merged_count);
            merged.lost_count -= update.lost_count;
        }
        lag.delivered = Some(update.delivered);
        lag.counted = update.counted;
        lag.awaits_snapshot = false;
        lag.pace.iter_mut().for_each(|pace| pace.refused_since = None);
        lag.new &= !update.has_snapshot;
    }
}
