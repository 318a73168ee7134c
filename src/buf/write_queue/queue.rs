//! The queue: four lists, and the unit that is leaving.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::Bytes;

use super::FindBoundary;
use super::segment::{
    Adopted, Body, Head, Label, MAX_COPIED_LEN, PACKED_SEGMENT_LEN, Segment, extend,
};

/// Past this many unsent urgent bytes a new urgent unit replaces the ones that have not begun to
/// leave: RFC 6455 §5.5.3 lets a pong answer only the latest ping, so a ping flood stays bounded.
pub(super) const MAX_URGENT_LEN: usize = 4 * 1024;

/// An emptied list that has grown beyond so many segments gives its memory back.
const MAX_KEPT_SEGMENTS: usize = 64;

/// What one connection has to send.
///
/// A *unit* is what must not be interrupted: one frame, or a whole HTTP response. The unit that has
/// begun to leave is finished first. Then come urgent units (control frames), then direct ones
/// (messages to this connection alone), then publications, each in the order in which they were
/// pushed, and last of all what ends with a close frame: nothing may follow that (RFC 6455 §5.5.1).
///
/// Every push says when it happens: `at` is a point in time in ticks of the caller's clock, which
/// may wrap as long as nothing waits for 2³¹ of them. Where a push takes `written`, so many bytes of
/// it have left already; more than 0 only if the queue is empty, for what is half sent comes first.
#[derive(Debug)]
pub struct WriteQueue {
    /// What has begun to leave, taken out of its list.
    head: Option<Leaving>,
    /// What has not, by class.
    waiting: [VecDeque<Segment>; CLASS_COUNT],
    /// Unsent bytes in all.
    len: usize,
    /// When bytes last left, or the first came.
    moved_at: u32,
    /// Empty; its memory serves the next packed segment.
    spare: Vec<u8>,
    /// An adopted buffer that has been written.
    spent: Option<Vec<u8>>,
    find_boundary: FindBoundary,
}

/// In the order in which they leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Urgent,
    Direct,
    Publication,
    Last,
}

const CLASS_COUNT: usize = Class::Last as usize + 1;
const CLASSES: [Class; CLASS_COUNT] =
    [Class::Urgent, Class::Direct, Class::Publication, Class::Last];

#[derive(Debug)]
struct Leaving {
    segment: Segment,
    class: Class,
    written: usize,
    /// The unit that has begun is the last one in it. Unless it is settled, nothing waits that goes
    /// before the rest of it.
    settled: bool,
}

impl WriteQueue {
    /// An empty queue; `find_boundary` knows the units. It is asked only where packed or shared
    /// units are partly written and something else has to go in between them.
    #[must_use]
    pub fn new(find_boundary: FindBoundary) -> Self {
        Self {
            head: None,
            waiting: Default::default(),
            len: 0,
            moved_at: 0,
            spare: Vec::new(),
            spent: None,
            find_boundary,
        }
    }

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

    /// Adds an urgent `unit`.
    ///
    /// When more than 4 KiB of urgent units would wait, the ones that have not begun to leave are
    /// replaced.
    pub fn push_urgent(&mut self, unit: &[u8], at: u32) {
        if !self.make_way(Class::Urgent) {
            return;
        }
        let waiting = &mut self.waiting[Class::Urgent as usize];
        let waiting_len: usize = waiting.iter().map(Segment::len).sum();
        if waiting_len + unit.len() > MAX_URGENT_LEN {
            waiting.clear();
            self.len -= waiting_len;
        }
        self.push_copy(Class::Urgent, unit, 0, at);
    }

    /// Copies direct `units`, whole frames one behind another.
    pub fn push_direct(&mut self, units: &[u8], written: usize, at: u32) {
        if self.make_way(Class::Direct) {
            self.push_copy(Class::Direct, units, written, at);
        }
    }

    /// Adds direct units in shared memory; large ones are not copied.
    pub fn push_direct_shared(&mut self, units: &Bytes, written: usize, at: u32) {
        if self.make_way(Class::Direct) {
            self.push_shared(Class::Direct, units, written, Label::pushed_at(at));
        }
    }

    /// Adds one direct unit made of a head of at most 14 bytes and a payload, which is not copied.
    pub fn push_split(&mut self, head: &[u8], payload: Bytes, written: usize, at: u32) {
        if self.make_way(Class::Direct) {
            let body = Body::Split(Box::new((Head::new(head), payload)));
            self.push_segment(Class::Direct, body, written, Label::pushed_at(at));
        }
    }

    /// Adds one direct unit made of a head of at most 14 bytes and a payload in a buffer that the
    /// caller does not have yet. Follow with [`adopt`](Self::adopt) before the queue is written from
    /// or anything else is adopted.
    pub fn push_adopted(&mut self, head: &[u8], payload: Range<usize>, written: usize, at: u32) {
        if self.make_way(Class::Direct) {
            let adopted = Adopted { head: Head::new(head), payload, buffer: None };
            let body = Body::Adopted(Box::new(adopted));
            self.push_segment(Class::Direct, body, written, Label::pushed_at(at));
        }
    }

    /// Takes the buffer that the last [`push_adopted`](Self::push_adopted) was about.
    /// [`take_spent`](Self::take_spent) gives it back once it is written.
    ///
    /// # Errors
    ///
    /// The buffer, if nothing in the queue waits for one or it is too short.
    pub fn adopt(&mut self, buffer: Vec<u8>) -> Result<(), Vec<u8>> {
        let head = self.head.as_mut().map(|head| &mut head.segment);
        let segments = head.into_iter().chain(&mut self.waiting[Class::Direct as usize]);
        let orphan = segments.rev().find_map(|segment| match &mut segment.body {
            Body::Adopted(unit) if unit.buffer.is_none() => Some(unit),
            _ => None,
        });
        match orphan {
            Some(unit) if unit.payload.end <= buffer.len() => {
                unit.buffer = Some(buffer);
                Ok(())
            }
            _ => Err(buffer),
        }
    }

    /// An adopted buffer that has been written and is of no use here any more.
    pub fn take_spent(&mut self) -> Option<Vec<u8>> {
        self.spent.take()
    }

    /// Adds one direct unit that is no frame, such as an HTTP response. In an empty queue it has
    /// begun to leave: no control frame goes before the response that opens the connection.
    pub fn push_opaque(&mut self, unit: Vec<u8>, written: usize, at: u32) {
        if !self.make_way(Class::Direct) {
            return;
        }
        let (first, label) = (self.is_empty(), Label::pushed_at(at));
        self.push_segment(Class::Direct, Body::Opaque(unit), written, label);
        if first && self.head.is_none() {
            self.head = self.next();
        }
    }

    /// Adds `units`, which are `count` publications of `owner`: one each, or 0 for what belongs to
    /// them but is not counted. Small ones are copied, if others of the same owner and the same
    /// `at` are there to be packed together with.
    pub fn push_publication(
        &mut self,
        units: &Bytes,
        written: usize,
        owner: u64,
        count: u32,
        at: u32,
    ) {
        if self.make_way(Class::Publication) {
            self.push_shared(Class::Publication, units, written, Label { at, count, owner });
        }
    }

    /// Copies `units`, the last of which is a close frame, behind everything else. From then on
    /// only urgent units may be pushed; they go before it, or nowhere once it has begun to leave.
    pub fn push_last(&mut self, units: &[u8], written: usize, at: u32) {
        if self.make_way(Class::Last) {
            self.push_copy(Class::Last, units, written, at);
        }
    }

    /// When the oldest of what waits was pushed, seen from `now`; units that were packed behind
    /// others count as old as the first of them.
    #[must_use]
    pub fn oldest_at(&self, now: u32) -> Option<u32> {
        let age = |at: u32| i32::max(now.wrapping_sub(at) as i32, 0);
        let head = self.head.as_ref().map(|head| &head.segment);
        let fronts = self.waiting.iter().filter_map(VecDeque::front);
        head.into_iter().chain(fronts).map(|segment| segment.label.at).max_by_key(|&at| age(at))
    }

    /// Drops everything that has not begun to leave; returns how many bytes that were.
    pub fn drop_unbegun(&mut self) -> usize {
        self.settle();
        self.waiting.iter_mut().for_each(VecDeque::clear);
        let left = self.head.as_ref().map_or(0, |head| head.segment.len() - head.written);
        let dropped_len = self.len - left;
        self.len = left;
        self.trim_if_empty();
        dropped_len
    }

    /// Since when nothing has left of what waits, as told by [`moved`](Self::moved).
    #[must_use]
    pub fn moved_at(&self) -> u32 {
        self.moved_at
    }

    /// Bytes have left at `at`, or the first have come.
    pub fn moved(&mut self, at: u32) {
        self.moved_at = at;
    }

    /// Drops the publications that have not begun to leave and of which `is_expired(owner, at)`
    /// says so; tells `dropped` of each owner and how many, maybe repeatedly. Returns how many
    /// bytes they were. O(segments of publications).
    pub fn drop_publications(
        &mut self,
        mut is_expired: impl FnMut(u64, u32) -> bool,
        mut dropped: impl FnMut(u64, u32),
    ) -> usize {
        if let Some(Leaving { segment, class: Class::Publication, settled: false, .. }) = &self.head
        {
            if is_expired(segment.label.owner, segment.label.at) {
                self.settle();
            }
        }
        let mut dropped_len = 0;
        self.waiting[Class::Publication as usize].retain(|segment| {
            let Label { at, count, owner } = segment.label;
            let expired = is_expired(owner, at);
            if expired {
                dropped_len += segment.len();
                dropped(owner, count);
            }
            !expired
        });
        self.len -= dropped_len;
        self.trim_if_empty();
        dropped_len
    }

    /// Fills `slices` with the bytes to send next, first first; returns how many it used.
    pub fn fill_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.head.as_ref().map_or(0, |head| head.written);
        let head = self.head.iter().map(|head| &head.segment);
        let segments = head.chain(self.waiting.iter().flatten());
        let mut count = 0;
        for piece in segments.flat_map(Segment::pieces) {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let Some(slice) = slices.get_mut(count) else { break };
            *slice = IoSlice::new(&piece[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// The next `len` bytes have been written.
    pub fn advance(&mut self, mut len: usize) {
        self.len -= len;
        while len > 0 {
            let Some(mut head) = self.head.take().or_else(|| self.next()) else { break };
            let unsent = head.segment.len() - head.written;
            if len < unsent {
                head.written += len;
                self.head = Some(head);
                break;
            }
            len -= unsent;
            self.recycle(head.segment);
        }
        self.trim_if_empty();
    }

    /// Forgets everything that was not written.
    pub fn clear(&mut self) {
        self.head = None;
        self.waiting.iter_mut().for_each(VecDeque::clear);
        self.len = 0;
        self.trim_if_empty();
    }

    fn push_copy(&mut self, class: Class, units: &[u8], written: usize, at: u32) {
        let label = Label::pushed_at(at);
        if written == 0 && self.pack(class, units, &label) {
            return;
        }
        let mut packed = std::mem::take(&mut self.spare);
        extend(&mut packed, units);
        self.push_segment(class, Body::Packed(packed), written, label);
    }

    fn push_shared(&mut self, class: Class, units: &Bytes, written: usize, label: Label) {
        let copied = written == 0 && units.len() <= MAX_COPIED_LEN;
        if !(copied && self.pack(class, units, &label)) {
            self.push_segment(class, Body::Shared(units.clone()), written, label);
        }
    }

    /// Copies `units` into the segment that they would follow, if they may share one.
    fn pack(&mut self, class: Class, units: &[u8], label: &Label) -> bool {
        let back = match self.waiting[class as usize].back_mut() {
            Some(back) => back,
            None => match &mut self.head {
                Some(head) if head.class == class && !head.settled => &mut head.segment,
                _ => return false,
            },
        };
        if class == Class::Publication && !back.label.joins(label) {
            return false;
        }
        let packed = back.append(units, &mut self.spare);
        if packed {
            back.label.count += label.count;
            self.len += units.len();
        }
        packed
    }

    fn push_segment(&mut self, class: Class, body: Body, written: usize, label: Label) {
        debug_assert!(written == 0 || self.is_empty(), "half-sent units go first");
        let segment = Segment { body, label };
        let unsent = segment.len() - written;
        if unsent == 0 {
            return;
        }
        self.len += unsent;
        if written > 0 {
            let settled = segment.is_one_unit();
            self.head = Some(Leaving { segment, class, written, settled });
        } else {
            self.waiting[class as usize].push_back(segment);
        }
    }

    /// Sees to it that units of `class` can go in where they belong; `false` when that is nowhere,
    /// because the close frame has begun to leave.
    fn make_way(&mut self, class: Class) -> bool {
        let is_ending = self.has_last();
        debug_assert!(
            class == Class::Urgent || !is_ending,
            "only urgent units are pushed once there is a close frame"
        );
        let Some(head) = &self.head else { return true };
        // Urgent units are replaced by later ones, but for the one that has begun.
        if class < head.class || class == Class::Urgent {
            self.settle();
        }
        !is_ending || !self.waiting[Class::Last as usize].is_empty()
    }

    fn has_last(&self) -> bool {
        !self.waiting[Class::Last as usize].is_empty()
            || self.head.as_ref().is_some_and(|head| head.class == Class::Last)
    }

    /// Cuts the head behind the unit that has begun; the rest goes back to the front of its list.
    fn settle(&mut self) {
        let Some(head) = &mut self.head else { return };
        if std::mem::replace(&mut head.settled, true) {
            return;
        }
        let rest = head.segment.split_behind(head.written, self.find_boundary);
        let (class, unsent) = (head.class, head.segment.len() - head.written);
        if let Some(rest) = rest {
            self.waiting[class as usize].push_front(rest);
        }
        if unsent == 0 {
            // The boundary was exactly there.
            self.head = None;
        }
    }

    /// Takes out what leaves next.
    fn next(&mut self) -> Option<Leaving> {
        let class = CLASSES.into_iter().find(|&class| !self.waiting[class as usize].is_empty())?;
        let segment = self.waiting[class as usize].pop_front()?;
        let settled = segment.is_one_unit();
        Some(Leaving { segment, class, written: 0, settled })
    }

    /// Keeps a written segment's memory for the next one, unless it is large.
    fn recycle(&mut self, segment: Segment) {
        match segment.body {
            Body::Packed(mut packed)
                if packed.capacity() > self.spare.capacity()
                    && packed.capacity() <= PACKED_SEGMENT_LEN =>
            {
                packed.clear();
                self.spare = packed;
            }
            Body::Adopted(unit) => self.spent = unit.buffer,
            _ => {}
        }
    }

    /// What a queue keeps when it is empty, be it idle in a pool, is bounded.
    fn trim_if_empty(&mut self) {
        if self.is_empty() {
            for list in &mut self.waiting {
                if list.capacity() > MAX_KEPT_SEGMENTS {
                    *list = VecDeque::new();
                }
            }
        }
    }
}
