//! What waits in one piece.

use std::ops::Range;

use bytes::Bytes;

/// Small units are packed together up to this many bytes a segment.
pub(super) const PACKED_SEGMENT_LEN: usize = 16 * 1024;

/// Up to here a copy behind its neighbours is cheaper than a segment, and a slice of a vectored
/// write, of its own.
pub(super) const MAX_COPIED_LEN: usize = 1024;

/// Finds, in units one behind another, the first boundary between units at or behind an offset.
pub type FindBoundary = fn(units: &[u8], offset: usize) -> usize;

/// Units of one class that lie one behind another in memory.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) body: Body,
    pub(super) label: Label,
}

#[derive(Debug)]
pub(super) enum Body {
    /// Units that were copied here.
    Packed(Vec<u8>),
    /// Units in shared memory.
    Shared(Bytes),
    /// One unit: a short head, and a payload that is sent from where it lies.
    Split(Box<(Head, Bytes)>),
    /// One unit: a short head, and a payload in a buffer that follows.
    Adopted(Box<Adopted>),
    /// One unit that is no frame: there is no boundary to be found in it.
    Opaque(Vec<u8>),
}

/// A payload that lies in a buffer which somebody still looks at: its length counts, and its bytes
/// come with [`WriteQueue::adopt`](super::WriteQueue::adopt), before anything is written.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) head: Head,
    pub(super) payload: Range<usize>,
    pub(super) buffer: Option<Vec<u8>>,
}

/// What is remembered of a segment's units.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Label {
    /// When the first of them was pushed.
    pub(super) at: u32,
    /// How many publications they are.
    pub(super) count: u32,
    /// What they are publications of.
    pub(super) owner: u64,
}

/// A frame header, held without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    bytes: [u8; 14],
    len: u8,
}

impl Label {
    pub(super) fn pushed_at(at: u32) -> Self {
        Self { at, ..Self::default() }
    }

    /// Whether publications so labelled may share a segment: they are dropped together or not at
    /// all, and each unit stands for one of them or none does, so that a part can be counted.
    pub(super) fn joins(&self, other: &Self) -> bool {
        self.owner == other.owner && self.at == other.at && (self.count == 0) == (other.count == 0)
    }
}

impl Head {
    /// `head` is at most 14 bytes.
    pub(super) fn new(head: &[u8]) -> Self {
        let mut bytes = [0; 14];
        bytes[..head.len()].copy_from_slice(head);
        Self { bytes, len: head.len() as u8 }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Adopted(unit) => usize::from(unit.head.len) + unit.payload.len(),
            _ => self.pieces().iter().map(|piece| piece.len()).sum(),
        }
    }

    /// Its bytes, in order.
    pub(super) fn pieces(&self) -> [&[u8]; 2] {
        match &self.body {
            Body::Packed(bytes) | Body::Opaque(bytes) => [bytes, &[]],
            Body::Shared(bytes) => [bytes, &[]],
            Body::Split(unit) => [unit.0.as_slice(), &unit.1],
            Body::Adopted(unit) => {
                debug_assert!(unit.buffer.is_some(), "a buffer is adopted before it is written");
                let payload = unit.buffer.as_deref().and_then(|it| it.get(unit.payload.clone()));
                [unit.head.as_slice(), payload.unwrap_or_default()]
            }
        }
    }

    /// Whether it is known to be a single unit.
    pub(super) fn is_one_unit(&self) -> bool {
        matches!(self.body, Body::Split(_) | Body::Adopted(_) | Body::Opaque(_))
    }

    /// Copies `units` behind its own if all of it stays small; `spare` is an empty vector whose
    /// memory may be used.
    pub(super) fn append(&mut self, units: &[u8], spare: &mut Vec<u8>) -> bool {
        let len = self.len();
        if len + units.len() > PACKED_SEGMENT_LEN {
            return false;
        }
        match &mut self.body {
            Body::Packed(packed) => extend(packed, units),
            // One alone is shared for nothing; now there are two.
            Body::Shared(shared) if len <= MAX_COPIED_LEN => {
                let mut packed = std::mem::take(spare);
                extend(&mut packed, shared);
                extend(&mut packed, units);
                self.body = Body::Packed(packed);
            }
            Body::Shared(_) | Body::Split(_) | Body::Adopted(_) | Body::Opaque(_) => return false,
        }
        true
    }

    /// Cuts it behind the unit that `written`, more than 0, lies in or at the end of; returns what
    /// follows, with its share of the count. What stays is on its way: nobody counts it again.
    pub(super) fn split_behind(
        &mut self,
        written: usize,
        find_boundary: FindBoundary,
    ) -> Option<Self> {
        if self.is_one_unit() {
            return None;
        }
        let len = self.len();
        let [units, _] = self.pieces();
        let boundary = find_boundary(units, written).clamp(written, len);
        if boundary == len {
            return None;
        }
        let count = count_units(&units[boundary..], self.label.count, find_boundary);
        let body = match &mut self.body {
            Body::Packed(packed) => Body::Packed(packed.split_off(boundary)),
            Body::Shared(shared) => Body::Shared(shared.split_off(boundary)),
            Body::Split(_) | Body::Adopted(_) | Body::Opaque(_) => return None,
        };
        Some(Self { body, label: Label { count, ..self.label } })
    }
}

/// How many units there are, counted up to `max`.
fn count_units(units: &[u8], max: u32, find_boundary: FindBoundary) -> u32 {
    let (mut count, mut rest) = (0, units);
    while count < max && !rest.is_empty() {
        let end = find_boundary(rest, 1).clamp(1, rest.len());
        rest = &rest[end..];
        count += 1;
    }
    count
}

/// Doubles the capacity when it has to grow, but not beyond what a packed segment may hold.
pub(super) fn extend(packed: &mut Vec<u8>, units: &[u8]) {
    let len = packed.len() + units.len();
    if len > packed.capacity() {
        let capacity = (2 * packed.capacity()).min(PACKED_SEGMENT_LEN).max(len);
        packed.reserve_exact(capacity - packed.len());
    }
    packed.extend_from_slice(units);
}
