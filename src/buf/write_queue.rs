//! Bytes that the socket did not take yet, in order, with room for urgent ones.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Small units are packed together up to about this many bytes a segment.
const PACKED_SEGMENT_LEN: usize = 16 * 1024;

/// Past this many unsent urgent bytes a new urgent unit replaces the ones that have not begun to
/// leave: RFC 6455 §5.5.3 lets a pong answer only the latest ping, so a ping flood stays bounded.
const MAX_URGENT_LEN: usize = 4 * 1024;

/// Finds, in packed units, the first boundary between units at or behind an offset.
pub type FindBoundary = fn(packed: &[u8], offset: usize) -> usize;

/// What one connection has to send.
///
/// A *unit* is what must not be interrupted: one frame, or a whole HTTP response. Urgent units
/// (control frames) go in at the next boundary between units, behind earlier urgent ones.
#[derive(Debug, Default)]
pub struct WriteQueue {
    segments: VecDeque<Segment>,
    /// How much of the first segment has been written.
    written: usize,
    /// Unsent bytes in all.
    len: usize,
}

#[derive(Debug)]
enum Segment {
    /// Whole units one behind another, whose boundaries can be found again.
    Packed(Vec<u8>),
    /// One unit in shared memory, usually a publication.
    Shared(Bytes),
    /// One unit: a short head, and a payload that is sent from where it lies.
    Split { head: Head, payload: Bytes },
    /// One unit that is no frame, such as an HTTP response.
    Opaque(Vec<u8>),
    /// Urgent units, whole.
    Urgent(Vec<u8>),
}

/// A frame header, held without an allocation.
#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: [u8; 14],
    len: u8,
}

impl Head {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Packed(bytes) | Self::Opaque(bytes) | Self::Urgent(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Split { head, payload } => usize::from(head.len) + payload.len(),
        }
    }
}

impl WriteQueue {
    /// Unsent bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether everything has been written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `units`, whole frames one behind another, to the end.
    pub fn push_units(&mut self, units: &[u8]) {
        self.push_units_from(units, 0);
    }

    /// Copies `units` to the end, of which the first `written` bytes have left already. Only into
    /// an empty queue may `written` be more than 0: what is half sent comes first.
    pub fn push_units_from(&mut self, units: &[u8], written: usize) {
        debug_assert!(written == 0 || self.is_empty(), "half-sent units go first");
        let units = if written == 0 {
            units
        } else {
            self.written = written;
            units
        };
        self.len += units.len() - written;
        if let Some(Segment::Packed(packed)) = self.segments.back_mut() {
            if packed.len() + units.len() <= PACKED_SEGMENT_LEN {
                packed.extend_from_slice(units);
                return;
            }
        }
        self.segments.push_back(Segment::Packed(units.to_vec()));
    }

    /// Adds one unit in shared memory to the end, of which `written` bytes have left already (more
    /// than 0 only into an empty queue). No copy.
    pub fn push_shared(&mut self, unit: Bytes, written: usize) {
        debug_assert!(written == 0 || self.is_empty(), "half-sent units go first");
        self.len += unit.len() - written;
        if written > 0 {
            self.written = written;
        }
        self.segments.push_back(Segment::Shared(unit));
    }

    /// Adds one unit made of a head of at most 14 bytes and a payload; the payload is not copied.
    /// `written` as in [`push_shared`](Self::push_shared).
    pub fn push_split(&mut self, head: &[u8], payload: Bytes, written: usize) {
        debug_assert!(written == 0 || self.is_empty(), "half-sent units go first");
        let mut bytes = [0; 14];
        bytes[..head.len()].copy_from_slice(head);
        self.len += head.len() + payload.len() - written;
        if written > 0 {
            self.written = written;
        }
        let head = Head { bytes, len: head.len() as u8 };
        self.segments.push_back(Segment::Split { head, payload });
    }

    /// Adds one unit that is no frame, such as an HTTP response.
    pub fn push_opaque(&mut self, unit: Vec<u8>) {
        self.len += unit.len();
        self.segments.push_back(Segment::Opaque(unit));
    }

    /// Adds an urgent `unit` at the next boundary between units, behind earlier urgent ones.
    ///
    /// `find_boundary` is asked only when the first segment is packed and partly written. When more
    /// than 4 KiB of urgent units wait, the ones that have not begun to leave are replaced.
    pub fn push_urgent(&mut self, unit: &[u8], find_boundary: FindBoundary) {
        if let Some(index) = self.urgent_index() {
            self.append_urgent(index, unit, find_boundary);
            return;
        }
        let index = self.open_boundary(find_boundary);
        self.segments.insert(index, Segment::Urgent(unit.to_vec()));
        self.len += unit.len();
    }

    /// Urgent units are only ever in the first or the second segment.
    fn urgent_index(&self) -> Option<usize> {
        self.segments.iter().take(2).position(|segment| matches!(segment, Segment::Urgent(_)))
    }

    fn append_urgent(&mut self, index: usize, unit: &[u8], find_boundary: FindBoundary) {
        let begun = if index == 0 { self.written } else { 0 };
        let Some(Segment::Urgent(urgent)) = self.segments.get_mut(index) else { return };
        if urgent.len() + unit.len() - begun > MAX_URGENT_LEN {
            let keep = if begun == 0 { 0 } else { find_boundary(urgent, begun) };
            self.len -= urgent.len() - keep;
            urgent.truncate(keep);
        }
        urgent.extend_from_slice(unit);
        self.len += unit.len();
    }

    /// The index at which a segment can go in before the next unit; splits a packed segment that is
    /// partly written.
    fn open_boundary(&mut self, find_boundary: FindBoundary) -> usize {
        if self.written == 0 {
            return 0;
        }
        if let Some(Segment::Packed(packed)) = self.segments.front_mut() {
            let boundary = find_boundary(packed, self.written).clamp(self.written, packed.len());
            if boundary < packed.len() {
                let rest = packed.split_off(boundary);
                self.segments.insert(1, Segment::Packed(rest));
            }
            if boundary == self.written {
                // The boundary is exactly here: what has left is done.
                self.segments.pop_front();
                self.written = 0;
                return 0;
            }
        }
        1
    }

    /// Fills `slices` with the bytes to send next, first first; returns how many it used.
    pub fn fill_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut skip = self.written;
        let mut put = |bytes: &'a [u8]| {
            let bytes = if skip >= bytes.len() {
                skip -= bytes.len();
                return true;
            } else {
                let rest = &bytes[skip..];
                skip = 0;
                rest
            };
            if count == slices.len() {
                return false;
            }
            slices[count] = IoSlice::new(bytes);
            count += 1;
            true
        };
        for segment in &self.segments {
            let more = match segment {
                Segment::Packed(bytes) | Segment::Opaque(bytes) | Segment::Urgent(bytes) => {
                    put(bytes)
                }
                Segment::Shared(bytes) => put(bytes),
                Segment::Split { head, payload } => put(head.as_slice()) && put(payload),
            };
            if !more {
                break;
            }
        }
        count
    }

    /// The next `len` bytes have been written.
    pub fn advance(&mut self, len: usize) {
        self.len -= len;
        self.written += len;
        while let Some(front) = self.segments.front() {
            let front_len = front.len();
            if self.written < front_len {
                break;
            }
            self.written -= front_len;
            self.segments.pop_front();
        }
    }

    /// Forgets everything that was not written.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.written = 0;
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Units of the tests: a length byte (of the whole unit) and filler.
    fn unit(len: u8, filler: u8) -> Vec<u8> {
        let mut unit = vec![filler; usize::from(len)];
        unit[0] = len;
        unit
    }

    fn find_boundary(packed: &[u8], offset: usize) -> usize {
        let mut at = 0;
        while at < offset {
            at += usize::from(packed[at]);
        }
        at
    }

    fn drain(queue: &mut WriteQueue, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = queue.fill_slices(&mut slices);
            assert!(count > 0, "an unempty queue has bytes to send");
            let mut taken = 0;
            for slice in &slices[..count] {
                let take = slice.len().min(step - taken);
                out.extend_from_slice(&slice[..take]);
                taken += take;
            }
            queue.advance(taken);
        }
        out
    }

    #[test]
    fn keeps_order_over_every_kind_of_segment_and_step() {
        for step in 1..40 {
            let mut queue = WriteQueue::default();
            queue.push_opaque(b"HTTP/1.1 101\r\n\r\n".to_vec());
            queue.push_units(b"\x03ab");
            queue.push_units(b"\x03cd");
            queue.push_shared(Bytes::from_static(b"\x05wxyz"), 0);
            queue.push_split(b"\x82\x04", Bytes::from_static(b"1234"), 0);
            queue.push_units(b"\x02!");
            let expected = b"HTTP/1.1 101\r\n\r\n\x03ab\x03cd\x05wxyz\x82\x041234\x02!";
            assert_eq!(queue.len(), expected.len());
            assert_eq!(drain(&mut queue, step), expected, "step {step}");
            assert_eq!(queue.len(), 0);
        }
    }

    #[test]
    fn half_sent_pieces_continue_where_they_stopped() {
        let mut queue = WriteQueue::default();
        queue.push_units_from(b"\x03ab\x03cd", 2);
        assert_eq!(drain(&mut queue, 100), b"b\x03cd");
        queue.push_shared(Bytes::from_static(b"\x05wxyz"), 4);
        assert_eq!(drain(&mut queue, 100), b"z");
        queue.push_split(b"\x82\x04", Bytes::from_static(b"1234"), 3);
        assert_eq!(drain(&mut queue, 100), b"234");
    }

    #[test]
    fn urgent_units_go_in_at_the_next_boundary_in_order() {
        for written in 0..=9 {
            let mut queue = WriteQueue::default();
            queue.push_units(b"\x03ab\x03cd\x03ef");
            let mut slices = [IoSlice::new(&[]); 1];
            queue.fill_slices(&mut slices);
            let mut out = slices[0][..written].to_vec();
            queue.advance(written);
            queue.push_urgent(b"\x02P", find_boundary);
            queue.push_urgent(b"\x02Q", find_boundary);
            out.extend(drain(&mut queue, 1000));
            let units: &[&[u8]] = &[b"\x03ab", b"\x03cd", b"\x03ef"];
            let before = written.div_ceil(3);
            let mut expected = units[..before].concat();
            expected.extend_from_slice(b"\x02P\x02Q");
            expected.extend(units[before..].concat());
            assert_eq!(out, expected, "after {written} bytes");
        }
    }

    #[test]
    fn urgent_units_wait_for_the_end_of_one_that_has_no_inner_boundary() {
        let mut queue = WriteQueue::default();
        queue.push_shared(Bytes::from_static(b"\x05wxyz"), 2);
        queue.push_units(b"\x03ab");
        queue.push_urgent(b"\x02P", find_boundary);
        assert_eq!(drain(&mut queue, 1), b"xyz\x02P\x03ab");
    }

    #[test]
    fn a_flood_of_urgent_units_stays_bounded_and_keeps_the_latest() {
        let mut queue = WriteQueue::default();
        queue.push_shared(Bytes::from(vec![1; 100]), 1);
        for i in 0..10_000_u32 {
            queue.push_urgent(&unit(100, i as u8), find_boundary);
            assert!(queue.len() <= 99 + MAX_URGENT_LEN);
        }
        let out = drain(&mut queue, 4096);
        assert!(out.ends_with(&unit(100, 9_999_u32 as u8)));
    }

    #[test]
    fn clearing_forgets_a_half_sent_unit() {
        let mut queue = WriteQueue::default();
        queue.push_units_from(b"\x03ab", 1);
        queue.clear();
        queue.push_units(b"\x02!");
        assert_eq!(drain(&mut queue, 10), b"\x02!");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Units(u8),
        Shared(u8),
        Split(u8),
        Urgent(u8),
        Send(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1_u8..60).prop_map(Step::Units),
            (1_u8..60).prop_map(Step::Shared),
            (2_u8..60).prop_map(Step::Split),
            (1_u8..20).prop_map(Step::Urgent),
            (1_usize..80).prop_map(Step::Send),
        ]
    }

    proptest! {
        /// Whatever is pushed and however little leaves at a time: ordinary units come out whole
        /// and in order, and so do urgent ones.
        #[test]
        fn units_stay_whole_and_in_order(steps in proptest::collection::vec(step(), 0..60)) {
            let mut queue = WriteQueue::default();
            let (mut ordinary, mut urgent) = (Vec::new(), Vec::new());
            let mut out = Vec::new();
            let mut filler = 100_u8;
            for step in steps {
                filler = if filler == 200 { 100 } else { filler + 1 };
                match step {
                    Step::Units(len) => {
                        ordinary.push(unit(len, filler));
                        queue.push_units(&unit(len, filler));
                    }
                    Step::Shared(len) => {
                        ordinary.push(unit(len, filler));
                        queue.push_shared(Bytes::from(unit(len, filler)), 0);
                    }
                    Step::Split(len) => {
                        let whole = unit(len, filler);
                        queue.push_split(&whole[..1], Bytes::copy_from_slice(&whole[1..]), 0);
                        ordinary.push(whole);
                    }
                    Step::Urgent(len) => {
                        urgent.push(unit(len, 255));
                        queue.push_urgent(&unit(len, 255), find_boundary);
                    }
                    Step::Send(most) => {
                        let mut slices = [IoSlice::new(&[]); 2];
                        let count = queue.fill_slices(&mut slices);
                        let sent: Vec<u8> =
                            slices[..count].iter().flat_map(|s| s.to_vec()).take(most).collect();
                        queue.advance(sent.len());
                        out.extend(sent);
                    }
                }
            }
            out.extend(drain(&mut queue, 1000));
            let (mut seen_ordinary, mut seen_urgent) = (Vec::new(), Vec::new());
            let mut rest = &out[..];
            while let Some(&len) = rest.first() {
                let (unit, after) = rest.split_at(usize::from(len));
                let is_urgent = unit.get(1) == Some(&255);
                // A unit of one byte has no filler to tell it by: both kinds may be that short.
                if is_urgent || (len == 1 && seen_ordinary.len() == ordinary.len()) {
                    seen_urgent.push(unit.to_vec());
                } else {
                    seen_ordinary.push(unit.to_vec());
                }
                rest = after;
            }
            prop_assert_eq!(seen_ordinary.len() + seen_urgent.len(), ordinary.len() + urgent.len());
            let long = |units: &[Vec<u8>]| units.iter().filter(|u| u.len() > 1).cloned().collect::<Vec<_>>();
            prop_assert_eq!(long(&seen_ordinary), long(&ordinary));
            prop_assert_eq!(long(&seen_urgent), long(&urgent));
        }
    }
}
