//! What a loop owns beside its connections and its poller.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::at_hand::AtHand;
use super::carry::Carry;
use super::config::LoopConfig;
use super::counters::Counters;
use super::lifetimes::Lifetimes;
use super::link::LoopLink;
use super::memory::share_of;
use super::outlet::{MAX_CORK_LEN, SPLIT_FROM_LEN};
use super::post::OwnMail;
use super::throttle::Throttling;
use super::timer_wheel::{Clock, Tick, TimerWheel};
use super::unfinished::Unfinished;
use crate::buf::{Pool, WriteQueue};
use crate::protocol::{Role, Workspace};

/// Idle write queues and carry buffers kept for reuse.
const MAX_IDLE_COUNT: usize = 256;

/// Stands on the timer wheel where connections' places do.
pub(super) const RETIREMENT: u32 = u32::MAX;

/// How often idle buffers are looked at while they hold much.
const RETIREMENT_INTERVAL: Duration = Duration::from_secs(1);

/// Resources that a connection uses while it is its turn.
// In this order: what lies first is reached without an offset, which is a register less, and four
// instructions a message.
#[repr(C)]
pub(crate) struct Core {
    /// Frames that the connection at hand sends in this turn. Empty between connections.
    pub(super) cork: Vec<u8>,
    pub(super) link: Arc<LoopLink>,
    pub(super) config: LoopConfig,
    /// While cork and message together are shorter than this, in bytes, every limit is far.
    pub(super) max_eased_len: usize,
    /// Once the cork holds so many bytes it is offered to the socket: with nothing in front of it, it
    /// never takes the room that the next message needs.
    pub(super) max_cork_len: usize,
    pub(super) workspace: Workspace,
    /// The wheel has an entry for when the workspace's idle buffers are looked at.
    retires: bool,
    pub(super) at_hand: AtHand,
    pub(super) queues: Pool<Box<WriteQueue>>,
    pub(super) carries: Pool<Box<Carry>>,
    pub(super) own_mail: Rc<OwnMail>,
    pub(super) clock: Clock,
    /// The tick of this turn: time is read once a turn.
    pub(super) now: Tick,
    pub(super) wheel: TimerWheel,
    /// Nobody is given up before: the loop has not run for a while, and could hear nobody.
    pub(super) lenient_until: Tick,
    /// Connections to come back to in the next turn, though no readiness will say so.
    pub(super) ready: Vec<u32>,
    /// Connections with publications in their queue that have not been offered to the socket.
    pub(super) dirty: VecDeque<u32>,
    /// Connections that are made to wait, or were so not long ago. Most have never been here.
    pub(super) throttled: HashMap<u32, Throttling>,
    pub(super) lifetimes: Lifetimes,
    /// While no more than this waits for the loop's connections, in bytes, all loops together are within
    /// their limit.
    pub(super) queued_share: u64,
    pub(super) unfinished: Unfinished,
    pub(super) counters: Counters,
}

impl Core {
    pub(super) fn new(link: Arc<LoopLink>, config: LoopConfig, loop_count: usize) -> Self {
        let clock = link.clock;
        let tick = clock.tick(Instant::now());
        Self {
            cork: Vec::with_capacity(config.read_buffer_len),
            max_eased_len: SPLIT_FROM_LEN.min(config.max_backpressure / 2),
            max_cork_len: MAX_CORK_LEN.min(config.max_backpressure / 2),
            workspace: workspace(&config),
            retires: false,
            at_hand: AtHand::default(),
            queues: Pool::new(MAX_IDLE_COUNT),
            carries: Pool::new(MAX_IDLE_COUNT),
            own_mail: OwnMail::new(link.clone()),
            clock,
            now: tick,
            wheel: TimerWheel::new(tick),
            lenient_until: tick,
            ready: Vec::new(),
            dirty: VecDeque::new(),
            throttled: HashMap::new(),
            lifetimes: Lifetimes::new(),
            queued_share: share_of(config.limits.max_queued_len, loop_count),
            unfinished: Unfinished::new(&config, loop_count, tick),
            counters: Counters::default(),
            link,
            config,
        }
    }

    /// Sees to it that idle buffers that hold much are looked at.
    #[inline]
    pub(super) fn plan_retirement(&mut self) {
        if self.workspace.keeps_much() && !self.retires {
            self.retires = true;
            self.wheel.insert(RETIREMENT, self.now.after(RETIREMENT_INTERVAL));
        }
    }

    /// Frees idle buffers that have not been used of late.
    pub(super) fn retire(&mut self) {
        self.retires = false;
        self.workspace.retire();
    }
}

fn workspace(config: &LoopConfig) -> Workspace {
    let workspace = Workspace::new(Role::Server, config.limits.of_messages());
    #[cfg(feature = "deflate")]
    let workspace = workspace.with_compression(config.compression);
    workspace
}
