//! Received bytes that could not be used up yet.

use super::connection::Io;
use super::core::Core;

/// The longest buffer that is kept for reuse, in bytes.
const MAX_KEPT_LEN: usize = 4096;

/// Part of a head or of a frame, or what was beyond the turn's budget. It exists only meanwhile.
#[derive(Debug, Default)]
pub(super) struct Carry {
    bytes: Vec<u8>,
}

impl Io {
    /// What was left over of earlier input.
    #[inline]
    pub(super) fn carried(&self) -> &[u8] {
        self.carry.as_ref().map_or(&[], |carry| &carry.bytes)
    }

    /// The bytes of memory that this lies in.
    pub(super) fn carried_held_len(&self) -> usize {
        self.carry.as_ref().map_or(0, |carry| carry.bytes.capacity())
    }

    /// Gives the memory back that is not needed for it.
    pub(super) fn tighten_carry(&mut self) {
        if let Some(carry) = &mut self.carry {
            carry.bytes.shrink_to_fit();
        }
    }

    /// Keeps `rest`, if there is any, for when more has arrived.
    #[inline]
    pub(super) fn carry_over(&mut self, core: &mut Core, rest: &[u8]) {
        if rest.is_empty() {
            self.drop_carry(core);
        } else {
            let carry = self.carry.get_or_insert_with(|| core.carries.take_or(Box::default));
            carry.bytes.clear();
            carry.bytes.extend_from_slice(rest);
        }
    }

    /// The carry is used up: it goes back to the pool unless it has grown large.
    #[inline]
    pub(super) fn drop_carry(&mut self, core: &mut Core) {
        if let Some(mut carry) = self.carry.take() {
            if carry.bytes.capacity() <= MAX_KEPT_LEN {
                carry.bytes.clear();
                core.carries.give(carry);
            }
        }
    }
}
