//! A batch of publications to the subscribers that keep up.

use std::time::Duration;

use super::lag::Lag;
use super::subscribers::{Subscribers, VACANT};
use super::{Batch, Delivery, Note, Offer, Overflow, Parcel, Sink, SubscriberTable};

/// A batch on its way through a topic's subscribers. It may pause anywhere; meanwhile subscribers may
/// leave, but none may join.
#[derive(Debug)]
pub struct FanOut {
    batch: Batch,
    /// Where in the list it begins, and goes round.
    start: usize,
    /// How many places it has been at.
    visited: usize,
    /// The list's length when it began. Whoever comes to the list later has this batch already.
    len: usize,
}

impl SubscriberTable {
    /// Begins to deliver a batch; `None` when nobody here subscribes to its topic. To be continued by
    /// [`go_on`](Self::go_on) until that says that it is done, before the topic's next batch.
    #[must_use]
    pub fn begin(&mut self, batch: Batch) -> Option<FanOut> {
        let subscribers = self.by_topic.get_mut(&batch.topic)?;
        subscribers.take_in(&batch);
        let (start, len) = (subscribers.start, subscribers.live.len());
        Some(FanOut { batch, start: start % len.max(1), visited: 0, len })
    }

    /// Goes on with a delivery for at most `budget` subscribers, which it takes off; says whether all
    /// are done.
    pub fn go_on(
        &mut self,
        fan_out: &mut FanOut,
        now: Duration,
        sink: &mut impl Sink,
        budget: &mut usize,
    ) -> bool {
        let Some(subscribers) = self.by_topic.get_mut(&fan_out.batch.topic) else { return true };
        subscribers.deliver(fan_out, now, sink, budget);
        if fan_out.visited < fan_out.len {
            return false;
        }
        subscribers.end_delivery(now, sink);
        if subscribers.is_idle() {
            self.by_topic.remove(&fan_out.batch.topic);
        }
        true
    }
}

impl Subscribers {
    /// A batch has come: all subscribers are due it.
    fn take_in(&mut self, batch: &Batch) {
        debug_assert_eq!(self.vacant_count, 0, "one delivery of a topic at a time");
        self.stats().offered.add(batch.count() * self.len() as u64);
        self.sequence = batch.last;
        self.delivering = true;
        self.publish_pending();
        if let (Some(merge), Some(parts)) = (&self.topic.options().merge, &batch.parts) {
            // Seldom: what it costs is shared by all that have been added since.
            let max_count = self.topic.options().max_key_count.saturating_mul(2);
            for merged in self.lagging.values_mut().filter_map(|lag| lag.merged.as_mut()) {
                merged.add(batch.first, parts, merge);
                self.topic.thin_out(merged, max_count);
            }
        }
    }

    fn deliver(
        &mut self,
        fan_out: &mut FanOut,
        now: Duration,
        sink: &mut impl Sink,
        budget: &mut usize,
    ) {
        let batch = &fan_out.batch;
        let count = batch.count();
        let slow_consumer = self.topic.slow_consumer();
        let lags = self.topic.delivery().may_leave_out();
        let parcel = Parcel {
            topic: batch.topic,
            frames: &batch.frames,
            shared: &batch.frames,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            limit: if lags { slow_consumer.lag_len } else { usize::MAX },
            warn_len: slow_consumer.warn_len,
            ages: slow_consumer.max_age.is_some() && !lags,
        };
        let end = fan_out.len.min(fan_out.visited + *budget);
        *budget -= end - fan_out.visited;
        let (mut delivered, mut dropped) = (0, 0);
        for visit in fan_out.visited..end {
            let at = fan_out.start + visit;
            let at = if at < fan_out.len { at } else { at - fan_out.len };
            let key = self.live[at];
            if key == VACANT {
                // It was due the batch and left before it got it.
                dropped += count;
                continue;
            }
            match sink.offer(key, &parcel) {
                Offer::Taken => delivered += count,
                Offer::Gone => dropped += count,
                Offer::Full => self.overflow(at, batch, &parcel, now, sink),
            }
        }
        fan_out.visited = end;
        self.stats().delivered.add(delivered);
        self.stats().dropped.add(dropped);
    }

    /// A subscriber that cannot take the batch.
    #[cold]
    fn overflow(
        &mut self,
        at: usize,
        batch: &Batch,
        parcel: &Parcel<'_>,
        now: Duration,
        sink: &mut impl Sink,
    ) {
        let key = self.live[at];
        let count = batch.count();
        let Delivery::Every { overflow } = self.topic.delivery() else {
            self.live[at] = VACANT;
            self.vacant_count += 1;
            return self.fall_behind(key, batch, now, sink);
        };
        if self.drop_aged(key, sink) && sink.offer(key, parcel) == Offer::Taken {
            return self.stats().delivered.add(count);
        }
        self.stats().dropped.add(count);
        sink.note(key, Note::Dropped(count));
        if overflow == Overflow::Close {
            self.stats().closed.add(1);
            sink.close(key);
        }
    }

    fn fall_behind(&mut self, key: u32, batch: &Batch, now: Duration, sink: &mut impl Sink) {
        let merge = self.topic.options().merge.clone();
        let mut lag = Lag::fallen_behind(batch.first - 1, now, merge.is_some());
        if let (Some(merged), Some(merge), Some(parts)) = (&mut lag.merged, &merge, &batch.parts) {
            merged.add(batch.first, parts, merge);
        }
        self.add_lagging(key, lag);
        self.stats().lags.add(1);
        sink.set_lagging(key, batch.topic, true);
        if let Some(max_lag) = self.topic.slow_consumer().max_lag {
            sink.look_again_at(key, now.saturating_add(max_lag));
        }
    }

    /// The list may change again, and those that lag for other reasons than their queue's are looked
    /// at.
    fn end_delivery(&mut self, now: Duration, sink: &mut impl Sink) {
        self.delivering = false;
        if self.vacant_count > 0 {
            self.live.retain(|&key| key != VACANT);
            self.vacant_count = 0;
        }
        // Another comes first next time; by more than one place, so that neighbours part too.
        let len = self.live.len().max(1);
        self.start = (self.start + len * 5 / 13 + 1) % len;
        self.publish_pending();
        if self.paced_count > 0 {
            for (&key, lag) in &mut self.lagging {
                match &mut lag.pace {
                    Some(pace) if pace.next <= now => sink.catch_up_soon(key),
                    Some(pace) if !pace.planned => {
                        pace.planned = true;
                        sink.look_again_at(key, pace.next);
                    }
                    Some(_) | None => {}
                }
            }
        }
        if self.awaiting_count > 0
            && (self.topic.has_snapshot(self.sequence) || self.topic.may_ask_source())
        {
            self.wake_awaiting(sink);
        }
    }
}
