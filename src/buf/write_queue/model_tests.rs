//! The queue held against its twin, by random steps.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::WriteQueue;
use super::model::{DIRECT, LAST, Model, PUBLICATION, URGENT, Unit};
use super::tests::{contents, drain, queue, send, unit};

#[derive(Clone, Debug)]
enum Step {
    /// Direct units in one push.
    Units {
        len: u8,
        count: usize,
        shared: bool,
    },
    Split(u8),
    Adopted(u8),
    Opaque(u8),
    Urgent(u8),
    Publications {
        len: u8,
        count: usize,
        owner: u64,
        counted: bool,
    },
    Last(u8),
    /// The push of an empty queue: this much has left already.
    HalfSent {
        written: usize,
        publication: bool,
    },
    Send(usize),
    /// Drops this owner's publications up to this age.
    Drop {
        owner: u64,
        age: u32,
    },
    Tick(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let count = || prop_oneof![12 => 1_usize..4, 4 => 4_usize..12, 1 => Just(120)];
    prop_oneof![
        4 => (1_u8..200, count(), any::<bool>())
            .prop_map(|(len, count, shared)| Step::Units { len, count, shared }),
        1 => (2_u8..60).prop_map(Step::Split),
        1 => (2_u8..60).prop_map(Step::Adopted),
        1 => (1_u8..60).prop_map(Step::Opaque),
        3 => (1_u8..20).prop_map(Step::Urgent),
        6 => (1_u8..200, count(), 0_u64..3, prop::bool::weighted(0.8)).prop_map(
            |(len, count, owner, counted)| Step::Publications { len, count, owner, counted }
        ),
        1 => (1_u8..40).prop_map(Step::Last),
        1 => (1_usize..90, any::<bool>())
            .prop_map(|(written, publication)| Step::HalfSent { written, publication }),
        6 => prop_oneof![1_usize..80, 1_usize..4000].prop_map(Step::Send),
        2 => (0_u64..3, 0_u32..6).prop_map(|(owner, age)| Step::Drop { owner, age }),
        2 => (0_u32..3).prop_map(Step::Tick),
    ]
}

/// The queue and its twin, which must agree after every step.
struct Pair {
    queue: WriteQueue,
    model: Model,
    now: u32,
    filler: u8,
}

impl Pair {
    fn model_push(&mut self, class: usize, bytes: &[u8], owner: u64, count: u32) {
        let unit = Unit { bytes: bytes.to_vec(), owner, count, at: self.now };
        self.model.push(class, unit);
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.filler = self.filler.wrapping_add(1);
        let (now, filler) = (self.now, self.filler);
        let pushes_more =
            !matches!(step, Step::Urgent(_) | Step::Send(_) | Step::Drop { .. } | Step::Tick(_));
        if pushes_more && self.model.is_ending() {
            return Ok(());
        }
        match *step {
            Step::Units { len, count, shared } => {
                let unit = unit(len, filler);
                (0..count).for_each(|_| self.model_push(DIRECT, &unit, 0, 0));
                let units = unit.repeat(count);
                if shared {
                    self.queue.push_direct_shared(&Bytes::from(units), 0, now);
                } else {
                    self.queue.push_direct(&units, 0, now);
                }
            }
            Step::Split(len) => {
                let unit = unit(len, filler);
                self.model_push(DIRECT, &unit, 0, 0);
                self.queue.push_split(&unit[..1], Bytes::copy_from_slice(&unit[1..]), 0, now);
            }
            Step::Adopted(len) => {
                let unit = unit(len, filler);
                self.model_push(DIRECT, &unit, 0, 0);
                self.queue.push_adopted(&unit[..1], 1..unit.len(), 0, now);
                prop_assert_eq!(self.queue.adopt(unit), Ok(()));
            }
            Step::Opaque(len) => {
                let unit = vec![filler; usize::from(len)];
                let first = self.queue.is_empty();
                self.model_push(DIRECT, &unit, 0, 0);
                if first {
                    self.model.begin();
                }
                self.queue.push_opaque(unit, 0, now);
            }
            Step::Urgent(len) => {
                if !self.model.has_begun_to_end() {
                    self.model_push(URGENT, &unit(len, filler), 0, 0);
                }
                self.queue.push_urgent(&unit(len, filler), now);
            }
            Step::Publications { len, count, owner, counted } => {
                let unit = unit(len, filler);
                (0..count).for_each(|_| {
                    self.model_push(PUBLICATION, &unit, owner, u32::from(counted));
                });
                let units = Bytes::from(unit.repeat(count));
                let count = if counted { count as u32 } else { 0 };
                self.queue.push_publication(&units, 0, owner, count, now);
            }
            Step::Last(len) => {
                self.model_push(LAST, &unit(len, filler), 0, 0);
                self.model_push(LAST, b"\x02C", 0, 0);
                self.queue.push_last(&[&unit(len, filler), &b"\x02C"[..]].concat(), 0, now);
            }
            Step::HalfSent { .. } if !self.queue.is_empty() => {}
            Step::HalfSent { written, publication } => {
                let (class, owner) = if publication { (PUBLICATION, 1) } else { (DIRECT, 0) };
                let unit = unit(31, filler);
                for _ in 0..3 {
                    self.model_push(class, &unit, owner, u32::from(publication));
                }
                self.model.advance(written);
                if publication {
                    let units = Bytes::from(unit.repeat(3));
                    self.queue.push_publication(&units, written, owner, 3, now);
                } else {
                    self.queue.push_direct(&unit.repeat(3), written, now);
                }
            }
            Step::Send(most) => {
                let expected = self.model.bytes();
                let sent = send(&mut self.queue, most);
                prop_assert_eq!(&sent, &expected[..sent.len()]);
                self.model.advance(sent.len());
            }
            Step::Drop { owner, age } => {
                let is_expired = |of: u64, at: u32| of == owner && now.wrapping_sub(at) >= age;
                let mut counts = BTreeMap::new();
                let len = self.queue.drop_publications(is_expired, |owner, count| {
                    *counts.entry(owner).or_default() += count;
                });
                prop_assert_eq!((len, counts), self.model.drop_publications(is_expired));
            }
            Step::Tick(ticks) => self.now = now.wrapping_add(ticks),
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let expected = self.model.bytes();
        prop_assert_eq!(self.queue.len(), expected.len());
        prop_assert_eq!(self.queue.is_empty(), expected.is_empty());
        prop_assert_eq!(contents(&self.queue), expected);
        // A packed unit counts as old as the first in its segment: never as younger than it is.
        let age = |at: u32| self.now.wrapping_sub(at);
        let oldest = self.model.units().map(|unit| age(unit.at)).max();
        let seen = self.queue.oldest_at(self.now).map(age);
        prop_assert_eq!(seen.is_some(), oldest.is_some());
        prop_assert!(seen >= oldest);
        if ![URGENT, DIRECT].iter().any(|&class| self.model.had(class)) {
            prop_assert_eq!(seen, oldest, "publications keep their times");
        }
        Ok(())
    }
}

proptest! {
    /// Whatever is pushed and however little leaves at a time, the bytes that will leave are those
    /// of the model: whole units, each class in order, the higher class first at every boundary.
    #[test]
    fn agrees_with_the_model(
        steps in proptest::collection::vec(step(), 0..60),
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 10)],
    ) {
        let mut pair = Pair { queue: queue(), model: Model::default(), now: start, filler: 0 };
        for step in &steps {
            pair.apply(step)?;
            pair.compare()?;
        }
        let expected = pair.model.bytes();
        prop_assert_eq!(drain(&mut pair.queue, 1000), expected);
    }
}
