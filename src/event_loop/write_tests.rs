//! What is remembered of a queue whose publications grow old.

use std::time::Duration;

use bytes::Bytes;
use mio::net::UnixStream;

use super::ConnectionId;
use super::addresses::Addresses;
use super::config::LoopConfig;
use super::connection::Io;
use super::core::Core;
use super::flags::Flags;
use super::limits::Limits;
use super::meter::Meter;
use super::turn::Unstarted;
use crate::handshake::HeadLimits;
use crate::protocol::KeepAlive;
use crate::pubsub::{Parcel, SharedFrame, TopicId};
use crate::transport::Stream;

const SECOND: Duration = Duration::from_secs(1);

/// A connection, and what its loop has.
struct Bench {
    io: Io,
    core: Core,
    _peer: UnixStream,
}

impl Bench {
    fn new() -> Self {
        let config = LoopConfig {
            head_limits: HeadLimits::default(),
            allowed_origins: None,
            limits: Limits::trusted(),
            #[cfg(feature = "deflate")]
            compression: crate::deflate::Compression::default(),
            keep_alive: KeepAlive { ping_interval: None, idle_timeout: None },
            handshake_timeout: SECOND,
            close_timeout: SECOND,
            max_backpressure: 1 << 20,
            max_connections: 1,
            read_buffer_len: 1 << 16,
            max_messages_per_turn: 1,
            max_bytes_per_turn: 1 << 16,
        };
        let addresses = Addresses::new(None, false).into();
        let unstarted = Unstarted::new(0, 1, &addresses).expect("a poller");
        let core = Core::new(unstarted.link, config, 1);
        let generation = core.link.directory.enter(0);
        let id = ConnectionId { index: 0, generation, loop_index: 0 };
        let meter = Meter::new(&core.config.limits, 1, core.now);
        let (near, peer) = UnixStream::pair().expect("a pair of sockets");
        let io = Io::new(Stream::Unix(near), id, None, meter, core.now);
        Self { io, core, _peer: peer }
    }

    /// Puts one publication into the queue.
    fn queue(&mut self, topic: u64, ages: bool) {
        let shared = SharedFrame::from(Bytes::from_static(b"\x82\x01x"));
        let parcel = Parcel {
            topic: TopicId(topic),
            frames: &shared,
            shared: &shared,
            count: 1,
            limit: usize::MAX,
            warn_len: usize::MAX,
            ages,
        };
        self.io.queue_publication(&mut self.core, &parcel);
        self.io.flags.insert_if(Flags::AGES, ages);
    }

    /// Looks for what has grown too old; says of which topics there was something, and how often their
    /// age was asked for.
    fn drop_aged(&mut self, max_age: impl Fn(u64) -> Option<Duration>) -> (Vec<u64>, usize) {
        let asked = std::cell::Cell::new(0);
        let mut dropped = Vec::new();
        let max_age = |TopicId(topic): TopicId| {
            asked.set(asked.get() + 1);
            max_age(topic)
        };
        let tell = |TopicId(topic): TopicId, count| {
            assert_eq!(count, 1);
            dropped.push(topic);
        };
        self.io.drop_aged(&mut self.core, &max_age, tell);
        (dropped, asked.get())
    }

    fn ages(&self) -> bool {
        self.io.flags.contains(Flags::AGES)
    }
}

#[test]
fn all_topics_are_looked_through_at_once_until_nothing_is_left_that_ages() {
    let mut bench = Bench::new();
    (0..100).for_each(|topic| bench.queue(topic, true));
    bench.queue(1000, false);
    bench.core.now = bench.core.now.after(2 * SECOND);
    let (dropped, asked) = bench.drop_aged(|topic| Some(SECOND * (1 + topic as u32 % 2 * 9)));
    assert!(dropped.into_iter().eq((0..100).step_by(2)));
    assert!(asked <= 101, "{asked} questions");
    assert!(bench.ages(), "some may yet grow too old");
    bench.core.now = bench.core.now.after(9 * SECOND);
    let (dropped, _) = bench.drop_aged(|_| Some(10 * SECOND));
    assert!(dropped.into_iter().eq((1..100).step_by(2)));
    assert!(!bench.ages(), "what is left never does");
}

#[test]
fn a_queue_that_has_been_written_has_nothing_that_ages() {
    let mut bench = Bench::new();
    bench.queue(7, true);
    assert_eq!(bench.drop_aged(|_| Some(SECOND)), (Vec::new(), 1));
    assert!(bench.ages());
    bench.io.flush(&mut bench.core);
    assert!(bench.io.flags.is_at_ease(), "{:?}", bench.io.flags);
}
