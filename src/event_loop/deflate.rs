//! permessage-deflate on a loop: who gets it, what is sent compressed, and what that comes to.
//!
//! The loop compresses, whichever thread has sent: so the order in which a connection's messages are
//! compressed is that in which they leave. Publications are the exception: they are compressed once
//! for all, by the loop that first needs it, wait behind what is sent to a connection alone, and pass
//! its own compressor by.

use bytes::Bytes;

use super::connection::{Io, Session};
use super::core::Core;
use super::flags::Flags;
use super::outlet::{MAX_CORK_LEN, Outlet};
use super::timer_wheel::Tick;
use crate::deflate::{CompressionMode, DedicatedCompression};
use crate::frame::{FrameHeader, HeaderRules, OpCode, encode_compressed_frame};
use crate::handshake::{ExtensionOffer, accept_deflate};
use crate::protocol::{Compress, Endpoint, Outgoing, Workspace};
use crate::pubsub::{Parcel, SharedFrame};

impl Core {
    /// Answers a client's offers: what to respond, and the connection's endpoint.
    pub(super) fn negotiate(&self, offers: &[ExtensionOffer]) -> (Option<String>, Endpoint) {
        let terms = self.workspace.terms();
        match terms.and_then(|terms| accept_deflate(offers, &terms)) {
            Some((response, agreement)) => {
                let endpoint = Endpoint::with_deflate(&self.workspace, &agreement);
                (Some(response.to_string()), endpoint)
            }
            None => (None, Endpoint::new()),
        }
    }

    /// Bytes received so far, bytes that they have become, and what has taken as much time.
    pub(super) fn taken_in(&self) -> u64 {
        self.counters.bytes_received + self.workspace.inflate_effort()
    }

    /// Brings the counters up to date.
    pub(super) fn count_deflated(&mut self) {
        let totals = self.workspace.deflate_totals();
        let counters = &mut self.counters;
        counters.dedicated_compressors = self.workspace.compressor_count() as u64;
        counters.messages_deflated = totals.messages_deflated;
        counters.deflated_from_bytes = totals.deflated_from_bytes;
        counters.deflated_to_bytes = totals.deflated_to_bytes;
        counters.messages_inflated = totals.messages_inflated;
        counters.inflated_from_bytes = totals.inflated_from_bytes;
        counters.inflated_to_bytes = totals.inflated_to_bytes;
    }
}

impl Session {
    /// When its compressor, if it has one, will not have been used for long enough.
    pub(super) fn rests_at(&self, core: &Core) -> Option<Tick> {
        let CompressionMode::Dedicated(dedicated) = core.config.compression.mode else {
            return None;
        };
        let DedicatedCompression { idle_after, .. } = dedicated;
        self.endpoint.used_at().map(|tick| Tick::from_u32(tick).after(idle_after))
    }

    /// Gives the compressor up: a peer understands messages that refer to none before them.
    pub(super) fn rest(&mut self) {
        self.endpoint.rest();
    }
}

impl Outlet<'_> {
    /// Puts a message into the cork, compressed, if that is agreed upon, wanted and shorter; says
    /// whether it did.
    pub(super) fn cork_compressed(&mut self, message: &Outgoing<'_>) -> bool {
        let payload = message.as_bytes();
        let wanted = is_wanted(&self.core.workspace, message.compress, payload.len());
        let corked = wanted && cork_compressed(self, message.opcode, payload);
        if corked && self.core.cork.len() >= self.core.max_cork_len {
            self.io.uncork(self.core);
        }
        corked
    }

    /// Sends whole frames, each compressed if that is agreed upon, wanted and shorter.
    pub(super) fn send_compressed(&mut self, frames: &[u8], compress: Compress) {
        let mut rest = frames;
        while let Some((header, payload, len)) = first_frame(rest) {
            let wanted = is_wanted(&self.core.workspace, compress, payload.len())
                && matches!(header.opcode, OpCode::Text | OpCode::Binary);
            if !(wanted && cork_compressed(self, header.opcode, payload)) {
                self.core.cork.extend_from_slice(&rest[..len]);
            }
            if self.core.cork.len() >= MAX_CORK_LEN {
                self.io.uncork(self.core);
            }
            rest = &rest[len..];
        }
        self.io.uncork(self.core);
    }
}

fn cork_compressed(outlet: &mut Outlet<'_>, opcode: OpCode, payload: &[u8]) -> bool {
    let Outlet { io, session, core } = outlet;
    // What waits may be publications, and some of them may leave first.
    let idle = io.queue.is_none();
    let had_none = session.endpoint.used_at().is_none();
    let compressed = session.endpoint.deflate(&mut core.workspace, payload, idle);
    if let Some(compressed) = compressed {
        encode_compressed_frame(&mut core.cork, true, opcode, None, compressed);
    }
    let is_compressed = compressed.is_some();
    session.endpoint.note_use(core.now.as_u32());
    if had_none {
        if let Some(tick) = session.rests_at(core) {
            io.look_at(core, tick);
        }
    }
    is_compressed
}

/// What a subscriber gets of a parcel instead of the plain frames; `None`: those.
pub(super) fn compressed_frames(
    core: &mut Core,
    io: &Io,
    session: &mut Session,
    parcel: &Parcel<'_>,
) -> Option<Bytes> {
    if !io.flags.contains(Flags::DEFLATES) {
        return None;
    }
    let workspace = &mut core.workspace;
    let compressed = parcel.shared.compressed(&mut |frame| compress_frames(workspace, frame));
    let differs = compressed.as_ptr() != parcel.frames.as_ptr();
    // No single message among them is longer than all of them.
    (differs && session.endpoint.pass_by(parcel.frames.len())).then_some(compressed)
}

/// Compresses what is to be, each by itself, for any number of connections.
fn compress_frames(workspace: &mut Workspace, frames: &SharedFrame) -> Bytes {
    let mut rest = &frames[..];
    let mut out = Vec::new();
    let mut any = false;
    while let Some((header, payload, len)) = first_frame(rest) {
        let wanted = is_wanted(workspace, frames.compress(), payload.len());
        match wanted.then(|| workspace.deflate_alone(payload)).flatten() {
            Some(compressed) => {
                any = true;
                encode_compressed_frame(&mut out, true, header.opcode, None, compressed);
            }
            None => out.extend_from_slice(&rest[..len]),
        }
        rest = &rest[len..];
    }
    if any { out.into() } else { (**frames).clone() }
}

fn is_wanted(workspace: &Workspace, compress: Compress, len: usize) -> bool {
    match compress {
        Compress::ByLength => len >= workspace.compression().min_len,
        Compress::Always => true,
        Compress::Never => false,
    }
}

/// The first of the frames as this side encodes them, its payload, and its length in all.
fn first_frame(frames: &[u8]) -> Option<(FrameHeader, &[u8], usize)> {
    let rules = HeaderRules { masked: false, rsv1_allowed: false };
    let (header, head_len) = FrameHeader::decode(frames, rules).ok().flatten()?;
    let len = head_len.checked_add(usize::try_from(header.payload_len).ok()?)?;
    Some((header, frames.get(head_len..len)?, len))
}
