//! Where publications go: what the fan-out asks of the connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{SharedFrame, TopicCore, TopicId};

/// The subscribers' connections, as the fan-out sees them: by key.
///
/// The event loop's are sockets; in tests they are plain queues.
pub trait Sink {
    /// Sends frames to a subscriber, or queues them if that leaves no more than the parcel's limit
    /// waiting. Frames always go into an empty queue.
    fn offer(&mut self, key: u32, parcel: &Parcel<'_>) -> Offer;

    /// Bytes that wait for a subscriber.
    fn queued_len(&self, key: u32) -> usize;

    /// Takes frames out of a subscriber's queue that have waited for longer than `max_age` says of
    /// their topic, and counts them for the subscriber; tells `dropped` of each topic and how many
    /// publications they were, maybe repeatedly.
    fn drop_aged(
        &mut self,
        key: u32,
        max_age: &dyn Fn(TopicId) -> Option<Duration>,
        dropped: &mut dyn FnMut(TopicId, u64),
    );

    /// Until when nobody is closed for having lagged for too long: the loop has not run for a while, and
    /// gave nobody the time to take anything.
    fn lenient_until(&self) -> Duration {
        Duration::ZERO
    }

    /// Closes a subscriber that is too slow, with 1013.
    fn close(&mut self, key: u32);

    /// A subscriber has begun to lag in a topic, or has caught up in it.
    fn set_lagging(&mut self, key: u32, topic: TopicId, lagging: bool);

    /// A subscriber is to be brought up to date once this turn's publications are out.
    fn catch_up_soon(&mut self, key: u32);

    /// A subscriber is to be looked at again then.
    fn look_again_at(&mut self, key: u32, time: Duration);

    /// Somebody is to ask the topic's source for a snapshot, on behalf of a subscriber.
    fn ask_for_snapshot(&mut self, key: u32, topic: &Arc<TopicCore>);

    /// For a subscriber's own numbers.
    fn note(&mut self, key: u32, note: Note);
}

/// Frames on their way to a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// Whose publications.
    pub topic: TopicId,
    /// Whole frames, one behind another.
    pub frames: &'a Bytes,
    /// The same, with their compressed form.
    pub shared: &'a SharedFrame,
    /// How many publications they are.
    pub count: u32,
    /// Bytes that may wait with them; the connection's own limit holds beside it.
    pub limit: usize,
    /// From so many bytes on the subscriber's handler is told that it is slow.
    pub warn_len: usize,
    /// They will be asked to leave the queue when they have grown old.
    pub ages: bool,
}

/// What became of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Sent or queued.
    Taken,
    /// Too much waits. Nothing was sent.
    Full,
    /// The connection is closing. Nothing was sent.
    Gone,
}

/// Something that a subscriber did not get as it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// So many publications were conflated.
    Conflated(u64),
    /// So many publications were dropped.
    Dropped(u64),
    /// It got a snapshot to make up for what it had missed.
    Resynced,
}
