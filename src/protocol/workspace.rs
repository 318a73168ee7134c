//! What the endpoints of one thread share.

use super::assembly::Assembly;
use super::{AssembledMessage, Limits, Role};
use crate::buf::{Pool, ReceiveBuffer};

/// Idle buffers kept for reuse.
const MAX_IDLE_COUNT: usize = 32;

/// Bytes of memory that the idle buffers hold together at most; what is beyond is freed.
const MAX_KEPT_LEN: usize = 8 << 20;

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

    /// Takes a message's buffer back for the next one. Keeps at most 32 buffers, and 8 MiB.
    pub fn recycle(&mut self, message: AssembledMessage) {
        self.give(message.0);
    }

    /// Takes the memory of a message back whose buffer went its own way.
    pub(crate) fn recycle_buffer(&mut self, bytes: Vec<u8>) {
        self.give_buffer(bytes.into());
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
            workspace.recycle_buffer(vec![0; 1 << 20]);
        }
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (8 << 20, 8));
        let assembly = workspace.take();
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (7 << 20, 7));
        workspace.give(assembly);
        assert_eq!((workspace.kept_len, workspace.buffers.idle_count()), (8 << 20, 8));
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
