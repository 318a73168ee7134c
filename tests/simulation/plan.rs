//! What happens in a history, as far as chance decides it beforehand.

use std::time::Duration;

use fastrand::Rng;
use tickwire::protocol::{KeepAlive, Limits};

/// Until when there is activity.
pub(crate) const BUSY: Duration = Duration::from_secs(60);

pub(crate) const MAX_MESSAGE_LEN: usize = 3000;

/// How one direction of a connection behaves.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    /// Bytes that may be on their way.
    pub(crate) window: usize,
    pub(crate) max_segment: usize,
    pub(crate) max_read: usize,
    /// From when to when nothing arrives.
    pub(crate) stalls: Vec<(Duration, Duration)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A message in so many frames.
    Send {
        pad: usize,
        frame_count: usize,
    },
    Ping,
    Subscribe,
    Close,
    /// It neither reads nor writes any more, and nobody is told.
    Freeze,
    /// The connection breaks.
    Cut,
}

pub(crate) struct ClientPlan {
    pub(crate) connect_at: Duration,
    pub(crate) up: Link,
    pub(crate) down: Link,
    /// In the order of time.
    pub(crate) script: Vec<(Duration, Action)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerPlan {
    pub(crate) limits: Limits,
    pub(crate) max_backpressure: usize,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// Publications replace those before them for who lags; otherwise a subscriber that lags is closed.
    pub(crate) conflates: bool,
}

pub(crate) struct Plan {
    pub(crate) server: ServerPlan,
    pub(crate) clients: Vec<ClientPlan>,
    /// When, and how long.
    pub(crate) publications: Vec<(Duration, usize)>,
}

impl Plan {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let publications = times(random, 60).into_iter();
        let publications = publications.map(|time| (time, random.usize(0..900))).collect();
        Self {
            server: ServerPlan {
                limits: Limits {
                    max_message_len: MAX_MESSAGE_LEN,
                    max_frame_len: MAX_MESSAGE_LEN,
                    max_fragment_count: 8,
                },
                max_backpressure: random.usize(1000..9000),
                keep_alive: KeepAlive {
                    ping_interval: Some(Duration::from_secs(random.u64(1..10))),
                    idle_timeout: Some(Duration::from_secs(random.u64(10..30))),
                },
                handshake_timeout: Duration::from_secs(5),
                close_timeout: Duration::from_secs(5),
                conflates: random.bool(),
            },
            clients: (0..random.usize(1..4)).map(|_| ClientPlan::new(random)).collect(),
            publications,
        }
    }
}

impl ClientPlan {
    fn new(random: &mut Rng) -> Self {
        let connect_at = time(random, BUSY / 4);
        let (up, down) = (Link::new(random), Link::new(random));
        // Byte by byte even short messages are long.
        let max_len = if up.is_bytewise() || down.is_bytewise() { 60 } else { MAX_MESSAGE_LEN };
        let times = times(random, 40).into_iter();
        let mut script: Vec<_> = times.map(|time| (time, action(random, max_len))).collect();
        // Most end in one of the ways that connections end in.
        let end = match random.u8(0..10) {
            0..=2 => Some(Action::Close),
            3 => Some(Action::Freeze),
            4 => Some(Action::Cut),
            _ => None,
        };
        if let Some(end) = end {
            let at = random.usize(0..=script.len());
            let time = script.get(at).map_or(BUSY, |(time, _)| *time);
            script.insert(at, (time, end));
        }
        Self { connect_at, up, down, script }
    }
}

fn action(random: &mut Rng, max_len: usize) -> Action {
    match random.u8(0..8) {
        0 => Action::Ping,
        1 => Action::Subscribe,
        _ => {
            let len = if random.u8(0..4) == 0 { max_len } else { max_len.min(200) };
            let pad = random.usize(0..len - super::message::Content::LEN);
            Action::Send { pad, frame_count: random.usize(1..5) }
        }
    }
}

/// Fewer than `max_count` of them, in order.
fn times(random: &mut Rng, max_count: usize) -> Vec<Duration> {
    let mut times: Vec<_> = (0..random.usize(0..max_count)).map(|_| time(random, BUSY)).collect();
    // Much of what happens happens at once.
    if random.bool() {
        times.iter_mut().for_each(|time| *time = Duration::from_secs(time.as_secs() / 8 * 8));
    }
    times.sort_unstable();
    times
}

impl Link {
    fn is_bytewise(&self) -> bool {
        self.max_segment.min(self.max_read) < 20
    }

    fn new(random: &mut Rng) -> Self {
        // From byte by byte to all at once.
        let size = |random: &mut Rng| random.choice([1, 3, 20, 150, 5000, 60_000]).unwrap();
        let (max_segment, max_read) = (size(random), size(random));
        let stalls = (0..random.usize(0..3)).map(|_| {
            let from = time(random, BUSY);
            (from, from + time(random, Duration::from_secs(20)))
        });
        Self {
            stalls: stalls.collect(),
            latency: time(random, Duration::from_millis(300)),
            jitter: time(random, Duration::from_millis(200)),
            window: random.choice([300, 2000, 30_000]).unwrap(),
            max_segment,
            max_read,
        }
    }
}

fn time(random: &mut Rng, below: Duration) -> Duration {
    Duration::from_micros(random.u64(0..below.as_micros() as u64))
}
