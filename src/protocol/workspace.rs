//! What the endpoints of one thread share.

use super::assembly::Assembly;
use super::{AssembledMessage, Limits, Role};
use crate::buf::{Pool, ReceiveBuffer};

/// Idle buffers kept for reuse.
const MAX_IDLE_COUNT: usize = 32;

/// Bytes of memory that the idle buffers hold together at most; what is beyond is freed at once.
const MAX_KEPT_LEN: usize = 32 << 20;

/// What they may hold for good; beyond this, what is not used is freed after a while.
const MAX_RESTING_LEN: usize = 8 << 20;

/// Role, limits and buffers that many endpoints use in turn, so that an idle endpoint holds none.
#[derive(Debug)]
pub struct Workspace {
    pub(super) role: Role,
    pub(super) limits: Limits,
    /// Messages of fewer bytes may come in one masked frame: none at all to a client.
    pub(super) whole_limit: usize,
    /// Without buffers: those are kept apart, for some leave with their messages.
    assemblies: Pool<Box<Assembly>>,
    buffers: Pool<ReceiveBuffer>,
    /// Fragments that have been opened.
    pub(super) fragment_count: u64,
    /// What the idle buffers hold together.
    kept_len: usize,
    #[cfg(feature = "deflate")]
    pub(super) deflate: super::deflation::Shared,
}

impl Workspace {
    /// A workspace for endpoints of `role` under `limits`.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        let whole_limit = match role {
            Role::Server => limits.max_frame_len.min(limits.max_message_len).saturating_add(1),
            Role::Client => 0,
        };
        Self {
            role,
            limits,
            whole_limit,
            assemblies: Pool::new(MAX_IDLE_COUNT),
            buffers: Pool::new(MAX_IDLE_COUNT),
            fragment_count: 0,
            kept_len: 0,
            #[cfg(feature = "deflate")]
            deflate: super::deflation::Shared::default(),
        }
    }

    /// The limits that the endpoints obey.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Frames of which messages were put together, or that have begun to arrive, of all endpoints.
    pub(crate) fn fragment_count(&self) -> u64 {
        self.fragment_count
    }

    /// Takes a message's buffer back for the next one. Keeps at most 32 buffers and 32 MiB, and 8 MiB
    /// for good: see [`retire`](Self::retire).
    pub fn recycle(&mut self, message: AssembledMessage) {
        self.give(message.0);
    }

    /// Takes the memory of a message back whose buffer went its own way.
    pub(crate) fn recycle_buffer(&mut self, bytes: Vec<u8>) {
        self.give_buffer(bytes.into());
    }

    /// Whether the idle buffers hold more than they may for good: [`retire`](Self::retire) is to be
    /// called about every second.
    #[inline]
    #[must_use]
    pub fn keeps_much(&self) -> bool {
        self.kept_len > MAX_RESTING_LEN
    }

    /// Frees buffers that have not been used since the last call, until the idle ones hold 8 MiB.
    pub fn retire(&mut self) {
        while self.keeps_much() {
            let Some(buffer) = self.buffers.retire() else { break };
            self.kept_len -= buffer.capacity();
        }
        self.buffers.look_again();
    }

    pub(super) fn take(&mut self) -> Box<Assembly> {
        let mut assembly = self.assemblies.take_or(Box::default);
        let buffer = self.buffers.take_or(ReceiveBuffer::default);
        self.kept_len -= buffer.capacity();
        assembly.put_buffer(buffer);
        assembly
    }

    pub(super) fn give(&mut self, mut assembly: Box<Assembly>) {
        self.give_buffer(assembly.reset());
        self.assemblies.give(assembly);
    }

    fn give_buffer(&mut self, mut buffer: ReceiveBuffer) {
        let len = buffer.capacity();
        let fits = self.kept_len + len <= MAX_KEPT_LEN && self.buffers.has_room();
        if fits && len > 0 {
            buffer.clear();
            self.kept_len += len;
            self.buffers.give(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace::new(Role::Server, Limits::default())
    }

    #[test]
    fn large_buffers_are_kept_as_far_as_their_sum_allows() {
        let mut workspace = workspace();
        for _ in 0..20 {
            workspace.recycle_buffer(vec![0; 2 << 20]);
        }
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (32 << 20, 16));
        let assembly = workspace.take();
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (30 << 20, 15));
        workspace.give(assembly);
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (32 << 20, 16));
    }

    #[test]
    fn large_buffers_that_are_not_used_are_freed_after_a_while() {
        let mut workspace = workspace();
        (0..12).for_each(|_| workspace.recycle_buffer(vec![0; 1 << 20]));
        assert!(workspace.keeps_much());
        workspace.retire();
        assert_eq!(workspace.kept_len, 12 << 20, "they have only just come");
        let used: Vec<_> = (0..10).map(|_| workspace.take()).collect();
        used.into_iter().for_each(|assembly| workspace.give(assembly));
        workspace.retire();
        assert_eq!(workspace.kept_len, 10 << 20, "ten are in use at times");
        workspace.retire();
        assert_eq!(workspace.kept_len, 8 << 20);
        assert!(!workspace.keeps_much());
    }

    #[test]
    fn small_buffers_are_kept_as_far_as_their_number_allows() {
        let mut workspace = workspace();
        for _ in 0..100 {
            workspace.recycle_buffer(vec![0; 10]);
        }
        workspace.recycle_buffer(Vec::new());
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (320, 32));
        let all: Vec<_> = (0..40).map(|_| workspace.take()).collect();
        assert_eq!(workspace.kept_len, 0);
        all.into_iter().for_each(|assembly| workspace.give(assembly));
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (320, 32));
    }
}
