//! Stands in for permessage-deflate where the crate is built without it.

use super::assembly::Assembly;
use super::{AssembledMessage, ProtocolError, Workspace};
use crate::frame::FrameError;

/// Never negotiated: RSV1 is refused with the frame's first byte.
#[derive(Debug, Default)]
pub(super) struct Deflation;

#[allow(clippy::unused_self)]
impl Deflation {
    #[inline]
    pub(super) const fn is_negotiated(&self) -> bool {
        false
    }

    pub(super) fn inflate(
        &mut self,
        _: &mut Workspace,
        _: bool,
        _: &[u8],
    ) -> Result<AssembledMessage, ProtocolError> {
        Err(FrameError::ReservedBits.into())
    }

    pub(super) fn inflate_assembled(
        &mut self,
        _: &mut Workspace,
        _: Box<Assembly>,
    ) -> Result<AssembledMessage, ProtocolError> {
        Err(FrameError::ReservedBits.into())
    }
}

pub(super) const fn max_compressed_len(len: usize) -> usize {
    len
}
