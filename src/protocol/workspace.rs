//! What the endpoints of one thread share.

use super::assembly::Assembly;
use super::{AssembledMessage, Limits, Role};
use crate::buf::Pool;

/// Idle assembly buffers kept for reuse.
const MAX_IDLE_COUNT: usize = 32;

/// The longest buffer that is kept for reuse, in bytes; longer ones are freed.
const MAX_KEPT_LEN: usize = 256 * 1024;

/// Role, limits and buffers that many endpoints use in turn, so that an idle endpoint holds none.
#[derive(Debug)]
pub struct Workspace {
    pub(super) role: Role,
    pub(super) limits: Limits,
    /// Messages of fewer bytes may come in one masked frame: none at all to a client.
    pub(super) whole_limit: usize,
    idle: Pool<Box<Assembly>>,
}

impl Workspace {
    /// A workspace for endpoints of `role` under `limits`.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        let whole_limit = match role {
            Role::Server => limits.max_frame_len.min(limits.max_message_len).saturating_add(1),
            Role::Client => 0,
        };
        Self { role, limits, whole_limit, idle: Pool::new(MAX_IDLE_COUNT) }
    }

    /// The limits that the endpoints obey.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a message's buffer back for the next one. Keeps at most 32 buffers of at most 256 KiB.
    pub fn recycle(&mut self, message: AssembledMessage) {
        self.give(message.0);
    }

    pub(super) fn take(&mut self) -> Box<Assembly> {
        self.idle.take_or(Box::default)
    }

    pub(super) fn give(&mut self, mut assembly: Box<Assembly>) {
        assembly.reset(MAX_KEPT_LEN);
        self.idle.give(assembly);
    }
}
