//! The queue's slow, obvious twin: a list of units a class, and the rest of the one that is leaving.

use std::collections::{BTreeMap, VecDeque};

/// The classes, in the order in which they leave.
pub(super) const URGENT: usize = 0;
pub(super) const DIRECT: usize = 1;
pub(super) const PUBLICATION: usize = 2;
pub(super) const LAST: usize = 3;

#[derive(Clone)]
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    pub(super) owner: u64,
    pub(super) count: u32,
    pub(super) at: u32,
}

#[derive(Default)]
pub(super) struct Model {
    leaving: Option<(usize, Unit)>,
    waiting: [VecDeque<Unit>; 4],
    pushed: [bool; 4],
}

impl Model {
    pub(super) fn push(&mut self, class: usize, unit: Unit) {
        self.pushed[class] = true;
        self.waiting[class].push_back(unit);
    }

    /// Whether there ever was a unit of the class.
    pub(super) fn had(&self, class: usize) -> bool {
        self.pushed[class]
    }

    /// Takes the next unit out of its list: it has begun to leave.
    pub(super) fn begin(&mut self) {
        if self.leaving.is_none() {
            let next = self.waiting.iter_mut().enumerate();
            let mut next = next.filter_map(|(class, list)| Some((class, list.pop_front()?)));
            self.leaving = next.next();
        }
    }

    pub(super) fn advance(&mut self, mut len: usize) {
        while len > 0 {
            self.begin();
            let (_, unit) = self.leaving.as_mut().expect("no more is written than was pushed");
            let taken = len.min(unit.bytes.len());
            unit.bytes.drain(..taken);
            len -= taken;
            if unit.bytes.is_empty() {
                self.leaving = None;
            }
        }
    }

    /// Drops expired publications; returns their bytes and how many they were by owner.
    pub(super) fn drop_publications(
        &mut self,
        is_expired: impl Fn(u64, u32) -> bool,
    ) -> (usize, BTreeMap<u64, u32>) {
        let (mut len, mut counts) = (0, BTreeMap::new());
        self.waiting[PUBLICATION].retain(|unit| {
            let expired = is_expired(unit.owner, unit.at);
            if expired {
                len += unit.bytes.len();
                *counts.entry(unit.owner).or_default() += unit.count;
            }
            !expired
        });
        (len, counts)
    }

    /// Whether a class has units that have not begun to leave.
    pub(super) fn has_waiting(&self, class: usize) -> bool {
        !self.waiting[class].is_empty()
    }

    /// Whether the last unit of all has been pushed and not yet written.
    pub(super) fn is_ending(&self) -> bool {
        self.has_waiting(LAST) || self.leaving.as_ref().is_some_and(|(class, _)| *class == LAST)
    }

    /// Whether that has begun to leave.
    pub(super) fn has_begun_to_end(&self) -> bool {
        self.is_ending() && !self.has_waiting(LAST)
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        let leaving = self.leaving.iter().map(|(_, unit)| unit);
        leaving.chain(self.waiting.iter().flatten())
    }

    /// All that will be written if nothing more is pushed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.units().flat_map(|unit| unit.bytes.iter().copied()).collect()
    }
}
