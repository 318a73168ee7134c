//! Stands in for permessage-deflate where the crate is built without it: nothing is compressed.

use bytes::Bytes;

use super::connection::{Io, Session};
use super::core::Core;
use super::outlet::Outlet;
use super::timer_wheel::Tick;
use crate::handshake::ExtensionOffer;
use crate::protocol::{Compress, Endpoint, Outgoing};
use crate::pubsub::Parcel;

impl Core {
    #[allow(clippy::unused_self)]
    pub(super) fn negotiate(&self, _: &[ExtensionOffer]) -> (Option<String>, Endpoint) {
        (None, Endpoint::new())
    }

    pub(super) fn taken_in(&self) -> u64 {
        self.counters.bytes_received
    }

    pub(super) fn count_deflated(&mut self) {}
}

#[allow(clippy::unused_self)]
impl Session {
    pub(super) const fn rests_at(&self, _: &Core) -> Option<Tick> {
        None
    }

    pub(super) fn rest(&mut self) {}
}

impl Outlet<'_> {
    #[allow(clippy::unused_self)]
    pub(super) fn cork_compressed(&mut self, _: &Outgoing<'_>) -> bool {
        false
    }

    pub(super) fn send_compressed(&mut self, frames: &[u8], _: Compress) {
        self.io.send_frames(self.core, frames);
    }
}

#[inline]
pub(super) fn compressed_frames(
    _: &mut Core,
    _: &Io,
    _: &mut Session,
    _: &Parcel<'_>,
) -> Option<Bytes> {
    None
}
