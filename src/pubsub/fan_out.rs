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
    /// What has been done for those that lag, and is to be taken off a budget yet.
    taken_in: usize,
}

impl SubscriberTable {
    /// Begins to deliver a batch; `None` when nobody here subscribes to its topic. To be continued by
    /// [`go_on`](Self::go_on) until that says that it is done, before the topic's next batch.
    #[must_use]
    pub fn begin(&mut self, batch: Batch) -> Option<FanOut> {
        let subscribers = self.by_topic.get_mut(&batch.topic)?;
        let taken_in = subscribers.take_in(&batch);
        let (start, len) = (subscribers.start, subscribers.live.len());
        Some(FanOut { batch, start: start % len.max(1), visited: 0, len, taken_in })
    }

    /// Goes on with a delivery for at most `budget` subscribers, which it takes off, as it does what it
    /// does for those that lag; says whether all are done.
    pub fn go_on(
        &mut self,
        fan_out: &mut FanOut,
        now: Duration,
        sink: &mut impl Sink,
        budget: &mut usize,
    ) -> bool {
        let Some(subscribers) = self.by_topic.get_mut(&fan_out.batch.topic) else { return true };
        *budget = budget.saturating_sub(std::mem::take(&mut fan_out.taken_in));
        subscribers.deliver(fan_out, now, sink, budget);
        if fan_out.visited < fan_out.len {
            return false;
        }
        *budget = budget.saturating_sub(subscribers.end_delivery(now, sink));
        if subscribers.is_idle() {
            self.by_topic.remove(&fan_out.batch.topic);
        }
        true
    }
}

impl Subscribers {
    /// A batch has come: all subscribers are due it. Says how many values were merged for them.
    fn take_in(&mut self, batch: &Batch) -> usize {
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
            return self.lagging.len() * parts.len();
        }
        0
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
    /// at. Says how many that were.
    fn end_delivery(&mut self, now: Duration, sink: &mut impl Sink) -> usize {
        self.delivering = false;
        if self.vacant_count > 0 {
            self.live.retain(|&key| key != VACANT);
            self.vacant_count = 0;
        }
        // Another comes first next time; by more than one place, so that neighbours part too.
        let len = self.live.len().max(1);
        self.start = (self.start + len * 5 / 13 + 1) % len;
        self.publish_pending();
        let woken_count = self.wake_idle(now, sink);
        if self.awaiting_count > 0
            && (self.topic.has_snapshot(self.sequence) || self.topic.may_ask_source())
        {
            self.wake_awaiting(sink);
        }
        woken_count
    }

    /// Those that lag on purpose and had everything are due an update now, or later. Says how many they
    /// were.
    fn wake_idle(&mut self, now: Duration, sink: &mut impl Sink) -> usize {
        let woken_count = self.idle.len();
        for key in self.idle.drain(..) {
            let Some(lag) = self.lagging.get_mut(&key) else { continue };
            let Some(pace) = &mut lag.pace else { continue };
            pace.idle = false;
            if pace.next <= now {
                sink.catch_up_soon(key);
            } else {
                sink.look_again_at(key, pace.next);
            }
        }
        woken_count
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::pubsub::{
        Begin, Publication, SharedFrame, SlowConsumer, Subscription, TopicCore, TopicId,
        TopicOptions, TopicRegistry,
    };

    use super::*;

    /// They take everything. Whom to look at, soon or later.
    #[derive(Default)]
    struct Takers {
        soon: Vec<u32>,
        later: Vec<u32>,
    }

    impl Sink for Takers {
        fn offer(&mut self, _: u32, _: &Parcel<'_>) -> Offer {
            Offer::Taken
        }
        fn queued_len(&self, _: u32) -> usize {
            0
        }
        fn drop_aged(
            &mut self,
            _: u32,
            _: &dyn Fn(TopicId) -> Option<Duration>,
            _: &mut dyn FnMut(TopicId, u64),
        ) {
        }
        fn close(&mut self, _: u32) {}
        fn set_lagging(&mut self, _: u32, _: TopicId, _: bool) {}
        fn catch_up_soon(&mut self, key: u32) {
            self.soon.push(key);
        }
        fn look_again_at(&mut self, key: u32, _: Duration) {
            self.later.push(key);
        }
        fn ask_for_snapshot(&mut self, _: u32, _: &Arc<TopicCore>) {}
        fn note(&mut self, _: u32, _: Note) {}
    }

    #[test]
    fn what_is_done_for_those_that_lag_on_purpose_is_done_once_and_taken_off_the_budget() {
        const COUNT: u32 = 100;
        let registry = TopicRegistry::new(1, SlowConsumer::default());
        let options = TopicOptions::latest().merge(|_, _| "merged".into());
        let topic = registry.topic("t", options, |_, _| {});
        let (mut table, mut sink) = (SubscriberTable::new(0), Takers::default());
        let begin = Begin { sequence: 0, delivered: Some(0) };
        let interval = Some(Duration::from_secs(1));
        let now = Duration::from_millis(10);
        for key in 0..COUNT {
            let subscription = Subscription { begin, wants_replay: false, interval };
            topic.add_interest(0);
            table.insert(&topic, key, &subscription, now, &mut sink);
        }
        let catch_up = |table: &mut SubscriberTable, now, sink: &mut Takers| {
            for key in std::mem::take(&mut sink.soon) {
                table.catch_up(topic.id(), key, now, sink);
            }
        };
        catch_up(&mut table, now, &mut sink);
        let publish = |table: &mut SubscriberTable, now, sink: &mut Takers| {
            let frame = SharedFrame::new(&"a value".into(), false);
            let publications = [Publication { key: "k".into(), frame: frame.clone() }];
            let mut turn = topic.take_turn();
            turn.record(&publications);
            let sequence = turn.sequence();
            drop(turn);
            let parts = Some(publications.into());
            let (id, mut budget) = (topic.id(), 1000);
            let batch = Batch { topic: id, first: sequence, last: sequence, frames: frame, parts };
            let mut fan_out = table.begin(batch).expect("subscribers");
            assert!(table.go_on(&mut fan_out, now, sink, &mut budget));
            1000 - budget
        };
        let all = COUNT as usize;
        assert_eq!(publish(&mut table, now, &mut sink), 2 * all, "merged, and looked at");
        assert_eq!((sink.soon.len(), sink.later.len()), (0, all), "they have had theirs");
        assert_eq!(publish(&mut table, now, &mut sink), all, "merged alone");
        assert_eq!((sink.soon.len(), sink.later.len()), (0, all));
        let now = now + Duration::from_secs(1);
        sink.soon = std::mem::take(&mut sink.later);
        catch_up(&mut table, now, &mut sink);
        let now = now + Duration::from_secs(2);
        assert_eq!(publish(&mut table, now, &mut sink), 2 * all);
        assert_eq!((sink.soon.len(), sink.later.len()), (all, 0), "an update is due at once");
        assert_eq!(topic.stats().pending, COUNT.into());
    }
}
